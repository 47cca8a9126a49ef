// Goal: whole services keep every promise under a swarm of faults, for a fixed dozen of seeds (`concordat sim` runs thousands), and for every
// plan that once failed. Same plan, same trace hash; another seed, another one.
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { serviceMaker } from '../../runtime/models/service/service.ts'
import { FAULTS, type Plan } from '../../runtime/sim/plan.ts'
import { formatPlan, parsePlan } from '../../runtime/sim/plan-file.ts'
import { runPlan, type RunResult } from '../../runtime/sim/run.ts'
import { drawPlan } from '../../runtime/sim/swarm.ts'

const planOf = (seed: number, steps = 3000): Plan => drawPlan({ seed, steps })
const run = (plan: Plan): RunResult => runPlan(plan, serviceMaker())

const SEEDS = [2, 5, 6, 14, 18, 24, 25, 28, 29, 30, 35, 39]
const SAVED = new URL('./plans/', import.meta.url)

describe('a simulated service', () => {
  it.each(SEEDS)('keeps its promises (seed %i)', (seed) => {
    const result = run(planOf(seed))
    expect(result.violation).toBeUndefined()
    expect(result.committed).toBeGreaterThan(20)
  })

  it('keeps them with real cryptography', () => {
    const result = run({ ...planOf(3, 600), crypto: 'real' })
    expect(result.violation).toBeUndefined()
  })

  it('is put through elections, crashes and every kind of fault by these seeds', () => {
    const plans = SEEDS.map((seed) => planOf(seed))
    const drawn = new Set(plans.flatMap(({ actions }) => actions.map((action) => action.do)))
    expect([...drawn].sort().join(' ')).toBe(
      'add-node burst clock clog crash cut full-disk isolate mend partition rekey remove-node slow-disk slow-signing unclog weather',
    )
    expect(new Set(plans.flatMap(({ faults }) => faults))).toEqual(new Set(FAULTS))
  })

  it.each(readdirSync(SAVED).filter((name) => name.endsWith('.sim.json')))('keeps them in %s', (name) => {
    expect(run(parsePlan(readFileSync(new URL(name, SAVED), 'utf8'), name)).violation).toBeUndefined()
  })
})

describe('a run', () => {
  it('is the same again for the same plan, also after it was a file', () => {
    const plan = planOf(2)
    const first = run(plan)
    expect(run(plan)).toEqual(first)
    expect(run(parsePlan(formatPlan(plan), 'plan'))).toEqual(first)
    expect(first.hash).toMatch(/^[0-9a-f]{16}$/)
  })

  it('is another one for another seed, and for another decision in the same plan', () => {
    const plan = planOf(2)
    const { hash } = run(plan)
    expect(run(planOf(3)).hash).not.toBe(hash)
    expect(run({ ...plan, seed: plan.seed + 1 }).hash).not.toBe(hash)
    expect(run({ ...plan, actions: [{ at: 100, do: 'isolate', node: 0 }, ...plan.actions] }).hash).not.toBe(hash)
  })

  it('without faults has no election and loses nothing', () => {
    const plan = drawPlan({ seed: 1, steps: 3000, faults: [], nodes: 3 })
    expect(plan.actions).toEqual([])
    expect(run(plan)).toMatchObject({ elections: 0, crashed: 0, violation: undefined })
  })

  it('with some faults left out has those of the others unchanged', () => {
    const all = planOf(25)
    const left = all.faults.slice(1)
    const some = drawPlan({ seed: 25, steps: 3000, faults: left })
    const kinds = new Set(some.actions.map((action) => action.do))
    expect(kinds.size).toBeGreaterThan(4)
    // A storm is made of the weather's faults, so it changes when one of them is left out.
    const calm = (plan: Plan) => plan.actions.filter((action) => action.do !== 'weather' && kinds.has(action.do))
    expect(calm(some)).toEqual(calm(all))
  })
})

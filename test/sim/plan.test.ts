// Goal: plans are data: drawn from seeds the same way for ever, read from files strictly, described in a line, and shrunk to what is needed.
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../protocols/errors.ts'
import { describeAction, FAULTS, type Action, type Plan } from '../../runtime/sim/plan.ts'
import { formatPlan, parsePlan } from '../../runtime/sim/plan-file.ts'
import { shrink } from '../../runtime/sim/shrink.ts'
import { drawPlan } from '../../runtime/sim/swarm.ts'
import type { Violation } from '../../runtime/sim/world.ts'

const planOf = (seed: number): Plan => drawPlan({ seed, steps: 20_000 })

describe('drawn plans', () => {
  it('are the same for the same seed, in order, and within the service', () => {
    for (let seed = 0; seed < 200; seed++) {
      const plan = planOf(seed)
      expect(planOf(seed)).toEqual(plan)
      expect(plan.actions.every(({ at }, i) => at >= (plan.actions[i - 1]?.at ?? 0))).toBe(true)
      expect(parsePlan(formatPlan(plan), 'plan')).toEqual(plan)
    }
  })

  it('have every kind of fault at times, and each at times not', () => {
    const plans = Array.from({ length: 60 }, (_, seed) => planOf(seed))
    for (const fault of FAULTS) {
      const having = plans.filter(({ faults }) => faults.includes(fault)).length
      expect(having, fault).toBeGreaterThan(10)
      expect(having, fault).toBeLessThan(50)
    }
    expect(new Set(plans.map(({ nodes }) => nodes)).size).toBeGreaterThan(4)
  })

  it('have only the faults that are allowed, and as many nodes as asked for', () => {
    for (let seed = 0; seed < 20; seed++) {
      const plan = drawPlan({ seed, steps: 5000, nodes: 4, faults: ['crash'] })
      expect(plan.nodes).toBe(4)
      expect(plan.actions.every((action) => action.do === 'crash')).toBe(true)
      expect(plan.weather).toMatchObject({
        lossPerMille: 0,
        duplicationPerMille: 0,
        reorderPerMille: 0,
        delayMs: [1, 2],
      })
    }
  })
})

describe('plan files', () => {
  const plan = planOf(1)
  const broken = (change: object): string => {
    try {
      parsePlan(JSON.stringify({ ...plan, ...change }), 'x.sim.json')
    } catch (error) {
      if (error instanceof UsageError) return error.message
      throw error
    }
    return ''
  }

  it('are refused in one line that names the field', () => {
    expect(() => parsePlan('{', 'x.sim.json')).toThrow(new UsageError('x.sim.json is not JSON'))
    expect(broken({ format: 'concordat-sim/0' })).toMatch(/^x.sim.json is no plan: format: /)
    expect(broken({ nodes: 0 })).toMatch(/nodes: /)
    expect(broken({ seed: 'one' })).toMatch(/seed: /)
    expect(broken({ actions: [{ at: 1, do: 'explode' }] })).toMatch(/actions\.0\.do: /)
    expect(broken({ actions: [{ at: 1, do: 'crash', node: 99 }] })).toMatch(/actions\.0\.node: /)
    expect(broken({ extra: 1 })).toMatch(/extra: /)
    expect(broken({})).toBe('')
  })
})

describe('actions', () => {
  const described: readonly [Action, string][] = [
    [{ at: 1, do: 'crash', node: 'primary' }, 'crash primary'],
    [{ at: 1, do: 'isolate', node: 2 }, 'isolate n2'],
    [{ at: 1, do: 'cut', from: 0, to: 2 }, 'cut n0 → n2'.replace('cut n0', 'cut n0')],
    [{ at: 1, do: 'partition', side: [0, 3] }, 'partition n0,n3'],
    [{ at: 1, do: 'slow-disk', node: 1, fsyncMs: [5, 10] }, 'slow-disk n1 fsyncMs 5–10'],
    [{ at: 1, do: 'burst', node: 'primary', requests: 20 }, 'burst primary requests 20'],
    [{ at: 1, do: 'mend' }, 'mend'],
  ]
  it.each(described)('are read by people: %j', (action, text) => {
    expect(describeAction(action)).toBe(text)
  })
})

describe('shrinking', () => {
  const violation: Violation = { checker: 'X', message: 'broken', step: 900, timeMs: 1 }

  /** A world in which the promise breaks when all of these are in the plan, in this order. */
  const breaksWith =
    (needed: readonly string[], extra: (plan: Plan) => boolean = () => true) =>
    (plan: Plan): Violation | undefined => {
      const kinds = plan.actions.map(describeAction)
      let from = 0
      for (const kind of needed) {
        const at = kinds.indexOf(kind, from)
        if (at < 0) return undefined
        from = at + 1
      }
      return plan.steps >= 900 && extra(plan) ? violation : undefined
    }

  const actions = Array.from({ length: 64 }, (_, i): Action => ({ at: 10 * i, do: 'crash', node: i % 5 }))
  const plan: Plan = { ...planOf(3), nodes: 5, steps: 20_000, actions }

  it('leaves the actions that are needed and nothing else', () => {
    const run = breaksWith(['crash n1', 'crash n0', 'crash n2'])
    const shrunk = shrink({ plan, violation, run, runsMax: 1000 })
    expect(shrunk.plan.actions.map(describeAction)).toEqual(['crash n1', 'crash n0', 'crash n2'])
    expect(shrunk.plan).toMatchObject({ nodes: 3, clients: { count: 0 } })
    expect(shrunk.plan.steps).toBeLessThan(1300)
    expect(run(shrunk.plan)).toEqual(violation)
  })

  it('finds that no action is needed', () => {
    expect(shrink({ plan, violation, run: breaksWith([]), runsMax: 1000 }).plan.actions).toEqual([])
  })

  it('tries other seeds, and keeps the one that fails', () => {
    const run = breaksWith(['crash n3'], ({ seed, actions: left }) => left.length > 30 || seed !== plan.seed)
    const shrunk = shrink({ plan, violation, run, runsMax: 1000 })
    expect(shrunk.plan.actions).toHaveLength(1)
    expect(run(shrunk.plan)).toEqual(violation)
  })

  it('keeps what fails for another reason out', () => {
    const other: Violation = { ...violation, checker: 'Y' }
    const run = (candidate: Plan): Violation => (candidate.actions.length === 64 ? violation : other)
    expect(shrink({ plan, violation, run, runsMax: 200 }).plan.actions).toHaveLength(64)
  })

  it('stops when its runs are used up', () => {
    let runs = 0
    const run = (candidate: Plan) => (runs++, breaksWith(['crash n1', 'crash n0'])(candidate))
    expect(shrink({ plan, violation, run, runsMax: 25 }).runs).toBeLessThanOrEqual(25)
    expect(runs).toBeLessThanOrEqual(25)
  })
})

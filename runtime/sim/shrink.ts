// Makes a failing plan small while the same checker fails: fewer actions (delta debugging: Zeller & Hildebrandt, TSE 2002), fewer nodes
// and steps, calmer weather, fewer clients.
// The rule to remember: a smaller plan is another run, in which other messages are lost; so a candidate is tried with a few seeds before
// it is given up, and the plan that results carries the seed with which it fails.
import { CALM } from '../host/sim.ts'
import { USUAL_KNOBS, type Action, type Plan } from './plan.ts'
import type { Violation } from './world.ts'

export interface ShrinkOptions {
  readonly plan: Plan
  /** What the plan breaks. */
  readonly violation: Violation
  readonly run: (plan: Plan) => Violation | undefined
  /** Runs at most. */
  readonly runsMax: number
}

export interface Shrunk {
  readonly plan: Plan
  readonly violation: Violation
  readonly runs: number
}

/** Seeds tried for a candidate. */
const SEEDS = 4
/** Steps kept after the failing one, so that a plan that takes a little longer still gets there. */
const STEPS_SPARE = 20

export function shrink(options: ShrinkOptions): Shrunk {
  const shrinker = new Shrinker(options)
  let before: Plan
  do {
    before = shrinker.plan
    shrinker.cutEnd()
    shrinker.fewerActions()
    shrinker.simplify()
  } while (shrinker.plan !== before && shrinker.runs < options.runsMax)
  return { plan: shrinker.plan, violation: shrinker.violation, runs: shrinker.runs }
}

class Shrinker {
  readonly #options: ShrinkOptions
  plan: Plan
  violation: Violation
  runs = 0

  constructor(options: ShrinkOptions) {
    this.#options = options
    this.plan = options.plan
    this.violation = options.violation
  }

  /** Keeps the candidate if it fails as the plan does. */
  #keeps(candidate: Plan): boolean {
    for (let i = 0; i < SEEDS && this.runs < this.#options.runsMax; i++) {
      const plan = i === 0 ? candidate : { ...candidate, seed: candidate.seed + 7919 * i }
      this.runs++
      const violation = this.#options.run(plan)
      if (violation?.checker !== this.#options.violation.checker) continue
      this.plan = plan
      this.violation = violation
      return true
    }
    return false
  }

  /** Nothing is needed after the step at which it fails. */
  cutEnd(): void {
    const steps = this.violation.step + STEPS_SPARE
    if (steps >= this.plan.steps) return
    this.#keeps({ ...this.plan, steps, actions: this.plan.actions.filter(({ at }) => at < steps) })
  }

  /** ddmin: without ever smaller parts of the list, until no single action can go. */
  fewerActions(): void {
    let parts = 2
    while (this.plan.actions.length > 0 && this.runs < this.#options.runsMax) {
      const { actions } = this.plan
      const size = Math.ceil(actions.length / parts)
      let isSmaller = false
      for (let from = 0; from < this.plan.actions.length && !isSmaller; from += size) {
        isSmaller = this.#keeps({ ...this.plan, actions: without(actions, from, size) })
      }
      if (isSmaller) parts = Math.max(2, parts - 1)
      else if (size === 1) return
      else parts = Math.min(actions.length, 2 * parts)
    }
  }

  /** Whatever can be usual instead of drawn, one thing after the other. */
  simplify(): void {
    for (const change of SIMPLER) {
      const candidate = change(this.plan)
      if (JSON.stringify(candidate) !== JSON.stringify(this.plan)) this.#keeps(candidate)
    }
  }
}

const without = (actions: readonly Action[], from: number, count: number): Action[] => [
  ...actions.slice(0, from),
  ...actions.slice(from + count),
]

const fewerNodes =
  (nodes: number) =>
  (plan: Plan): Plan =>
    nodes >= plan.nodes ? plan : { ...plan, nodes, actions: plan.actions.filter((action) => isAmong(action, nodes)) }

/** True if the action speaks of the first `nodes` nodes only. */
function isAmong(action: Action, nodes: number): boolean {
  const { node, from, to, side } = action as Partial<Record<string, unknown>>
  const numbers = [node, from, to, ...(Array.isArray(side) ? (side as unknown[]) : [])]
  return numbers.every((number) => typeof number !== 'number' || number < nodes)
}

const SIMPLER: readonly ((plan: Plan) => Plan)[] = [
  fewerNodes(3),
  fewerNodes(2),
  fewerNodes(1),
  (plan) => ({ ...plan, weather: CALM }),
  (plan) => ({ ...plan, weather: { ...plan.weather, lossPerMille: 0 } }),
  (plan) => ({ ...plan, weather: { ...plan.weather, duplicationPerMille: 0 } }),
  (plan) => ({ ...plan, weather: { ...plan.weather, reorderPerMille: 0 } }),
  (plan) => ({ ...plan, weather: { ...plan.weather, delayMs: CALM.delayMs } }),
  (plan) => ({ ...plan, knobs: USUAL_KNOBS }),
  (plan) => ({ ...plan, clients: { ...plan.clients, count: 0 } }),
  (plan) => ({ ...plan, clients: { ...plan.clients, count: Math.min(1, plan.clients.count), batchMax: 1 } }),
  (plan) => ({ ...plan, steps: Math.floor((plan.steps * 3) / 4) }),
]

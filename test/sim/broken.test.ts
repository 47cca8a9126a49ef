// Goal: the simulator finds defects. Actors broken on purpose are found within a small budget; what is found shrinks to a short list of
// actions, which, saved and read back, breaks the same promise at the same step.
import { describe, expect, it } from 'vitest'
import { erase, unchanged, type AnyActorDefinition } from '../../actors/actor.ts'
import type { Effect } from '../../actors/effects.ts'
import { ledgerWriter } from '../../actors/ledger-writer/ledger-writer.ts'
import type { MachineState } from '../../actors/machine.ts'
import { node } from '../../actors/node/node.ts'
import { replica } from '../../actors/replica/replica.ts'
import type { ReplicaState } from '../../actors/replica/state.ts'
import type { AppendEntriesResponse, RequestVoteResponse } from '../../protocols/consensus/messages.ts'
import { serviceMaker } from '../../runtime/models/service/service.ts'
import { USUAL_KNOBS, type Plan } from '../../runtime/sim/plan.ts'
import { formatPlan, parsePlan } from '../../runtime/sim/plan-file.ts'
import { runPlan } from '../../runtime/sim/run.ts'
import { shrink } from '../../runtime/sim/shrink.ts'
import { drawPlan } from '../../runtime/sim/swarm.ts'
import type { Violation } from '../../runtime/sim/world.ts'

type Change = (effect: Effect, state: ReplicaState) => Effect

/** The definition with every effect of its steps changed. */
function withEffects(definition: AnyActorDefinition, change: Change): AnyActorDefinition {
  return {
    ...definition,
    step(state, envelope) {
      const step = definition.step(state, envelope)
      const { s } = step.state as MachineState<ReplicaState>
      return { ...step, effects: step.effects.map((effect) => change(effect, s)) }
    },
  }
}

/** Known bug B5 (consensus.md §19): an answer speaks of the end of the log instead of what the message verified. */
const acknowledges = (end: (s: ReplicaState) => number) =>
  withEffects(erase(replica), (effect, s) => {
    if (effect.type !== 'send' || effect.message.type !== 'AppendEntriesResponse') return effect
    const message = effect.message as AppendEntriesResponse
    if (!message.success) return effect
    const wrong: AppendEntriesResponse = { ...message, lastLogIdx: Math.max(message.lastLogIdx, end(s)) }
    return { ...effect, message: wrong }
  })
const acknowledgesItsEnd = acknowledges((s) => s.log.end - 1)
/** The same, but honest about its disk: harmless unless its entries are of a view that lost. */
const acknowledgesItsDisk = acknowledges((s) => s.durableIdx)

/** Votes for whoever asks. */
const votesForAll = withEffects(erase(replica), (effect) => {
  if (effect.type !== 'send' || effect.message.type !== 'RequestVoteResponse') return effect
  const message: RequestVoteResponse = { ...(effect.message as RequestVoteResponse), voteGranted: true }
  return { ...effect, message }
})

/** Says that entries are durable before they are. */
const neverFlushes = withEffects(erase(ledgerWriter), (effect) =>
  effect.type === 'append' ? { ...effect, flush: false } : effect,
)

interface Found {
  readonly plan: Plan
  readonly violation: Violation
}

const runWith =
  (broken: AnyActorDefinition) =>
  (plan: Plan): Violation | undefined =>
    runPlan(plan, serviceMaker([broken])).violation

/** The first of `seeds` seeds that fails because of the actor, not without it. */
function find(broken: AnyActorDefinition, seeds: number, steps: number): Found {
  for (let seed = 1; seed <= seeds; seed++) {
    const plan = drawPlan({ seed, steps })
    const violation = runWith(broken)(plan)
    if (violation !== undefined && runPlan(plan, serviceMaker()).violation === undefined) return { plan, violation }
  }
  throw new Error(`${seeds} seeds found nothing`)
}

describe('an actor broken on purpose is found', () => {
  it('that acknowledges the end of its log; and the plan shrinks and replays', () => {
    const { plan, violation } = find(acknowledgesItsEnd, 10, 4000)
    const run = runWith(acknowledgesItsEnd)
    const shrunk = shrink({ plan, violation, run, runsMax: 300 })
    expect(shrunk.violation.checker).toBe(violation.checker)
    expect(shrunk.plan.actions.length).toBeLessThanOrEqual(15)
    expect(shrunk.plan.actions.length).toBeLessThan(plan.actions.length)
    expect(run(parsePlan(formatPlan(shrunk.plan), 'shrunk'))).toEqual(shrunk.violation)
    // The defect is the actor's, not the plan's.
    expect(runPlan(shrunk.plan, serviceMaker()).violation).toBeUndefined()
  })

  it('that acknowledges the end of what it has on disk, which only an old view’s entries bring to light', () => {
    const { plan, violation } = find(acknowledgesItsDisk, 40, 4000)
    expect(violation.checker).toMatch(/Inv|ledger|Merkle/)
    const run = runWith(acknowledgesItsDisk)
    const shrunk = shrink({ plan, violation, run, runsMax: 20 })
    expect(shrunk.plan.actions.length).toBeLessThan(plan.actions.length)
    expect(run(shrunk.plan)).toEqual(shrunk.violation)
  })

  it('that votes for everyone', () => {
    const { violation } = find(votesForAll, 10, 3000)
    expect(violation.checker).toMatch(/MoreThanOneLeaderInv|LeaderCompletenessInv|InvariantViolation/)
  })

  it('that does not flush', () => {
    const { violation } = find(neverFlushes, 1, 3000)
    expect(violation).toMatchObject({ checker: 'durability' })
  })

  /** The definition without steps for events of a type. */
  const deafTo = (definition: AnyActorDefinition, type: string): AnyActorDefinition => ({
    ...definition,
    step: (state, envelope) => (envelope.event.type === type ? unchanged(state) : definition.step(state, envelope)),
  })
  const calm = drawPlan({ seed: 1, steps: 1000, nodes: 3, faults: [] })
  const quiet: Plan = { ...calm, knobs: USUAL_KNOBS, clients: { ...calm.clients, count: 1 } }

  it('that never stands for election', () => {
    const plan: Plan = { ...quiet, actions: [{ at: 300, do: 'crash', node: 'primary' }] }
    expect(runWith(deafTo(erase(replica), 'electionTimeout'))(plan)).toMatchObject({
      checker: 'liveness',
      message: expect.stringMatching(/^no leader 30000 ms after the faults ended: n1 follower/),
    })
    expect(runPlan(plan, serviceMaker()).violation).toBeUndefined()
  })

  it('that welcomes no node, and one that never ends', () => {
    const joins: Plan = { ...quiet, steps: 300, actions: [{ at: 200, do: 'add-node' }] }
    expect(runWith(deafTo(erase(node), 'joinRequest'))({ ...joins, nodes: 1 })).toMatchObject({
      checker: 'membership',
      message: expect.stringMatching(/to add n1;/),
    })
    const leaves: Plan = { ...quiet, steps: 300, actions: [{ at: 200, do: 'remove-node', node: 2 }] }
    expect(runWith(deafTo(erase(node), 'farewell'))(leaves)).toMatchObject({
      checker: 'membership',
      message: expect.stringMatching(/removed and running n2:/),
    })
    for (const plan of [joins, leaves]) expect(runPlan(plan, serviceMaker()).violation).toBeUndefined()
  })

  it('that does not come to rest', () => {
    expect(runPlan(quiet, serviceMaker(), { settlingStepsMax: 10 }).violation).toMatchObject({ checker: 'livelock' })
  })
})

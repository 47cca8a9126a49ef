// One step of a modelled node: the real replica handles an event, and its ledger writer's answer (the disk is instantaneous), to the end.
// The rule to remember: the actor decides everything; what is done here is what a host would do.
import { splitAddress, type Envelope } from '../../../actors/actor.ts'
import type { Effect } from '../../../actors/effects.ts'
import { replica } from '../../../actors/replica/replica.ts'
import type { ReplicaEvent } from '../../../actors/replica/state.ts'
import type { ConsensusMessage, LedgerWriterRequest } from '../../../protocols/consensus/messages.ts'
import type { Outcome, Sent } from '../../check/model.ts'
import { edgeTaken } from './edges.ts'
import { normalised, placeOf, type LocalState } from './local-state.ts'

export interface Timed {
  readonly event: ReplicaEvent
  readonly from: string
  /** Host clock, ms: 0, except for CheckQuorum, which needs silence. */
  readonly at: number
}

export function takeStep(before: LocalState, first: Timed): Outcome<LocalState, ConsensusMessage> {
  let state = before
  const sends: Sent<ConsensusMessage>[] = []
  const edges: string[] = []
  const events: Timed[] = [first]
  for (let next = events.shift(); next !== undefined; next = events.shift()) {
    const { event, from, at } = next
    const envelope: Envelope<ReplicaEvent> = { seq: 0, at, from, to: 'replica', event }
    const edge = edgeTaken(state, envelope)
    if (edge !== undefined) edges.push(edge)
    const step = replica.step(state, envelope)
    state = step.state
    for (const effect of step.effects) perform(effect, sends, events)
  }
  return { state: normalised(state), sends, edges, violation: undefined }
}

function perform(effect: Effect, sends: Sent<ConsensusMessage>[], events: Timed[]): void {
  if (effect.type !== 'send') return
  const { actor, node } = splitAddress(effect.to)
  if (node !== undefined) {
    sends.push({ to: placeOf(node as never), message: effect.message as ConsensusMessage })
    return
  }
  if (actor !== 'ledger-writer') return
  const request = effect.message as LedgerWriterRequest
  if (request.type !== 'appendRecords') return
  const seqno = request.records.at(-1)!.seqno
  events.push({ event: { type: 'durable', epoch: request.epoch, seqno }, from: 'ledger-writer', at: 0 })
}

// The end of a node that was removed (consensus.md §11): it goes on until its removal is one that every future primary knows of, then stops by itself.
// It often cannot learn that from consensus, for the others forget it in that very moment; so it asks them, one after the other, with a pause.
// The rule to remember: stopping earlier could cost the service a quorum it needs (bug B6); a yes is a fact of the committed ledger, whoever says it.
import type { NodeNotice } from '../../protocols/consensus/messages.ts'
import type { PrimaryChanged, RetiredCommitted, RetirementQuery } from '../../protocols/requests.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { send, trace, type Effect } from '../effects.ts'
import { peerOf } from './peers.ts'
import type { NodeEvent, NodeState } from './state.ts'

type MembershipChanged = Extract<NodeNotice, { readonly type: 'membershipChanged' }>

const membershipOf = ({ event }: Envelope<NodeEvent>): MembershipChanged['membership'] =>
  (event as MembershipChanged).membership

export const isRetiredCommitted = (_: NodeState, envelope: Envelope<NodeEvent>): boolean =>
  membershipOf(envelope) === 'RetiredCommitted'

/** The entry that removed this node was rolled back: it serves again, */
export const returnsToServing = (s: NodeState, envelope: Envelope<NodeEvent>): boolean =>
  membershipOf(envelope) === 'Active' && s.certificatePem !== undefined

/** or, if it never did, goes on catching up. */
export const returnsToCatchingUp = (s: NodeState, envelope: Envelope<NodeEvent>): boolean =>
  membershipOf(envelope) === 'Active' && s.certificatePem === undefined

export const followMembership = (s: NodeState, envelope: Envelope<NodeEvent>): Step<NodeState> =>
  step({ ...s, membership: membershipOf(envelope) })

/** An entry of this node's log removes it: clients are led elsewhere, those that are here stay while it lasts. */
export const retire = (s: NodeState): Step<NodeState> =>
  step(s, { type: 'lifecycle', stage: 'leaving' }, queryTimer(s), trace('retiring'))

/** Also a node that was cut off while it was removed finds no primary any more. */
export function followPrimary(s: NodeState, { event }: Envelope<NodeEvent>): Step<NodeState> {
  const { primary } = event as PrimaryChanged
  const state = { ...s, primary }
  return primary === undefined && s.primary !== undefined ? step(state, queryTimer(state)) : step(state)
}

const queryTimer = ({ config }: NodeState): Effect => ({
  type: 'setTimer',
  name: 'askPeer',
  afterMs: [config.retirementQueryMs, config.retirementQueryMs],
})

const mayBeRemoved = (s: NodeState): boolean => s.membership !== 'Active' || s.primary === undefined

/** One node at a time, so that a service is not asked more the larger it is. */
export function askPeer(s: NodeState): Step<NodeState> {
  if (!mayBeRemoved(s)) return unchanged(s)
  const others = s.peers.filter((peer) => s.nodes[peer] !== 'RetiredCommitted')
  const peer = others[s.queries % Math.max(1, others.length)]
  const question = peer === undefined ? [] : [send<RetirementQuery>(`node@${peer}`, { type: 'retirementQuery' })]
  return step({ ...s, queries: s.queries + 1 }, ...question, queryTimer(s))
}

/** Only a yes is said. */
export function answerRetirementQuery(s: NodeState, envelope: Envelope<NodeEvent>): Step<NodeState> {
  const asker = peerOf(s, envelope)
  if (asker === undefined || s.nodes[asker] !== 'RetiredCommitted') return unchanged(s)
  return step(s, send<RetiredCommitted>(`node@${asker}`, { type: 'retiredCommitted' }))
}

/** An answer to a question that this node had reason to ask. */
export const isConfirmed = (s: NodeState, envelope: Envelope<NodeEvent>): boolean =>
  mayBeRemoved(s) && peerOf(s, envelope) !== undefined

/** The removal is final: clients are told, and then the node stops. */
export function leave(s: NodeState): Step<NodeState> {
  const { farewellMs } = s.config
  const message = 'this node was removed from the service; open a new session with another'
  return step(
    s,
    { type: 'lifecycle', stage: 'leaving' },
    ...[...s.handshakes, ...s.sessions].map((id) =>
      send(`session/${id}`, { type: 'closeSession', code: 'SessionConsistencyLost', message }),
    ),
    { type: 'cancelTimer', name: 'askPeer' },
    { type: 'setTimer', name: 'farewell', afterMs: [farewellMs, farewellMs] },
    trace('retired'),
  )
}

export const stop = (s: NodeState): Step<NodeState> => step(s, { type: 'lifecycle', stage: 'retired' })

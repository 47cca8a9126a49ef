// The follower's side of replication (consensus.md §6.1), in the order of checks that the protocol fixes.
// The rule to remember: an ACK speaks of the entries this message verified (idx), never of the end of the own log (bug B5).
import type { NodeId } from '../../protocols/ids.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type {
  AppendEntries,
  AppendEntriesResponse,
  LedgerWriterNotice,
  LogBeginsLater,
  NodeNotice,
} from '../../protocols/consensus/messages.ts'
import type { Envelope, Step } from '../actor.ts'
import { unchanged } from '../actor.ts'
import { send, type Effect } from '../effects.ts'
import { commitIfPossible } from './commit.ts'
import { electionTimer } from './elections.ts'
import { grow, rollback } from './log-changes.ts'
import { becameBackup, keep, tellExecutor, tellNode } from './notices.ts'
import { highestPossibleMatch, senderOf } from './replication.ts'
import { lastIdx, termAt, type ReplicaEvent, type ReplicaState } from './state.ts'

const ack = (s: ReplicaState, to: NodeId, idx: number): Effect =>
  send<AppendEntriesResponse>(`replica@${to}`, {
    type: 'AppendEntriesResponse',
    view: s.currentView,
    lastLogIdx: idx,
    success: true,
  })

const nack = (to: NodeId, view: number, idx: number): Effect =>
  send<AppendEntriesResponse>(`replica@${to}`, {
    type: 'AppendEntriesResponse',
    view,
    lastLogIdx: idx,
    success: false,
  })

/** An AppendEntries of an older view: the sender learns ours. */
export const refuseAppendEntries = (s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> => ({
  state: s,
  effects: [nack(senderOf(envelope), s.currentView, lastIdx(s))],
})

/** From the leader of this node's own view: by its log, which has all that is committed, this node counts in no quorum. */
const isFromLeader = (s: ReplicaState, envelope: Envelope<ReplicaEvent>): boolean =>
  (envelope.event as LogBeginsLater).view === s.currentView

/** Nothing is held, so nothing was acknowledged or committed here. */
export const mayBeginAnew = (s: ReplicaState, envelope: Envelope<ReplicaEvent>): boolean =>
  lastIdx(s) === 0 && isFromLeader(s, envelope)

export const askForSnapshot = (s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> => ({
  state: s,
  effects: [send<NodeNotice>('node', { type: 'beyondReach', view: s.currentView, leader: senderOf(envelope) })],
})

/** What is held leads nowhere. A late word for a node that has begun anew meanwhile is no news. */
export const isOutrun = (s: ReplicaState, envelope: Envelope<ReplicaEvent>): boolean =>
  lastIdx(s) + 1 < (envelope.event as LogBeginsLater).firstIdx && isFromLeader(s, envelope)

export const tellOutrun = (s: ReplicaState): Step<ReplicaState> => ({
  state: s,
  effects: [send<NodeNotice>('node', { type: 'outrun' })],
})

/** An AppendEntries of the current view. */
export function receiveAppendEntries(s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> {
  const message = envelope.event as AppendEntries
  const leader = senderOf(envelope)
  const prefix = termAt(s, message.prevIdx)
  if (prefix !== message.prevView) {
    if (prefix === 0) return { state: s, effects: [nack(leader, s.currentView, lastIdx(s))] }
    const match = highestPossibleMatch(s, message.prevView, message.prevIdx)
    return { state: s, effects: [nack(leader, termAt(s, match), match)] }
  }
  const learnt: ReplicaState = s.leaderId === leader ? s : { ...s, leaderId: leader }
  const effects: Effect[] = [electionTimer(s)]
  if (learnt !== s) effects.push(becameBackup(learnt))
  // A leader that does not know that this log stands on a snapshot begins before it: all of that is committed, so every leader has it.
  const beginning = s.config.beginning?.seqno ?? 0
  if (message.prevIdx < beginning) return { state: learnt, effects: [...effects, ack(s, leader, beginning)] }
  // A late message about entries committed here already: answering could only mislead.
  if (message.prevIdx < s.commitIdx) return { state: learnt, effects }
  return acceptEntries(learnt, message, leader, envelope.at, effects)
}

function acceptEntries(
  s: ReplicaState,
  message: AppendEntries,
  leader: NodeId,
  at: number,
  effects: Effect[],
): Step<ReplicaState> {
  let state = s
  const conflict = message.records.find((r) => r.seqno <= lastIdx(s) && termAt(s, r.seqno) !== message.viewOfIdx)
  if (conflict !== undefined) {
    if (!s.isNewFollower) return { state, effects }
    const cut = rollback(state, conflict.seqno - 1)
    state = { ...cut.state, isNewFollower: false }
    effects.push(...cut.effects)
  }
  const fresh = message.records.filter((record) => record.seqno > lastIdx(state))
  if (!continues(state, message, fresh)) {
    effects.push(nack(leader, state.currentView, lastIdx(state)))
    return { state, effects }
  }
  if (fresh.length > 0) {
    state = grow(state, fresh, at)
    // The write is begun first, so that the executor checks signatures while it is under way; it is done before anything is acknowledged.
    effects.push(keep(state, fresh), tellExecutor({ type: 'appended', records: fresh }))
    effects.push(...tellNode(s, state))
  }
  const committed = commitIfPossible(state, Math.min(message.leaderCommitIdx, message.idx))
  return answer(committed.state, leader, message, [...effects, ...committed.effects])
}

/** True if the new entries are what the header says: contiguous, of the one view it names. */
function continues(s: ReplicaState, message: AppendEntries, fresh: readonly LogRecord[]): boolean {
  if (message.prevIdx + message.records.length !== message.idx) return false
  return fresh.every((record, i) => record.seqno === lastIdx(s) + 1 + i && record.view === message.viewOfIdx)
}

/**
 * Acknowledges now if everything up to the last signature verified is durable, else when it is. A heartbeat meanwhile is told how far
 * that goes, so that a slow disk is not taken for a dead node.
 */
function answer(s: ReplicaState, to: NodeId, { idx, records }: AppendEntries, effects: Effect[]): Step<ReplicaState> {
  const lastSignature = s.committableIndices.findLast((i) => i <= idx) ?? s.commitIdx
  if (lastSignature <= s.durableIdx) return { state: s, effects: [...effects, ack(s, to, idx)] }
  const view = s.currentView
  // A later acknowledgement says all that an earlier one would.
  const others = s.pendingAcks.filter((pending) => pending.to !== to || pending.view !== view || pending.idx > idx)
  const pendingAcks = [...others, { to, view, idx }]
  const sign = records.length === 0 ? [ack(s, to, Math.min(idx, s.durableIdx))] : []
  return { state: { ...s, pendingAcks }, effects: [...effects, ...sign] }
}

/** The ledger writer has fsynced up to `seqno`: acknowledgements that waited for it go out, and a known commit may take effect. */
export function becomeDurable(s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> {
  const { epoch, seqno } = envelope.event as Extract<LedgerWriterNotice, { type: 'durable' }>
  if (epoch !== s.epoch || seqno <= s.durableIdx) return unchanged(s)
  const durable: ReplicaState = { ...s, durableIdx: seqno }
  const effects: Effect[] = []
  const waiting = durable.pendingAcks.filter((pending) => {
    const lastSignature = durable.committableIndices.findLast((i) => i <= pending.idx) ?? durable.commitIdx
    if (lastSignature > seqno) return true
    // Only the current leader's question is worth an answer.
    if (pending.view === durable.currentView) effects.push(ack(durable, pending.to, pending.idx))
    return false
  })
  const committed = commitIfPossible({ ...durable, pendingAcks: waiting }, durable.commitTarget)
  return { state: committed.state, effects: [...effects, ...committed.effects] }
}

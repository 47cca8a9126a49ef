// The leader's side of replication: accepting proposals, sending AppendEntries, reading the answers (consensus.md §6.2, §6.3, §7).
// The rule to remember: sentIdx is optimistic and may fall; matchIdx is proven and only rises.
import type { NodeId } from '../../protocols/ids.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type {
  AppendEntries,
  AppendEntriesResponse,
  LogBeginsLater,
  Replicate,
} from '../../protocols/consensus/messages.ts'
import { closeBatch, countAppended, isFull, updateBatch } from '../../protocols/consensus/batch.ts'
import { quorumInEach } from '../../protocols/consensus/quorum.ts'
import { startOfView, viewAt } from '../../protocols/consensus/view-history.ts'
import { REPLICATION_WINDOW_BYTES_MAX } from '../../protocols/limits.ts'
import type { Envelope, Step } from '../actor.ts'
import { splitAddress, unchanged } from '../actor.ts'
import { send, type Effect } from '../effects.ts'
import { updateCommit } from './commit.ts'
import { grow } from './log-changes.ts'
import { learnerProgress } from './membership.ts'
import { keep, tellExecutor, tellNode } from './notices.ts'
import { bytesBetween, lastIdx, termAt, type Peer, type ReplicaEvent, type ReplicaState } from './state.ts'

export const senderOf = (envelope: Envelope<ReplicaEvent>): NodeId => (splitAddress(envelope.from).node ?? '') as NodeId

/** Records proposed by the executor. Anything not of this view or not continuing the log was proposed before an election: dropped. */
export function replicate(s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> {
  const { view, records } = envelope.event as Replicate
  const [first] = records
  if (first === undefined || view !== s.currentView || first.seqno !== lastIdx(s) + 1) return unchanged(s)
  const grown = grow(s, records, envelope.at)
  const sent = s.config.pacing === 'eager' ? sendEagerly(grown, records) : sendWhenFull(s, grown, records)
  // The leader's own copy is written after the sends: both proceed at once, and its durability is counted like any other node's.
  return { state: sent.state, effects: [...tellNode(s, grown), ...sent.effects, keep(grown, records)] }
}

function sendEagerly(grown: ReplicaState, records: readonly LogRecord[]): Step<ReplicaState> {
  const eager = records.some((record) => record.kind !== 'transaction')
  const sent = sendToAll(grown, eager)
  // What was sent carries the commit index and asks for an answer: it is the heartbeat.
  return eager ? { state: sent.state, effects: [...sent.effects, heartbeatTimer(grown)] } : sent
}

/** CCF's pacing: a new node is greeted at once, with where the log ended before; entries wait for a full batch or the heartbeat. */
function sendWhenFull(before: ReplicaState, grown: ReplicaState, records: readonly LogRecord[]): Step<ReplicaState> {
  const added = (Object.keys(grown.peers) as NodeId[]).filter((node) => before.peers[node] === undefined)
  const greetings = added.sort().map((node) => heartbeat(grown, node))
  const batch = records.reduce((sum, record) => countAppended(sum, record.bytes.length), grown.batch)
  if (!isFull(batch)) return { state: { ...grown, batch }, effects: greetings }
  const sent = sendToAll({ ...grown, batch: closeBatch(batch) }, true)
  return { state: sent.state, effects: [...greetings, ...sent.effects] }
}

/** Sends what is new to every peer; unless `eager`, only to peers for which enough has gathered. */
function sendToAll(s: ReplicaState, eager: boolean): Step<ReplicaState> {
  let state = s
  const effects: Effect[] = []
  for (const node of Object.keys(s.peers) as NodeId[]) {
    const unsent = bytesBetween(s, s.peers[node]!.sentIdx, lastIdx(s))
    if (!eager && unsent < s.config.sendAfterBytes) continue
    const sent = sendEntries(state, node)
    state = sent.state
    effects.push(...sent.effects)
  }
  return { state, effects }
}

/** Sends everything not yet sent to `to`, as far as the window allows; nothing if there is nothing, or while a probe is out. */
export function sendEntries(s: ReplicaState, to: NodeId): Step<ReplicaState> {
  let state = s
  const effects: Effect[] = []
  while (hasRoom(state, state.peers[to])) {
    const sent = sendBatch(state, to)
    state = sent.state
    effects.push(...sent.effects)
  }
  return { state, effects }
}

const hasRoom = (s: ReplicaState, peer: Peer | undefined): boolean =>
  peer !== undefined &&
  peer.probe === undefined &&
  mayRead(s, peer) &&
  bytesBetween(s, peer.matchIdx, peer.sentIdx) < REPLICATION_WINDOW_BYTES_MAX

const mayRead = (s: ReplicaState, peer: Peer): boolean => !peer.reading && peer.sentIdx < lastIdx(s)

/** One message with the next entries, or a request for them if they are no longer in memory. */
function sendBatch(s: ReplicaState, to: NodeId): Step<ReplicaState> {
  const peer = s.peers[to]!
  const from = peer.sentIdx + 1
  const firstIdx = (s.config.beginning?.seqno ?? 0) + 1
  if (from < firstIdx) return refuseEntries(s, to, firstIdx)
  if (from < s.log.first) {
    const read: Effect = {
      type: 'readEntries',
      token: to,
      from,
      to: s.log.first - 1,
      bytesMax: s.config.appendBytesMax,
    }
    return { state: withPeer(s, to, { ...peer, reading: true }), effects: [read] }
  }
  const records = nextBatch(s, from)
  return {
    state: withPeer(s, to, { ...peer, sentIdx: records.at(-1)!.seqno }),
    effects: [send(`replica@${to}`, appendEntries(s, from - 1, records))],
  }
}

/**
 * What `to` needs next is not in this ledger. Only a learner is told, which is in no quorum and so may begin anew, or give up; until it does, or another
 * leads, it is asked with each heartbeat where it stands.
 */
function refuseEntries(s: ReplicaState, to: NodeId, firstIdx: number): Step<ReplicaState> {
  const { sentIdx } = s.peers[to]!
  const asked = withPeer(s, to, { ...s.peers[to]!, probe: sentIdx })
  const isLearner = s.learners.some(({ node }) => node === to)
  const told: LogBeginsLater = { type: 'LogBeginsLater', view: s.currentView, firstIdx }
  return { state: asked, effects: [heartbeat(s, to), ...(isLearner ? [send(`replica@${to}`, told)] : [])] }
}

/**
 * Asks `to` with one message whether its log fits ours at `idx`. Nothing more is sent until an answer or the next heartbeat: where a network reorders, every
 * message after a gap is refused, and if each refusal were answered with all that follows, messages would breed messages without end.
 */
function probe(s: ReplicaState, to: NodeId, idx: number): Step<ReplicaState> {
  const peer: Peer = { ...s.peers[to]!, sentIdx: idx, probe: idx }
  const asked = withPeer(s, to, peer)
  return mayRead(s, peer) ? sendBatch(asked, to) : unchanged(asked)
}

/** Entries from `from` on: of one view only, at least one, at most appendBytesMax or as many as the pacing says. */
function nextBatch(s: ReplicaState, from: number): LogRecord[] {
  const batch: LogRecord[] = []
  let bytes = 0
  const view = viewAt(s.viewHistory, from)
  const entriesMax = s.config.pacing === 'eager' ? Number.MAX_SAFE_INTEGER : s.batch.entries
  for (let idx = from; idx < s.log.end; idx++) {
    const { record } = s.log.at(idx)!
    bytes += record.bytes.length
    if (record.view !== view || (batch.length > 0 && bytes > s.config.appendBytesMax) || batch.length >= entriesMax)
      break
    batch.push(record)
  }
  return batch
}

function appendEntries(s: ReplicaState, prevIdx: number, records: readonly LogRecord[]): AppendEntries {
  const idx = prevIdx + records.length
  return {
    type: 'AppendEntries',
    view: s.currentView,
    prevIdx,
    prevView: termAt(s, prevIdx),
    idx,
    viewOfIdx: termAt(s, idx),
    leaderCommitIdx: s.commitIdx,
    records,
  }
}

const withPeer = (s: ReplicaState, node: NodeId, peer: Peer): ReplicaState =>
  peer === s.peers[node] ? s : { ...s, peers: { ...s.peers, [node]: peer } }

/** A probe is not waited for longer than a heartbeat: it may be lost, or not be answered as it speaks of what is committed there. */
const withoutProbe = (s: ReplicaState, node: NodeId): ReplicaState =>
  s.peers[node]!.probe === undefined ? s : withPeer(s, node, { ...s.peers[node]!, probe: undefined })

/** To every peer: what it has not been sent, or an empty AppendEntries. */
export function sendHeartbeats(s: ReplicaState): Step<ReplicaState> {
  let state: ReplicaState = s.config.pacing === 'eager' ? s : { ...s, batch: updateBatch(s.batch) }
  const effects: Effect[] = []
  for (const node of Object.keys(s.peers) as NodeId[]) {
    const sent = sendEntries(withoutProbe(state, node), node)
    state = sent.state
    if (sent.effects.length > 0) effects.push(...sent.effects)
    else effects.push(heartbeat(state, node))
  }
  effects.push(heartbeatTimer(s), tellExecutor({ type: 'heard', peers: s.peers }))
  return { state, effects }
}

export const heartbeat = (s: ReplicaState, to: NodeId): Effect =>
  send(`replica@${to}`, appendEntries(s, s.peers[to]!.sentIdx, []))

/** A commit is news to backups for at most that long, ms. */
const COMMIT_NEWS_MS = 10

export function heartbeatTimer({ config }: ReplicaState, atMostMs = Number.MAX_SAFE_INTEGER): Effect {
  const afterMs = Math.min(config.messageTimeoutMs, atMostMs)
  return { type: 'setTimer', name: 'heartbeatTimeout', afterMs: [afterMs, afterMs] }
}

export const quorumTimer = ({ config }: ReplicaState): Effect => ({
  type: 'setTimer',
  name: 'quorumTimeout',
  afterMs: [config.messageTimeoutMs, config.messageTimeoutMs],
})

export const restartQuorumTimer = (s: ReplicaState): Step<ReplicaState> => ({ state: s, effects: [quorumTimer(s)] })

/** CheckQuorum: a leader that has not heard from a majority of every configuration for an election timeout steps down. */
export const quorumIsLost = (s: ReplicaState, { at }: Envelope<ReplicaEvent>): boolean =>
  s.configurations.length > 0 &&
  !quorumInEach(s.configurations, (node) => {
    const peer = s.peers[node]
    return peer === undefined || at - peer.lastAckAt < s.config.electionTimeoutMs
  })

/** Highest local index at or below `idx` whose view is at most `view`: skips one view per step ("express catch-up", §6.1). */
export function highestPossibleMatch(s: ReplicaState, view: number, idx: number): number {
  let k = Math.min(idx, lastIdx(s))
  while (k > 0 && termAt(s, k) > view) k = Math.max(0, startOfView(s.viewHistory, termAt(s, k)) - 1)
  return k
}

/** An answer of the leader's view, or a late one (the view of a NACK is an estimate, so an old one cannot be told apart). */
export function receiveAppendEntriesResponse(s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> {
  const response = envelope.event as AppendEntriesResponse
  const from = senderOf(envelope)
  const peer = s.peers[from]
  if (peer === undefined) return unchanged(s)
  const heard: Peer = { ...peer, lastAckAt: envelope.at }
  if (response.success) {
    if (response.view < s.currentView || response.lastLogIdx < peer.matchIdx) return unchanged(withPeer(s, from, heard))
    const matched = withPeer(s, from, acknowledged(heard, Math.min(response.lastLogIdx, lastIdx(s))))
    const committed = updateCommit(matched)
    const learnt = learnerProgress(committed.state, from)
    const sent = sendOn(learnt.state, from)
    const effects = [...committed.effects, ...learnt.effects, ...sent.effects]
    // Backups learn of a commit from the next AppendEntries: it must not take a whole heartbeat when there is nothing else to send.
    if (committed.state.commitIdx > s.commitIdx) effects.push(heartbeatTimer(s, COMMIT_NEWS_MS))
    return { state: sent.state, effects }
  }
  // A NACK bounds the match from above; it never proves one (bug B3), so only sentIdx moves.
  const possible = highestPossibleMatch(s, response.view, response.lastLogIdx)
  const fits = Math.max(Math.min(possible, peer.probe ?? peer.sentIdx), peer.matchIdx)
  const told = withPeer(s, from, heard)
  if (s.config.pacing === 'heartbeat') return unchanged(withPeer(told, from, { ...told.peers[from]!, sentIdx: fits }))
  // What is refused besides the probe was sent before it.
  const isNews = peer.probe === undefined ? fits < lastIdx(s) : fits < peer.probe
  return isNews ? probe(told, from, fits) : unchanged(told)
}

function acknowledged(peer: Peer, matchIdx: number): Peer {
  // Beyond what was sent, or asked for: the peer's log stands on a snapshot.
  const isAhead = matchIdx > (peer.probe ?? peer.sentIdx)
  if (!isAhead) return { ...peer, matchIdx }
  return { ...peer, matchIdx, sentIdx: Math.max(peer.sentIdx, matchIdx), probe: undefined }
}

/** After an answer: eager leaders send what the answer made room for. */
const sendOn = (s: ReplicaState, to: NodeId): Step<ReplicaState> =>
  s.config.pacing === 'eager' ? sendEntries(s, to) : unchanged(s)

/** Entries read back from the ledger for a peer that is far behind. */
export function entriesRead(s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> {
  const { token, records } = envelope.event as Extract<ReplicaEvent, { type: 'entriesRead' }>
  const to = token as NodeId
  const peer = s.peers[to]
  if (peer === undefined || !peer.reading) return unchanged(s)
  const idle = { ...peer, reading: false }
  const [first] = records
  // What was read may be behind what the peer has been found to need meanwhile; the next heartbeat asks again.
  if (first === undefined || first.seqno !== peer.sentIdx + 1) return unchanged(withPeer(s, to, idle))
  const batch = records.filter((record) => record.view === first.view)
  const message = appendEntries(s, first.seqno - 1, batch)
  const sent = sendEntries(withPeer(s, to, { ...idle, sentIdx: batch.at(-1)!.seqno }), to)
  return { state: sent.state, effects: [send(`replica@${to}`, message), ...sent.effects] }
}

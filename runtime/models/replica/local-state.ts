// The local state of a modelled node, written, compared and renamed: the replica's real state without what does not change its behaviour.
// Time is away (consensus.md §15): ages of answers are 0 and CheckQuorum may happen at any moment. The disk is instantaneous.
import type { MachineState } from '../../../actors/machine.ts'
import type { ReplicaState } from '../../../actors/replica/state.ts'
import type { ConsensusMessage } from '../../../protocols/consensus/messages.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import { AppendList } from '../../../store/kv/append-list.ts'
import type { Permutation } from '../../check/model.ts'

export type LocalState = MachineState<ReplicaState>

/** Places are numbered; so are their nodes. */
export const idOf = (place: number): NodeId => String(place) as NodeId
export const placeOf = (id: NodeId): number => Number(id)

const KIND = { transaction: '', signature: 's', reconfiguration: 'c', retiredCommitted: 'r' } as const

/** `2c02` is an entry of view 2 that configures nodes 0 and 2. */
const recordKey = ({ view, kind, nodes }: LogRecord): string => `${view}${KIND[kind]}${nodes?.join('') ?? ''}`

export const logKey = ({ log }: ReplicaState): string =>
  log
    .toArray()
    .map(({ record }) => recordKey(record))
    .join(' ')

/** What is left out of every comparison: the configuration never changes. */
export const stateKey = ({ value, s }: LocalState): string =>
  JSON.stringify([s.config.nodeId, value, logKey(s), { ...s, config: 0, log: 0 }])

export function messageKey(message: ConsensusMessage): string {
  if (message.type !== 'AppendEntries') return JSON.stringify(message)
  return JSON.stringify({ ...message, records: message.records.map(recordKey) })
}

/** The state without times and counters that only tell late answers apart. */
export function normalised({ value, s }: LocalState): LocalState {
  const peers: Record<NodeId, ReplicaState['peers'][NodeId]> = {}
  for (const node of (Object.keys(s.peers) as NodeId[]).sort()) peers[node] = { ...s.peers[node]!, lastAckAt: 0 }
  const votesForMe = value === 'candidate' || value === 'preVoteCandidate' ? [...s.votesForMe].sort() : []
  return { value, s: { ...s, peers, votesForMe, epoch: 0 } }
}

/** Whether it leads, its view, the views of its log, and what is committed: what a later history depends on most. */
export function look({ value, s }: LocalState): string {
  const log = s.log.toArray().map(({ record }) => `${record.view}${KIND[record.kind]}`)
  return `${value === 'leader' ? 'leader' : ''} ${s.currentView} ${log.join('')} ${s.commitIdx} ${s.membership}`
}

/** Equal for states that differ in node names only. */
export function shape({ value, s }: LocalState): string {
  const peers = Object.values(s.peers).map(({ sentIdx, matchIdx }) => `${sentIdx}/${matchIdx}`)
  const views = s.log.toArray().map(({ record }) => `${record.view}${KIND[record.kind]}${record.nodes?.length ?? ''}`)
  const vote = s.votedFor === undefined ? 0 : s.votedFor === s.config.nodeId ? 1 : 2
  const facts = [value, s.currentView, s.commitIdx, s.isNewFollower, s.membership, vote, s.votesForMe.length]
  return `${facts.join()};${views.join()};${peers.sort().join()}`
}

export function rename({ value, s }: LocalState, permutation: Permutation): LocalState {
  const to = (node: NodeId): NodeId => idOf(permutation[placeOf(node)]!)
  const all = (nodes: readonly NodeId[]): NodeId[] => nodes.map(to).sort()
  const each = <T extends { readonly nodes: readonly NodeId[] }>(items: readonly T[]): T[] =>
    items.map((item) => ({ ...item, nodes: all(item.nodes) }))
  const peers: Record<NodeId, ReplicaState['peers'][NodeId]> = {}
  for (const node of (Object.keys(s.peers) as NodeId[]).sort((a, b) => placeOf(to(a)) - placeOf(to(b)))) {
    peers[to(node)] = s.peers[node]!
  }
  const items = s.log.toArray().map((item) => ({ ...item, record: renameRecord(item.record, permutation) }))
  return {
    value,
    s: {
      ...s,
      config: { ...s.config, nodeId: to(s.config.nodeId) },
      votedFor: s.votedFor && to(s.votedFor),
      leaderId: s.leaderId && to(s.leaderId),
      votesForMe: all(s.votesForMe),
      log: AppendList.startingAt<(typeof items)[number]>(s.log.first).append(items),
      configurations: each(s.configurations),
      retiredCommitted: each(s.retiredCommitted),
      learners: s.learners.map((learner) => ({ ...learner, node: to(learner.node) })),
      pendingAcks: s.pendingAcks.map((ack) => ({ ...ack, to: to(ack.to) })),
      peers,
    },
  }
}

export const renameRecord = (record: LogRecord, permutation: Permutation): LogRecord =>
  record.nodes === undefined
    ? record
    : { ...record, nodes: record.nodes.map((node) => idOf(permutation[placeOf(node)]!)).sort() }

export const renameMessage = (message: ConsensusMessage, permutation: Permutation): ConsensusMessage =>
  message.type !== 'AppendEntries' || message.records.every(({ nodes }) => nodes === undefined)
    ? message
    : { ...message, records: message.records.map((record) => renameRecord(record, permutation)) }

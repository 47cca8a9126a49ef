// How the log grows and is cut, with everything derived from it: view history, committable indices, configurations, peers.
// Not who may change it: that is decided by the callers.
import { invariant } from '../../protocols/errors.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type { Configuration, LedgerWriterRequest, ReplicaNotice } from '../../protocols/consensus/messages.ts'
import { rollbackViewHistory, updateViewHistory } from '../../protocols/consensus/view-history.ts'
import type { Step } from '../actor.ts'
import { NO_EFFECTS, step } from '../actor.ts'
import { send } from '../effects.ts'
import { lastIdx, type LogItem, type Peer, type ReplicaState } from './state.ts'

/** The log with `records` at its end. They must continue it: contiguous, views never falling. */
export function grow(s: ReplicaState, records: readonly LogRecord[], at: number): ReplicaState {
  if (records.length === 0) return s
  let { viewHistory, configurations, peers, ticking } = s
  const committable: number[] = []
  const items: LogItem[] = []
  let endOffset = s.log.last()?.endOffset ?? 0
  let expected = s.log.end
  for (const record of records) {
    invariant(
      record.seqno === expected++,
      `record ${record.seqno} does not continue a log that ends at ${expected - 2}`,
    )
    viewHistory = updateViewHistory(viewHistory, record.seqno, record.view)
    if (record.kind === 'reconfiguration') {
      const configuration: Configuration = { idx: record.seqno, nodes: record.nodes ?? [] }
      configurations = [...configurations, configuration]
      peers = withPeers(peers, configuration.nodes, s.config.nodeId, record.seqno, at)
    } else if (record.kind === 'signature') {
      committable.push(record.seqno)
      ticking ||= configurations.at(-1)?.nodes.includes(s.config.nodeId) ?? false
    }
    endOffset += record.bytes.length
    items.push({ record, endOffset })
  }
  const committableIndices = committable.length === 0 ? s.committableIndices : [...s.committableIndices, ...committable]
  return { ...s, log: s.log.append(items), viewHistory, configurations, peers, ticking, committableIndices }
}

/** New nodes start with nothing matched; what is sent first is an empty AppendEntries just before `idx` (consensus.md §11). */
function withPeers(
  peers: ReplicaState['peers'],
  nodes: readonly NodeId[],
  self: NodeId,
  idx: number,
  at: number,
): ReplicaState['peers'] {
  const next: Record<NodeId, Peer> = { ...peers }
  for (const node of nodes) {
    if (node !== self && next[node] === undefined) {
      next[node] = { sentIdx: idx - 1, matchIdx: 0, lastAckAt: at, reading: false }
    }
  }
  return next
}

/**
 * Cuts the log after `idx` (consensus.md §9). A request to cut below the commit index is a defect of the caller.
 * Peers known only from a cut configuration stay known.
 */
export function rollback(s: ReplicaState, idx: number): Step<ReplicaState> {
  invariant(idx >= s.commitIdx, `rollback to ${idx} below commit ${s.commitIdx}`)
  if (idx >= lastIdx(s)) return { state: s, effects: NO_EFFECTS }
  const epoch = s.epoch + 1
  const peers: Record<NodeId, Peer> = {}
  for (const [node, peer] of Object.entries(s.peers) as [NodeId, Peer][]) {
    peers[node] = { ...peer, sentIdx: Math.min(peer.sentIdx, idx), matchIdx: Math.min(peer.matchIdx, idx) }
  }
  const state: ReplicaState = {
    ...s,
    log: s.log.cutEnd(idx + 1),
    viewHistory: rollbackViewHistory(s.viewHistory, idx),
    committableIndices: s.committableIndices.filter((i) => i <= idx),
    configurations: s.configurations.filter((c) => c.idx <= idx),
    peers,
    durableIdx: Math.min(s.durableIdx, idx),
    epoch,
    pendingAcks: s.pendingAcks.filter((ack) => ack.idx <= idx),
    commitTarget: Math.min(s.commitTarget, idx),
  }
  return step(
    state,
    send<LedgerWriterRequest>('ledger-writer', { type: 'truncateAfter', epoch, seqno: idx }),
    send<ReplicaNotice>('executor', { type: 'rolledBack', seqno: idx }),
  )
}

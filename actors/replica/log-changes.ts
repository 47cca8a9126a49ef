// How the log grows and is cut, with everything derived from it: view history, committable indices, configurations, membership, peers.
// Not who may change it: that is decided by the callers.
import { invariant } from '../../protocols/errors.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type { LedgerWriterRequest, ReplicaNotice } from '../../protocols/consensus/messages.ts'
import { rollbackViewHistory, updateViewHistory } from '../../protocols/consensus/view-history.ts'
import type { Step } from '../actor.ts'
import { NO_EFFECTS, step } from '../actor.ts'
import { send } from '../effects.ts'
import { addConfiguration, retirementAfterRollback, retirementSigned } from './membership.ts'
import { lastCommittableIdx, lastIdx, type LogItem, type Peer, type ReplicaState } from './state.ts'

/** The log with `records` at its end. They must continue it: contiguous, views never falling. */
export function grow(s: ReplicaState, records: readonly LogRecord[], at: number): ReplicaState {
  if (records.length === 0) return s
  let { viewHistory } = s
  const committable: number[] = []
  const items: LogItem[] = []
  let endOffset = s.log.last()?.endOffset ?? 0
  let expected = s.log.end
  // Membership changes with few entries: the state is copied for those alone.
  let state = s
  for (const record of records) {
    invariant(
      record.seqno === expected++,
      `record ${record.seqno} does not continue a log that ends at ${expected - 2}`,
    )
    viewHistory = updateViewHistory(viewHistory, record.seqno, record.view)
    if (record.kind === 'signature') {
      committable.push(record.seqno)
      state = retirementSigned(startTicking(state), record.seqno)
    } else if (record.kind === 'reconfiguration') {
      state = addConfiguration(state, { idx: record.seqno, nodes: record.nodes ?? [] }, at)
    } else if (record.kind === 'retiredCommitted') {
      const finished = { idx: record.seqno, nodes: record.nodes ?? [] }
      state = { ...state, retiredCommitted: [...state.retiredCommitted, finished] }
    }
    endOffset += record.bytes.length
    items.push({ record, endOffset })
  }
  const committableIndices = committable.length === 0 ? s.committableIndices : [...s.committableIndices, ...committable]
  return { ...state, log: s.log.append(items), viewHistory, committableIndices }
}

/** The first signature held while in the latest configuration: from now on this node takes part (consensus.md §11). */
function startTicking(s: ReplicaState): ReplicaState {
  const isMember = s.configurations.at(-1)?.nodes.includes(s.config.nodeId) ?? false
  return s.ticking || !isMember ? s : { ...s, ticking: true }
}

/**
 * True for a node that some configuration in force names and a signature confirms, and for one that is being retired. A node whose addition
 * was cut off again is a learner as before: others neither count its vote nor endorsed its key (found by simulation, seeds 381 and 757).
 */
function takesPart(s: ReplicaState): boolean {
  if (s.membership !== 'Active') return true
  const signed = lastCommittableIdx(s)
  return s.configurations.some(({ idx, nodes }) => idx <= signed && nodes.includes(s.config.nodeId))
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
    ...retirementAfterRollback(s, idx),
    log: s.log.cutEnd(idx + 1),
    viewHistory: rollbackViewHistory(s.viewHistory, idx),
    committableIndices: s.committableIndices.filter((i) => i <= idx),
    configurations: s.configurations.filter((c) => c.idx <= idx),
    retiredCommitted: s.retiredCommitted.filter((r) => r.idx <= idx),
    peers,
    durableIdx: Math.min(s.durableIdx, idx),
    epoch,
    pendingAcks: s.pendingAcks.filter((ack) => ack.idx <= idx),
    commitTarget: Math.min(s.commitTarget, idx),
  }
  return step(
    { ...state, ticking: state.ticking && (s.config.tickingFromStart || takesPart(state)) },
    send<LedgerWriterRequest>('ledger-writer', { type: 'truncateAfter', epoch, seqno: idx }),
    send<ReplicaNotice>('executor', { type: 'rolledBack', seqno: idx }),
  )
}

// When entries become committed (consensus.md §8) and what follows from it.
// The rule to remember: only a signature of the leader's own view commits, replicated and durable on a majority of every configuration.
import { agreementIdx } from '../../protocols/consensus/quorum.ts'
import type { Leadership } from '../../protocols/consensus/messages.ts'
import { NO_EFFECTS, type Step } from '../actor.ts'
import { membershipAfterCommit, retirementCleanup } from './membership.ts'
import { askLedgerWriter, tellExecutor, tellNode } from './notices.ts'
import { lastIdx, summaryOf, termAt, type ReplicaState } from './state.ts'

/** Leader: commits the highest signature that a majority of every configuration holds, if it is of the leader's own view. */
export function updateCommit(s: ReplicaState): Step<ReplicaState> {
  const agreed = agreementIdx(s.configurations, (node) =>
    node === s.config.nodeId ? Math.min(s.durableIdx, lastIdx(s)) : (s.peers[node]?.matchIdx ?? 0),
  )
  const candidate = s.committableIndices.findLast((idx) => idx <= agreed)
  if (candidate === undefined || termAt(s, candidate) !== s.currentView) return { state: s, effects: NO_EFFECTS }
  const committed = commit(s, candidate, 'Leader')
  // A configuration that is gone may have left nodes behind.
  const isShorter = committed.state.configurations.length < s.configurations.length
  return isShorter
    ? { state: committed.state, effects: [...committed.effects, ...retirementCleanup(committed.state)] }
    : committed
}

/**
 * Follower: commits the highest signature at or below `target` that is durable here. `target` must not exceed what an
 * AppendEntries has verified: min(leaderCommitIdx, idx) (fix F1, consensus.md §20).
 */
export function commitIfPossible(s: ReplicaState, target: number): Step<ReplicaState> {
  const commitTarget = Math.max(s.commitTarget, target)
  const known = commitTarget === s.commitTarget ? s : { ...s, commitTarget }
  const reachable = Math.min(commitTarget, known.durableIdx)
  const candidate = known.committableIndices.findLast((idx) => idx <= reachable)
  if (candidate === undefined) return { state: known, effects: NO_EFFECTS }
  return commit(known, candidate, 'Follower')
}

function commit(s: ReplicaState, idx: number, leadership: Leadership): Step<ReplicaState> {
  const committableIndices = s.committableIndices.filter((i) => i > idx)
  const committed = membershipAfterCommit({ ...s, commitIdx: idx, committableIndices }, idx)
  const effects = [
    askLedgerWriter({ type: 'commitUpTo', seqno: idx }),
    tellExecutor({ type: 'committed', summary: summaryOf(committed, leadership) }),
    ...tellNode(s, committed),
  ]
  return { state: forgetOldEntries(committed), effects }
}

/** Committed entries beyond the memory bound are dropped from the log; they are read back from the ledger when needed. */
function forgetOldEntries(s: ReplicaState): ReplicaState {
  const end = s.log.last()?.endOffset ?? 0
  let first = s.log.first
  while (first <= s.commitIdx && end - (s.log.at(first)?.endOffset ?? end) > s.config.logTailBytesMax) first++
  return first === s.log.first ? s : { ...s, log: s.log.cutStart(first) }
}

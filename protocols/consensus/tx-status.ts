// The status of a transaction, from what one node knows (CCF facts §1.1). Committed and Invalid are final and never contradicted by any node.
import type { TxId } from '../ids.ts'
import type { ConsensusSummary } from './messages.ts'
import { viewAt } from './view-history.ts'

export type TxStatus = 'Unknown' | 'Pending' | 'Committed' | 'Invalid'

export function txStatus(target: TxId, summary: ConsensusSummary): TxStatus {
  const localView = target.seqno <= summary.lastSeqno ? viewAt(summary.viewHistory, target.seqno) : 0
  if (summary.committed.seqno >= target.seqno) return localView === target.view ? 'Committed' : 'Invalid'
  if (localView === target.view) return 'Pending'
  if (summary.committed.view > target.view) return 'Invalid'
  return 'Unknown'
}

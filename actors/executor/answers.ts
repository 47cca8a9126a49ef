// Small pieces of every answer: refusals, the id a read reports, and who must be told of a commit.
import type { AppRequest, AppResponse } from '../../protocols/app.ts'
import { viewAt } from '../../protocols/consensus/view-history.ts'
import { refusal, type ErrorCode } from '../../protocols/errors.ts'
import { seqno as asSeqno, view as asView, type TxId } from '../../protocols/ids.ts'
import { refusalResponse } from '../../protocols/requests.ts'
import { splitAddress } from '../actor.ts'
import { isPrimary, type ExecutorState, type Responses } from './state.ts'

export const refuse = (
  request: Pick<AppRequest, 'id'>,
  status: number,
  code: ErrorCode,
  message: string,
): AppResponse => refusalResponse(request.id, refusal(status, code, message))

/** The id a read reports: of the last write it could have observed (CCF facts §1). `tip`: last seqno executed on the primary. */
export function readVersion(s: ExecutorState, tip: number): TxId | undefined {
  const seqno = isPrimary(s) ? tip : s.summary.committed.seqno
  if (seqno < 1) return undefined
  // What was executed here since the last notice of the replica is of the current view.
  const known = seqno <= s.summary.lastSeqno ? viewAt(s.summary.viewHistory, seqno) : s.summary.view
  return { view: asView(known), seqno: asSeqno(seqno) }
}

/** Remembers that `origin` was told of transactions, so that it can be told when they are committed. */
export function remember(s: ExecutorState, origin: string, responses: Responses): ExecutorState {
  let seqno = 0
  for (const { txId } of responses) if (txId !== undefined && txId.seqno > seqno) seqno = txId.seqno
  const known = s.origins[origin]
  if (seqno <= s.summary.committed.seqno || seqno <= (known?.seqno ?? 0)) return s
  if (splitAddress(origin).node !== undefined) return s
  return { ...s, origins: { ...s.origins, [origin]: { forwarding: known?.forwarding ?? 0, seqno } } }
}

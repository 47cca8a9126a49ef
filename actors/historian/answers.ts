// What a client is told that asked about the past.
// The rule to remember: every query is answered exactly once; 202 is an answer too.
import type { AppResponse } from '../../protocols/app.ts'
import { refusal, type Refusal } from '../../protocols/errors.ts'
import { RETRY_AFTER_SECONDS } from '../../protocols/historical/messages.ts'
import { jsonResponse, refusalResponse, type Executed, type Forwarded } from '../../protocols/requests.ts'
import type { Receipt } from '../../protocols/receipts/receipt.ts'
import { splitAddress } from '../actor.ts'
import { send, type Effect } from '../effects.ts'
import type { Asker, Unavailable } from './state.ts'

/** What came of a query. A client's request id is put in when it is sent. */
export type Outcome =
  | { readonly kind: 'receipt'; readonly receipt: Receipt }
  | { readonly kind: 'content'; readonly content: Pick<AppResponse, 'status' | 'contentType' | 'body'> }
  | { readonly kind: 'refused'; readonly refused: Refusal }

export const refused = (problem: Refusal): Outcome => ({ kind: 'refused', refused: problem })

export const tell = (asker: Asker, outcome: Outcome): Effect => answer(asker, responseTo(asker.requestId, outcome))

/** The client may have come by way of another node's executor, which then knows the batch as one it forwarded. */
function answer({ origin, originToken: token }: Asker, response: AppResponse): Effect {
  const message = { token, view: 0, responses: [response] }
  return splitAddress(origin).node === undefined
    ? send<Executed>(origin, { type: 'executed', ...message })
    : send<Forwarded>(origin, { type: 'forwarded', ...message })
}

function responseTo(id: number, outcome: Outcome): AppResponse {
  switch (outcome.kind) {
    case 'receipt':
      return jsonResponse(id, 200, outcome.receipt)
    case 'refused':
      return refusalResponse(id, outcome.refused)
    case 'content':
      return { id, ...outcome.content, txId: undefined }
  }
}

/** 202: it is being fetched, and a retry will find it (CCF facts §5.1). */
export const tellLater = (asker: Asker): Effect =>
  answer(asker, jsonResponse(asker.requestId, 202, { retry_after_seconds: RETRY_AFTER_SECONDS }))

/** Why a transaction is not shown. Corruption is named and stays: it is never repaired in silence. */
export function refuseUnavailable(seqno: number, why: Unavailable): Refusal {
  switch (why.problem) {
    case 'absent':
      return refusal(404, 'TransactionNotFound', `The ledger of this node does not hold transaction ${seqno}.`)
    case 'unsigned':
      // The index of signatures, not the ledger, says where they are; it may lag without harm to anything else.
      return refusal(
        404,
        'TransactionPendingOrUnknown',
        `The signature over transaction ${seqno} is not found at present.`,
      )
    case 'corrupt':
      return refusal(
        500,
        'InternalError',
        `Ledger entry ${why.seqno} of this node is corrupt: ${why.reason}. Ask another node, and tell the operator of this one.`,
      )
  }
}

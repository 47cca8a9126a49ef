// `GET …/receipt`: the entry and the first signature transaction after it are read from the ledger, and the receipt is built from them alone.
// The rule to remember: what the ledger gives back is checked before it is used; a receipt that would not verify is never sent.
import type { AppResponse } from '../../protocols/app.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import { seqno as asSeqno, view as asView, type TxId } from '../../protocols/ids.ts'
import { decodeEntry } from '../../protocols/ledger/entry.ts'
import { commitEvidence } from '../../protocols/ledger/leaf.ts'
import { parseSignature } from '../../protocols/ledger/signature.ts'
import { buildReceipt, buildSignatureReceipt } from '../../protocols/receipts/receipt.ts'
import { jsonResponse, type Executed } from '../../protocols/requests.ts'
import type { Envelope, Step } from '../actor.ts'
import { unchanged } from '../actor.ts'
import { send, type Effect } from '../effects.ts'
import { refuse } from './answers.ts'
import { secretOf, type AwaitingLedger, type Batch, type ExecutorEvent, type ExecutorState } from './state.ts'

export function startReceipt(s: ExecutorState, batch: Batch, requestId: number, target: TxId) {
  const token = s.nextToken
  const waiting: AwaitingLedger = {
    origin: batch.origin,
    originToken: batch.token,
    requestId,
    seqno: target.seqno,
    view: target.view,
  }
  const state: ExecutorState = {
    ...s,
    nextToken: token + 1,
    awaitingLedger: { ...s.awaitingLedger, [token]: waiting },
  }
  const effects: Effect[] = [{ type: 'readLedger', token, seqno: target.seqno, withSignature: true }]
  return { state, effects }
}

export function ledgerRead(s: ExecutorState, envelope: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const event = envelope.event as Extract<ExecutorEvent, { type: 'ledgerRead' }>
  const { [event.token]: waiting, ...awaitingLedger } = s.awaitingLedger
  if (waiting === undefined) return unchanged(s)
  const answer: Executed = {
    type: 'executed',
    token: waiting.originToken,
    view: 0,
    responses: [answerTo(s, waiting, event)],
  }
  return { state: { ...s, awaitingLedger }, effects: [send(waiting.origin, answer)] }
}

type LedgerRead = Extract<ExecutorEvent, { type: 'ledgerRead' }>

function answerTo(s: ExecutorState, waiting: AwaitingLedger, { entry, signatureEntry }: LedgerRead): AppResponse {
  const request = { id: waiting.requestId }
  if (entry === undefined) {
    return refuse(request, 404, 'TransactionNotFound', 'The ledger of this node does not hold this transaction.')
  }
  if (signatureEntry === undefined && parseSignature(decodeEntry(entry)) === undefined) {
    // The index, not the ledger, says where the signature is; an index may lag or fail without harm to anything else.
    return refuse(
      request,
      404,
      'TransactionPendingOrUnknown',
      'The signature over this transaction is not found at present.',
    )
  }
  return jsonResponse(request.id, 200, receiptOf(s, waiting, entry, signatureEntry))
}

function receiptOf(
  s: ExecutorState,
  waiting: AwaitingLedger,
  entryBytes: Uint8Array,
  signatureBytes: Uint8Array | undefined,
) {
  const entry = decodeEntry(entryBytes)
  const own = parseSignature(entry)
  const signature = own ?? (signatureBytes === undefined ? undefined : parseSignature(decodeEntry(signatureBytes)))
  if (entry.seqno !== waiting.seqno || entry.view !== waiting.view || signature === undefined) {
    throw new CorruptDataError(
      'ledger',
      0,
      `entry ${waiting.view}.${waiting.seqno} or its signature is not what was written`,
    )
  }
  const { commitSecret } = secretOf(s, waiting.seqno)
  const evidence = commitEvidence(s.config.crypto, commitSecret, asView(waiting.view), asSeqno(waiting.seqno))
  if (own !== undefined) return buildSignatureReceipt(own)
  const receipt = buildReceipt(s.config.crypto, { entryBytes, commitEvidence: evidence, signature })
  if (receipt === undefined) {
    throw new CorruptDataError('ledger', 0, `signature ${signature.seqno} does not cover entry ${waiting.seqno}`)
  }
  return receipt
}

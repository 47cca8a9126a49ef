// `GET …/receipt`: the entry and the first signature transaction after it are read from the ledger, and the receipt, JSON or COSE, is built
// from them alone.
// The rule to remember: what the ledger gives back is checked before it is used; a receipt that would not verify is never sent.
import type { AppResponse } from '../../protocols/app.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import { seqno as asSeqno, view as asView, type TxId } from '../../protocols/ids.ts'
import { decodeEntry } from '../../protocols/ledger/entry.ts'
import { commitEvidence } from '../../protocols/ledger/leaf.ts'
import { parseSignature, type SignatureContent } from '../../protocols/ledger/signature.ts'
import { coseReceiptOf } from '../../protocols/receipts/cose-receipt.ts'
import { buildReceipt, buildSignatureReceipt } from '../../protocols/receipts/receipt.ts'
import { jsonResponse, type Executed } from '../../protocols/requests.ts'
import type { Envelope, Step } from '../actor.ts'
import { unchanged } from '../actor.ts'
import { send, type Effect } from '../effects.ts'
import { refuse } from './answers.ts'
import {
  secretOf,
  type AwaitingLedger,
  type Batch,
  type ExecutorEvent,
  type ExecutorState,
  type ReceiptFormat,
} from './state.ts'

export function startReceipt(s: ExecutorState, batch: Batch, requestId: number, target: TxId, format: ReceiptFormat) {
  const token = s.nextToken
  const waiting: AwaitingLedger = {
    origin: batch.origin,
    originToken: batch.token,
    requestId,
    seqno: target.seqno,
    view: target.view,
    format,
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
  const read = readEntries(waiting, entry, signatureEntry)
  const receipt = waiting.format === 'cose' ? coseReceipt(s, waiting, read) : jsonReceipt(s, waiting, read)
  if (receipt !== undefined) return receipt
  // The index, not the ledger, says where the signature is; an index may lag or fail without harm to anything else.
  const notFound = 'The signature over this transaction is not found at present.'
  return refuse(request, 404, 'TransactionPendingOrUnknown', notFound)
}

interface Read {
  readonly entryBytes: Uint8Array
  /** What the entry itself signs, if it is a signature transaction. */
  readonly own: SignatureContent | undefined
  /** The first signature after it; undefined if there is none yet, or it is not found. */
  readonly next: SignatureContent | undefined
}

const corrupt = (reason: string): CorruptDataError => new CorruptDataError('ledger', 0, reason)

/** @throws CorruptDataError when the entry is not the transaction that was asked for. */
function readEntries({ view, seqno }: AwaitingLedger, entryBytes: Uint8Array, signature: Uint8Array | undefined): Read {
  const entry = decodeEntry(entryBytes)
  const next = signature === undefined ? undefined : parseSignature(decodeEntry(signature))
  if (entry.seqno !== seqno || entry.view !== view || (signature !== undefined && next === undefined)) {
    throw corrupt(`entry ${view}.${seqno} or its signature is not what was written`)
  }
  return { entryBytes, own: parseSignature(entry), next }
}

const evidenceOf = (s: ExecutorState, { view, seqno }: AwaitingLedger): string =>
  commitEvidence(s.config.crypto, secretOf(s, seqno).commitSecret, asView(view), asSeqno(seqno))

function jsonReceipt(s: ExecutorState, waiting: AwaitingLedger, { entryBytes, own, next: signature }: Read) {
  if (own !== undefined) return jsonResponse(waiting.requestId, 200, buildSignatureReceipt(own))
  if (signature === undefined) return undefined
  const receipt = buildReceipt(s.config.crypto, { entryBytes, commitEvidence: evidenceOf(s, waiting), signature })
  if (receipt === undefined) throw corrupt(`signature ${signature.seqno} does not cover entry ${waiting.seqno}`)
  return jsonResponse(waiting.requestId, 200, receipt)
}

/** A signature transaction, too, is proven by the signature after it: its own does not cover it. */
function coseReceipt(s: ExecutorState, waiting: AwaitingLedger, { entryBytes, next: signature }: Read) {
  if (signature === undefined) return undefined
  const id = waiting.requestId
  if (signature.coseSign1 === undefined) {
    return refuse({ id }, 404, 'ResourceNotFound', 'The service key did not sign this part of the ledger.')
  }
  const body = coseReceiptOf(s.config.crypto, { entryBytes, commitEvidence: evidenceOf(s, waiting), signature })
  if (body === undefined) throw corrupt(`signature ${signature.seqno} does not cover entry ${waiting.seqno}`)
  return { id, status: 200, contentType: 'bytes', body, txId: undefined } satisfies AppResponse
}

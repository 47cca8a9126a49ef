// The receipt of a verified transaction, JSON or COSE, from it and its signature alone (CCF facts §5.1, §5.2).
// The rule to remember: it reveals the commit evidence, and only committed transactions come this far.
import { invariant, refusal } from '../../protocols/errors.ts'
import { seqno as asSeqno, view as asView } from '../../protocols/ids.ts'
import { commitEvidence } from '../../protocols/ledger/leaf.ts'
import { coseReceiptOf } from '../../protocols/receipts/cose-receipt.ts'
import { buildReceipt, buildSignatureReceipt, type Receipt } from '../../protocols/receipts/receipt.ts'
import { secretAt } from '../../protocols/secrets/ledger-secrets.ts'
import { refused, refuseUnavailable, type Outcome } from './answers.ts'
import type { HistorianState } from './state.ts'
import type { Loaded } from './verification.ts'

function evidenceOf(s: HistorianState, { seqno, view }: Loaded): string {
  const secret = secretAt(s.secrets, seqno)
  invariant(secret !== undefined, 'a loaded transaction was opened with its secret')
  return commitEvidence(s.config.crypto, secret.commitSecret, asView(view), asSeqno(seqno))
}

export function receiptOf(s: HistorianState, loaded: Loaded): Receipt {
  const { content, tree } = loaded.signed
  if (content.seqno === loaded.seqno) return buildSignatureReceipt(content)
  const receipt = buildReceipt(s.config.crypto, {
    entryBytes: loaded.bytes,
    commitEvidence: evidenceOf(s, loaded),
    signature: content,
    tree,
  })
  invariant(receipt !== undefined, 'a loaded transaction is in the tree of its signature')
  return receipt
}

/** A signature transaction, too, is proven by the signature after it: its own does not cover it. */
export function coseReceipt(s: HistorianState, loaded: Loaded): Outcome {
  const { seqno, bytes, signed, next } = loaded
  const covering = signed.content.seqno === seqno ? next : signed
  if (covering === undefined) return refused(refuseUnavailable(seqno, { problem: 'unsigned' }))
  const { content: signature, tree } = covering
  if (signature.coseSign1 === undefined) {
    return refused(refusal(404, 'ResourceNotFound', 'The service key did not sign this part of the ledger.'))
  }
  const evidence = evidenceOf(s, loaded)
  const body = coseReceiptOf(s.config.crypto, { entryBytes: bytes, commitEvidence: evidence, signature, tree })
  invariant(body !== undefined, 'a loaded transaction is in the tree of its signature')
  return { kind: 'content', content: { status: 200, contentType: 'bytes', body } }
}

// Makes receipts from ledger files alone: the transaction, and the first signature after it. Not verification of the ledger (`ledger verify`).
// The rule to remember: no receipt leaves here whose leaf does not lead to the signed root; what cannot be made is refused with the reason.
import { DecodeError, equalBytes, utf8 } from '../../protocols/codec/bytes.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import { formatTxId, type TxId } from '../../protocols/ids.ts'
import { type Entry, ENTRY_TYPES } from '../../protocols/ledger/entry.ts'
import { commitEvidence, commitSecret, entryLeaf } from '../../protocols/ledger/leaf.ts'
import { parseSignature, type SignatureContent } from '../../protocols/ledger/signature.ts'
import { foldProof } from '../../protocols/merkle/tree.ts'
import { coseReceiptOf } from '../../protocols/receipts/cose-receipt.ts'
import { ENDORSEMENTS_MAX, recordedEndorsement } from '../../protocols/receipts/endorsements.ts'
import { buildReceipt, buildSignatureReceipt, inclusionOf, type Receipt } from '../../protocols/receipts/receipt.ts'
import { type LedgerSecret, secretAt } from '../../protocols/secrets/ledger-secrets.ts'
import type { LedgerChunk } from './chunk-row.ts'
import { readEntries, type StreamedEntry } from './entry-stream.ts'

export interface ReceiptWanted {
  readonly txId: TxId
  readonly format: 'json' | 'cose'
  /** To say the commit evidence of transactions of the current entry type. */
  readonly secrets: readonly LedgerSecret[]
}

export type MadeReceipt =
  | { readonly ok: true; readonly receipt: Receipt | Uint8Array; readonly signedAt: TxId }
  /** One line for a person. */
  | { readonly ok: false; readonly reason: string }

const no = (reason: string): MadeReceipt => ({ ok: false, reason })

interface Found {
  readonly source: StreamedEntry
  /** The first signature after it. */
  readonly next: SignatureContent | undefined
}

/** @throws DecodeError as CorruptDataError, with the place. */
function signatureIn({ chunk, offset, entry }: StreamedEntry): SignatureContent | undefined {
  try {
    return parseSignature(entry)
  } catch (error) {
    if (error instanceof DecodeError) throw new CorruptDataError(chunk.path, offset, error.message)
    throw error
  }
}

function find(chunks: readonly LedgerChunk[], seqno: number): Found | undefined {
  let source: StreamedEntry | undefined
  for (const read of readEntries(chunks, { from: seqno })) {
    if (source === undefined) {
      if (read.entry.seqno !== seqno) return undefined
      source = read
      continue
    }
    const next = signatureIn(read)
    if (next !== undefined) return { source, next }
  }
  return source && { source, next: undefined }
}

/** The evidence text, undefined where a receipt shows the bare leaf instead; or why it cannot be had. */
function evidenceOf(crypto: Crypto, entry: Entry, secrets: readonly LedgerSecret[]): string | undefined | MadeReceipt {
  if (entry.type !== ENTRY_TYPES.withCommitEvidenceAndClaims) return undefined
  const txId = formatTxId(entry)
  const secret = secretAt(secrets, entry.seqno)
  if (secret === undefined) return no(`the receipt of ${txId} shows its commit evidence: the ledger secret is needed`)
  const evidence = commitEvidence(crypto, commitSecret(crypto, secret.secret), entry.view, entry.seqno)
  const isRight = equalBytes(crypto.sha256(utf8(evidence)), entry.commitEvidenceDigest ?? utf8(''))
  return isRight ? evidence : no(`the ledger secret of version ${secret.version} is not that of ${txId}`)
}

/**
 * The receipt of a transaction in these chunks. Pass committed ones only, unless it is known otherwise what is committed.
 * @throws StorageError; CorruptDataError at the first fault met, also when the signature's tree does not hold the transaction as it is.
 */
export function makeReceipt(crypto: Crypto, chunks: readonly LedgerChunk[], wanted: ReceiptWanted): MadeReceipt {
  const { txId, format, secrets } = wanted
  const found = find(chunks, txId.seqno)
  if (found === undefined) return no(`the ledger does not hold seqno ${txId.seqno}`)
  const { source, next } = found
  const { entry } = source
  if (entry.view !== txId.view) return no(`seqno ${txId.seqno} of this ledger is transaction ${formatTxId(entry)}`)
  const own = signatureIn(source)
  if (own !== undefined && format === 'json') return signatureReceipt(own)
  if (next === undefined) return no(`no signature in these chunks covers ${formatTxId(txId)}`)
  checkCovered(crypto, source, next)
  const evidence = evidenceOf(crypto, entry, secrets)
  if (typeof evidence === 'object') return evidence
  return format === 'cose' ? cose(crypto, source, next, evidence) : json(crypto, source, next, evidence)
}

const hasNoCertificate = ({ seqno }: SignatureContent): MadeReceipt =>
  no(`the signature at seqno ${seqno} does not hold the certificate of its node, as in the oldest ledgers`)

function signatureReceipt(own: SignatureContent): MadeReceipt {
  if (own.nodeCertPem === '') return hasNoCertificate(own)
  return { ok: true, receipt: buildSignatureReceipt(own), signedAt: own }
}

/** @throws CorruptDataError unless the entry's leaf leads to the signed root. */
function checkCovered(
  crypto: Crypto,
  { chunk, offset, bytes, entry }: StreamedEntry,
  signature: SignatureContent,
): void {
  const fault = (reason: string): CorruptDataError => new CorruptDataError(chunk.path, offset, reason)
  let path
  try {
    path = inclusionOf(crypto, { entryBytes: bytes, commitEvidence: undefined, signature })?.path
  } catch (error) {
    if (error instanceof DecodeError) throw fault(`signature at seqno ${signature.seqno}: ${error.message}`)
    throw error
  }
  const isCovered =
    path !== undefined && equalBytes(foldProof(crypto, entryLeaf(crypto, bytes, entry), path).root, signature.root)
  if (!isCovered) throw fault(`seqno ${entry.seqno}: the signature at seqno ${signature.seqno} does not cover it`)
}

function json(crypto: Crypto, { bytes }: StreamedEntry, next: SignatureContent, evidence?: string): MadeReceipt {
  if (next.nodeCertPem === '') return hasNoCertificate(next)
  const receipt = buildReceipt(crypto, { entryBytes: bytes, commitEvidence: evidence, signature: next })!
  return { ok: true, receipt, signedAt: next }
}

function cose(crypto: Crypto, source: StreamedEntry, next: SignatureContent, evidence?: string): MadeReceipt {
  const { bytes, entry } = source
  if (next.coseSign1 === undefined) return no(`the service key did not sign at seqno ${next.seqno}: no COSE receipt`)
  if (evidence === undefined) return no(`entry type ${entry.type} lacks what a COSE receipt shows: claims and evidence`)
  const receipt = coseReceiptOf(crypto, { entryBytes: bytes, commitEvidence: evidence, signature: next })!
  return { ok: true, receipt, signedAt: next }
}

/**
 * The endorsements of service identities that the ledger records, newest first, as a verifier of receipts takes them; those after the last
 * signature are left out.
 * @throws StorageError, CorruptDataError
 */
export function recordedEndorsements(chunks: readonly LedgerChunk[]): readonly string[] {
  const signed: string[] = []
  let unsigned: string[] = []
  for (const read of readEntries(chunks)) {
    const { chunk, offset, entry } = read
    if (signatureIn(read) !== undefined) {
      signed.push(...unsigned)
      unsigned = []
      continue
    }
    try {
      const endorsement = recordedEndorsement(entry.publicWrites)
      if (endorsement !== undefined) unsigned.push(endorsement)
    } catch (error) {
      if (error instanceof DecodeError) throw new CorruptDataError(chunk.path, offset, error.message)
      throw error
    }
  }
  return signed.reverse().slice(0, ENDORSEMENTS_MAX)
}

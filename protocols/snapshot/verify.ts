// Offline verification of a snapshot by its file alone (CCF facts §15): its receipt proves that a node of the service put the digest of the
// entry into the ledger; the entry holds the tree and the signature of the transaction it was made at. Private tables stay sealed.
// The rule to remember: alone, a snapshot proves that a node signed it, not that it says what the ledger says; holding it against the
// ledger (in-ledger.ts) does.
import { DecodeError, equalBytes, fromHex, fromUtf8, toHex } from '../codec/bytes.ts'
import { formatPem, parsePem } from '../codec/pem.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { CorruptDataError } from '../errors.ts'
import type { TxId } from '../ids.ts'
import { append, deserialiseTree, type MerkleTree, root } from '../merkle/tree.ts'
import { verifyReceipt } from '../receipts/verify-receipt.ts'
import { applyToServiceRecord, LedgerFault, noService, type ServiceRecord } from '../ledger/service-record.ts'
import {
  decodeSnapshot,
  parseSnapshotFileName,
  type Snapshot,
  type SnapshotFileName,
  type SnapshotMap,
} from './format.ts'
import { decodeJsonObject, INTERNAL_TABLES, singleValue } from '../ledger/tables.ts'
import type { MapWrites } from '../ledger/write-set.ts'

export interface VerifiedSnapshot {
  readonly fileName: string
  readonly snapshot: Snapshot
  /** SHA-256 of the entry: what the evidence in the ledger names. */
  readonly digest: Uint8Array
  readonly evidence: TxId
  /** At `snapshot.seqno`. */
  readonly service: ServiceRecord
  /** Over leaves 0 … `snapshot.seqno`. */
  readonly tree: MerkleTree
  /** What the transaction at `snapshot.seqno` signed: 64 hex digits. */
  readonly signedRoot: string
}

const asWrites = ({ name, rows }: SnapshotMap): MapWrites => ({ name, writes: rows, removes: [] })

function valueOf({ publicMaps }: Snapshot, name: string): Uint8Array {
  const map = publicMaps.find((candidate) => candidate.name === name)
  const value = map && singleValue(asWrites(map))
  if (value === undefined) throw new LedgerFault(`no ${name}`)
  return value
}

/** The tree whose root the transaction at the snapshot's seqno signed, with that transaction's own leaf. */
function treeOf(crypto: Crypto, snapshot: Snapshot): { tree: MerkleTree; signedRoot: string } {
  const before = deserialiseTree(crypto, valueOf(snapshot, INTERNAL_TABLES.tree))
  if (before.size !== snapshot.seqno) throw new LedgerFault(`a tree of ${before.size} transactions`)
  const signedRoot = toHex(root(crypto, before).root)
  const stated = decodeJsonObject(valueOf(snapshot, INTERNAL_TABLES.signatures))['root']
  if (stated !== signedRoot) throw new LedgerFault('its signature signs another root than its tree has')
  return { tree: append(crypto, before, snapshot.leaf), signedRoot }
}

/** As CCF writes it: any other text of the same meaning is not what was written. */
function parseReceiptText(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const text = fromUtf8(bytes)
  const json = decodeJsonObject(bytes)
  if (JSON.stringify(json) !== text) throw new LedgerFault('the receipt is not compact JSON')
  const { cert } = json
  if (typeof cert !== 'string' || formatPem('CERTIFICATE', parsePem(cert, 'CERTIFICATE')) !== cert)
    throw new LedgerFault('the certificate in the receipt is not as CCF writes it')
  return json
}

function checkReceipt(crypto: Crypto, name: SnapshotFileName, snapshot: Snapshot, service: ServiceRecord): TxId {
  if (snapshot.receiptBytes.length === 0) throw new LedgerFault('has no receipt')
  if (service.certificatePem === undefined) throw new LedgerFault('names no service')
  const receipt = verifyReceipt(crypto, parseReceiptText(snapshot.receiptBytes), {
    serviceCertificate: service.certificatePem,
    claims: snapshot.entryBytes,
  })
  if (!receipt.ok) throw new LedgerFault(`receipt: ${receipt.reason}`)
  if (receipt.txId === undefined) throw new LedgerFault('the receipt names no transaction')
  if (
    receipt.txId.seqno !== name.evidenceSeqno ||
    receipt.txId.seqno <= snapshot.seqno ||
    receipt.txId.view < snapshot.view
  )
    throw new LedgerFault(`the receipt is of transaction ${receipt.txId.view}.${receipt.txId.seqno}`)
  return receipt.txId
}

function verify(crypto: Crypto, fileName: string, bytes: Uint8Array): VerifiedSnapshot {
  const name = parseSnapshotFileName(fileName)
  if (name === undefined) throw new LedgerFault('not a snapshot file name')
  const snapshot = decodeSnapshot(bytes)
  if (snapshot.seqno !== name.seqno) throw new LedgerFault(`is of seqno ${snapshot.seqno}`)
  const service = applyToServiceRecord(crypto, noService, snapshot.publicMaps.map(asWrites))
  const evidence = checkReceipt(crypto, name, snapshot, service)
  return {
    fileName,
    snapshot,
    digest: crypto.sha256(snapshot.entryBytes),
    evidence,
    service,
    ...treeOf(crypto, snapshot),
  }
}

/**
 * Verifies a snapshot file. That it belongs to a service you trust is for the caller: `service.certificate`.
 * @throws CorruptDataError
 */
export function verifySnapshot(crypto: Crypto, fileName: string, bytes: Uint8Array): VerifiedSnapshot {
  try {
    return verify(crypto, fileName, bytes)
  } catch (error) {
    if (error instanceof DecodeError) throw new CorruptDataError(fileName, error.offset, error.message)
    if (error instanceof LedgerFault) throw new CorruptDataError(fileName, 0, error.message)
    throw error
  }
}

/** True if the value of `snapshot_evidence` in the ledger names this snapshot. @throws DecodeError */
export function isEvidenceOf(value: Uint8Array, { digest, snapshot }: VerifiedSnapshot): boolean {
  const { hash, version } = decodeJsonObject(value)
  return typeof hash === 'string' && equalBytes(fromHex(hash), digest) && version === snapshot.seqno
}

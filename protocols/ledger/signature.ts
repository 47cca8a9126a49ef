// Signature transactions: the three maps by which a node signs the Merkle root (CCF facts §4.2). Not the signing itself
// (an effect), nor the judgement whether a signature holds (verify.ts).
// The rule to remember: a signature at seqno n covers leaves 0 … n−1 and writes these maps and nothing else.
import { DecodeError, equalBytes, fromBase64, fromHex, toBase64, toHex } from '../codec/bytes.ts'
import { nodeId as asNodeId, seqno as asSeqno, type NodeId, type Seqno, view as asView, type View } from '../ids.ts'
import type { Entry } from './entry.ts'
import { decodeJsonObject, decodeJsonString, encodeJson, INTERNAL_TABLES, singleValue, singleWrite } from './tables.ts'
import { mapWrites, type WriteSet } from './write-set.ts'

export interface SignatureContent {
  readonly nodeId: NodeId
  /** The signing node's service-endorsed certificate; empty in the oldest ledgers. */
  readonly nodeCertPem: string
  /** 32 bytes. */
  readonly root: Uint8Array
  readonly view: View
  /** Of the signature transaction itself. */
  readonly seqno: Seqno
  /** DER ECDSA by the node key over the root taken as a SHA-256 digest. */
  readonly signatureDer: Uint8Array
  /** COSE_Sign1 by the service key over the root (CCF facts §4.4); absent in old ledgers. */
  readonly coseSign1: Uint8Array | undefined
  /** Serialised tree (CCF facts §4.3). */
  readonly treeBytes: Uint8Array
}

/** Left over from CCF's BFT days, always zero (CCF facts §4.2). */
const HASHED_NONCE = '0'.repeat(64)

/** The write set of a signature transaction; JSON compact with alphabetical keys, as CCF's. */
export function signatureWrites(content: SignatureContent): WriteSet {
  const json = encodeJson({
    cert: content.nodeCertPem,
    commit_seqno: 0,
    commit_view: 0,
    hashed_nonce: HASHED_NONCE,
    node: content.nodeId,
    root: toHex(content.root),
    seqno: content.seqno,
    sig: toBase64(content.signatureDer),
    view: content.view,
  })
  const maps = [singleWrite(INTERNAL_TABLES.signatures, json), singleWrite(INTERNAL_TABLES.tree, content.treeBytes)]
  if (content.coseSign1 === undefined) return maps
  return [singleWrite(INTERNAL_TABLES.coseSignatures, encodeJson(toBase64(content.coseSign1))), ...maps]
}

/** True when the write set is a signature transaction's, that is: committable. */
export const isSignature = (writes: WriteSet): boolean => mapWrites(writes, INTERNAL_TABLES.signatures) !== undefined

const SIGNATURE_MAPS: readonly string[] = [
  INTERNAL_TABLES.coseSignatures,
  INTERNAL_TABLES.signatures,
  INTERNAL_TABLES.tree,
]

function hexField(json: Readonly<Record<string, unknown>>, name: string, bytes: number): Uint8Array {
  const text = json[name]
  if (typeof text !== 'string' || text.length !== 2 * bytes || /[A-F]/.test(text))
    throw new DecodeError(`signature: bad ${name}`, 0)
  return fromHex(text)
}

function numberField(json: Readonly<Record<string, unknown>>, name: string): number {
  const value = json[name]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new DecodeError(`signature: bad ${name}`, 0)
  return value
}

function textField(json: Readonly<Record<string, unknown>>, name: string): string {
  const value = json[name]
  if (typeof value !== 'string') throw new DecodeError(`signature: bad ${name}`, 0)
  return value
}

const SIGNATURE_FIELDS: readonly string[] = 'cert commit_seqno commit_view hashed_nonce node root seqno sig view'.split(
  ' ',
)

/**
 * The text must be the one that CCF writes for what it means. Nothing signs the last signature of a ledger, so whatever of it could be
 * spelled in two ways could be changed unnoticed.
 */
function checkText(json: Readonly<Record<string, unknown>>, bytes: Uint8Array): void {
  const unknown = Object.keys(json).find((name) => !SIGNATURE_FIELDS.includes(name))
  if (unknown !== undefined) throw new DecodeError('signature: unknown field', 0)
  if (!equalBytes(encodeJson(json), bytes)) throw new DecodeError('signature: not compact JSON', 0)
  if (json['hashed_nonce'] !== undefined && json['hashed_nonce'] !== HASHED_NONCE)
    throw new DecodeError('signature: bad hashed_nonce', 0)
}

/**
 * The signature a transaction carries, or undefined when it is not a signature transaction.
 * @throws DecodeError when it writes the signature tables in any other way than CCF does (followers refuse those).
 */
export function parseSignature(entry: Entry): SignatureContent | undefined {
  const writes = entry.publicWrites
  if (!writes.some((map) => SIGNATURE_MAPS.includes(map.name))) return undefined
  for (const map of writes) {
    if (!SIGNATURE_MAPS.includes(map.name) || map.removes.length > 0)
      throw new DecodeError('signature: unexpected maps', 0)
  }
  const jsonBytes = singleValue(mapWrites(writes, INTERNAL_TABLES.signatures))
  const treeBytes = singleValue(mapWrites(writes, INTERNAL_TABLES.tree))
  if (jsonBytes === undefined || treeBytes === undefined || entry.ciphertext.length > 0) {
    throw new DecodeError('signature: unexpected maps', 0)
  }
  const json = decodeJsonObject(jsonBytes)
  checkText(json, jsonBytes)
  const coseBytes = singleValue(mapWrites(writes, INTERNAL_TABLES.coseSignatures))
  const content: SignatureContent = {
    nodeId: asNodeId(toHex(hexField(json, 'node', 32))),
    // Ledgers of CCF 1.x have no certificate here; the nodes table has it.
    nodeCertPem: json['cert'] === undefined ? '' : textField(json, 'cert'),
    root: hexField(json, 'root', 32),
    view: asView(numberField(json, 'view')),
    seqno: asSeqno(numberField(json, 'seqno')),
    signatureDer: fromBase64(textField(json, 'sig')),
    coseSign1: coseBytes === undefined ? undefined : fromBase64(decodeJsonString(coseBytes)),
    treeBytes,
  }
  if (content.seqno !== entry.seqno || content.view !== entry.view)
    throw new DecodeError('signature: names another transaction', 0)
  return content
}

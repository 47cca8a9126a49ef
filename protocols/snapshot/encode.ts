// Writes the entry of a snapshot, byte for byte as CCF would (CCF facts §15). Not the file: its receipt is appended once the evidence is signed.
// The rule to remember: two nodes that hold the same state write the same public domain, since keys are ordered by a hash of their bytes.
import { ByteWriter, utf8 } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { sipHash24 } from '../crypto/siphash.ts'
import type { Seqno } from '../ids.ts'
import { ENTRY_HEADER_BYTES, ENTRY_PREFIX_BYTES, ENTRY_TYPES } from '../ledger/entry.ts'
import { isPublicMap } from '../ledger/write-set.ts'
import type { SnapshotMap, SnapshotRow } from './format.ts'

/** What the public domain of a snapshot begins with. */
export interface SnapshotHead {
  readonly seqno: Seqno
  /** 32 bytes: the Merkle leaf of the transaction at `seqno`. */
  readonly leaf: Uint8Array
  /** Element i: first seqno of view i + 1. */
  readonly viewHistory: readonly number[]
}

export interface SnapshotContent extends SnapshotHead {
  /** Public and private, each ascending by name; rows in any order. */
  readonly maps: readonly SnapshotMap[]
}

const ENTRY_VERSION = 1
/** Bit 31 of the view in the IV: no transaction has it, so a snapshot never shares an IV with one. */
const SNAPSHOT_MARK = 2 ** 31
const KEY_ORDER = utf8('Kilroy was here!')

const paddingTo8 = (length: number): Uint8Array => new Uint8Array((8 - (length % 8)) % 8)

/** Rows of one map, encoded, in CCF's order: of all rows, or of a part of them to be merged with others (merge.ts). */
export interface SortedRows {
  /** The order: 32 bits of a hash of the key. */
  readonly ranks: Uint32Array
  /** Offset behind each row in `bytes`. */
  readonly ends: Uint32Array
  readonly bytes: Uint8Array
}

/** Ranks of equal keys' hashes keep the order in which the rows come. */
export function sortRows(rows: readonly SnapshotRow[]): SortedRows {
  const unsorted = Uint32Array.from(rows, ({ key }) => sipHash24(KEY_ORDER, key).low)
  const order = Uint32Array.from(rows, (_, i) => i).sort((a, b) => unsorted[a]! - unsorted[b]! || a - b)
  const writer = new ByteWriter(1024)
  const ends = new Uint32Array(rows.length)
  order.forEach((row, i) => {
    const { key, version, value } = rows[row]!
    writer.u64le(key.length).raw(key).raw(paddingTo8(key.length))
    writer
      .u64le(8 + value.length)
      .u64le(version)
      .raw(value)
      .raw(paddingTo8(value.length))
    ends[i] = writer.length
  })
  return { ranks: order.map((row) => unsorted[row]!), ends, bytes: writer.finish() }
}

/** What precedes a map's rows. `rowsBytes`: of all of them, encoded. */
export function encodeMapHead({ name, version }: Omit<SnapshotMap, 'rows'>, rowsBytes: number): Uint8Array {
  const nameBytes = utf8(name)
  return new ByteWriter(64).u64le(nameBytes.length).raw(nameBytes).u64le(version).u64le(rowsBytes).finish()
}

/** What precedes the public maps. */
export function encodeSnapshotHead({ seqno, leaf, viewHistory }: SnapshotHead): Uint8Array {
  const writer = new ByteWriter(4096).u8(ENTRY_TYPES.snapshot).u64le(seqno).u64le(0)
  writer
    .u64le(leaf.length)
    .raw(leaf)
    .u64le(8 * viewHistory.length)
  for (const first of viewHistory) writer.u64le(first)
  return writer.finish()
}

function putMap(writer: ByteWriter, map: SnapshotMap): void {
  const { bytes } = sortRows(map.rows)
  writer.raw(encodeMapHead(map, bytes.length)).raw(bytes)
}

/** Everything in clear: what the seal authenticates. */
export function encodePublicDomain(content: SnapshotContent): Uint8Array {
  const writer = new ByteWriter(4096).raw(encodeSnapshotHead(content))
  for (const map of content.maps) if (isPublicMap(map.name)) putMap(writer, map)
  return writer.finish()
}

/** The whole entry, sealed. `ledgerSecret`: the 32 bytes in force at `seqno`. */
export function encodeSnapshot(crypto: Crypto, ledgerSecret: Uint8Array, content: SnapshotContent): Uint8Array {
  const plaintext = new ByteWriter()
  for (const map of content.maps) if (!isPublicMap(map.name)) putMap(plaintext, map)
  return sealSnapshot(crypto, ledgerSecret, content.seqno, encodePublicDomain(content), plaintext.finish())
}

/** The entry of two encoded domains. `ledgerSecret`: the 32 bytes in force at `seqno`. */
export function sealSnapshot(
  crypto: Crypto,
  ledgerSecret: Uint8Array,
  seqno: Seqno,
  publicDomain: Uint8Array,
  privateDomain: Uint8Array,
): Uint8Array {
  const iv = new ByteWriter(12).u64le(seqno).u32le(SNAPSHOT_MARK).finish()
  const { ciphertext, tag } = crypto.aesGcmSeal(ledgerSecret, iv, publicDomain, privateDomain)
  const length = ENTRY_PREFIX_BYTES + publicDomain.length + ciphertext.length
  return new ByteWriter(length)
    .u8(ENTRY_VERSION)
    .u8(0)
    .u48le(length - ENTRY_HEADER_BYTES)
    .raw(tag)
    .raw(iv)
    .u64le(publicDomain.length)
    .raw(publicDomain)
    .raw(ciphertext)
    .finish()
}

// Writes the entry of a snapshot, byte for byte as CCF would (CCF facts §15). Not the file: its receipt is appended once the evidence is signed.
// The rule to remember: two nodes that hold the same state write the same public domain, since keys are ordered by a hash of their bytes.
import { ByteWriter, utf8 } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { sipHash24 } from '../crypto/siphash.ts'
import type { Seqno } from '../ids.ts'
import { ENTRY_HEADER_BYTES, ENTRY_PREFIX_BYTES, ENTRY_TYPES } from '../ledger/entry.ts'
import type { SnapshotMap, SnapshotRow } from './format.ts'
import { isPublicMap } from '../ledger/write-set.ts'

export interface SnapshotContent {
  readonly seqno: Seqno
  /** 32 bytes: the Merkle leaf of the transaction at `seqno`. */
  readonly leaf: Uint8Array
  /** Element i: first seqno of view i + 1. */
  readonly viewHistory: readonly number[]
  /** Public and private, each ascending by name; rows in any order. */
  readonly maps: readonly SnapshotMap[]
}

const ENTRY_VERSION = 1
/** Bit 31 of the view in the IV: no transaction has it, so a snapshot never shares an IV with one. */
const SNAPSHOT_MARK = 2 ** 31
const KEY_ORDER = utf8('Kilroy was here!')

const paddingTo8 = (length: number): Uint8Array => new Uint8Array((8 - (length % 8)) % 8)

function rowsInOrder(rows: readonly SnapshotRow[]): SnapshotRow[] {
  const rank = (key: Uint8Array): number => Number(sipHash24(KEY_ORDER, key) & 0xffff_ffffn)
  return rows
    .map((row) => ({ row, rank: rank(row.key) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ row }) => row)
}

function putMap(writer: ByteWriter, { name, version, rows }: SnapshotMap): void {
  const content = new ByteWriter()
  for (const { key, version: written, value } of rowsInOrder(rows)) {
    content.u64le(key.length).raw(key).raw(paddingTo8(key.length))
    content
      .u64le(8 + value.length)
      .u64le(written)
      .raw(value)
      .raw(paddingTo8(value.length))
  }
  const bytes = content.finish()
  const nameBytes = utf8(name)
  writer.u64le(nameBytes.length).raw(nameBytes).u64le(version).u64le(bytes.length).raw(bytes)
}

/** Everything in clear: what the seal authenticates. */
export function encodePublicDomain({ seqno, leaf, viewHistory, maps }: SnapshotContent): Uint8Array {
  const writer = new ByteWriter(4096).u8(ENTRY_TYPES.snapshot).u64le(seqno).u64le(0)
  writer
    .u64le(leaf.length)
    .raw(leaf)
    .u64le(8 * viewHistory.length)
  for (const first of viewHistory) writer.u64le(first)
  for (const map of maps) if (isPublicMap(map.name)) putMap(writer, map)
  return writer.finish()
}

/** The whole entry, sealed. `ledgerSecret`: the 32 bytes in force at `seqno`. */
export function encodeSnapshot(crypto: Crypto, ledgerSecret: Uint8Array, content: SnapshotContent): Uint8Array {
  const publicDomain = encodePublicDomain(content)
  const plaintext = new ByteWriter()
  for (const map of content.maps) if (!isPublicMap(map.name)) putMap(plaintext, map)
  const iv = new ByteWriter(12).u64le(content.seqno).u32le(SNAPSHOT_MARK).finish()
  const { ciphertext, tag } = crypto.aesGcmSeal(ledgerSecret, iv, publicDomain, plaintext.finish())
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

// Snapshot files (CCF facts §15): one sealed entry that holds the whole state at a signature transaction, then the JSON receipt of the
// transaction that put the entry's digest into the ledger. Only the format: whether it is to be believed is verify.ts.
// The rule to remember: the entry's length comes from its header, and whatever follows it is the receipt.
import { ByteReader, compareBytes, DecodeError, fromUtf8 } from '../codec/bytes.ts'
import { seqno, type Seqno, view, type View } from '../ids.ts'
import { decodeEntryHeader, ENTRY_TYPES, entryLengthAt, type EntryHeader } from '../ledger/entry.ts'
import { isPublicMap } from '../ledger/write-set.ts'

/** A snapshot file's name, taken apart. */
export interface SnapshotFileName {
  readonly seqno: Seqno
  /** Of the transaction that holds the evidence. */
  readonly evidenceSeqno: Seqno
  /** False while the receipt is missing: it proves nothing yet. */
  readonly committed: boolean
}

const NAME = /^snapshot_([1-9][0-9]{0,15})_([1-9][0-9]{0,15})(\.committed)?$/

/** Undefined for anything that is not the name of a snapshot file. */
export function parseSnapshotFileName(name: string): SnapshotFileName | undefined {
  const [, at, evidence, committed] = NAME.exec(name) ?? []
  if (at === undefined || evidence === undefined) return undefined
  if (!Number.isSafeInteger(Number(at)) || !Number.isSafeInteger(Number(evidence))) return undefined
  return { seqno: seqno(Number(at)), evidenceSeqno: seqno(Number(evidence)), committed: committed !== undefined }
}

export const snapshotFileName = (at: number, evidenceSeqno: number): string =>
  `snapshot_${at}_${evidenceSeqno}.committed`

/** A snapshot file on a node's disk. */
export interface StoredSnapshot {
  readonly fileName: string
  readonly sizeBytes: number
}

export interface SnapshotRow {
  readonly key: Uint8Array
  /** Seqno of the transaction that last wrote it. */
  readonly version: number
  readonly value: Uint8Array
}

export interface SnapshotMap {
  readonly name: string
  /** Seqno of the transaction that last changed it. */
  readonly version: number
  /** In CCF's order, which is that of a hash of the keys. */
  readonly rows: readonly SnapshotRow[]
}

export interface Snapshot {
  /** The whole entry: its SHA-256 is what the evidence names. */
  readonly entryBytes: Uint8Array
  readonly header: EntryHeader
  readonly seqno: Seqno
  /** Of the transaction at `seqno`. */
  readonly view: View
  /** 32 bytes: the Merkle leaf of the transaction at `seqno`. */
  readonly leaf: Uint8Array
  /** Element i: first seqno of view i + 1. */
  readonly viewHistory: readonly number[]
  /** By name, ascending. The private ones are sealed. */
  readonly publicMaps: readonly SnapshotMap[]
  /** What follows the entry; empty while there is none. */
  readonly receiptBytes: Uint8Array
}

const WORD_BYTES = 8

/** A field followed by zero bytes up to a multiple of eight. */
function takePadded(reader: ByteReader, length: number): Uint8Array {
  const field = reader.take(length)
  const at = reader.offset
  const padding = reader.take((WORD_BYTES - (length % WORD_BYTES)) % WORD_BYTES)
  if (padding.some((byte) => byte !== 0)) throw new DecodeError('padding is not zero', at)
  return field
}

function takeRow(reader: ByteReader): SnapshotRow {
  const key = takePadded(reader, reader.u64le())
  const at = reader.offset
  const versioned = new ByteReader(takePadded(reader, reader.u64le()))
  if (versioned.remaining < WORD_BYTES) throw new DecodeError('value without a version', at)
  return { key, version: versioned.u64le(), value: versioned.take(versioned.remaining) }
}

function takeMap(reader: ByteReader, nameBytes: Uint8Array): SnapshotMap {
  const name = fromUtf8(nameBytes)
  const version = reader.u64le()
  const rows: SnapshotRow[] = []
  const content = new ByteReader(reader.take(reader.u64le()))
  while (content.remaining > 0) rows.push(takeRow(content))
  return { name, version, rows }
}

function takeMaps(reader: ByteReader, publicMaps: boolean): SnapshotMap[] {
  const maps: SnapshotMap[] = []
  let previous: Uint8Array | undefined
  while (reader.remaining > 0) {
    const at = reader.offset
    const nameBytes = reader.take(reader.u64le())
    if (previous !== undefined && compareBytes(previous, nameBytes) >= 0)
      throw new DecodeError('map names do not ascend', at)
    const map = takeMap(reader, nameBytes)
    if (isPublicMap(map.name) !== publicMaps) throw new DecodeError('map in the wrong domain', at)
    maps.push(map)
    previous = nameBytes
  }
  return maps
}

function takeViewHistory(reader: ByteReader, at: Seqno): number[] {
  const offset = reader.offset
  const history = new ByteReader(reader.take(reader.u64le()))
  const starts: number[] = []
  while (history.remaining > 0) {
    const start = history.u64le()
    if (start < (starts.at(-1) ?? 1) || start > at) throw new DecodeError('impossible view history', offset)
    starts.push(start)
  }
  if (starts.length === 0) throw new DecodeError('empty view history', offset)
  return starts
}

/** Private maps of an opened private domain. @throws DecodeError */
export const decodePrivateMaps = (plaintext: Uint8Array): SnapshotMap[] => takeMaps(new ByteReader(plaintext), false)

/**
 * Takes a snapshot file apart; byte fields are views on `bytes`.
 * @throws DecodeError unless every byte is where it belongs
 */
export function decodeSnapshot(bytes: Uint8Array): Snapshot {
  const length = entryLengthAt(bytes, 0)
  if (length === undefined || length > bytes.length) throw new DecodeError('incomplete entry', bytes.length)
  const entryBytes = bytes.subarray(0, length)
  const header = decodeEntryHeader(entryBytes)
  if (header.type !== ENTRY_TYPES.snapshot) throw new DecodeError('not a snapshot', 0)
  const reader = new ByteReader(header.publicDomain, header.mapsOffset)
  const hashAt = reader.offset
  if (reader.u64le() !== 32) throw new DecodeError('the leaf is not a SHA-256 hash', hashAt)
  const leaf = reader.take(32)
  const viewHistory = takeViewHistory(reader, header.seqno)
  return {
    entryBytes,
    header,
    seqno: header.seqno,
    view: view(viewHistory.length),
    leaf,
    viewHistory,
    publicMaps: takeMaps(reader, true),
    receiptBytes: bytes.subarray(length),
  }
}

// Chunk files (CCF facts §3.1): an 8-byte header naming the offset of the positions table, entries back to back, the
// table. And the names of ledger files. Not the files themselves (store/ledger).
// The rule to remember: table offset 0 means the chunk is open; its tail may be torn, and only whole entries count.
import { ByteReader, ByteWriter, DecodeError } from '../codec/bytes.ts'
import { seqno, type Seqno } from '../ids.ts'
import { entryLengthAt, ENTRY_HEADER_BYTES } from './entry.ts'

export const CHUNK_HEADER_BYTES = 8
/** Positions are u32le, so every entry must start below this offset. */
export const CHUNK_BYTES_MAX = 2 ** 32

/** The first 8 bytes of a chunk; 0 while it is open, else the offset of its positions table. */
export const chunkHeader = (tableOffset: number): Uint8Array =>
  new ByteWriter(CHUNK_HEADER_BYTES).u64le(tableOffset).finish()

/** The positions table: file offset of each entry, in order. */
export function encodePositions(offsets: readonly number[]): Uint8Array {
  const writer = new ByteWriter(4 * offsets.length)
  for (const offset of offsets) writer.u32le(offset)
  return writer.finish()
}

/** A whole completed chunk from its entries. */
export function encodeChunk(entries: readonly Uint8Array[]): Uint8Array {
  const offsets: number[] = []
  let at = CHUNK_HEADER_BYTES
  for (const entry of entries) {
    offsets.push(at)
    at += entry.length
  }
  const writer = new ByteWriter(at + 4 * offsets.length).u64le(at)
  for (const entry of entries) writer.raw(entry)
  return writer.raw(encodePositions(offsets)).finish()
}

export interface EntrySlice {
  /** Offset of the entry within the buffer. */
  readonly offset: number
  /** A view on the buffer. */
  readonly bytes: Uint8Array
}

/**
 * Cuts entries out of `bytes[start, end)`, whole ones only. The generator's return value is the offset behind the last
 * whole entry: less than `end` when the tail is torn. Looks at sizes only, never at contents.
 */
export function* splitEntries(bytes: Uint8Array, start: number, end = bytes.length): Generator<EntrySlice, number> {
  let offset = start
  while (offset + ENTRY_HEADER_BYTES <= end) {
    const length = entryLengthAt(bytes, offset)
    if (length === undefined || offset + length > end) break
    yield { offset, bytes: bytes.subarray(offset, offset + length) }
    offset += length
  }
  return offset
}

/** Offset behind the last whole entry, the place to cut a torn tail at. `start` must be an entry's offset. */
export function wholeEntriesEnd(bytes: Uint8Array, start: number = CHUNK_HEADER_BYTES): number {
  const entries = splitEntries(bytes, start)
  for (;;) {
    const next = entries.next()
    if (next.done === true) return next.value
  }
}

/** How a chunk file ends. */
export interface ChunkEnd {
  /** False while the positions table is missing. */
  readonly complete: boolean
  /** Offset behind the last whole entry: the table's offset when complete. */
  readonly end: number
  /** Bytes behind `end` that do not form an entry; always 0 when complete. */
  readonly tornBytes: number
}

export interface Chunk extends ChunkEnd {
  readonly entries: readonly EntrySlice[]
}

/**
 * Reads a chunk file. A complete chunk must agree with its table byte for byte; an open one may end in a torn entry.
 * @throws DecodeError
 */
export function decodeChunk(bytes: Uint8Array): Chunk {
  const reader = new ByteReader(bytes)
  const tableOffset = reader.u64le()
  const complete = tableOffset !== 0
  if (complete && (tableOffset < CHUNK_HEADER_BYTES || tableOffset > bytes.length))
    throw new DecodeError('positions table outside the chunk', 0)
  const limit = complete ? tableOffset : bytes.length
  const slices = splitEntries(bytes, CHUNK_HEADER_BYTES, limit)
  const entries: EntrySlice[] = []
  let next = slices.next()
  for (; next.done !== true; next = slices.next()) entries.push(next.value)
  const end = next.value
  if (!complete) return { complete, entries, end, tornBytes: bytes.length - end }
  if (end !== tableOffset) throw new DecodeError('entries do not end at the positions table', end)
  if (bytes.length - tableOffset !== 4 * entries.length)
    throw new DecodeError('positions table of a wrong length', tableOffset)
  reader.offset = tableOffset
  for (const entry of entries) {
    const at = reader.offset
    if (reader.u32le() !== entry.offset) throw new DecodeError('position does not point at its entry', at)
  }
  return { complete, entries, end, tornBytes: 0 }
}

/** A ledger file's name, taken apart (CCF facts §3.1). */
export interface LedgerFileName {
  readonly first: Seqno
  /** Undefined in `ledger_<first>`: open, or complete and not yet committed. */
  readonly last: Seqno | undefined
  readonly committed: boolean
  /** Written by a recovery that is not finished. */
  readonly recovery: boolean
  /** To be left alone. */
  readonly ignored: boolean
}

const NAME = /^ledger_([1-9][0-9]{0,15})(?:-([1-9][0-9]{0,15}))?(\.committed)?(\.recovery)?(\.ignored)?$/

/** Undefined for anything that is not the name of a ledger file. */
export function parseLedgerFileName(name: string): LedgerFileName | undefined {
  const match = NAME.exec(name)
  if (match === null) return undefined
  const first = Number(match[1])
  const last = match[2] === undefined ? undefined : Number(match[2])
  const committed = match[3] !== undefined
  if (!Number.isSafeInteger(first) || (last === undefined ? committed : !Number.isSafeInteger(last) || last < first))
    return undefined
  return {
    first: seqno(first),
    last: last === undefined ? undefined : seqno(last),
    committed,
    recovery: match[4] !== undefined,
    ignored: match[5] !== undefined,
  }
}

/** Inverse of parseLedgerFileName. */
export function formatLedgerFileName(name: LedgerFileName): string {
  const range = name.last === undefined ? `${name.first}` : `${name.first}-${name.last}`
  return `ledger_${range}${name.committed ? '.committed' : ''}${name.recovery ? '.recovery' : ''}${name.ignored ? '.ignored' : ''}`
}

/** `ledger_<first>`: the chunk being written. */
export const openChunkName = (first: Seqno): string => `ledger_${first}`
/** `ledger_<first>-<last>.committed`. */
export const committedChunkName = (first: Seqno, last: Seqno): string => `ledger_${first}-${last}.committed`

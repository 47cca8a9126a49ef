// Write sets: what one transaction changed, map by map, and their form inside an entry's two domains (CCF facts §3.4).
// Not the entry around them (entry.ts) and not the KV.
// The rule to remember: map names ascend bytewise, keys ascend bytewise within writes and within removes. The encoder
// trusts that (the KV keeps everything sorted), the decoder refuses anything else: one write set has one encoding.
import { type ByteReader, compareBytes, DecodeError, fromUtf8, toByteString, utf8 } from '../codec/bytes.ts'

export interface Write {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Changes of one map. A map is public iff its name starts with `public:`. */
export interface MapWrites {
  readonly name: string
  readonly writes: readonly Write[]
  readonly removes: readonly Uint8Array[]
}

/** All changes of one transaction, maps in ascending byte order of their names. */
export type WriteSet = readonly MapWrites[]

/** What the transaction at `seqno` changed. */
export interface SequencedWrites {
  readonly seqno: number
  readonly writes: WriteSet
}

/** Public maps are stored in clear, all others encrypted (CCF facts §3.4). */
export const isPublicMap = (name: string): boolean => name.startsWith('public:')

/** The four counters of a map: read version, read count, write count, remove count. */
const MAP_COUNTERS_BYTES = 32

const isEmpty = (map: MapWrites): boolean => map.writes.length === 0 && map.removes.length === 0

/** Bytes of `text` in UTF-8, without encoding it when it is ASCII (map names practically always are). */
function utf8Length(text: string): number {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return utf8(text).length
  return text.length
}

/** Bytes that `putDomain` will write for the public (or else the private) maps of `writes`. */
export function domainLength(writes: WriteSet, publicMaps: boolean): number {
  let length = 0
  for (let i = 0; i < writes.length; i++) {
    const map = writes[i]!
    if (isPublicMap(map.name) !== publicMaps || isEmpty(map)) continue
    length += 8 + utf8Length(map.name) + MAP_COUNTERS_BYTES
    for (let j = 0; j < map.writes.length; j++) {
      const write = map.writes[j]!
      length += 16 + write.key.length + write.value.length
    }
    for (let j = 0; j < map.removes.length; j++) length += 8 + map.removes[j]!.length
  }
  return length
}

// The put… functions write into a zeroed buffer, so the high bytes of a u64le length are left alone: a buffer is
// shorter than 2^32 bytes. Short copies go byte by byte: `set` costs more than it saves below about 40 bytes.

function putLength(out: Uint8Array, at: number, value: number): void {
  out[at] = value
  if (value > 0xff) {
    out[at + 1] = value >>> 8
    out[at + 2] = value >>> 16
    out[at + 3] = value >>> 24
  }
}

function putBytes(out: Uint8Array, at: number, bytes: Uint8Array): number {
  const length = bytes.length
  if (length > 40) out.set(bytes, at)
  else for (let i = 0; i < length; i++) out[at + i] = bytes[i]!
  return at + length
}

function putSized(out: Uint8Array, at: number, bytes: Uint8Array): number {
  putLength(out, at, bytes.length)
  return putBytes(out, at + 8, bytes)
}

function putName(out: Uint8Array, at: number, name: string): number {
  const start = at + 8
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code > 0x7f) return putSized(out, at, utf8(name))
    out[start + i] = code
  }
  putLength(out, at, name.length)
  return start + name.length
}

/** Writes the public (or else the private) maps into the zeroed buffer `out` from `at`; returns the end offset. */
export function putDomain(out: Uint8Array, at: number, writes: WriteSet, publicMaps: boolean): number {
  for (let i = 0; i < writes.length; i++) {
    const map = writes[i]!
    if (isPublicMap(map.name) !== publicMaps || isEmpty(map)) continue
    at = putName(out, at, map.name) + 16
    putLength(out, at, map.writes.length)
    at += 8
    for (let j = 0; j < map.writes.length; j++) {
      const write = map.writes[j]!
      at = putSized(out, putSized(out, at, write.key), write.value)
    }
    putLength(out, at, map.removes.length)
    at += 8
    for (let j = 0; j < map.removes.length; j++) at = putSized(out, at, map.removes[j]!)
  }
  return at
}

function takeName(reader: ByteReader): { name: string; bytes: Uint8Array } {
  const at = reader.offset
  const bytes = reader.take(reader.u64le())
  for (const byte of bytes) {
    if (byte < 0x80) continue
    try {
      return { name: fromUtf8(bytes), bytes }
    } catch {
      throw new DecodeError('map name is not UTF-8', at)
    }
  }
  return { name: toByteString(bytes), bytes }
}

function takeKey(reader: ByteReader, previous: Uint8Array | undefined): Uint8Array {
  const at = reader.offset
  const key = reader.take(reader.u64le())
  if (previous !== undefined && compareBytes(previous, key) >= 0) throw new DecodeError('keys do not ascend', at)
  return key
}

function takeMap(reader: ByteReader, name: string): MapWrites {
  const at = reader.offset
  if (reader.u64le() !== 0) throw new DecodeError('read version is not 0', at)
  if (reader.u64le() !== 0) throw new DecodeError('read count is not 0', at + 8)
  const writes: Write[] = []
  let key: Uint8Array | undefined
  for (let count = reader.u64le(); count > 0; count--) {
    key = takeKey(reader, key)
    writes.push({ key, value: reader.take(reader.u64le()) })
  }
  const removes: Uint8Array[] = []
  key = undefined
  for (let count = reader.u64le(); count > 0; count--) removes.push((key = takeKey(reader, key)))
  if (writes.length === 0 && removes.length === 0) throw new DecodeError('map without changes', at)
  return { name, writes, removes }
}

/**
 * Reads maps until the reader's end. Keys and values are views on the reader's buffer, not copies.
 * @throws DecodeError when a field does not fit, an order is wrong, or a map is not on the wanted side.
 */
export function takeDomain(reader: ByteReader, publicMaps: boolean): WriteSet {
  const maps: MapWrites[] = []
  let previous: Uint8Array | undefined
  while (reader.remaining > 0) {
    const at = reader.offset
    const { name, bytes } = takeName(reader)
    if (previous !== undefined && compareBytes(previous, bytes) >= 0)
      throw new DecodeError('map names do not ascend', at)
    if (isPublicMap(name) !== publicMaps) throw new DecodeError('map in the wrong domain', at)
    maps.push(takeMap(reader, name))
    previous = bytes
  }
  return maps
}

/**
 * Reads the changes of one map of a public domain, decoding no other's values after it: names ascend, so most domains are left at their
 * first name. Undefined when it is not there. @throws DecodeError for what is met on the way.
 */
export function takePublicMap(reader: ByteReader, name: string): MapWrites | undefined {
  const wanted = utf8(name)
  while (reader.remaining > 0) {
    const found = takeName(reader)
    const order = compareBytes(found.bytes, wanted)
    if (order > 0) return undefined
    const map = takeMap(reader, found.name)
    if (order === 0) return map
  }
  return undefined
}

/** The changes of one map, or undefined when the write set does not touch it. */
export function mapWrites(writes: WriteSet, name: string): MapWrites | undefined {
  for (const map of writes) if (map.name === name) return map
  return undefined
}

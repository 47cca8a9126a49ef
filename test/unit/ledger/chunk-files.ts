// Writes entries into chunk files of a directory, for tests of the tools that read them; and makes entries of the old types 0, 2 and 3.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ByteWriter, concat, utf8 } from '../../../protocols/codec/bytes.ts'
import { nobleCrypto as crypto } from '../../../protocols/crypto/noble.ts'
import { chunkHeader, decodeChunk, encodeChunk } from '../../../protocols/ledger/chunk.ts'
import { domainLength, type MapWrites, putDomain, type WriteSet } from '../../../protocols/ledger/write-set.ts'

export const write = (name: string, key: string, value: string): MapWrites => ({
  name,
  writes: [{ key: utf8(key), value: utf8(value) }],
  removes: [],
})

/**
 * Committed chunks that end at the seqnos `cuts`, then one open chunk with the rest, if there is any. `entries` start at seqno 1;
 * those before `from` are left out.
 */
export function writeChunks(
  directory: string,
  entries: readonly Uint8Array[],
  cuts: readonly number[],
  from = 1,
): string {
  mkdirSync(directory, { recursive: true })
  let first = from
  for (const last of cuts) {
    writeFileSync(join(directory, `ledger_${first}-${last}.committed`), encodeChunk(entries.slice(first - 1, last)))
    first = last + 1
  }
  const rest = entries.slice(first - 1)
  if (rest.length > 0) writeFileSync(join(directory, `ledger_${first}`), concat(chunkHeader(0), ...rest))
  return directory
}

/** Changes one byte of the entry at `index` in a chunk file. @returns the entry's offset. */
export function spoilEntry(path: string, index: number, byte: number, value: number): number {
  const bytes = readFileSync(path)
  const { offset } = decodeChunk(new Uint8Array(bytes)).entries[index]!
  bytes[offset + byte] = value
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
  return offset
}

function domain(writes: WriteSet, publicMaps: boolean): Uint8Array {
  const out = new Uint8Array(domainLength(writes, publicMaps))
  putDomain(out, 0, writes, publicMaps)
  return out
}

/** An entry as older CCF wrote it (CCF facts §3.4), sealed under `secret`; type 0 carries a max conflict version without meaning. */
export function oldEntry(
  type: 0 | 2 | 3,
  secret: Uint8Array,
  view: number,
  seqno: number,
  writes: WriteSet,
): Uint8Array {
  const digests = type === 0 ? new Uint8Array(0) : new Uint8Array(32).fill(type)
  const conflict = type === 3 ? 0 : 7
  const head = new ByteWriter().u8(type).u64le(seqno).raw(digests).u64le(conflict).finish()
  const publicDomain = concat(head, domain(writes, true))
  const iv = new ByteWriter().u64le(seqno).u32le(view).finish().slice()
  const { ciphertext, tag } = crypto.aesGcmSeal(secret, iv, publicDomain, domain(writes, false))
  const following = concat(tag, iv, new ByteWriter().u64le(publicDomain.length).finish(), publicDomain, ciphertext)
  return concat(new ByteWriter().u8(1).u8(0).u48le(following.length).finish(), following)
}

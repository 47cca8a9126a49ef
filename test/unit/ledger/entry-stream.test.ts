// Goal: entries are streamed from chunk files of any size through a window of fixed size, byte for byte those that were written, also where
// windows end in the middle of one; sizes that cannot be true are refused before memory is taken for them.
import { describe, expect, it } from 'vitest'
import { concat, equalBytes, utf8 } from '../../../protocols/codec/bytes.ts'
import { nobleCrypto as crypto } from '../../../protocols/crypto/noble.ts'
import { seqno, view } from '../../../protocols/ids.ts'
import { chunkHeader, encodeChunk } from '../../../protocols/ledger/chunk.ts'
import { encodeEntry } from '../../../protocols/ledger/entry.ts'
import { chunkRow } from '../../../runtime/ledger-tools/chunk-row.ts'
import {
  readEntries,
  type StreamedEntry,
  type StreamEnd,
  type StreamOptions,
} from '../../../runtime/ledger-tools/entry-stream.ts'
import { ENTRY_READ_BYTES_MAX } from '../../../store/ledger/chunk-entries.ts'
import type { File, FileSystem, OpenMode } from '../../../store/ledger/files.ts'
import { MemoryFiles } from '../../../store/ledger/memory-files.ts'

const secret = new Uint8Array(32)
const MIB = 1024 * 1024

function entry(at: number, valueBytes: number): Uint8Array {
  const writes = [{ name: 'public:log', writes: [{ key: utf8('k'), value: new Uint8Array(valueBytes) }], removes: [] }]
  const content = { flags: 0, claimsDigest: undefined, commitEvidenceDigest: new Uint8Array(32), writes }
  return encodeEntry(crypto, secret, { ...content, view: view(2), seqno: seqno(at) }).bytes
}

function put(files: MemoryFiles, name: string, bytes: Uint8Array): void {
  const file = files.open(`ledger/${name}`, 'create')
  file.write(bytes, 0)
  file.close()
}

const never = (): never => expect.unreachable('only reads')
const readOnly = { write: never, truncate: never, datasync: never, datasyncNow: never }

/** Notes every read, and which files are open. */
class WatchedFiles extends MemoryFiles {
  readonly reads: number[] = []
  readonly opened = new Set<string>()
  override open(path: string, mode: OpenMode): File {
    const file = super.open(path, mode)
    if (mode !== 'read') return file
    this.opened.add(path)
    return {
      ...readOnly,
      path,
      size: () => file.size(),
      read: (offset, length) => {
        this.reads.push(length)
        return file.read(offset, length)
      },
      close: () => {
        this.opened.delete(path)
        file.close()
      },
    }
  }
}

/** One open chunk of 2 GiB that was never written, but for the header of its first entry. */
class SparseFiles extends MemoryFiles {
  readonly #header: Uint8Array
  constructor(header: Uint8Array) {
    super({ seed: 1 })
    this.#header = header
  }
  override readdir(): string[] {
    return ['ledger_1']
  }
  override open(path: string): File {
    const read = (offset: number, length: number): Uint8Array => {
      expect(length).toBeLessThanOrEqual(ENTRY_READ_BYTES_MAX)
      const bytes = new Uint8Array(length)
      if (offset === 8) bytes.set(this.#header)
      return bytes
    }
    return { ...readOnly, path, read, size: () => 2 ** 31, close: () => undefined }
  }
}

function all(files: FileSystem, options: StreamOptions = {}): { entries: StreamedEntry[]; end: StreamEnd } {
  const walk = readEntries(chunkRow(files, 'ledger'), { ...options, files })
  const entries: StreamedEntry[] = []
  for (;;) {
    const next = walk.next()
    if (next.done === true) return { entries, end: next.value }
    entries.push(next.value)
  }
}

describe('windows', () => {
  // Sizes that put entry and header boundaries on both sides of a megabyte, and one entry larger than a window.
  const sizes = [300_000, 500_000, 248_200, 10, 0, 2_500_000, 7, MIB, 40]
  const written = sizes.map((bytes, i) => entry(i + 1, bytes))
  const ledger = (): WatchedFiles => {
    const files = new WatchedFiles({ seed: 1 })
    put(files, 'ledger_1-6.committed', encodeChunk(written.slice(0, 6)))
    put(files, 'ledger_7', concat(chunkHeader(0), ...written.slice(6)))
    return files
  }

  it('show every entry as it was written, and views on them stay right', () => {
    const { entries, end } = all(ledger())
    expect(entries.map(({ bytes }, i) => equalBytes(bytes, written[i]!))).toEqual(sizes.map(() => true))
    expect(end).toEqual({ lastSeqno: 9, torn: undefined })
  })

  it('are of fixed size but for larger entries, one file at a time', () => {
    const files = ledger()
    const { reads, opened } = files
    const walk = readEntries(chunkRow(files, 'ledger'), { files })
    for (let next = walk.next(); next.done !== true; next = walk.next()) expect(opened.size).toBe(1)
    expect(opened.size).toBe(0)
    const largest = written[5]!.length
    expect(reads.filter((length) => length > MIB && length !== largest && length !== written[7]!.length)).toEqual([])
  })

  it('close their file when nobody wants more', () => {
    const files = ledger()
    const { opened } = files
    for (const { entry: found } of readEntries(chunkRow(files, 'ledger'), { files })) if (found.seqno === 2) break
    expect(opened.size).toBe(0)
  })

  it('are not read for chunks outside the range', () => {
    const files = ledger()
    const { reads } = files
    expect(all(files, { from: 7, to: 7 }).entries.map(({ entry: { seqno: at } }) => at)).toEqual([7])
    expect(Math.max(...reads)).toBeLessThanOrEqual(MIB)
    expect(all(files, { from: 3, to: 8 }).entries.map(({ entry: { seqno: at } }) => at)).toEqual([3, 4, 5, 6, 7, 8])
    expect(all(files, { from: 10 })).toEqual({ entries: [], end: { lastSeqno: 0, torn: undefined } })
  })
})

it('a size beyond belief is refused before memory is taken', () => {
  const files = new SparseFiles(Uint8Array.of(1, 0, 0, 0, 0, 0x40, 0, 0))
  expect(() => all(files)).toThrow('ledger/ledger_1: corrupt at byte 8: seqno 1: an entry of 1073741832 bytes')
})

it('every cut of an open chunk is a torn tail, and every cut of a committed one is corrupt', () => {
  const entries = [entry(1, 3), entry(2, 5)]
  const [open, committed] = [concat(chunkHeader(0), ...entries), encodeChunk(entries)]
  const wholeAt = [8, 8 + entries[0]!.length, open.length]
  for (let length = 0; length < open.length; length++) {
    const files = new MemoryFiles({ seed: 1 })
    put(files, 'ledger_1', open.subarray(0, length))
    const { entries: found, end } = all(files)
    expect(found).toHaveLength(wholeAt.filter((end) => end <= length && end > 8).length)
    expect(end.torn === undefined).toBe(length === 0 || wholeAt.includes(length))
  }
  for (let length = 0; length < committed.length; length++) {
    const files = new MemoryFiles({ seed: 1 })
    put(files, 'ledger_1-2.committed', committed.subarray(0, length))
    expect(() => all(files)).toThrow(/ledger_1-2\.committed: corrupt at byte \d+: /)
  }
})

it('every changed byte of a committed chunk is either a fault that names a seqno, or an entry of the same shape', () => {
  const entries = [entry(1, 3), entry(2, 5), entry(3, 0)]
  const chunk = encodeChunk(entries)
  for (let at = 0; at < chunk.length; at++) {
    const files = new MemoryFiles({ seed: 1 })
    put(files, 'ledger_1-3.committed', chunk)
    files.corrupt('ledger/ledger_1-3.committed', at, 0x80)
    try {
      expect(all(files).end.lastSeqno).toBe(3)
    } catch (error) {
      expect(String(error)).toMatch(
        /^CorruptDataError: ledger\/ledger_1-3\.committed: corrupt at byte \d+: seqno [1-4]: /,
      )
    }
  }
})

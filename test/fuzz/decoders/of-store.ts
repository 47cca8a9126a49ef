// The decoders of ledger directories: chunk files in memory, whole, torn and wrong, as the store and the tools for auditors read them.
import { utf8 } from '../../../protocols/codec/bytes.ts'
import { decodeChunk } from '../../../protocols/ledger/chunk.ts'
import { CorruptDataError } from '../../../protocols/errors.ts'
import { chunkRow } from '../../../runtime/ledger-tools/chunk-row.ts'
import { readEntries } from '../../../runtime/ledger-tools/entry-stream.ts'
import { parseLedgerSecrets } from '../../../runtime/ledger-tools/ledger-secrets.ts'
import { showKey, showValue } from '../../../runtime/ledger-tools/printable.ts'
import { StorageError } from '../../../store/ledger/files.ts'
import { inspectLedger } from '../../../store/ledger/inspect.ts'
import { MemoryFiles } from '../../../store/ledger/memory-files.ts'
import { readPositions, readTableOffset } from '../../../store/ledger/positions.ts'
import { recoverTail } from '../../../store/ledger/recover.ts'
import { isSignatureEntry } from '../../../store/ledger/scan.ts'
import { type Decoder, ofBytes } from './decoder.ts'
import { chunks, entries, json, signatureEntries, texts } from './seeds.ts'

const DIRECTORY = '/ledger'
const refuses = [CorruptDataError, StorageError]

function directoryWith(name: string, bytes: Uint8Array): MemoryFiles {
  const files = new MemoryFiles({ seed: 1, defer: (task) => task() })
  files.mkdir(DIRECTORY)
  const file = files.open(`${DIRECTORY}/${name}`, 'create')
  file.write(bytes, 0)
  file.datasyncNow()
  file.close()
  return files
}

/** Those that begin at seqno 1 are read to their end; the others only as far as their name is right. */
const fromTheStart = (): Uint8Array[] => chunks().slice(0, 4)
const countIn = (): number => decodeChunk(chunks()[0]!).entries.length

/** The chunk as it is while it is written: without table, its header zero. */
const open = (chunk: Uint8Array): Uint8Array => {
  const cut = chunk.slice(0, decodeChunk(chunk).end)
  return cut.fill(0, 0, 8)
}

/** What the memory file system itself copies: on writing, on synchronising, on reading. */
const FILE_COPIES = 12

export const storeDecoders: readonly Decoder[] = [
  ofBytes({
    name: 'store-positions',
    of: ['store/ledger/positions.ts#readPositions', 'store/ledger/positions.ts#readTableOffset'],
    refuses,
    seeds: fromTheStart,
    decode: (bytes) => {
      const file = directoryWith('ledger_1', bytes).open(`${DIRECTORY}/ledger_1`, 'read')
      const { positions, end } = readPositions(file, countIn())
      return { positions: positions.toArray(), end, offset: readTableOffset(file) }
    },
    bytesPerByte: FILE_COPIES,
  }),
  ofBytes({
    name: 'store-committed',
    of: ['store/ledger/inspect.ts#inspectLedger'],
    refuses,
    seeds: () => [chunks()[0]!],
    decode: (bytes) => {
      const name = `ledger_1-${countIn()}.committed`
      const facts = inspectLedger(DIRECTORY, { files: directoryWith(name, bytes) })
      return {
        ...facts,
        chunks: facts.chunks.map(({ positions, ...chunk }) => ({ ...chunk, at: positions.toArray() })),
      }
    },
    bytesPerByte: FILE_COPIES + 32,
  }),
  ofBytes({
    name: 'store-recovery',
    of: ['store/ledger/recover.ts#recoverTail'],
    refuses,
    seeds: () => [...fromTheStart(), ...fromTheStart().map(open)],
    decode: (bytes) => {
      const { uncommitted, ...report } = recoverTail(DIRECTORY, { files: directoryWith('ledger_1', bytes) })
      return { ...report, ends: uncommitted.map(({ end, last }) => ({ end, last })) }
    },
    bytesPerByte: FILE_COPIES + 64,
  }),
  ofBytes({
    name: 'store-signature',
    of: ['store/ledger/scan.ts#isSignatureEntry'],
    seeds: () => [...signatureEntries(), ...entries()],
    decode: (bytes) => (isSignatureEntry(bytes) ? true : undefined),
    bytesPerByte: 32,
  }),
  ofBytes({
    name: 'entry-stream',
    of: ['runtime/ledger-tools/entry-stream.ts#readEntries', 'runtime/ledger-tools/chunk-row.ts#chunkRow'],
    refuses,
    seeds: () => [...fromTheStart(), ...fromTheStart().map(open)],
    decode: (bytes) => {
      const files = directoryWith('ledger_1', bytes)
      const read = [...readEntries(chunkRow(files, DIRECTORY), { files })]
      return read.map(({ offset, entry }) => ({ offset, seqno: entry.seqno, maps: entry.publicWrites.length }))
    },
    // The tool reads through windows of a megabyte, however small the file.
    fixedBytes: 8 * 1024 * 1024,
    bytesPerByte: FILE_COPIES + 64,
  }),
  ofBytes({
    name: 'ledger-secrets-file',
    of: ['runtime/ledger-tools/ledger-secrets.ts#parseLedgerSecrets'],
    format: 'json',
    seeds: () => [
      ...json({ 1: 'ab'.repeat(32), 17: 'cd'.repeat(32) }),
      utf8('ab'.repeat(32)),
      new Uint8Array(32).fill(9),
    ],
    decode: parseLedgerSecrets,
    bytesPerByte: 80,
  }),
  ofBytes({
    name: 'shown',
    of: ['runtime/ledger-tools/printable.ts#showKey', 'runtime/ledger-tools/printable.ts#showValue'],
    format: 'json',
    seeds: () => [...json({ a: [1, 'b\u0007'] }), ...texts('key \u202e')(), new Uint8Array(9).fill(0xfe)],
    decode: (bytes) => ({ key: showKey(bytes, 160), value: showValue(bytes, 160) }),
    bytesPerByte: 200,
  }),
]

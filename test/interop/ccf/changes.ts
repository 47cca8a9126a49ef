// Single-byte changes of committed chunks, one for each kind of byte and place, drawn from a seed.
// Not their judgement. The rule to remember: a kind names what the byte is part of (CCF facts §3), so that a verdict can be read as a sentence.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHUNK_HEADER_BYTES, decodeChunk } from '../../../protocols/ledger/chunk.ts'
import { decodeEntry, ENTRY_HEADER_BYTES, ENTRY_PREFIX_BYTES } from '../../../protocols/ledger/entry.ts'
import { isSignature } from '../../../protocols/ledger/signature.ts'
import { INTERNAL_TABLES } from '../../../protocols/ledger/tables.ts'
import { mapWrites, type WriteSet } from '../../../protocols/ledger/write-set.ts'
import type { Prng } from '../../../runtime/prng.ts'
import { listLedger } from '../../../store/ledger/directory.ts'
import { realFiles } from '../../../store/ledger/real-files.ts'
import type { Change } from './auditor.ts'

export interface LedgerChange extends Change {
  /** What the byte is part of. */
  readonly kind: string
  /** `last signature`: in the last entry of the last chunk, which no later signature covers. */
  readonly place: 'chunk' | 'entry' | 'signature' | 'last signature'
}

/** Bytes [from, to) of a file or an entry. */
interface Span {
  readonly kind: string
  readonly from: number
  readonly to: number
  /** What a byte is combined with; any single bit by default. */
  readonly xor?: number
}

const span = (kind: string, from: number, length: number): Span => ({ kind, from, to: from + length })

/** Where the fixed parts of a type-4 entry are (CCF facts §3.3, §3.4). */
const FIXED_PARTS: readonly Span[] = [
  span('entry header: version', 0, 1),
  span('entry header: flags', 1, 1),
  span('entry header: size', 2, 6),
  span('GCM tag', ENTRY_HEADER_BYTES, 16),
  span('IV', ENTRY_HEADER_BYTES + 16, 12),
  span('length of the public domain', ENTRY_HEADER_BYTES + 28, 8),
  span('entry type', ENTRY_PREFIX_BYTES, 1),
  span('seqno', ENTRY_PREFIX_BYTES + 1, 8),
  span('claims digest', ENTRY_PREFIX_BYTES + 9, 32),
  span('commit evidence digest', ENTRY_PREFIX_BYTES + 41, 32),
  span('max conflict version', ENTRY_PREFIX_BYTES + 73, 8),
]

/** The parts of one entry as spans of the entry. */
function partsOf(bytes: Uint8Array): Span[] {
  const entry = decodeEntry(bytes)
  const place = (kind: string, view: Uint8Array): Span[] =>
    view.length === 0 ? [] : [span(kind, view.byteOffset - bytes.byteOffset, view.length)]
  if (isSignature(entry.publicWrites)) return [...FIXED_PARTS, ...signatureParts(bytes, entry.publicWrites)]
  const [first] = entry.publicWrites
  // The name stands right behind its u64 length, at the very start of the maps.
  const nameOffset = ENTRY_PREFIX_BYTES + entry.mapsOffset + 8
  return [
    ...FIXED_PARTS,
    ...(first === undefined ? [] : [span('public table name', nameOffset, first.name.length)]),
    ...(first?.writes ?? []).flatMap(({ key, value }) => [
      ...place('public key', key),
      ...place('public value', value),
    ]),
    ...place('ciphertext', entry.ciphertext),
  ]
}

/** Base64 characters of the protected header, behind those of tag, array and its own length. */
const COSE_PROTECTED_CHARS = span('COSE signature: protected header', 8, 120)
/** Characters of r ‖ s by P-384, but for the last few: of those not every bit says something. */
const COSE_SIGNATURE_CHARS = 120
const BASE64_TAIL_CHARS = 4

/** Of a signature transaction, what must hold by itself (the rest holds by what the next signature signs), and the tree. */
function signatureParts(bytes: Uint8Array, writes: WriteSet): Span[] {
  const valueOf = (table: string): { readonly offset: number; readonly text: string; readonly length: number } => {
    const value = mapWrites(writes, table)?.writes[0]?.value
    if (value === undefined) throw new Error(`a signature without ${table}`)
    return { offset: value.byteOffset - bytes.byteOffset, text: new TextDecoder().decode(value), length: value.length }
  }
  const json = valueOf(INTERNAL_TABLES.signatures)
  const cose = valueOf(INTERNAL_TABLES.coseSignatures)
  const tree = valueOf(INTERNAL_TABLES.tree)
  const inJson = (name: string, tailChars: number, xor?: number): Span => {
    const found = new RegExp(`"${name}":"([^"]*)"`, 'd').exec(json.text)?.indices?.[1]
    if (found === undefined) throw new Error(`a signature without ${name}`)
    const [from, to] = found
    return {
      kind: `signature: ${name}`,
      from: json.offset + from,
      to: json.offset + to - tailChars,
      ...(xor && { xor }),
    }
  }
  // Both stand in quotes.
  const coseEnd = cose.offset + cose.length - 1 - BASE64_TAIL_CHARS
  const { kind, from, to } = COSE_PROTECTED_CHARS
  return [
    inJson('node', 0),
    // Lower and upper case are one bit apart, and the same root.
    inJson('root', 0, 1),
    inJson('sig', BASE64_TAIL_CHARS),
    { kind, from: cose.offset + from, to: cose.offset + to },
    { kind: 'COSE signature: signature', from: coseEnd - COSE_SIGNATURE_CHARS, to: coseEnd },
    span('serialised tree', tree.offset, tree.length),
  ]
}

const TABLE_CHANGES = 4

/**
 * In every committed chunk: all bytes of its header, some of its table, and one byte of each part of one entry: in every other chunk and in
 * the last its last, a signature; else any.
 */
export function drawLedgerChanges(directory: string, prng: Prng): LedgerChange[] {
  const { committed } = listLedger(realFiles, directory)
  return committed.flatMap(({ name: file }, i): LedgerChange[] => {
    const bytes = new Uint8Array(readFileSync(join(directory, file)))
    const { entries, end } = decodeChunk(bytes)
    const draw = (place: LedgerChange['place'], { kind, from, to, xor }: Span): LedgerChange => ({
      file,
      kind,
      place,
      offset: prng.integer(from, to - 1),
      xor: xor ?? 1 << prng.integer(0, 7),
    })
    const header = Array.from({ length: CHUNK_HEADER_BYTES }, (_, at) =>
      draw('chunk', span('offset of the table', at, 1)),
    )
    const table = Array.from({ length: TABLE_CHANGES }, () =>
      draw('chunk', { kind: 'table', from: end, to: bytes.length }),
    )
    const last = entries.length - 1
    const isLastChunk = i === committed.length - 1
    const { bytes: entry, offset } = entries[isLastChunk || i % 2 === 0 ? last : prng.integer(0, last - 1)]!
    const isSigned = isSignature(decodeEntry(entry).publicWrites)
    const place = !isSigned ? 'entry' : isLastChunk ? 'last signature' : 'signature'
    const inEntry = partsOf(entry).map((part) =>
      draw(place, { ...part, from: part.from + offset, to: part.to + offset }),
    )
    return [...header, ...table, ...inEntry]
  })
}

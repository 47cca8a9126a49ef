// Goal: chunk files are read and written exactly, a torn tail is cut at the last whole entry wherever it is torn, a complete
// chunk that disagrees with its table is refused, and file names follow CCF facts §3.1 both ways.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, DecodeError } from '../../../protocols/codec/bytes.ts'
import { seqno } from '../../../protocols/ids.ts'
import {
  chunkHeader,
  committedChunkName,
  decodeChunk,
  encodeChunk,
  formatLedgerFileName,
  openChunkName,
  parseLedgerFileName,
  splitEntries,
  wholeEntriesEnd,
} from '../../../protocols/ledger/chunk.ts'
import { acme } from './golden.ts'

const closed = acme.files[2]!.bytes
const open = acme.files[3]!.bytes

describe('chunks', () => {
  test('an open chunk torn at any byte ends at its last whole entry', () => {
    const whole = decodeChunk(open)
    expect(whole).toMatchObject({ complete: false, tornBytes: 0, end: open.length })
    const ends = [8, ...whole.entries.map((slice) => slice.offset + slice.bytes.length)]
    for (let length = 8; length <= open.length; length++) {
      const torn = open.subarray(0, length)
      const expected = ends.findLast((end) => end <= length)!
      expect(wholeEntriesEnd(torn)).toBe(expected)
      const chunk = decodeChunk(torn)
      expect([chunk.end, chunk.tornBytes]).toEqual([expected, length - expected])
    }
    for (let length = 0; length < 8; length++) expect(() => decodeChunk(open.subarray(0, length))).toThrow(DecodeError)
  })

  test('entries can be cut out of a part of a buffer', () => {
    const { entries } = decodeChunk(closed)
    const [second, third] = [entries[1]!, entries[2]!]
    const slices = splitEntries(closed, second.offset, third.offset + 20)
    expect(slices.next()).toEqual({ done: false, value: second })
    expect(slices.next()).toEqual({ done: true, value: third.offset })
  })

  test('a complete chunk must agree with its table', () => {
    const { end } = decodeChunk(closed)
    for (let at = end; at < closed.length; at++) {
      const mutated = closed.slice()
      mutated[at]! ^= 1
      expect(() => decodeChunk(mutated)).toThrow(DecodeError)
    }
    expect(() => decodeChunk(closed.subarray(0, closed.length - 1))).toThrow(DecodeError)
    expect(() => decodeChunk(concat(closed, new Uint8Array(4)))).toThrow(DecodeError)
    for (const table of [7, end - 1, end + 4, closed.length + 1, 2 ** 40]) {
      expect(() => decodeChunk(concat(chunkHeader(table), closed.subarray(8)))).toThrow(DecodeError)
    }
  })

  test('any bytes decode or are refused', () => {
    const anyBytes = fc.tuple(fc.nat(60), fc.uint8Array({ maxLength: 60 }))
    fc.assert(
      fc.property(anyBytes, ([table, rest]) => {
        const bytes = concat(chunkHeader(table), rest)
        try {
          const chunk = decodeChunk(bytes)
          if (chunk.complete) expect(encodeChunk(chunk.entries.map((slice) => slice.bytes))).toEqual(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { seed: 1, numRuns: 2000 },
    )
  })
})

describe('file names', () => {
  test.each([
    ['ledger_1', { first: 1, last: undefined, committed: false, recovery: false, ignored: false }],
    ['ledger_1-2.committed', { first: 1, last: 2, committed: true, recovery: false, ignored: false }],
    ['ledger_3-13', { first: 3, last: 13, committed: false, recovery: false, ignored: false }],
    ['ledger_29.recovery', { first: 29, last: undefined, committed: false, recovery: true, ignored: false }],
    ['ledger_29-46.committed.recovery', { first: 29, last: 46, committed: true, recovery: true, ignored: false }],
    ['ledger_29.ignored', { first: 29, last: undefined, committed: false, recovery: false, ignored: true }],
  ])('%s', (name, parsed) => {
    expect(parseLedgerFileName(name)).toEqual(parsed)
    expect(formatLedgerFileName(parseLedgerFileName(name)!)).toBe(name)
  })

  test.each([
    'ledger_',
    'ledger_0',
    'ledger_01',
    'ledger_5-4',
    'ledger_5.committed',
    'ledger_1-2.committed.x',
    'xledger_1',
  ])('%s is none', (name) => expect(parseLedgerFileName(name)).toBeUndefined())

  test('ledger_9007199254740993 is none: beyond 2^53', () => {
    expect(parseLedgerFileName('ledger_9007199254740993')).toBeUndefined()
    expect(parseLedgerFileName('ledger_9007199254740991')).toBeDefined()
  })

  test('of chunks', () => {
    expect(openChunkName(seqno(7))).toBe('ledger_7')
    expect(committedChunkName(seqno(7), seqno(9))).toBe('ledger_7-9.committed')
  })
})

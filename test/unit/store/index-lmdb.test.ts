// Goal: the index answers where an entry lies, which signature covers it and in which view it was written; it is durable
// when its promises resolve, follows truncation, and can be rebuilt from the ledger files to the same content.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { utf8 } from '../../../protocols/codec/bytes.ts'
import { InvariantViolation } from '../../../protocols/errors.ts'
import { freshIndex, type IndexedEntry, type LedgerIndex, openIndex, rebuildIndex } from '../../../store/index-lmdb.ts'
import { entriesOf } from './entries.ts'
import { closed, flushed, openIn, realStore } from './ledger/stores.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'concordat-index-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const entry = (seqno: number, view = 2): IndexedEntry => ({
  seqno,
  view,
  signature: seqno % 5 === 0,
  chunkFirst: seqno - (seqno % 100),
  offset: 8 + 10 * seqno,
  sizeBytes: 10,
})
const range = (from: number, to: number, view = 2): IndexedEntry[] =>
  Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, view))

it('answers by seqno, signature and view, also after reopening', async () => {
  let index = openIndex(directory)
  expect([index.lastSeqno, index.location(1), index.nextSignature(1), index.viewHistory, index.viewAt(1)]).toEqual([
    0,
    undefined,
    undefined,
    [],
    undefined,
  ])
  await index.put(range(1, 7))
  await index.put(range(8, 300, 4))
  const check = (): void => {
    expect(index.lastSeqno).toBe(300)
    expect(index.location(256)).toEqual({ chunkFirst: 200, offset: 2568, sizeBytes: 10 })
    expect([0, 1, 5, 6, 256, 300, 301].map((seqno) => index.nextSignature(seqno))).toEqual([
      5,
      5,
      5,
      10,
      260,
      300,
      undefined,
    ])
    expect([0, 4, 5, 9, 300, 999].map((seqno) => index.previousSignature(seqno))).toEqual([
      undefined,
      undefined,
      5,
      5,
      300,
      300,
    ])
    expect(index.viewHistory).toEqual([
      { view: 2, seqno: 1 },
      { view: 4, seqno: 8 },
    ])
    expect([1, 7, 8, 300, 301].map((seqno) => index.viewAt(seqno))).toEqual([2, 2, 4, 4, undefined])
  }
  check()
  await index.close()
  index = openIndex(directory)
  check()
  await index.close()
})

it('removes what truncation removes, and goes on in a later view', async () => {
  const index = openIndex(directory)
  await index.put([...range(1, 7), ...range(8, 20, 4)])
  await index.truncate(7)
  expect([index.lastSeqno, index.location(8), index.nextSignature(6), index.viewHistory]).toEqual([
    7,
    undefined,
    undefined,
    [{ view: 2, seqno: 1 }],
  ])
  await index.put(range(8, 9, 6))
  expect(index.viewHistory.at(-1)).toEqual({ view: 6, seqno: 8 })
  await index.truncate(0)
  await index.put(range(1000, 1001))
  expect([index.lastSeqno, index.location(1000)?.chunkFirst, index.location(7)]).toEqual([1001, 1000, undefined])
  await index.close()
})

it('keeps small values by name', async () => {
  const index = openIndex(directory)
  expect(index.load('vote')).toBeUndefined()
  await Promise.all([index.save('vote', utf8('a')), index.save('vote', utf8('b')), index.save('voted', utf8('c'))])
  expect([index.load('vote'), index.load('voted')]).toEqual([utf8('b'), utf8('c')])
  await index.put(range(1, 3))
  await index.truncate(0)
  expect(index.load('vote')).toEqual(utf8('b'))
  await expect(index.save('x'.repeat(300), utf8('d'))).rejects.toThrow(InvariantViolation)
  await index.close()
})

it('takes interleaved writes in order without waiting for each', async () => {
  const index = openIndex(directory)
  const writes: Promise<void>[] = []
  for (let i = 0; i < 30; i++) {
    writes.push(index.put(range(1 + 10 * i, 10 + 10 * i)))
    if (i % 7 === 6) writes.push(index.truncate(10 * i + 3), index.put(range(10 * i + 4, 10 * i + 10, 2)))
  }
  await Promise.all(writes)
  expect(index.lastSeqno).toBe(300)
  for (const { seqno, offset } of range(1, 300)) expect(index.location(seqno)?.offset).toBe(offset)
  await index.close()
})

it('refuses a gap and a second opening in the same process', async () => {
  const index = openIndex(directory)
  await index.put(range(1, 3))
  await expect(index.put(range(5, 6))).rejects.toThrow(InvariantViolation)
  expect(index.lastSeqno).toBe(3)
  await index.put(range(4, 4))
  expect(() => openIndex(join(directory, '.'))).toThrow(/already open/)
  await index.close()
  await openIndex(directory).close()
})

it('is rebuilt from the ledger files', async () => {
  const store = realStore()
  const ledger = openIn(store, { chunkBytes: 700 })
  ledger.append([...entriesOf(1, 18), ...entriesOf(19, 40, 5, { view: 6 })])
  await flushed(ledger)
  ledger.commit(30)
  const index: LedgerIndex = openIndex(directory)
  await index.save('vote', utf8('kept'))
  await index.put(range(1, 100, 8))
  await rebuildIndex(index, store.directory)
  expect([index.lastSeqno, index.viewHistory]).toEqual([
    40,
    [
      { view: 2, seqno: 1 },
      { view: 6, seqno: 19 },
    ],
  ])
  for (let seqno = 1; seqno <= 40; seqno++) {
    const { chunkFirst, offset, sizeBytes } = index.location(seqno)!
    const file = store.files
      .readdir(store.directory)
      .find(
        (name) => name.startsWith(`ledger_${chunkFirst}`) && !/[0-9]/.test(name[`ledger_${chunkFirst}`.length] ?? ''),
      )!
    expect(store.read(file).subarray(offset, offset + sizeBytes)).toEqual(ledger.read(seqno))
    expect(index.nextSignature(seqno)).toBe(5 * Math.ceil(seqno / 5))
  }
  expect([index.location(41), index.load('vote')]).toEqual([undefined, utf8('kept')])
  await closed(ledger)
  await index.close()
  store.cleanUp()
})

it('is made anew over whatever lies there', async () => {
  const left = openIndex(directory)
  await left.put(range(1, 30))
  await left.close()
  writeFileSync(join(directory, 'index.mdb'), new Uint8Array(4096).fill(7))
  const index = freshIndex(directory)
  expect([index.lastSeqno, index.nextSignature(1)]).toEqual([0, undefined])
  await index.put(range(1, 3))
  expect(index.location(2)).toEqual({ chunkFirst: 0, offset: 28, sizeBytes: 10 })
  await index.close()
})

it('cuts runs that are not on disk yet', async () => {
  const index = openIndex(directory)
  const writes = [index.put(range(1, 20)), index.truncate(7), index.put(range(8, 9, 6))]
  expect([index.location(7)?.chunkFirst, index.location(10)]).toEqual([0, undefined])
  await Promise.all(writes)
  expect([index.location(7)?.chunkFirst, index.location(9)?.chunkFirst, index.location(10)]).toEqual([0, 0, undefined])
  await index.close()
  const again = openIndex(directory)
  expect([again.lastSeqno, again.location(7)?.chunkFirst, again.location(10)]).toEqual([9, 0, undefined])
  await again.close()
})

// Goal: the ledger files are CCF's, byte for byte, and keep every promise: what flush reports is there after reopening,
// chunks end and are committed where CCF ends them, truncation removes exactly what it should, reads return what was
// written or CorruptDataError. One suite for real files and the memory twin.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { concat, equalBytes } from '../../../../protocols/codec/bytes.ts'
import { CorruptDataError, InvariantViolation } from '../../../../protocols/errors.ts'
import { decodeChunk, encodeChunk } from '../../../../protocols/ledger/chunk.ts'
import { ENTRY_FLAGS } from '../../../../protocols/ledger/entry.ts'
import { inspectLedger } from '../../../../store/ledger/inspect.ts'
import type { LedgerEntry } from '../../../../store/ledger/ledger-types.ts'
import { recoverTail } from '../../../../store/ledger/recover.ts'
import { entriesOf, entryOf } from '../entries.ts'
import { closed, flushed, openIn, STORES, type TestStore } from './stores.ts'

const bytesOf = (entries: readonly LedgerEntry[]): Uint8Array[] => entries.map(({ bytes }) => bytes)

describe.each(STORES)('ledger on %s', (_name, makeStore) => {
  let store: TestStore
  beforeEach(() => {
    store = makeStore()
  })
  afterEach(() => store.cleanUp())

  const names = (): string[] => store.files.readdir(store.directory).sort()

  it('starts empty, takes entries, and has them after reopening', async () => {
    const ledger = openIn(store)
    expect([ledger.firstSeqno, ledger.lastSeqno, ledger.durableSeqno, ledger.read(1)]).toEqual([0, 0, 0, undefined])
    const entries = entriesOf(1, 10)
    expect(ledger.append(entries)).toBeUndefined()
    expect(await flushed(ledger)).toBe(10)
    expect(ledger.read(7)).toEqual(entries[6]!.bytes)
    await closed(ledger)
    expect(names()).toEqual(['ledger_1'])
    expect(store.read('ledger_1')).toEqual(concat(new Uint8Array(8), ...bytesOf(entries)))

    const again = openIn(store)
    expect([again.firstSeqno, again.lastSeqno, again.durableSeqno, again.notices]).toEqual([1, 10, 10, []])
    expect(again.readRange(1, 99, 1e9).map(({ bytes }) => bytes)).toEqual(bytesOf(entries))
    await closed(again)
  })

  it('shares one fsync among all that arrives while another is in flight', async () => {
    const ledger = openIn(store)
    const order: string[] = []
    const flush = (label: string): Promise<number> => flushed(ledger).finally(() => order.push(label))
    ledger.append(entriesOf(1, 2))
    const first = flush('first')
    ledger.append(entriesOf(3, 4))
    const second = flush('second')
    ledger.append(entriesOf(5, 5))
    const third = flush('third')
    expect(ledger.read(5)).toEqual(entryOf(5, { signature: true }).bytes)
    expect(await Promise.all([first, second, third])).toEqual([2, 5, 5])
    expect(order).toEqual(['first', 'second', 'third'])
    expect(await flushed(ledger)).toBe(5)
    await closed(ledger)
  })

  it('ends a chunk at the first signature that reaches the size, and writes what encodeChunk writes', async () => {
    const entries = entriesOf(1, 20)
    const size = entries[0]!.bytes.length
    const ledger = openIn(store, { chunkBytes: size * 7 })
    ledger.append(entries)
    await flushed(ledger)
    expect(names()).toEqual(['ledger_1', 'ledger_11'])
    expect(store.read('ledger_1')).toEqual(encodeChunk(bytesOf(entries.slice(0, 10))))
    expect(decodeChunk(store.read('ledger_11')).complete).toBe(true)
    await closed(ledger)
  })

  it('obeys both force flags and closesChunk, but only behind a signature', async () => {
    const ledger = openIn(store)
    ledger.append([
      entryOf(1),
      entryOf(2, { flags: ENTRY_FLAGS.forceChunkAfter }),
      { ...entryOf(3), closesChunk: true },
      entryOf(4, { signature: true, flags: ENTRY_FLAGS.forceChunkAfter }),
      { ...entryOf(5, { signature: true }), closesChunk: true },
      entryOf(6, { signature: true }),
      entryOf(7, { flags: ENTRY_FLAGS.forceChunkBefore }),
      entryOf(8, { flags: ENTRY_FLAGS.forceChunkBefore }),
    ])
    await flushed(ledger)
    expect(names()).toEqual(['ledger_1', 'ledger_5', 'ledger_6', 'ledger_7'])
    await closed(ledger)
  })

  it('names a chunk committed when the commit reaches its last entry, not before', async () => {
    const ledger = openIn(store, { chunkBytes: 1 })
    ledger.append(entriesOf(1, 12))
    await flushed(ledger)
    ledger.commit(4)
    expect(names()).toEqual(['ledger_1', 'ledger_11', 'ledger_6'])
    ledger.commit(9)
    expect(names()).toEqual(['ledger_1-5.committed', 'ledger_11', 'ledger_6'])
    ledger.commit(10)
    expect(names()).toEqual(['ledger_1-5.committed', 'ledger_11', 'ledger_6-10.committed'])
    expect(ledger.committedSeqno).toBe(10)
    expect(ledger.readRange(4, 12, 1e9).map(({ seqno }) => seqno)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12])
    await closed(ledger)
    const again = openIn(store, { chunkBytes: 1 })
    expect([again.committedSeqno, again.lastSeqno]).toEqual([10, 10])
    expect(again.append(entriesOf(11, 15))).toBeUndefined()
    expect(await flushed(again)).toBe(15)
    await closed(again)
  })

  it('does not commit a chunk before it is durable', async () => {
    const ledger = openIn(store, { chunkBytes: 1 })
    ledger.append(entriesOf(1, 5))
    ledger.commit(5)
    expect(names()).toEqual(['ledger_1'])
    await flushed(ledger)
    expect(names()).toEqual(['ledger_1-5.committed'])
    await closed(ledger)
  })

  it('truncates within, at and across chunks, and goes on from there', async () => {
    const ledger = openIn(store, { chunkBytes: 1 })
    ledger.append(entriesOf(1, 18))
    await flushed(ledger)
    ledger.commit(5)
    ledger.truncate(16)
    expect(ledger.lastSeqno).toBe(16)
    ledger.truncate(15)
    expect(names()).toEqual(['ledger_1-5.committed', 'ledger_11', 'ledger_6'])
    expect(decodeChunk(store.read('ledger_11')).complete).toBe(true)
    ledger.truncate(8)
    expect(names()).toEqual(['ledger_1-5.committed', 'ledger_6'])
    expect(decodeChunk(store.read('ledger_6'))).toMatchObject({ complete: false, tornBytes: 0 })
    expect([ledger.lastSeqno, ledger.durableSeqno, ledger.read(9)]).toEqual([8, 8, undefined])
    const others = entriesOf(9, 12, 5, { view: 4, valueBytes: 33 })
    ledger.append(others)
    expect(await flushed(ledger)).toBe(12)
    expect(ledger.read(9)).toEqual(others[0]!.bytes)
    expect(store.read('ledger_6')).toEqual(
      encodeChunk([...bytesOf(entriesOf(6, 8)), others[0]!.bytes, others[1]!.bytes]),
    )
    expect(() => ledger.truncate(4)).toThrow(InvariantViolation)
    await closed(ledger)
  })

  it('truncates what is still waiting behind an fsync, and answers the flush with what is left', async () => {
    const ledger = openIn(store)
    ledger.append(entriesOf(1, 5))
    const first = flushed(ledger)
    ledger.append(entriesOf(6, 12))
    const second = flushed(ledger)
    ledger.truncate(7)
    ledger.append(entriesOf(8, 9, 5, { view: 4 }))
    const third = flushed(ledger)
    expect(await first).toBe(5)
    expect(await second).toBeGreaterThanOrEqual(7)
    expect(await third).toBe(9)
    expect(ledger.read(8)).toEqual(entryOf(8, { view: 4 }).bytes)
    await closed(ledger)
  })

  it('may be emptied by truncation and start anywhere then, as after a snapshot', async () => {
    const ledger = openIn(store)
    ledger.append(entriesOf(1, 3))
    ledger.truncate(0)
    expect([names(), ledger.lastSeqno, ledger.firstSeqno]).toEqual([[], 0, 0])
    ledger.append(entriesOf(1001, 1005))
    expect(await flushed(ledger)).toBe(1005)
    expect([ledger.firstSeqno, ledger.read(1000), ledger.readRange(1, 2000, 1e9).length]).toEqual([1001, undefined, 5])
    expect(names()).toEqual(['ledger_1001'])
    await closed(ledger)
  })

  it('limits a range read by bytes, with at least one entry, across chunks', async () => {
    const ledger = openIn(store, { chunkBytes: 1 })
    const entries = entriesOf(1, 12)
    const size = entries[0]!.bytes.length
    ledger.append(entries)
    await flushed(ledger)
    ledger.commit(5)
    const counts = [0, size, 2 * size - 1, 2 * size, 3 * size].map((max) => ledger.readRange(1, 12, max).length)
    expect(counts).toEqual([1, 1, 1, 2, 3])
    const all = bytesOf(entries)
    for (const max of [1, 150, 400, 800, 1200, 1e6]) {
      const got = ledger.readRange(3, 12, max)
      expect(got.map(({ bytes }) => bytes)).toEqual(all.slice(2, 2 + got.length))
      const total = got.reduce((sum, { bytes }) => sum + bytes.length, 0)
      expect(got.length === 1 || total <= max).toBe(true)
      const next = all[2 + got.length]
      expect(next === undefined || total + next.length > max).toBe(true)
    }
    await closed(ledger)
  })

  it('writes entries larger than one write', async () => {
    const ledger = openIn(store)
    const entries = [
      entryOf(1),
      entryOf(2, { valueBytes: 1_500_000 }),
      entryOf(3),
      entryOf(4, { valueBytes: 900_000 }),
      entryOf(5, { signature: true, valueBytes: 300_000 }),
    ]
    ledger.append(entries)
    expect(await flushed(ledger)).toBe(5)
    await closed(ledger)
    const again = openIn(store)
    const read = again.readRange(1, 5, 1e9)
    // Not toEqual: it takes seconds for megabytes.
    expect(read.map(({ seqno, bytes }) => equalBytes(bytes, entries[seqno - 1]!.bytes))).toEqual(Array(5).fill(true))
    await closed(again)
  })

  it('refuses a gap and says where it stands', () => {
    const ledger = openIn(store)
    ledger.append(entriesOf(1, 3))
    expect(ledger.append(entriesOf(5, 6))).toMatchObject({ code: 'GAP' })
    expect(ledger.append(entriesOf(3, 3))).toMatchObject({ code: 'GAP' })
    expect(ledger.lastSeqno).toBe(3)
  })

  it('answers at once under policy never and interval, without losing order', async () => {
    for (const flush of ['never', 'interval'] as const) {
      const ledger = openIn(store, { flush, intervalMs: 1 })
      const from = ledger.lastSeqno + 1
      ledger.append(entriesOf(from, from + 4))
      let answered: number | undefined
      ledger.flush((_error, durable) => (answered = durable))
      expect(answered).toBe(from + 4)
      await closed(ledger)
    }
    const again = openIn(store)
    expect(again.lastSeqno).toBe(10)
    await closed(again)
  })

  describe('recovery', () => {
    const prepare = async (to: number, chunkBytes?: number): Promise<void> => {
      const ledger = openIn(store, chunkBytes === undefined ? {} : { chunkBytes })
      ledger.append(entriesOf(1, to))
      await flushed(ledger)
      ledger.commit(5)
      await closed(ledger)
    }

    it('cuts behind the last signature and says exactly what', async () => {
      await prepare(8)
      const whole = store.read('ledger_1')
      const signedEnd =
        8 + 5 * entryOf(1).bytes.length + (entryOf(5, { signature: true }).bytes.length - entryOf(5).bytes.length)
      store.overwrite('ledger_1', concat(whole, entryOf(9).bytes.subarray(0, 50)))
      expect(inspectLedger(store.directory, store)).toMatchObject({ lastSeqno: 8, lastSignedSeqno: 5, tornBytes: 50 })
      const ledger = openIn(store)
      const cut = {
        file: 'ledger_1',
        fromOffset: signedEnd,
        bytes: whole.length + 50 - signedEnd,
        fromSeqno: 6,
        toSeqno: 8,
        reason: 'incomplete entry',
      }
      expect(ledger.notices).toEqual([{ type: 'tailCut', cut }])
      expect(store.read('ledger_1')).toEqual(whole.subarray(0, signedEnd))
      expect(ledger.lastSeqno).toBe(5)
      await closed(ledger)
      expect(recoverTail(store.directory, { ...store, roots: 'unchecked' }).cuts).toEqual([])
    })

    it('survives a cut at every byte of an open chunk', async () => {
      await prepare(11)
      const whole = store.read('ledger_1')
      const ends = decodeChunk(whole).entries.map(({ offset, bytes }) => offset + bytes.length)
      for (let length = 0; length <= whole.length; length++) {
        store.overwrite('ledger_1', whole.slice(0, length))
        const report = recoverTail(store.directory, { ...store, roots: 'unchecked' })
        expect(report.lastSeqno).toBe(length >= ends[9]! ? 10 : length >= ends[4]! ? 5 : 0)
        expect(names()).toEqual(report.lastSeqno === 0 ? [] : ['ledger_1'])
        if (report.lastSeqno > 0) expect(store.read('ledger_1').length).toBe(ends[report.lastSeqno - 1])
        expect(report.cuts.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(length - (ends[report.lastSeqno - 1] ?? 0))
      }
    })

    it('survives a cut at every byte of a complete, uncommitted chunk, with and without its header', async () => {
      await prepare(0)
      const entries = entriesOf(1, 5)
      const whole = encodeChunk(bytesOf(entries))
      const end = decodeChunk(whole).end
      for (let length = 8; length <= whole.length; length++) {
        for (const header of [whole.subarray(0, 8), new Uint8Array(8)]) {
          store.overwrite('ledger_1', concat(header, whole.subarray(8, length)))
          const ledger = openIn(store, { chunkBytes: 1 })
          expect(ledger.lastSeqno).toBe(length >= end ? 5 : 0)
          if (length >= end) {
            // What the crash took of the table is written before the next entry, so the chunk ends where all nodes end it.
            ledger.append([entryOf(6)])
            expect(store.read('ledger_1')).toEqual(whole)
          }
          await closed(ledger)
          for (const name of names()) store.files.unlink(`${store.directory}/${name}`)
        }
      }
    })

    it('sets aside chunks behind a gap, and removes unsigned ones', async () => {
      await prepare(18, 1)
      store.overwrite('ledger_11', store.read('ledger_11').subarray(0, 200))
      const inspected = inspectLedger(store.directory, store)
      expect([inspected.lastSignedSeqno, inspected.chunks.length]).toEqual([10, 4])
      const ledger = openIn(store, { chunkBytes: 1 })
      expect(ledger.lastSeqno).toBe(10)
      expect(names()).toEqual(['ledger_1-5.committed', 'ledger_16.ignored', 'ledger_6'])
      expect(ledger.recovery.cuts.map(({ file, fromOffset }) => [file, fromOffset])).toEqual([['ledger_11', 0]])
      ledger.append(entriesOf(11, 20))
      expect(await flushed(ledger)).toBe(20)
      await closed(ledger)
    })

    it('does not join a chunk of an earlier view to one of a later', async () => {
      await prepare(0)
      store.overwrite('ledger_1', encodeChunk(bytesOf(entriesOf(1, 5, 5, { view: 4 }))))
      store.overwrite('ledger_6', encodeChunk(bytesOf(entriesOf(6, 10, 5, { view: 2 }))))
      const report = recoverTail(store.directory, { ...store, roots: 'unchecked' })
      expect([report.lastSeqno, report.lastView]).toEqual([5, 4])
      expect(report.cuts.map(({ file, reason }) => [file, reason])).toEqual([['ledger_6', 'view 2 after view 4']])
    })

    it('refuses to lose what is known to be committed, and changes nothing then', async () => {
      await prepare(10)
      const torn = store.read('ledger_1').slice(0, -1)
      store.overwrite('ledger_1', torn)
      expect(() => recoverTail(store.directory, { ...store, roots: 'unchecked', keepAtLeast: 10 })).toThrow(
        CorruptDataError,
      )
      expect(() => recoverTail(store.directory, { ...store, roots: 'unchecked', keepAtLeast: 10 })).toThrow(
        /ledger_1: corrupt at byte \d+.*seqno 10/,
      )
      expect(store.read('ledger_1')).toEqual(torn)
      expect(recoverTail(store.directory, { ...store, roots: 'unchecked', keepAtLeast: 5 }).lastSeqno).toBe(5)
    })

    it('leaves other files alone and puts an unfinished recovery aside', async () => {
      await prepare(5)
      for (const name of ['notes.txt', 'ledger_x', 'ledger_7.recovery', 'ledger_9.ignored'])
        store.overwrite(name, Uint8Array.of(1))
      const ledger = openIn(store)
      expect(ledger.notices).toEqual([{ type: 'fileSetAside', file: 'ledger_7.recovery' }])
      expect(names()).toEqual(['ledger_1', 'ledger_7.recovery.ignored', 'ledger_9.ignored', 'ledger_x', 'notes.txt'])
      await closed(ledger)
    })
  })

  describe('a damaged committed chunk', () => {
    const prepare = async (): Promise<Uint8Array> => {
      const ledger = openIn(store, { chunkBytes: 1 })
      ledger.append(entriesOf(1, 15))
      await flushed(ledger)
      ledger.commit(10)
      await closed(ledger)
      return store.read('ledger_1-5.committed')
    }
    const damaged = (bytes: Uint8Array, offset: number): Uint8Array => {
      const copy = bytes.slice()
      copy[offset] = copy[offset]! ^ 0x10
      return copy
    }

    it('is never changed, and is refused by name and offset wherever structure shows the damage', async () => {
      const whole = await prepare()
      const { entries, end } = decodeChunk(whole)
      const name = 'ledger_1-5.committed'
      // Table offset; second entry's version, size, IV, public length and seqno; a position.
      const second = entries[1]!.offset
      for (const offset of [0, second, second + 2, second + 24, second + 36, second + 45, end + 4]) {
        const broken = damaged(whole, offset)
        store.overwrite(name, broken)
        expect(() => inspectLedger(store.directory, store)).toThrow(CorruptDataError)
        expect(() => inspectLedger(store.directory, store)).toThrow(/ledger_1-5\.committed: corrupt at byte \d+/)
        const openAndRead = (): unknown => {
          const ledger = openIn(store, { chunkBytes: 1 })
          return ledger.readRange(1, 5, 1e9)
        }
        // A public domain of another length is still an entry to a reader; its maps, which a walk looks at, are not.
        if (offset !== second + 36) expect(openAndRead).toThrow(CorruptDataError)
        expect(store.read(name)).toEqual(broken)
      }
    })

    it('is refused when it is cut short, at start-up', async () => {
      const whole = await prepare()
      for (const length of [0, 7, 8, whole.length - 1]) {
        store.overwrite('ledger_1-5.committed', whole.slice(0, length))
        expect(() => openIn(store)).toThrow(CorruptDataError)
      }
    })

    it('is missed when it is gone', async () => {
      await prepare()
      store.files.rename(`${store.directory}/ledger_1-5.committed`, `${store.directory}/ledger_20-25.committed`)
      expect(() => openIn(store)).toThrow(
        /ledger_20-25\.committed: corrupt at byte 0: the committed chunk before it ends at seqno 10/,
      )
    })
  })
})

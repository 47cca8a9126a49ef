// Goal: the states a power failure may leave are as nasty as disks are, and the ones that once broke recovery stay found: a sector lost inside an
// entry under a signature that survived, an opening that was itself interrupted, a chunk whose rename was lost.
import { describe, expect, it } from 'vitest'
import { concat, toHex } from '../../../../protocols/codec/bytes.ts'
import { CorruptDataError } from '../../../../protocols/errors.ts'
import { CHUNK_HEADER_BYTES } from '../../../../protocols/ledger/chunk.ts'
import { crashedContent, SECTOR_BYTES } from '../../../../store/ledger/crash-states.ts'
import { inspectLedger } from '../../../../store/ledger/inspect.ts'
import { MemoryFiles } from '../../../../store/ledger/memory-files.ts'
import { recoverTail } from '../../../../store/ledger/recover.ts'
import { Chain } from '../../../durability/chain.ts'
import { exhaust } from '../../../durability/choices.ts'
import { closed, flushed, memoryStore, openIn, realStore, type TestStore } from './stores.ts'

const bytes = (...parts: readonly (readonly [value: number, count: number])[]): Uint8Array =>
  concat(...parts.map(([value, count]) => new Uint8Array(count).fill(value)))

const statesOf = (...history: Parameters<typeof crashedContent>[0][]): Set<string> => {
  const states = new Set<string>()
  expect(exhaust(1000, (choose) => states.add(toHex(crashedContent(history[0]!, choose))))).toBe(true)
  return states
}

describe('what a power failure may leave of a file', () => {
  const half = SECTOR_BYTES / 2

  it('is a mixture of old and new sectors, at any size the file had', () => {
    const durable = bytes([1, SECTOR_BYTES], [2, half])
    const states = statesOf({ durable, changes: [{ offset: half, bytes: bytes([7, 2 * SECTOR_BYTES]) }] })
    const [first, second] = [
      [bytes([1, SECTOR_BYTES]), bytes([1, half], [7, half])],
      [bytes([2, half], [0, half]), bytes([7, SECTOR_BYTES])],
    ] as const
    const third = [bytes([0xa5, half]), bytes([0, half]), bytes([7, half])]
    const expected = first.flatMap((a) =>
      second.flatMap((b) => [concat(a, b.subarray(0, half)), ...third.map((c) => concat(a, b, c))]),
    )
    expect(states).toEqual(new Set(expected.map(toHex)))
  })

  it('may be the old data at the old size although it was cut and written again', () => {
    const changes = [{ length: 0 }, { offset: 0, bytes: bytes([9, half]) }]
    const states = statesOf({ durable: bytes([1, SECTOR_BYTES], [2, 10]), changes })
    expect(states).toContain(toHex(bytes([9, half], [0, half], [2, 10])))
    expect(states).toContain(toHex(bytes([1, half])))
    expect(states).toContain('')
  })

  it('does not make durable what is written while a synchronisation runs, also if another one is quicker', () => {
    const tasks: (() => void)[] = []
    const files = new MemoryFiles({ seed: 1, defer: (task) => void tasks.push(task) })
    const file = files.open('/d/f', 'create')
    files.syncDirectoryNow('/d')
    file.write(bytes([1, 4]), 0)
    file.datasync(() => undefined)
    file.datasyncNow()
    file.write(bytes([2, 4]), 0)
    tasks.shift()!()
    files.crashTo(files.history(), () => 0)
    expect(files.contentOf('/d/f')).toEqual(bytes([1, 4]))
  })
})

/** Five entries under a signature, then four under another. */
function chainOfTwo(): Chain {
  const chain = new Chain()
  for (let seqno = 1; seqno <= 10; seqno++) chain.add({ view: 2, valueBytes: 700, signature: seqno % 5 === 0 })
  return chain
}

describe('recovery', () => {
  it('cuts at the last signature whose root is that of the entries before it', async () => {
    const store = memoryStore()
    const ledger = openIn(store)
    const { log } = chainOfTwo()
    ledger.append(log)
    await closed(ledger)
    const offset = log.slice(0, 6).reduce((sum, { bytes }) => sum + bytes.length, CHUNK_HEADER_BYTES)
    // A sector inside the value of entry 7, as a disk may have left it.
    const damaged = store.read('ledger_1')
    damaged.fill(0, offset + 200, offset + 600)
    store.overwrite('ledger_1', damaged)
    expect(inspectLedger(store.directory, store)).toMatchObject({ lastSeqno: 10, tornBytes: 0 })
    const again = openIn(store, { roots: 'all' })
    expect([again.lastSeqno, again.recovery.cuts]).toMatchObject([
      5,
      [{ fromSeqno: 6, toSeqno: 9, reason: 'signs another root than that of the entries before it' }],
    ])
  })

  it.each(['all', 'tail'] as const)('checks the roots of what follows a committed chunk (%s)', async (roots) => {
    const store = memoryStore()
    const ledger = openIn(store, { chunkBytes: 1 })
    const chain = chainOfTwo()
    ledger.append(chain.log)
    await flushed(ledger)
    ledger.commit(5)
    await closed(ledger)
    const whole = store.read('ledger_6')
    expect(openIn(store, { roots }).lastSeqno).toBe(10)
    const damaged = whole.slice()
    damaged[400]! ^= 1
    store.overwrite('ledger_6', damaged)
    expect(openIn(store, { roots }).lastSeqno).toBe(5)
    // And the other way round: the signature that the roots are counted from must fit itself.
    const committed = store.read('ledger_1-5.committed')
    committed[committed.indexOf(0x7d, committed.length - 400)]! ^= 1
    store.overwrite('ledger_1-5.committed', committed)
    expect(() => openIn(store, { roots })).toThrow(CorruptDataError)
  })

  it('leaves no ledger without its beginning, wherever it is interrupted', async () => {
    const store = memoryStore()
    const ledger = openIn(store, { chunkBytes: 1 })
    ledger.append(chainOfTwo().log)
    await flushed(ledger)
    await closed(ledger)
    // The first chunk lost its entries, the second did not.
    store.overwrite('ledger_1', new Uint8Array(8))
    const histories: ReturnType<MemoryFiles['history']>[] = []
    const watched: MemoryFiles = new MemoryFiles({ seed: 1, onChange: () => histories.push(watched.history()) })
    watched.crashTo(store.files.history(), (count) => count - 1)
    histories.push(watched.history())
    recoverTail(store.directory, { files: watched })
    expect(histories.length).toBeGreaterThan(2)
    for (const history of histories) {
      exhaust(100, (choose) => {
        const files = new MemoryFiles({ seed: 1 })
        files.crashTo(history, choose)
        files.mkdir(store.directory)
        expect(recoverTail(store.directory, { files }).lastSeqno).toBe(0)
      })
    }
  })

  it.each([
    ['memory twin', memoryStore],
    ['real files', realStore],
  ] as const)('refuses a chunk before the committed ones that is not committed (%s)', async (_, make) => {
    const store: TestStore = make()
    const ledger = openIn(store, { chunkBytes: 1 })
    ledger.append(chainOfTwo().log)
    await flushed(ledger)
    ledger.commit(10)
    await closed(ledger)
    store.files.rename(`${store.directory}/ledger_1-5.committed`, `${store.directory}/ledger_1`)
    expect(() => openIn(store, { roots: 'all' })).toThrow(
      'ledger_1: corrupt at byte 0: comes before ledger_6-10.committed',
    )
    store.cleanUp()
  })
})

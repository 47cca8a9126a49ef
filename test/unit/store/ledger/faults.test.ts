// Goal: a disk that is full, failing or read-only makes the ledger refuse with a typed failure; it never reports durable
// what is not, never keeps half an entry, goes on when the cause is gone, and after a failed fsync stops for good.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decodeChunk } from '../../../../protocols/ledger/chunk.ts'
import { LEDGER_PENDING_BYTES_MAX } from '../../../../protocols/limits.ts'
import { StorageError } from '../../../../store/ledger/files.ts'
import { inspectLedger } from '../../../../store/ledger/inspect.ts'
import { openLedger } from '../../../../store/ledger/ledger.ts'
import { MemoryFiles } from '../../../../store/ledger/memory-files.ts'
import { realFiles } from '../../../../store/ledger/real-files.ts'
import { entriesOf, entryOf } from '../entries.ts'
import { closed, flushed, memoryStore, openIn, type TestStore } from './stores.ts'

const FULL = { kind: 'full', code: 'ENOSPC' }

describe('a slow disk', () => {
  it('makes entries wait in memory, up to a bound, and then refuses them as a full one', async () => {
    const store = memoryStore()
    const ledger = openIn(store)
    ledger.append(entriesOf(1, 5))
    const slow = flushed(ledger)
    const { bytes } = entryOf(6, { valueBytes: 700_000 })
    const fit = Math.floor(LEDGER_PENDING_BYTES_MAX / bytes.length)
    for (let seqno = 6; seqno < 6 + fit; seqno++) {
      expect(ledger.append([{ seqno, bytes, committable: false }])).toBeUndefined()
    }
    const refused = ledger.append([{ seqno: 6 + fit, bytes, committable: false }])
    expect(refused).toMatchObject({ kind: 'full', code: 'BACKLOG' })
    expect(await slow).toBe(5)
    expect(await flushed(ledger)).toBe(5 + fit)
  })
})

describe('a full disk (memory twin)', () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    it(`keeps whole entries only, and goes on when there is room again (seed ${seed})`, async () => {
      const store = memoryStore(new MemoryFiles({ seed, capacityBytes: 3000 }))
      const ledger = openIn(store)
      ledger.append(entriesOf(1, 5))
      expect(await flushed(ledger)).toBe(5)
      const before = store.read('ledger_1')
      expect(ledger.append(entriesOf(6, 30))).toMatchObject(FULL)
      expect([ledger.lastSeqno, ledger.failure, store.read('ledger_1')]).toEqual([5, undefined, before])
      expect(ledger.append(entriesOf(31, 32))).toMatchObject({ code: 'GAP' })
      expect(await flushed(ledger)).toBe(5)
      store.files.capacityBytes = 1e6
      expect(ledger.append(entriesOf(6, 30))).toBeUndefined()
      expect(await flushed(ledger)).toBe(30)
      await closed(ledger)
      const again = openIn(store)
      expect([again.lastSeqno, again.notices]).toEqual([30, []])
    })
  }

  it('fails exactly the flushes whose entries were lost', async () => {
    const store = memoryStore(new MemoryFiles({ seed: 1, capacityBytes: 2000 }))
    const ledger = openIn(store)
    ledger.append(entriesOf(1, 5))
    const first = flushed(ledger)
    ledger.append(entriesOf(6, 30))
    const second = flushed(ledger)
    expect(ledger.lastSeqno).toBe(30)
    expect(await first).toBe(5)
    await expect(second).rejects.toMatchObject(FULL)
    expect([ledger.lastSeqno, ledger.durableSeqno]).toEqual([5, 5])
    expect(ledger.notices).toMatchObject([{ type: 'failed', untilReopened: false }])
    expect(JSON.stringify(ledger.notices)).toContain('no space left (ENOSPC)')
  })

  it('does not take what was written before the failure for durable', async () => {
    const store = memoryStore(new MemoryFiles({ seed: 1, capacityBytes: 3000 }))
    const ledger = openIn(store, { chunkBytes: 1 })
    ledger.append(entriesOf(1, 5))
    const first = flushed(ledger)
    ledger.append(entriesOf(6, 30))
    const second = flushed(ledger)
    expect(await first).toBe(5)
    await expect(second).rejects.toMatchObject(FULL)
    // Each chunk is one write, so some of them came through; nobody synchronised them.
    expect([ledger.lastSeqno > 5, ledger.lastSeqno % 5, ledger.durableSeqno]).toEqual([true, 0, 5])
    expect(await flushed(ledger)).toBe(ledger.lastSeqno)
  })

  it('lets whoever learns of the failure append again at once', async () => {
    const store = memoryStore(new MemoryFiles({ seed: 1, capacityBytes: 2000 }))
    const ledger = openIn(store)
    ledger.append(entriesOf(1, 5))
    const first = flushed(ledger)
    ledger.append(entriesOf(6, 30))
    const retried = new Promise<number>((resolve, reject) => {
      ledger.flush((error) => {
        if (error === undefined) return reject(new Error('the disk was full'))
        store.files.capacityBytes = 1e6
        ledger.append(entriesOf(6, 8))
        ledger.flush((again, durable) => (again === undefined ? resolve(durable) : reject(again)))
      })
    })
    expect(await first).toBe(5)
    expect(await retried).toBe(8)
    expect(ledger.readRange(1, 99, 1e9)).toHaveLength(8)
  })

  it('writes a positions table that did not fit before the next entry', async () => {
    const entries = entriesOf(1, 5)
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes.length, 8)
    const store = memoryStore(new MemoryFiles({ seed: 1, capacityBytes: bytes + 10 }))
    const ledger = openIn(store, { chunkBytes: 1 })
    expect(ledger.append(entries)).toBeUndefined()
    expect(await flushed(ledger)).toBe(5)
    ledger.commit(5)
    expect(store.files.readdir(store.directory)).toEqual(['ledger_1'])
    expect(decodeChunk(store.read('ledger_1'))).toMatchObject({ complete: false, tornBytes: 0 })
    expect(ledger.append([entryOf(6)])).toMatchObject(FULL)
    store.files.capacityBytes = 1e6
    expect(ledger.append([entryOf(6)])).toBeUndefined()
    expect(decodeChunk(store.read('ledger_1')).complete).toBe(true)
    await flushed(ledger)
    expect(store.files.readdir(store.directory).sort()).toEqual(['ledger_1-5.committed', 'ledger_6'])
  })

  it('leaves no file behind when not even a new chunk fits', async () => {
    const store = memoryStore(new MemoryFiles({ seed: 1, capacityBytes: 4 }))
    const ledger = openIn(store)
    expect(ledger.append(entriesOf(1, 2))).toMatchObject(FULL)
    expect([store.files.readdir(store.directory), ledger.lastSeqno]).toEqual([[], 0])
    store.files.capacityBytes = 1e6
    expect(ledger.append(entriesOf(1, 2))).toBeUndefined()
    expect(await flushed(ledger)).toBe(2)
  })
})

describe('a failing device (memory twin)', () => {
  let store: ReturnType<typeof memoryStore>
  beforeEach(() => {
    store = memoryStore()
  })

  it('stops for good after a failed fsync, and only reopening helps', async () => {
    const ledger = openIn(store)
    ledger.append(entriesOf(1, 5))
    await flushed(ledger)
    store.files.failNext('datasync', 'io')
    ledger.append(entriesOf(6, 10))
    const first = flushed(ledger)
    const second = flushed(ledger)
    await expect(first).rejects.toMatchObject({ kind: 'io', operation: 'datasync' })
    await expect(second).rejects.toBeInstanceOf(StorageError)
    expect(ledger.durableSeqno).toBe(5)
    expect(ledger.append(entriesOf(11, 12))).toBe(ledger.failure)
    expect(ledger.truncate(5)).toBe(ledger.failure)
    await expect(flushed(ledger)).rejects.toBe(ledger.failure)
    expect(ledger.read(3)).toEqual(entryOf(3).bytes)
    store.files.crash()
    const again = openIn(store)
    expect(again.lastSeqno).toBe(5)
  })

  it('stops for good when the directory cannot be synchronised', async () => {
    store.files.failNext('syncDirectory', 'io', 1)
    const ledger = openIn(store)
    ledger.append(entriesOf(1, 5))
    await expect(flushed(ledger)).rejects.toMatchObject({ operation: 'syncDirectory' })
    expect(ledger.durableSeqno).toBe(0)
  })

  it('undoes a failed write, and stops for good when it cannot', async () => {
    const ledger = openIn(store)
    ledger.append(entriesOf(1, 5))
    await flushed(ledger)
    store.files.failNext('write', 'io')
    expect(ledger.append(entriesOf(6, 9))).toMatchObject({ kind: 'io', operation: 'write' })
    expect(ledger.failure).toBeUndefined()
    expect(inspectLedger(store.directory, store)).toMatchObject({ lastSeqno: 5, tornBytes: 0 })
    store.files.failNext('write', 'io')
    store.files.failNext('truncate', 'io')
    expect(ledger.append(entriesOf(6, 9))).toMatchObject({ operation: 'truncate' })
    expect(ledger.failure).toMatchObject({ operation: 'truncate' })
    expect(ledger.notices.at(-1)).toMatchObject({ untilReopened: true })
    const again = openIn(store)
    expect(again.lastSeqno).toBe(5)
  })

  it('stops for good when a rollback cannot be made', async () => {
    for (const operation of ['truncate', 'datasync', 'unlink'] as const) {
      const fresh = memoryStore()
      const ledger = openIn(fresh, { chunkBytes: 1 })
      ledger.append(entriesOf(1, 8))
      await flushed(ledger)
      fresh.files.failNext(operation, 'io')
      expect(ledger.truncate(4)).toMatchObject({ operation })
      expect(ledger.append([entryOf(9)])).toBe(ledger.failure)
      // What is left of the removed entries is nobody's business; what stays can be read.
      expect([ledger.read(8), ledger.read(5), ledger.read(4)]).toEqual([undefined, undefined, entryOf(4).bytes])
    }
  })

  it('keeps a chunk under its old name when it cannot be renamed, and tries again', async () => {
    const ledger = openIn(store, { chunkBytes: 1 })
    ledger.append(entriesOf(1, 5))
    await flushed(ledger)
    store.files.failNext('rename', 'io')
    ledger.commit(5)
    expect([store.files.readdir(store.directory), ledger.failure]).toEqual([['ledger_1'], undefined])
    ledger.commit(5)
    expect(store.files.readdir(store.directory)).toEqual(['ledger_1-5.committed'])
  })

  it('reports a read error and a damaged entry, never a wrong one', async () => {
    const ledger = openIn(store)
    ledger.append(entriesOf(1, 5))
    await flushed(ledger)
    store.files.failNext('read', 'io')
    expect(() => ledger.read(2)).toThrow(StorageError)
    store.files.corrupt(`${store.directory}/ledger_1`, 8 + entryOf(1).bytes.length + 2)
    expect(() => ledger.read(2)).toThrow(/ledger_1: corrupt at byte/)
    expect(ledger.read(1)).toEqual(entryOf(1).bytes)
  })

  it('refuses a read-only directory with its name', async () => {
    const ledger = openIn(store)
    ledger.append(entriesOf(1, 5))
    await closed(ledger)
    store.files.readOnly = true
    const reading = openIn(store)
    expect(reading.append([entryOf(6)])).toMatchObject({ kind: 'readonly' })
    expect(reading.read(5)).toEqual(entryOf(5, { signature: true }).bytes)
    expect(() => openLedger({ directory: '/elsewhere', files: store.files })).toThrow(
      'mkdir /elsewhere: not writable (EROFS)',
    )
  })
})

/** A small file system of its own, where the machine allows it; the memory twin covers the same paths everywhere. */
function mountSmall(sizeKib: number): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'concordat-small-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKib}k`, 'none', directory], { stdio: 'ignore' })
    return directory
  } catch {
    rmSync(directory, { recursive: true })
    return undefined
  }
}

describe('a full disk (file system)', () => {
  let mounted: string | undefined
  let store: TestStore
  let makeRoom: () => void
  beforeEach(() => {
    mounted = mountSmall(64)
    if (mounted === undefined) {
      const memory = memoryStore(new MemoryFiles({ seed: 9, capacityBytes: 64 * 1024 }))
      store = memory
      makeRoom = () => void (memory.files.capacityBytes = 1e9)
    } else {
      const directory = join(mounted, 'ledger')
      mkdirSync(directory)
      const ballast = realFiles.open(join(mounted, 'ballast'), 'create')
      ballast.write(new Uint8Array(32 * 1024), 0)
      store = { ...memoryStore(), files: realFiles, directory }
      makeRoom = () => ballast.truncate(0)
    }
  })
  afterEach(() => {
    if (mounted === undefined) return
    execFileSync('umount', ['-l', mounted])
    rmSync(mounted, { recursive: true })
  })

  it('refuses, keeps what was durable, goes on with room', async () => {
    const ledger = openIn(store)
    let durable = 0
    let failure: StorageError | undefined
    for (let from = 1; failure === undefined && from < 2000; from += 10) {
      failure = ledger.append(entriesOf(from, from + 9))
      if (failure === undefined) durable = await flushed(ledger)
    }
    expect(failure).toMatchObject(FULL)
    expect([durable > 50, ledger.lastSeqno, ledger.durableSeqno]).toEqual([true, durable, durable])
    expect(inspectLedger(store.directory, store)).toMatchObject({ lastSeqno: durable, tornBytes: 0 })
    makeRoom()
    expect(ledger.append(entriesOf(durable + 1, durable + 10))).toBeUndefined()
    expect(await flushed(ledger)).toBe(durable + 10)
    await closed(ledger)
  })
})

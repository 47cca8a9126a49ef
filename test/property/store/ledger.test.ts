// Goal: under random appends, flushes, truncations, commits, reads, restarts and power failures the ledger equals an array:
// it reads what was appended, keeps after a crash everything it reported durable up to the last signature, and what it
// keeps beyond that is a prefix of what was appended.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { equalBytes } from '../../../protocols/codec/bytes.ts'
import { inspectLedger } from '../../../store/ledger/inspect.ts'
import { type Ledger, openLedger } from '../../../store/ledger/ledger.ts'
import { MemoryFiles } from '../../../store/ledger/memory-files.ts'
import { realStore } from '../../unit/store/ledger/stores.ts'
import type { FileSystem } from '../../../store/ledger/files.ts'
import { entryOf } from '../../unit/store/entries.ts'
import type { LedgerEntry } from '../../../store/ledger/ledger-types.ts'

const command = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('append' as const),
      sizes: fc.array(fc.nat(90), { minLength: 1, maxLength: 6 }),
      signed: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('flush' as const) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('settle' as const), tasks: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('truncate' as const), back: fc.nat(12) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('commit' as const), back: fc.nat(4) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('read' as const),
      back: fc.nat(20),
      count: fc.nat(12),
      bytesMax: fc.nat(900),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('crash' as const) }) },
)
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never

class World {
  readonly files: FileSystem
  readonly directory: string
  readonly tasks: (() => void)[] = []
  ledger: Ledger
  log: LedgerEntry[] = []
  view = 2
  durable = 0
  committed = 0

  readonly memory: MemoryFiles | undefined

  constructor(seed: number, real?: { files: FileSystem; directory: string }) {
    this.memory =
      real === undefined ? new MemoryFiles({ seed, defer: (task) => void this.tasks.push(task) }) : undefined
    this.files = real?.files ?? this.memory!
    this.directory = real?.directory ?? '/l'
    this.ledger = this.open()
  }

  open(): Ledger {
    return openLedger({
      directory: this.directory,
      files: this.files,
      chunkBytes: 700,
      roots: 'unchecked',
      keepAtLeast: this.lastSignatureUpTo(this.committed),
    })
  }

  lastSignatureUpTo(seqno: number): number {
    return this.log.findLast((entry) => entry.seqno <= seqno && entry.committable)?.seqno ?? 0
  }

  settle(count = Infinity): void {
    for (let i = 0; i < count && this.tasks.length > 0; i++) this.tasks.shift()!()
  }

  append(sizes: readonly number[], signed: boolean): void {
    const entries = sizes.map((valueBytes, i) =>
      entryOf(this.log.length + 1 + i, { view: this.view, valueBytes, signature: signed && i === sizes.length - 1 }),
    )
    expect(this.ledger.append(entries)).toBeUndefined()
    this.log.push(...entries)
  }

  flush(): void {
    const length = this.log.length
    const { log } = this
    this.ledger.flush((error, durable) => {
      expect(error).toBeUndefined()
      // Truncated meanwhile: then the log is another array, see truncate.
      if (this.log === log) expect(durable).toBeGreaterThanOrEqual(Math.min(length, this.log.length))
      expect(durable).toBeLessThanOrEqual(this.log.length)
      this.durable = Math.max(this.durable, durable)
    })
  }

  truncate(back: number): void {
    const after = Math.max(this.committed, this.log.length - back)
    if (after < this.log.length) {
      this.log = this.log.slice(0, after)
      this.durable = Math.min(this.durable, after)
      this.view += 2
    }
    expect(this.ledger.truncate(after)).toBeUndefined()
  }

  read(back: number, count: number, bytesMax: number): void {
    const from = Math.max(1, this.log.length - back)
    const got = this.ledger.readRange(from, from + count, bytesMax)
    const available = this.log.slice(from - 1, from + count)
    let room = bytesMax
    const expected = available.filter(({ bytes }, i) => (room -= bytes.length) >= 0 || i === 0)
    // A skipped entry ends the range, also when a later one would fit.
    const skipped = available.findIndex((entry, i) => entry !== expected[i])
    expect(got.map(({ seqno }) => seqno)).toEqual(
      expected.slice(0, skipped < 0 ? undefined : skipped).map(({ seqno }) => seqno),
    )
    for (const { seqno, bytes } of got) expect(equalBytes(bytes, this.log[seqno - 1]!.bytes)).toBe(true)
  }

  /** After a crash or a restart. */
  reopen(): void {
    this.ledger = this.open()
    const { lastSeqno } = this.ledger
    expect(lastSeqno).toBeGreaterThanOrEqual(this.lastSignatureUpTo(this.durable))
    expect(lastSeqno).toBe(this.lastSignatureUpTo(lastSeqno))
    const kept = this.ledger.readRange(1, lastSeqno, Infinity)
    expect(kept).toHaveLength(lastSeqno)
    for (const { seqno, bytes } of kept) expect(equalBytes(bytes, this.log[seqno - 1]!.bytes)).toBe(true)
    this.log = this.log.slice(0, lastSeqno)
    this.durable = lastSeqno
    this.view += 2
  }

  commit(back: number): void {
    // Only what a majority holds durably is committed: here, what this node flushed, up to a signature.
    const seqno = this.lastSignatureUpTo(Math.max(0, this.durable - back))
    this.ledger.commit(seqno)
    this.committed = Math.max(this.committed, seqno)
  }

  perform(cmd: Command): void {
    if (cmd.type === 'append') this.append(cmd.sizes, cmd.signed)
    else if (cmd.type === 'flush') this.flush()
    else if (cmd.type === 'settle') this.settle(cmd.tasks)
    else if (cmd.type === 'truncate') this.truncate(cmd.back)
    else if (cmd.type === 'commit') this.commit(cmd.back)
    else if (cmd.type === 'read') this.read(cmd.back, cmd.count, cmd.bytesMax)
    else {
      const isCrash = cmd.type === 'crash'
      if (!isCrash) {
        let done = false
        this.ledger.close((error) => {
          expect(error).toBeUndefined()
          done = true
        })
        this.settle()
        expect(done).toBe(true)
        this.durable = this.log.length
      } else {
        this.tasks.length = 0
        this.memory?.crash()
      }
      this.reopen()
    }
    expect(this.ledger.lastSeqno).toBe(this.log.length)
  }
}

it('equals an array under random commands and power failures (memory twin)', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(command, { minLength: 5, maxLength: 60 }), (seed, commands) => {
      const world = new World(seed)
      for (const cmd of commands) world.perform(cmd)
      world.flush()
      world.settle()
      expect(world.ledger.durableSeqno).toBe(world.log.length)
      expect(inspectLedger(world.directory, { files: world.files })).toMatchObject({
        lastSeqno: world.log.length,
        tornBytes: 0,
      })
    }),
    { seed: 1, numRuns: 250 },
  )
})

it('equals an array under random commands (real files)', () => {
  fc.assert(
    fc.property(fc.array(command, { minLength: 5, maxLength: 40 }), (commands) => {
      const store = realStore()
      try {
        // Synchronous completion: the order of answers is the memory twin's concern.
        const files: FileSystem = {
          ...store.files,
          open: (path, mode) => {
            const file = store.files.open(path, mode)
            return {
              path,
              write: (bytes, offset) => file.write(bytes, offset),
              read: (offset, length) => file.read(offset, length),
              truncate: (length) => file.truncate(length),
              size: () => file.size(),
              close: () => file.close(),
              datasyncNow: () => file.datasyncNow(),
              datasync: (done) => done(undefined),
            }
          },
          syncDirectory: (_directory, done) => done(undefined),
        }
        const world = new World(0, { files, directory: store.directory })
        for (const cmd of commands) if (cmd.type !== 'crash') world.perform(cmd)
        expect(inspectLedger(world.directory)).toMatchObject({ lastSeqno: world.log.length, tornBytes: 0 })
      } finally {
        store.cleanUp()
      }
    }),
    { seed: 2, numRuns: 60 },
  )
})

// Random access to the ledger, in LMDB: where an entry lies, which seqnos are signatures, where views begin; and small
// durable values of the node. A cache of the ledger files: it can be thrown away and rebuilt from them.
// The rule to remember: writes are precomputed batches, durable when the returned promise resolves (`.flushed`,
// exemplars §4.3), and reads see nothing earlier. Actors never read this.
import { invariant } from '../protocols/errors.ts'
import { utf8 } from '../protocols/codec/bytes.ts'
import type { StorageError } from './ledger/files.ts'
import { type FileSystem } from './ledger/files.ts'
import { type EntryVisitor, walkLedger } from './ledger/inspect.ts'
import { type ByteDatabase, commitFailure, durable, openBytes, removeIndex } from './lmdb-commit.ts'

export interface EntryLocation {
  /** First seqno of the chunk, which is in its file's name. */
  readonly chunkFirst: number
  /** Of the entry in the file. */
  readonly offset: number
  readonly sizeBytes: number
}

export interface IndexedEntry extends EntryLocation {
  readonly seqno: number
  readonly view: number
  readonly signature: boolean
}

export interface ViewStart {
  readonly view: number
  /** First entry of that view. */
  readonly seqno: number
}

/** Keys: one byte of kind, then a big-endian u64, so that LMDB's byte order is the order of seqnos. */
const RUN = 1
const SIGNATURE = 2
const VIEW_START = 3
const SAVED = 4
/** u64 chunk ‖ (u32 offset ‖ u32 size) for each entry; the key is the first entry's seqno. */
const RUN_HEADER_BYTES = 8
const RUN_ENTRY_BYTES = 8
/** Entries of one record: a put for each entry would cost a tenth of a transaction. */
const RUN_ENTRIES_MAX = 1024
const SAVED_KEY_BYTES_MAX = 256
/** Puts per LMDB transaction while rebuilding. */
const REBUILD_BATCH = 10_000
const NOTHING = new Uint8Array(0)

function seqnoKey(kind: number, seqno: number): Uint8Array {
  const key = new Uint8Array(9)
  const view = new DataView(key.buffer)
  view.setUint8(0, kind)
  view.setUint32(1, Math.floor(seqno / 2 ** 32))
  view.setUint32(5, seqno % 2 ** 32)
  return key
}

const readU64 = (bytes: Uint8Array, at: number): number => {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8)
  return view.getUint32(0) * 2 ** 32 + view.getUint32(4)
}

const keySeqno = (key: Uint8Array): number => readU64(key, 1)

function savedKey(name: string): Uint8Array {
  const text = utf8(name)
  invariant(
    text.length > 0 && text.length <= SAVED_KEY_BYTES_MAX,
    `name of a saved value: 1 to ${SAVED_KEY_BYTES_MAX} bytes`,
  )
  const key = new Uint8Array(1 + text.length)
  key[0] = SAVED
  key.set(text, 1)
  return key
}

/** Entries that follow one another in one chunk, as one record. */
function encodeRun(entries: readonly EntryLocation[]): Uint8Array {
  const bytes = new Uint8Array(RUN_HEADER_BYTES + RUN_ENTRY_BYTES * entries.length)
  const view = new DataView(bytes.buffer)
  const { chunkFirst } = entries[0]!
  view.setUint32(0, Math.floor(chunkFirst / 2 ** 32))
  view.setUint32(4, chunkFirst % 2 ** 32)
  entries.forEach(({ offset, sizeBytes }, i) => {
    view.setUint32(RUN_HEADER_BYTES + RUN_ENTRY_BYTES * i, offset)
    view.setUint32(RUN_HEADER_BYTES + RUN_ENTRY_BYTES * i + 4, sizeBytes)
  })
  return bytes
}

const runLength = (run: Uint8Array): number => (run.length - RUN_HEADER_BYTES) / RUN_ENTRY_BYTES

/** Where the run that begins at `entries[from]` ends. */
function endOfRun(entries: readonly IndexedEntry[], from: number): number {
  const { chunkFirst } = entries[from]!
  let end = from + 1
  while (end < entries.length && end - from < RUN_ENTRIES_MAX && entries[end]!.chunkFirst === chunkFirst) end++
  return end
}

/** Environments open in this process: LMDB does not survive opening one twice (exemplars §4.3). */
const openPaths = new Set<string>()

export class LedgerIndex {
  readonly path: string
  readonly #db: ByteDatabase
  #viewHistory: ViewStart[]
  /** Highest seqno put so far, flushed or not. */
  #lastSeqno: number
  #firstSeqno = 0
  /** Put, but not yet visible to reads, which see nothing before it is committed. */
  readonly #unflushedRuns = new Map<number, Uint8Array>()
  #closed = false
  #failing: Promise<StorageError> | undefined
  #failure: StorageError | undefined
  /** Promises of the writes being queued; LMDB gives the same one to most of a transaction. */
  #written: Promise<boolean>[] = []

  /** `isScratch`: see openBytes. */
  constructor(path: string, isScratch = false) {
    const { directory, db } = openBytes(path, 'index.mdb', isScratch)
    this.path = directory
    invariant(!openPaths.has(this.path), `the index at ${this.path} is already open in this process`)
    this.#db = db
    openPaths.add(this.path)
    this.#viewHistory = [...this.#range(VIEW_START, 0, Number.MAX_SAFE_INTEGER)].map(([seqno, value]) => ({
      view: readU64(value, 0),
      seqno,
    }))
    const last = this.#runOf(Number.MAX_SAFE_INTEGER)
    this.#lastSeqno = last === undefined ? 0 : last.first + runLength(last.run) - 1
    for (const [seqno] of this.#range(RUN, 0, Number.MAX_SAFE_INTEGER)) {
      this.#firstSeqno = seqno
      break
    }
  }

  *#range(kind: number, from: number, to: number): Generator<[number, Uint8Array]> {
    for (const { key, value } of this.#db.getRange({ start: seqnoKey(kind, from), end: seqnoKey(kind, to) }))
      yield [keySeqno(key), value]
  }

  #lastBefore(kind: number, seqno: number): number | undefined {
    for (const { key } of this.#db.getRange({
      start: seqnoKey(kind, seqno),
      end: seqnoKey(kind, 0),
      reverse: true,
      limit: 1,
    }))
      return keySeqno(key)
    return undefined
  }

  /** Highest seqno indexed; 0 when empty. */
  get lastSeqno(): number {
    return this.#lastSeqno
  }

  /** Indexes entries, ascending and continuing what is there. Resolves when durable. */
  put(entries: readonly IndexedEntry[]): Promise<void> {
    return this.#write(() => {
      for (const entry of entries) {
        const { seqno, view } = entry
        invariant(
          this.#lastSeqno === 0 || seqno === this.#lastSeqno + 1,
          `index: seqno ${seqno} after ${this.#lastSeqno}`,
        )
        this.#lastSeqno = seqno
        if (this.#firstSeqno === 0) this.#firstSeqno = seqno
        if (entry.signature) this.#put(seqnoKey(SIGNATURE, seqno), NOTHING)
        if (view === this.#viewHistory.at(-1)?.view) continue
        this.#viewHistory.push({ view, seqno })
        this.#put(seqnoKey(VIEW_START, seqno), seqnoKey(0, view).subarray(1))
      }
      for (let from = 0; from < entries.length;) {
        const end = endOfRun(entries, from)
        this.#putRun(entries[from]!.seqno, encodeRun(entries.slice(from, end)))
        from = end
      }
    })
  }

  /** Removes everything after `afterSeqno`. Resolves when durable. */
  truncate(afterSeqno: number): Promise<void> {
    return this.#write(() => {
      const cut = this.#runOf(afterSeqno)
      if (cut !== undefined && afterSeqno < cut.first + runLength(cut.run) - 1) {
        const kept = RUN_HEADER_BYTES + RUN_ENTRY_BYTES * (afterSeqno - cut.first + 1)
        this.#putRun(cut.first, new Uint8Array(cut.run.subarray(0, kept)))
      }
      for (const first of this.#unflushedRuns.keys()) if (first > afterSeqno) this.#unflushedRuns.delete(first)
      for (let seqno = this.#lastSeqno; seqno > afterSeqno && seqno >= this.#firstSeqno; seqno--) {
        for (const kind of [RUN, SIGNATURE, VIEW_START]) this.#written.push(this.#db.remove(seqnoKey(kind, seqno)))
      }
      this.#lastSeqno = Math.min(this.#lastSeqno, afterSeqno)
      if (this.#lastSeqno < this.#firstSeqno) this.#lastSeqno = this.#firstSeqno = 0
      this.#viewHistory = this.#viewHistory.filter(({ seqno }) => seqno <= afterSeqno)
    })
  }

  /** Removes everything of the ledger, also what a batch that came in by half left; saved values stay. Resolves when durable. */
  async clear(): Promise<void> {
    for (;;) {
      const keys: Uint8Array[] = []
      for (const { key } of this.#db.getRange({
        start: seqnoKey(RUN, 0),
        end: seqnoKey(SAVED, 0),
        limit: REBUILD_BATCH,
      }))
        keys.push(new Uint8Array(key))
      if (keys.length === 0) break
      await this.#write(() => void this.#written.push(...keys.map((key) => this.#db.remove(key))))
    }
    this.#lastSeqno = this.#firstSeqno = 0
    this.#viewHistory = []
  }

  /** Keeps a small value under a name of up to 256 bytes; the last one wins. Resolves when durable. */
  save(name: string, bytes: Uint8Array): Promise<void> {
    return this.#write(() => this.#put(savedKey(name), bytes))
  }

  load(name: string): Uint8Array | undefined {
    const bytes = this.#db.getBinary(savedKey(name))
    return bytes === undefined ? undefined : new Uint8Array(bytes)
  }

  location(seqno: number): EntryLocation | undefined {
    const found = seqno > this.#lastSeqno ? undefined : this.#runOf(seqno)
    if (found === undefined || seqno >= found.first + runLength(found.run)) return undefined
    const { run, first } = found
    const at = RUN_HEADER_BYTES + RUN_ENTRY_BYTES * (seqno - first)
    const view = new DataView(run.buffer, run.byteOffset + at, RUN_ENTRY_BYTES)
    return { chunkFirst: readU64(run, 0), offset: view.getUint32(0), sizeBytes: view.getUint32(4) }
  }

  /** The last run that begins at or before `seqno`. */
  #runOf(seqno: number): { readonly first: number; readonly run: Uint8Array } | undefined {
    let found: { readonly first: number; readonly run: Uint8Array } | undefined
    const range = { start: seqnoKey(RUN, seqno), end: seqnoKey(RUN, 0), reverse: true, limit: 1 }
    for (const { key, value } of this.#db.getRange(range)) found = { first: keySeqno(key), run: value }
    for (const [first, run] of this.#unflushedRuns) {
      if (first <= seqno && first >= (found?.first ?? 0)) found = { first, run }
    }
    return found
  }

  #putRun(first: number, run: Uint8Array): void {
    this.#unflushedRuns.set(first, run)
    const put = this.#db.put(seqnoKey(RUN, first), run)
    this.#written.push(
      put.finally(() => {
        if (this.#unflushedRuns.get(first) === run) this.#unflushedRuns.delete(first)
      }),
    )
  }

  /** The first signature transaction at or after `seqno`: the one that covers it is at least seqno + 1. */
  nextSignature(seqno: number): number | undefined {
    for (const [found] of this.#range(SIGNATURE, seqno, Number.MAX_SAFE_INTEGER)) return found
    return undefined
  }

  /** The last signature transaction at or before `seqno`. */
  previousSignature(seqno: number): number | undefined {
    return this.#lastBefore(SIGNATURE, seqno)
  }

  /** First seqno of every view, ascending. */
  get viewHistory(): readonly ViewStart[] {
    return this.#viewHistory
  }

  /** View of an indexed entry. */
  viewAt(seqno: number): number | undefined {
    if (seqno > this.#lastSeqno) return undefined
    return this.#viewHistory.findLast((start) => start.seqno <= seqno)?.view
  }

  #put(key: Uint8Array, value: Uint8Array): void {
    this.#written.push(this.#db.put(key, value))
  }

  /**
   * Puts and removes of one call mostly enter one transaction; a kill may still leave a part of them. LMDB reports a full disk as a failed
   * commit, after which some batches behind it may be in and others not: the index takes nothing more until it is opened
   * again (and, being a cache, rebuilt).
   */
  async #write(queue: () => void): Promise<void> {
    invariant(!this.#closed, 'the index is closed')
    if (this.#failure !== undefined) throw this.#failure
    this.#written = []
    queue()
    const written = this.#written
    this.#written = []
    try {
      await durable(this.#db, written)
    } catch (error) {
      // Only the first has a cause that LMDB ever tells: those that fail meanwhile wait for it too.
      this.#failing ??= commitFailure(error, this.path)
      throw (this.#failure = await this.#failing)
    }
  }

  /**
   * Resolves when everything put is durable and the environment is closed. After a failure LMDB would wait for ever for
   * what it could not write: then the environment stays open, and its path taken, until the process ends.
   */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#failure !== undefined) return
    await this.#db.flushed
    await this.#db.close()
    openPaths.delete(this.path)
  }
}

/** Opens or creates the index in a directory of its own. */
export const openIndex = (path: string): LedgerIndex => new LedgerIndex(path)

/** Makes an index anew; what an earlier process left there is removed unread (see removeIndex). */
export function freshIndex(path: string): LedgerIndex {
  removeIndex(path)
  return new LedgerIndex(path, true)
}

/**
 * Fills the index from the ledger files, chunk by chunk; what it held before of the ledger is removed, saved values stay.
 * @throws StorageError, CorruptDataError (see walkLedger).
 */
export async function rebuildIndex(index: LedgerIndex, ledgerDirectory: string, files?: FileSystem): Promise<void> {
  await index.clear()
  let found: IndexedEntry[] = []
  const onEntry: EntryVisitor = (chunk, { seqno, view, signature, offset, size }) => {
    found.push({ seqno, view, signature, offset, sizeBytes: size, chunkFirst: chunk.first })
  }
  const chunks = walkLedger(ledgerDirectory, files === undefined ? { onEntry } : { onEntry, files })
  while (chunks.next().done !== true) {
    for (let at = 0; at < found.length; at += REBUILD_BATCH) await index.put(found.slice(at, at + REBUILD_BATCH))
    found = []
  }
}

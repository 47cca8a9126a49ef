// The ledger files of one node (CCF facts §3): append, group commit, truncate, commit, read. One writer per directory
// (directory-lock.ts). Knows nothing of consensus: it is told what is committable and what is committed.
// The rule to remember: `flush` answers only with what would survive a power failure (policy `commit`); after a failed
// fsync nothing is known about the cache, so nothing more is accepted until the ledger is opened again.
import { invariant } from '../../protocols/errors.ts'
import { ENTRY_PREFIX_BYTES, entryLengthAt } from '../../protocols/ledger/entry.ts'
import { LEDGER_CHUNK_BYTES, LEDGER_PENDING_BYTES_MAX } from '../../protocols/limits.ts'
import { BrokenChunk, type ChunkFile } from './chunk-file.ts'
import { ChunkWriter } from './chunk-writer.ts'
import { CommittedChunks, readEntries, type StoredEntry } from './committed-chunks.ts'
import { type FileSystem, StorageError } from './files.ts'
import type { FlushDone, FlushPolicy, LedgerEntry, LedgerNotice } from './ledger-types.ts'
import { realFiles } from './real-files.ts'
import { recoverTail, type RecoveryReport, type RootsChecked } from './recover.ts'

export interface LedgerOptions {
  /** Created when missing. */
  readonly directory: string
  readonly chunkBytes?: number
  readonly files?: FileSystem
  readonly flush?: FlushPolicy
  /** Of policy `interval`. */
  readonly intervalMs?: number
  /** Both: see RecoverOptions. */
  readonly keepAtLeast?: number
  readonly roots?: RootsChecked
  readonly onNotice?: (notice: LedgerNotice) => void
}

const INTERVAL_MS = 100

interface Waiter {
  upTo: number
  readonly done: FlushDone
}

interface Sync {
  upTo: number
  readonly chunks: readonly ChunkFile[]
  readonly directory: boolean
}

export class Ledger {
  readonly directory: string
  /** What opening it found and cut. */
  readonly recovery: RecoveryReport
  readonly #files: FileSystem
  readonly #policy: FlushPolicy
  readonly #intervalMs: number
  readonly #onNotice: (notice: LedgerNotice) => void
  readonly #committed: CommittedChunks
  readonly #writer: ChunkWriter
  #pending: LedgerEntry[] = []
  #pendingBytes = 0
  #firstSeqno: number
  #writtenSeqno: number
  #durableSeqno: number
  #committedSeqno: number
  #waiters: Waiter[] = []
  #sync: Sync | undefined
  #timerSet = false
  #failure: StorageError | undefined
  #whenIdle: (() => void) | undefined
  #closed = false

  /** @throws StorageError; CorruptDataError (see recoverTail). */
  constructor(options: LedgerOptions) {
    const { directory, files = realFiles, keepAtLeast = 0, roots = 'all' } = options
    this.directory = directory
    this.#files = files
    this.#policy = options.flush ?? 'commit'
    this.#intervalMs = options.intervalMs ?? INTERVAL_MS
    this.#onNotice = options.onNotice ?? (() => undefined)
    files.mkdir(directory)
    this.recovery = recoverTail(directory, { files, keepAtLeast, roots })
    for (const cut of this.recovery.cuts) this.#onNotice({ type: 'tailCut', cut })
    for (const file of this.recovery.setAside) this.#onNotice({ type: 'fileSetAside', file })
    const { committed, uncommitted, firstSeqno, lastSeqno } = this.recovery
    this.#committed = new CommittedChunks(files, directory, committed)
    const chunkBytes = options.chunkBytes ?? LEDGER_CHUNK_BYTES
    this.#writer = new ChunkWriter({ files, directory, chunkBytes, onNotice: this.#onNotice }, uncommitted)
    this.#firstSeqno = firstSeqno
    this.#writtenSeqno = lastSeqno
    this.#durableSeqno = lastSeqno
    this.#committedSeqno = committed.at(-1)?.last ?? 0
    if (this.#policy !== 'never') this.#syncNow()
  }

  /** A killed process leaves entries in the page cache only; what is called durable from now on must be. */
  #syncNow(): void {
    for (const chunk of this.#writer.chunks) chunk.file.datasyncNow()
    this.#files.syncDirectoryNow(this.directory)
  }

  /** 0 when empty. Above 1 when the node started from a snapshot. */
  get firstSeqno(): number {
    return this.#firstSeqno
  }
  /** Last accepted entry; not necessarily written. */
  get lastSeqno(): number {
    return this.#writtenSeqno + this.#pending.length
  }
  get durableSeqno(): number {
    return this.#durableSeqno
  }
  get committedSeqno(): number {
    return this.#committedSeqno
  }
  /** Set once nothing more is accepted. */
  get failure(): StorageError | undefined {
    return this.#failure
  }

  /**
   * Takes entries that continue the ledger (an empty ledger may start at any seqno). They are written at once, or when
   * the fsync in flight is over, and durable only when a later `flush` says so.
   * @returns the failure that left entries unwritten: the ledger then ends at `lastSeqno` and goes on from there, unless
   * `failure` is set too.
   */
  append(entries: readonly LedgerEntry[]): StorageError | undefined {
    invariant(!this.#closed, 'append to a closed ledger')
    if (this.#failure !== undefined) return this.#failure
    for (const entry of entries) {
      const refused = this.#accept(entry)
      if (refused !== undefined) return refused
    }
    return this.#sync === undefined ? this.#writePending() : undefined
  }

  #accept(entry: LedgerEntry): StorageError | undefined {
    const { seqno, bytes } = entry
    const empty = this.#firstSeqno === 0
    // After a failed write the caller may still be sending what came behind the lost entries.
    if (empty ? seqno < 1 : seqno !== this.lastSeqno + 1)
      return new StorageError('io', `append of seqno ${seqno} after ${this.lastSeqno}`, this.directory, 'GAP')
    invariant(bytes.length > ENTRY_PREFIX_BYTES && entryLengthAt(bytes, 0) === bytes.length, 'not one ledger entry')
    if (this.#pendingBytes + bytes.length > LEDGER_PENDING_BYTES_MAX)
      return new StorageError('full', 'append', this.directory, 'BACKLOG')
    if (empty) {
      this.#firstSeqno = seqno
      this.#writtenSeqno = seqno - 1
      this.#durableSeqno = seqno - 1
    }
    this.#pending.push(entry)
    this.#pendingBytes += bytes.length
    return undefined
  }

  /**
   * Group commit: answers when everything appended before is durable. While one fsync is in flight, further appends and
   * flushes gather and share the next. Answers may come before this returns.
   */
  flush(done: FlushDone): void {
    if (this.#failure !== undefined) return done(this.#failure, this.#durableSeqno)
    this.#waiters.push({ upTo: this.lastSeqno, done })
    this.#pump()
  }

  #pump(): void {
    if (this.#sync !== undefined || this.#failure !== undefined) return
    if (this.#writePending() !== undefined && this.#isFailed) return
    if (this.#policy === 'commit' && this.#waiters.length > 0 && this.#writer.needsSync) return this.#startSync()
    if (this.#policy === 'interval') this.#syncLater()
    if (this.#policy !== 'commit' || !this.#writer.needsSync) this.#durableSeqno = this.#writtenSeqno
    this.#commitChunks()
    this.#answerWaiters()
  }

  /** Behind a getter because the compiler believes that a field does not change during calls. */
  get #isFailed(): boolean {
    return this.#failure !== undefined
  }

  #syncLater(): void {
    if (this.#timerSet || !this.#writer.needsSync) return
    this.#timerSet = true
    this.#files.defer(() => {
      this.#timerSet = false
      const idle = !this.#closed && this.#sync === undefined && this.#failure === undefined
      if (idle && this.#writer.needsSync) this.#startSync()
    }, this.#intervalMs)
  }

  /** Files first, then their names: an entry counts only when both are there after a crash. */
  #startSync(): void {
    const { dirty, directoryDirty } = this.#writer
    const sync: Sync = { upTo: this.#writtenSeqno, chunks: [...dirty], directory: directoryDirty }
    this.#sync = sync
    dirty.clear()
    this.#writer.directoryDirty = false
    const next = (index: number): void => {
      const chunk = sync.chunks[index]
      const then = (error: StorageError | undefined): void => {
        if (error === undefined && chunk !== undefined) next(index + 1)
        else this.#syncEnded(error)
      }
      if (chunk !== undefined) chunk.file.datasync(then)
      else if (sync.directory) this.#files.syncDirectory(this.directory, then)
      else this.#syncEnded(undefined)
    }
    next(0)
  }

  #syncEnded(error: StorageError | undefined): void {
    const upTo = this.#sync!.upTo
    this.#sync = undefined
    this.#closeReleased()
    if (error !== undefined) this.#fail(error)
    else {
      this.#durableSeqno = Math.max(this.#durableSeqno, upTo)
      this.#commitChunks()
      this.#answerWaiters()
      if (this.#pending.length > 0 || this.#waiters.length > 0) this.#pump()
    }
    if (this.#sync === undefined) this.#whenIdle?.()
  }

  /** Not while a synchronisation may use them: their descriptors could be given to other files meanwhile. */
  #closeReleased(): void {
    if (this.#sync === undefined) for (const chunk of this.#writer.released.splice(0)) chunk.file.close()
  }

  #answerWaiters(): void {
    while (this.#waiters.length > 0 && this.#waiters[0]!.upTo <= this.#durableSeqno)
      this.#waiters.shift()!.done(undefined, this.#durableSeqno)
  }

  /** @returns the failure; the ledger then ends at what was written. */
  #writePending(): StorageError | undefined {
    let done = 0
    let thrown: unknown
    try {
      while (done < this.#pending.length) {
        const count = this.#writer.writeRun(this.#pending, done)
        done += count
        this.#writtenSeqno += count
      }
    } catch (error) {
      thrown = error
    }
    // Before anyone is told: those who are may append again at once.
    this.#pending = []
    this.#pendingBytes = 0
    if (thrown === undefined) return undefined
    const failure = asFailure(thrown)
    this.#forgetIfEmpty()
    this.#refuse(failure, thrown instanceof BrokenChunk)
    return failure
  }

  /** Whoever waits for entries that are lost learns of it; for good when memory and medium may disagree. */
  #refuse(failure: StorageError, untilReopened: boolean): void {
    if (untilReopened) return this.#fail(failure)
    this.#onNotice({ type: 'failed', reason: failure.message, untilReopened })
    const refused = this.#waiters.filter((waiter) => waiter.upTo > this.#writtenSeqno)
    this.#waiters = this.#waiters.filter((waiter) => waiter.upTo <= this.#writtenSeqno)
    for (const waiter of refused) waiter.done(failure, this.#durableSeqno)
  }

  #fail(failure: StorageError): void {
    this.#failure = failure
    this.#pending = []
    this.#pendingBytes = 0
    this.#onNotice({ type: 'failed', reason: failure.message, untilReopened: true })
    for (const waiter of this.#waiters.splice(0)) waiter.done(failure, this.#durableSeqno)
  }

  /** A ledger that lost its only entries may start anywhere again. */
  #forgetIfEmpty(): void {
    if (this.#pending.length > 0 || this.#writer.chunks.length > 0 || this.#committed.first !== undefined) return
    this.#firstSeqno = 0
    this.#writtenSeqno = 0
    this.#durableSeqno = 0
  }

  /**
   * Removes everything after `afterSeqno`, which must not be below the committed seqno; durable when it returns (unless
   * the policy is `never`). Flushes waiting for removed entries are answered with what is left.
   */
  truncate(afterSeqno: number): StorageError | undefined {
    invariant(afterSeqno >= this.#committedSeqno, `truncation to ${afterSeqno} below committed ${this.#committedSeqno}`)
    if (this.#failure !== undefined) return this.#failure
    if (afterSeqno >= this.lastSeqno) return undefined
    for (const waiter of this.#waiters) waiter.upTo = Math.min(waiter.upTo, afterSeqno)
    this.#pending = this.#pending.slice(0, Math.max(0, afterSeqno - this.#writtenSeqno))
    this.#pendingBytes = this.#pending.reduce((sum, entry) => sum + entry.bytes.length, 0)
    // Before anything can fail: what a rollback that failed has left of the removed entries is not read again.
    this.#writtenSeqno = Math.min(this.#writtenSeqno, afterSeqno)
    this.#durableSeqno = Math.min(this.#durableSeqno, afterSeqno)
    try {
      this.#writer.cutAfter(afterSeqno, this.#policy !== 'never')
    } catch (error) {
      const failure = asFailure(error)
      this.#fail(failure)
      return failure
    }
    this.#closeReleased()
    if (this.#sync !== undefined) this.#sync.upTo = Math.min(this.#sync.upTo, afterSeqno)
    this.#forgetIfEmpty()
    this.#answerWaiters()
    return undefined
  }

  /** Everything up to `seqno` is committed. Complete chunks that end there become `.committed` once they are durable. */
  commit(seqno: number): void {
    this.#committedSeqno = Math.max(this.#committedSeqno, Math.min(seqno, this.lastSeqno))
    if (this.#failure === undefined) this.#commitChunks()
  }

  #commitChunks(): void {
    const syncing = this.#sync?.chunks
    const isDurable = (chunk: ChunkFile): boolean =>
      this.#policy === 'never' || !(this.#writer.dirty.has(chunk) || syncing?.includes(chunk) === true)
    for (const chunk of this.#writer.commitUpTo(this.#committedSeqno, isDurable)) this.#committed.add(chunk)
    this.#closeReleased()
  }

  /** The serialised entry, or undefined when the ledger does not hold it. @throws StorageError, CorruptDataError */
  read(seqno: number): Uint8Array | undefined {
    return this.readRange(seqno, seqno, 0)[0]?.bytes
  }

  /**
   * Entries from `from` to `to` that the ledger holds, in order, as many as fit `bytesMax` but at least one. Reads from
   * the page cache or the disk while the caller waits: keep `bytesMax` to what may be sent at once.
   * @throws StorageError, CorruptDataError
   */
  readRange(from: number, to: number, bytesMax: number): StoredEntry[] {
    const entries: StoredEntry[] = []
    let room = bytesMax
    let next = Math.max(from, this.#firstSeqno, 1)
    const end = Math.min(to, this.lastSeqno)
    while (next <= end) {
      const part = next > this.#writtenSeqno ? this.#readPending(next, end, room) : this.#readWritten(next, end, room)
      const size = part.reduce((sum, entry) => sum + entry.bytes.length, 0)
      if (entries.length > 0 && size > room) break
      entries.push(...part)
      room -= size
      next += part.length
      if (room <= 0) break
    }
    return entries
  }

  #readWritten(from: number, to: number, bytesMax: number): StoredEntry[] {
    const found = this.#committed.find(from) ?? this.#writer.find(from)
    invariant(found !== undefined, `no chunk holds seqno ${from}`)
    return readEntries(found.chunk, from, Math.min(to, found.last), bytesMax)
  }

  #readPending(from: number, to: number, bytesMax: number): StoredEntry[] {
    const entries: StoredEntry[] = []
    let size = 0
    for (let seqno = from; seqno <= to; seqno++) {
      const { bytes } = this.#pending[seqno - this.#writtenSeqno - 1]!
      size += bytes.length
      if (entries.length > 0 && size > bytesMax) break
      entries.push({ seqno, bytes })
    }
    return entries
  }

  /** Makes everything durable unless the policy is `never`, then closes all files. */
  close(done: (error: StorageError | undefined) => void): void {
    invariant(!this.#closed, 'ledger closed twice')
    const finish = (): void => {
      this.#whenIdle = undefined
      if (this.#failure === undefined && this.#policy !== 'never' && this.#writer.needsSync) {
        this.#whenIdle = finish
        return this.#startSync()
      }
      this.#closed = true
      for (const chunk of this.#writer.chunks) chunk.file.close()
      this.#committed.close()
      done(this.#failure)
    }
    if (this.#sync === undefined) finish()
    else this.#whenIdle = finish
  }
}

/** Opens or creates the ledger of a directory; cuts a torn tail first. @throws StorageError, CorruptDataError */
export const openLedger = (options: LedgerOptions): Ledger => new Ledger(options)

function asFailure(error: unknown): StorageError {
  if (error instanceof BrokenChunk) return error.failure
  if (error instanceof StorageError) return error
  throw error
}

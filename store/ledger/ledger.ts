// The ledger files of one node (CCF facts §3): append, group commit, truncate, commit, read. One writer per directory
// (directory-lock.ts). Knows nothing of consensus: it is told what is committable and what is committed.
// The rule to remember: `flush` answers only with what would survive a power failure (policy `commit`); after a failed
// fsync nothing is known about the cache, so nothing more is accepted until the ledger is opened again.
import { invariant } from '../../protocols/errors.ts'
import { chunkHeader, committedChunkName, openChunkName } from '../../protocols/ledger/chunk.ts'
import { ENTRY_FLAGS, ENTRY_PREFIX_BYTES, entryLengthAt } from '../../protocols/ledger/entry.ts'
import { LEDGER_CHUNK_BYTES, LOG_TAIL_BYTES_MAX } from '../../protocols/limits.ts'
import { seqno as asSeqno } from '../../protocols/ids.ts'
import { BrokenChunk, ChunkFile } from './chunk-file.ts'
import { CommittedChunks, readEntries, type StoredEntry } from './committed-chunks.ts'
import { type FileSystem, joinPath, StorageError } from './files.ts'
import { realFiles } from './real-files.ts'
import { recoverTail, type RecoveryReport, type TailCut } from './recover.ts'

/**
 * When written entries are made durable: before `flush` answers; at most `intervalMs` later (a crash of the machine may
 * lose that much, a crash of the process nothing); or when the operating system likes (as CCF, facts §3.1).
 */
export type FlushPolicy = 'commit' | 'interval' | 'never'

export interface LedgerEntry {
  readonly seqno: number
  /** The whole serialised entry. Not copied: must not change until it is durable. */
  readonly bytes: Uint8Array
  /** A signature transaction: only such an entry may end a chunk (CCF facts §3.2). */
  readonly committable: boolean
  /** Ends its chunk whatever the size, if committable. The entry's own force-chunk flags are obeyed too. */
  readonly closesChunk?: boolean
}

/** Things worth telling the operator. */
export type LedgerNotice =
  | { readonly type: 'tailCut'; readonly cut: TailCut }
  | { readonly type: 'fileSetAside'; readonly file: string }
  | { readonly type: 'chunkCompleted'; readonly first: number; readonly last: number; readonly bytes: number }
  | { readonly type: 'chunkCommitted'; readonly file: string }
  | { readonly type: 'failed'; readonly reason: string; readonly untilReopened: boolean }

export interface LedgerOptions {
  /** Created when missing. */
  readonly directory: string
  readonly chunkBytes?: number
  readonly files?: FileSystem
  readonly flush?: FlushPolicy
  /** Of policy `interval`. */
  readonly intervalMs?: number
  /** See RecoverOptions. */
  readonly keepAtLeast?: number
  readonly onNotice?: (notice: LedgerNotice) => void
}

/** `error` or else the seqno up to which entries are durable, as the policy understands it. */
export type FlushDone = (error: StorageError | undefined, durableSeqno: number) => void

/** Entries waiting for a write while an fsync runs. More is refused as `full`: consensus bounds it far lower. */
const PENDING_BYTES_MAX = LOG_TAIL_BYTES_MAX
/** Bytes handed to one write. */
const WRITE_BYTES = 1024 * 1024

interface Waiter {
  upTo: number
  readonly done: FlushDone
}

export class Ledger {
  readonly directory: string
  /** What opening it found and cut. */
  readonly recovery: RecoveryReport
  readonly #files: FileSystem
  readonly #chunkBytes: number
  readonly #policy: FlushPolicy
  readonly #intervalMs: number
  readonly #onNotice: (notice: LedgerNotice) => void
  readonly #committedChunks: CommittedChunks
  /** Uncommitted chunks, ascending; all but the last are complete. */
  #chunks: ChunkFile[]
  #pending: LedgerEntry[] = []
  #pendingBytes = 0
  #writtenSeqno: number
  #durableSeqno: number
  #committedSeqno: number
  #firstSeqno: number
  #waiters: Waiter[] = []
  /** Written, perhaps not synchronised. */
  readonly #dirty = new Set<ChunkFile>()
  #directoryDirty = false
  /** The synchronisation in flight. */
  #syncing: { upTo: number; readonly chunks: readonly ChunkFile[]; readonly directory: boolean } | undefined
  /** Files to be closed when no synchronisation uses them. */
  #toClose: ChunkFile[] = []
  #timerSet = false
  #failure: StorageError | undefined
  #whenIdle: (() => void) | undefined
  #closed = false
  readonly #scratch = new Uint8Array(WRITE_BYTES)

  /** @throws StorageError; CorruptDataError (see recoverTail). */
  constructor(options: LedgerOptions) {
    this.directory = options.directory
    this.#files = options.files ?? realFiles
    this.#chunkBytes = options.chunkBytes ?? LEDGER_CHUNK_BYTES
    this.#policy = options.flush ?? 'commit'
    this.#intervalMs = options.intervalMs ?? 100
    this.#onNotice = options.onNotice ?? (() => undefined)
    this.#files.mkdir(this.directory)
    const { keepAtLeast } = options
    this.recovery = recoverTail(
      this.directory,
      keepAtLeast === undefined ? { files: this.#files } : { files: this.#files, keepAtLeast },
    )
    for (const cut of this.recovery.cuts) this.#onNotice({ type: 'tailCut', cut })
    for (const file of this.recovery.setAside) this.#onNotice({ type: 'fileSetAside', file })
    this.#committedChunks = new CommittedChunks(this.#files, this.directory, this.recovery.committed)
    this.#chunks = this.recovery.uncommitted.map(
      ({ first, path, positions, end, complete }) =>
        new ChunkFile(first, this.#files.open(path, 'write'), { positions, end, complete }),
    )
    this.#firstSeqno = this.recovery.firstSeqno
    this.#writtenSeqno = this.recovery.lastSeqno
    this.#durableSeqno = this.recovery.lastSeqno
    this.#committedSeqno = this.recovery.committed.at(-1)?.last ?? 0
    // A killed process leaves entries in the page cache only: what is reported durable from now on must be.
    if (this.#policy !== 'never') {
      for (const chunk of this.#chunks) chunk.file.datasyncNow()
      this.#files.syncDirectoryNow(this.directory)
    }
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
    return this.#syncing === undefined ? this.#writePending() : undefined
  }

  #accept(entry: LedgerEntry): StorageError | undefined {
    const { seqno, bytes } = entry
    const empty = this.#firstSeqno === 0
    // After a failed write the caller may still be sending what came behind the lost entries.
    if (empty ? seqno < 1 : seqno !== this.lastSeqno + 1)
      return new StorageError('io', `append of seqno ${seqno} after ${this.lastSeqno}`, this.directory, 'GAP')
    invariant(bytes.length > ENTRY_PREFIX_BYTES && entryLengthAt(bytes, 0) === bytes.length, 'not one ledger entry')
    if (this.#pendingBytes + bytes.length > PENDING_BYTES_MAX)
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
    if (this.#syncing !== undefined) return
    if (this.#failure === undefined) this.#writePending()
    if (this.#policy === 'commit') {
      if (this.#waiters.length > 0 && this.#needsSync) return this.#startSync()
    } else if (this.#policy === 'interval') this.#syncLater()
    if (this.#policy !== 'commit' || !this.#needsSync) this.#durableSeqno = this.#writtenSeqno
    this.#commitChunks()
    this.#answerWaiters()
  }

  get #needsSync(): boolean {
    return this.#dirty.size > 0 || this.#directoryDirty
  }

  #syncLater(): void {
    if (this.#timerSet || !this.#needsSync) return
    this.#timerSet = true
    this.#files.defer(() => {
      this.#timerSet = false
      if (!this.#closed && this.#syncing === undefined && this.#failure === undefined && this.#needsSync)
        this.#startSync()
    }, this.#intervalMs)
  }

  /** Files first, then their names: an entry counts only when both are there after a crash. */
  #startSync(): void {
    const syncing = { upTo: this.#writtenSeqno, chunks: [...this.#dirty], directory: this.#directoryDirty }
    this.#syncing = syncing
    this.#dirty.clear()
    this.#directoryDirty = false
    const next = (index: number): void => {
      const chunk = syncing.chunks[index]
      const then = (error: StorageError | undefined): void => {
        if (error === undefined && chunk !== undefined) next(index + 1)
        else this.#syncEnded(error)
      }
      if (chunk !== undefined) chunk.file.datasync(then)
      else if (syncing.directory) this.#files.syncDirectory(this.directory, then)
      else this.#syncEnded(undefined)
    }
    next(0)
  }

  #syncEnded(error: StorageError | undefined): void {
    const upTo = this.#syncing!.upTo
    this.#syncing = undefined
    for (const chunk of this.#toClose.splice(0)) chunk.file.close()
    if (error !== undefined) this.#fail(error)
    else {
      this.#durableSeqno = Math.max(this.#durableSeqno, upTo)
      this.#commitChunks()
      this.#answerWaiters()
      if (this.#pending.length > 0 || this.#waiters.length > 0) this.#pump()
    }
    if (this.#syncing === undefined) this.#whenIdle?.()
  }

  #answerWaiters(): void {
    while (this.#waiters.length > 0 && this.#waiters[0]!.upTo <= this.#durableSeqno)
      this.#waiters.shift()!.done(undefined, this.#durableSeqno)
  }

  /** Waiters for entries that were dropped. */
  #refuseWaiters(error: StorageError): void {
    const refused = this.#waiters.filter((waiter) => waiter.upTo > this.#writtenSeqno)
    this.#waiters = this.#waiters.filter((waiter) => waiter.upTo <= this.#writtenSeqno)
    for (const waiter of refused) waiter.done(error, this.#durableSeqno)
  }

  /** For good: neither memory nor the medium can be trusted to agree. */
  #fail(error: StorageError): void {
    this.#failure = error
    this.#dropPending()
    this.#onNotice({ type: 'failed', reason: error.message, untilReopened: true })
    for (const waiter of this.#waiters.splice(0)) waiter.done(error, this.#durableSeqno)
  }

  #dropPending(): void {
    this.#pending = []
    this.#pendingBytes = 0
    if (this.#chunks.length === 0 && this.#committedChunks.first === undefined) this.#forgetEverything()
  }

  #forgetEverything(): void {
    this.#firstSeqno = 0
    this.#writtenSeqno = 0
    this.#durableSeqno = 0
  }

  #writePending(): StorageError | undefined {
    try {
      for (let entry = this.#pending[0]; entry !== undefined; entry = this.#pending[0])
        this.#writeRun(this.#chunkFor(entry))
    } catch (error) {
      const failure = error instanceof BrokenChunk ? error.failure : error
      if (!(failure instanceof StorageError)) throw failure
      if (error instanceof BrokenChunk) this.#fail(failure)
      else {
        this.#dropPending()
        this.#onNotice({ type: 'failed', reason: failure.message, untilReopened: false })
        this.#refuseWaiters(failure)
      }
      return failure
    }
    return undefined
  }

  /** The chunk an entry goes into, which ends or begins one where the rules say so (CCF facts §3.2). */
  #chunkFor(entry: LedgerEntry): ChunkFile {
    let chunk = this.#chunks.at(-1)
    const forcedBefore = (entry.bytes[1]! & ENTRY_FLAGS.forceChunkBefore) !== 0
    if (chunk !== undefined && !chunk.complete && (chunk.completionDue || (forcedBefore && chunk.lastIsCommittable)))
      this.#completeChunk(chunk)
    if (chunk === undefined || chunk.complete) {
      chunk = this.#createChunk(entry.seqno)
      this.#chunks.push(chunk)
    }
    return chunk
  }

  #createChunk(first: number): ChunkFile {
    const path = joinPath(this.directory, openChunkName(asSeqno(first)))
    const file = this.#files.open(path, 'create')
    this.#directoryDirty = true
    try {
      file.write(chunkHeader(0), 0)
    } catch (error) {
      file.close()
      this.#files.unlink(path)
      throw error
    }
    return new ChunkFile(first, file)
  }

  /** Writes the first pending entries that go into the same chunk, with one write. */
  #writeRun(chunk: ChunkFile): void {
    const sizes: number[] = []
    let length = 0
    let ends = false
    let committable = false
    for (let i = 0; i < this.#pending.length && !ends; i++) {
      const entry = this.#pending[i]!
      const size = entry.bytes.length
      const forcedBefore = (entry.bytes[1]! & ENTRY_FLAGS.forceChunkBefore) !== 0
      if (sizes.length > 0 && (length + size > WRITE_BYTES || (forcedBefore && committable))) break
      if (size <= WRITE_BYTES) this.#scratch.set(entry.bytes, length)
      sizes.push(size)
      length += size
      committable = entry.committable
      ends = committable && this.#endsChunk(entry, chunk.entryBytes + length)
    }
    const alone = length > WRITE_BYTES
    chunk.append(alone ? this.#pending[0]!.bytes : this.#scratch.subarray(0, length), sizes)
    chunk.lastIsCommittable = committable
    this.#writtenSeqno += sizes.length
    this.#forgetWritten(sizes.length, length)
    this.#dirty.add(chunk)
    if (ends) this.#endChunk(chunk)
  }

  #forgetWritten(count: number, bytes: number): void {
    this.#pending = count === this.#pending.length ? [] : this.#pending.slice(count)
    this.#pendingBytes -= bytes
  }

  #endsChunk(entry: LedgerEntry, entryBytes: number): boolean {
    const forced = entry.closesChunk === true || (entry.bytes[1]! & ENTRY_FLAGS.forceChunkAfter) !== 0
    return forced || entryBytes >= this.#chunkBytes
  }

  /** Its entries are written, so a full disk only delays the table: the next entry needs it first. */
  #endChunk(chunk: ChunkFile): void {
    chunk.completionDue = true
    try {
      this.#completeChunk(chunk)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#onNotice({ type: 'failed', reason: error.message, untilReopened: false })
    }
  }

  #completeChunk(chunk: ChunkFile): void {
    chunk.makeComplete()
    this.#dirty.add(chunk)
    this.#onNotice({ type: 'chunkCompleted', first: chunk.first, last: chunk.last, bytes: chunk.end })
  }

  /**
   * Removes everything after `afterSeqno`, which must not be below the committed seqno. Flushes waiting for removed
   * entries are answered with what is left.
   */
  truncate(afterSeqno: number): StorageError | undefined {
    invariant(afterSeqno >= this.#committedSeqno, `truncation to ${afterSeqno} below committed ${this.#committedSeqno}`)
    if (this.#failure !== undefined) return this.#failure
    if (afterSeqno >= this.lastSeqno) return undefined
    for (const waiter of this.#waiters) waiter.upTo = Math.min(waiter.upTo, afterSeqno)
    const keptPending = Math.max(0, afterSeqno - this.#writtenSeqno)
    this.#pending = this.#pending.slice(0, keptPending)
    this.#pendingBytes = this.#pending.reduce((sum, entry) => sum + entry.bytes.length, 0)
    try {
      this.#cutChunks(afterSeqno)
    } catch (error) {
      const failure = error instanceof BrokenChunk ? error.failure : error
      if (!(failure instanceof StorageError)) throw failure
      this.#fail(failure)
      return failure
    }
    this.#writtenSeqno = Math.min(this.#writtenSeqno, afterSeqno)
    this.#durableSeqno = Math.min(this.#durableSeqno, afterSeqno)
    if (this.#syncing !== undefined) this.#syncing.upTo = Math.min(this.#syncing.upTo, afterSeqno)
    if (this.#pending.length === 0 && this.#chunks.length === 0 && this.#committedChunks.first === undefined)
      this.#forgetEverything()
    this.#answerWaiters()
    return undefined
  }

  /** From the back, so that an interruption leaves a longer ledger, never one with a hole. */
  #cutChunks(afterSeqno: number): void {
    for (let chunk = this.#chunks.at(-1); chunk !== undefined && chunk.last > afterSeqno; chunk = this.#chunks.at(-1)) {
      if (chunk.first <= afterSeqno) {
        chunk.cut(afterSeqno)
        // Whether the new last entry is committable is not known here; at worst a forced chunk end comes late.
        chunk.lastIsCommittable = false
        this.#dirty.add(chunk)
        return
      }
      this.#files.unlink(chunk.file.path)
      this.#directoryDirty = true
      this.#chunks.pop()
      this.#release(chunk)
    }
  }

  #release(chunk: ChunkFile): void {
    this.#dirty.delete(chunk)
    if (this.#syncing?.chunks.includes(chunk) === true) this.#toClose.push(chunk)
    else chunk.file.close()
  }

  /** Everything up to `seqno` is committed. Complete chunks that end there become `.committed` once they are durable. */
  commit(seqno: number): void {
    this.#committedSeqno = Math.max(this.#committedSeqno, Math.min(seqno, this.lastSeqno))
    if (this.#failure === undefined) this.#commitChunks()
  }

  #commitChunks(): void {
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      const durable =
        this.#policy === 'never' || !(this.#dirty.has(chunk) || this.#syncing?.chunks.includes(chunk) === true)
      if (!chunk.complete || !durable || chunk.last > this.#committedSeqno) return
      const { first, last } = chunk
      const name = committedChunkName(asSeqno(first), asSeqno(last))
      try {
        this.#files.rename(chunk.file.path, joinPath(this.directory, name))
      } catch (error) {
        if (!(error instanceof StorageError)) throw error
        // The chunk is as good under its old name; the next commit tries again.
        this.#onNotice({ type: 'failed', reason: error.message, untilReopened: false })
        return
      }
      this.#directoryDirty = true
      this.#chunks.shift()
      this.#release(chunk)
      this.#committedChunks.add({ name, first, last })
      this.#onNotice({ type: 'chunkCommitted', file: name })
    }
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
    const found = this.#committedChunks.find(from) ?? this.#findUncommitted(from)
    invariant(found !== undefined, `no chunk holds seqno ${from}`)
    return readEntries(found.chunk, from, Math.min(to, found.last), bytesMax)
  }

  #findUncommitted(seqno: number): { readonly chunk: ChunkFile; readonly last: number } | undefined {
    const chunk = this.#chunks.find(({ first, last }) => first <= seqno && seqno <= last)
    return chunk === undefined ? undefined : { chunk, last: chunk.last }
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
  close(done: SyncedAndClosed): void {
    invariant(!this.#closed, 'ledger closed twice')
    const finish = (): void => {
      this.#whenIdle = undefined
      if (this.#failure === undefined && this.#policy !== 'never' && this.#needsSync) {
        this.#whenIdle = finish
        return this.#startSync()
      }
      this.#closed = true
      for (const chunk of this.#chunks) chunk.file.close()
      this.#committedChunks.close()
      done(this.#failure)
    }
    if (this.#syncing === undefined) finish()
    else this.#whenIdle = finish
  }
}

export type SyncedAndClosed = (error: StorageError | undefined) => void

/** Opens or creates the ledger of a directory; cuts a torn tail first. @throws StorageError, CorruptDataError */
export const openLedger = (options: LedgerOptions): Ledger => new Ledger(options)

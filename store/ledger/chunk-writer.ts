// The uncommitted chunks at the end of a ledger: which chunk an entry goes into, where chunks end, what rollback removes
// and when a chunk becomes `.committed`. Not the queue before it nor the fsync after it (ledger.ts).
// The rule to remember: only a signature ends a chunk, and every node of a service must end it at the same one, or
// committed files differ between nodes (CCF facts §3.1, §3.2).
import { seqno as asSeqno } from '../../protocols/ids.ts'
import { chunkHeader, committedChunkName, openChunkName } from '../../protocols/ledger/chunk.ts'
import { ENTRY_FLAGS } from '../../protocols/ledger/entry.ts'
import { BrokenChunk, ChunkFile } from './chunk-file.ts'
import { type CommittedChunk, readEntries } from './committed-chunks.ts'
import { type FileSystem, joinPath, StorageError } from './files.ts'
import type { LedgerEntry, LedgerNotice } from './ledger-types.ts'
import type { ChunkFacts } from './inspect.ts'
import { isSignatureEntry } from './scan.ts'

/** Bytes handed to one write; a larger entry is written alone. */
const WRITE_BYTES = 1024 * 1024

const hasFlag = (entry: LedgerEntry, flag: number): boolean => (entry.bytes[1]! & flag) !== 0

export interface ChunkWriterOptions {
  readonly files: FileSystem
  readonly directory: string
  readonly chunkBytes: number
  readonly onNotice: (notice: LedgerNotice) => void
}

export class ChunkWriter {
  /** Ascending; all but the last are complete. */
  readonly chunks: ChunkFile[]
  /** Written, not known to be durable. */
  readonly dirty = new Set<ChunkFile>()
  directoryDirty = false
  /** Taken out of the ledger; the owner closes their files. */
  readonly released: ChunkFile[] = []
  readonly #options: ChunkWriterOptions
  readonly #scratch = new Uint8Array(WRITE_BYTES)

  constructor(options: ChunkWriterOptions, found: readonly ChunkFacts[]) {
    this.#options = options
    this.chunks = found.map((facts) => {
      const chunk = new ChunkFile(facts.first, options.files.open(facts.path, 'write'), facts)
      // Recovery left a signature at the end; the table that should follow it may be what the crash took.
      chunk.lastIsCommittable = true
      chunk.completionDue = !chunk.complete && (chunk.entryBytes >= options.chunkBytes || forcesEnd(chunk))
      return chunk
    })
  }

  get needsSync(): boolean {
    return this.dirty.size > 0 || this.directoryDirty
  }

  /**
   * Writes the first entries of `entries[from…]` that go into one chunk, with one write; returns how many.
   * @throws StorageError or BrokenChunk: then none of them was written.
   */
  writeRun(entries: readonly LedgerEntry[], from: number): number {
    const chunk = this.#chunkFor(entries[from]!)
    const sizes: number[] = []
    let length = 0
    let ends = false
    for (let i = from; i < entries.length && !ends; i++) {
      const entry = entries[i]!
      const size = entry.bytes.length
      const beginsChunk = i > from && hasFlag(entry, ENTRY_FLAGS.forceChunkBefore) && entries[i - 1]!.committable
      if (beginsChunk || (i > from && length + size > WRITE_BYTES)) break
      if (size <= WRITE_BYTES) this.#scratch.set(entry.bytes, length)
      sizes.push(size)
      length += size
      ends = entry.committable && this.#endsChunk(entry, chunk.entryBytes + length)
    }
    chunk.append(length > WRITE_BYTES ? entries[from]!.bytes : this.#scratch.subarray(0, length), sizes)
    chunk.lastIsCommittable = entries[from + sizes.length - 1]!.committable
    this.dirty.add(chunk)
    if (ends) this.#endChunk(chunk)
    return sizes.length
  }

  #endsChunk(entry: LedgerEntry, entryBytes: number): boolean {
    const forced = entry.closesChunk === true || hasFlag(entry, ENTRY_FLAGS.forceChunkAfter)
    return forced || entryBytes >= this.#options.chunkBytes
  }

  #chunkFor(entry: LedgerEntry): ChunkFile {
    const last = this.chunks.at(-1)
    if (last !== undefined && !last.complete) {
      const beginsChunk = hasFlag(entry, ENTRY_FLAGS.forceChunkBefore) && last.lastIsCommittable
      if (!last.completionDue && !beginsChunk) return last
      this.#completeChunk(last)
    }
    const chunk = this.#createChunk(entry.seqno)
    this.chunks.push(chunk)
    return chunk
  }

  #createChunk(first: number): ChunkFile {
    const { files, directory } = this.#options
    const file = files.open(joinPath(directory, openChunkName(asSeqno(first))), 'create')
    this.directoryDirty = true
    try {
      file.write(chunkHeader(0), 0)
    } catch (error) {
      file.close()
      try {
        files.unlink(file.path)
      } catch (unlinkError) {
        throw unlinkError instanceof StorageError ? new BrokenChunk(unlinkError) : unlinkError
      }
      throw error
    }
    return new ChunkFile(first, file)
  }

  /** The chunk's entries are written, so a full disk only delays its table: the next entry will need it first. */
  #endChunk(chunk: ChunkFile): void {
    chunk.completionDue = true
    try {
      this.#completeChunk(chunk)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#options.onNotice({ type: 'failed', reason: error.message, untilReopened: false })
    }
  }

  #completeChunk(chunk: ChunkFile): void {
    chunk.makeComplete()
    this.dirty.add(chunk)
    this.#options.onNotice({ type: 'chunkCompleted', first: chunk.first, last: chunk.last, bytes: chunk.end })
  }

  /**
   * Removes entries after `afterSeqno`. From the back, so that an interruption leaves a longer ledger, never a hole.
   * `durably`: synchronised before it returns. Otherwise a crash could mix removed entries with those that replace
   * them, and only the Merkle tree would notice.
   * @throws StorageError or BrokenChunk: the ledger must not be written any more.
   */
  cutAfter(afterSeqno: number, durably: boolean): void {
    let removed = false
    for (let chunk = this.chunks.at(-1); chunk !== undefined && chunk.first > afterSeqno; chunk = this.chunks.at(-1)) {
      this.#options.files.unlink(chunk.file.path)
      this.directoryDirty = true
      removed = true
      this.chunks.pop()
      this.#release(chunk)
    }
    const last = this.chunks.at(-1)
    if (last !== undefined && last.last > afterSeqno) {
      last.cut(afterSeqno)
      last.lastIsCommittable = isSignatureEntry(readEntries(last, afterSeqno, afterSeqno, 0)[0]!.bytes)
      this.dirty.add(last)
      if (durably) last.file.datasyncNow()
    }
    if (removed && durably) this.#options.files.syncDirectoryNow(this.#options.directory)
  }

  /**
   * Renames complete chunks that end at or before `seqno`, in order, while `isDurable` says so of them.
   * @returns the chunks that are committed now.
   */
  commitUpTo(seqno: number, isDurable: (chunk: ChunkFile) => boolean): CommittedChunk[] {
    const committed: CommittedChunk[] = []
    for (let chunk = this.chunks[0]; chunk !== undefined; chunk = this.chunks[0]) {
      const { first, last } = chunk
      if (!chunk.complete || last > seqno || !isDurable(chunk)) break
      const name = committedChunkName(asSeqno(first), asSeqno(last))
      try {
        this.#options.files.rename(chunk.file.path, joinPath(this.#options.directory, name))
      } catch (error) {
        if (!(error instanceof StorageError)) throw error
        // The chunk is as good under its old name; the next commit tries again.
        this.#options.onNotice({ type: 'failed', reason: error.message, untilReopened: false })
        break
      }
      this.directoryDirty = true
      this.chunks.shift()
      this.#release(chunk)
      committed.push({ name, first, last })
      this.#options.onNotice({ type: 'chunkCommitted', file: name })
    }
    return committed
  }

  #release(chunk: ChunkFile): void {
    this.dirty.delete(chunk)
    this.released.push(chunk)
  }

  find(seqno: number): { readonly chunk: ChunkFile; readonly last: number } | undefined {
    const chunk = this.chunks.find(({ first, last }) => first <= seqno && seqno <= last)
    return chunk === undefined ? undefined : { chunk, last: chunk.last }
  }
}

/** Whether the last entry of a chunk carries the flag that ends it. */
const forcesEnd = (chunk: ChunkFile): boolean =>
  (readEntries(chunk, chunk.last, chunk.last, 0)[0]!.bytes[1]! & ENTRY_FLAGS.forceChunkAfter) !== 0

// One chunk of the ledger that is not committed yet, and how its file changes: append, complete, cut, commit.
// Not the ledger: which chunk comes when, and when anything is synchronised, is decided in ledger.ts.
// The rule to remember: memory and file agree after every call, also after one that threw; where that cannot be had, it
// throws BrokenChunk and nothing more may be written.
import { CHUNK_BYTES_MAX, CHUNK_HEADER_BYTES, chunkHeader, encodePositions } from '../../protocols/ledger/chunk.ts'
import { type File, StorageError } from './files.ts'
import { Positions } from './positions.ts'

/** The file could not be brought back to what memory holds. */
export class BrokenChunk extends Error {
  override readonly name = 'BrokenChunk'
  readonly failure: StorageError
  constructor(failure: StorageError) {
    super(failure.message)
    this.failure = failure
  }
}

const TABLE_BYTES_PER_ENTRY = 4

export class ChunkFile {
  readonly first: number
  readonly file: File
  readonly positions: Positions
  /** Offset behind the last entry; where the table starts once complete. */
  end: number
  complete: boolean
  /** Its last entry asks for completion, which a full disk may have delayed. */
  completionDue = false
  /** Its last entry is a signature, so it may be completed behind it. */
  lastIsCommittable = false

  constructor(first: number, file: File, state?: { positions: Positions; end: number; complete: boolean }) {
    this.first = first
    this.file = file
    this.positions = state?.positions ?? new Positions()
    this.end = state?.end ?? CHUNK_HEADER_BYTES
    this.complete = state?.complete ?? false
  }

  /** `first − 1` while empty. */
  get last(): number {
    return this.first + this.positions.length - 1
  }

  get entryBytes(): number {
    return this.end - CHUNK_HEADER_BYTES
  }

  /** Appends whole entries laid back to back. On StorageError none of them is in the chunk. */
  append(bytes: Uint8Array, sizes: readonly number[]): void {
    const tableBytes = TABLE_BYTES_PER_ENTRY * (this.positions.length + sizes.length)
    if (this.end + bytes.length + tableBytes > CHUNK_BYTES_MAX)
      throw new StorageError('full', 'write', this.file.path, 'EFBIG')
    this.#orUndo(false, () => this.file.write(bytes, this.end))
    for (const size of sizes) {
      this.positions.push(this.end)
      this.end += size
    }
  }

  /** Writes the positions table, then its offset into the header (CCF facts §3.1). */
  makeComplete(): void {
    this.#orUndo(true, () => {
      this.file.write(encodePositions(this.positions.toArray()), this.end)
      this.file.write(chunkHeader(this.end), 0)
    })
    this.complete = true
    this.completionDue = false
  }

  /** Removes entries after `seqno`, which stays; the chunk is open again. */
  cut(seqno: number): void {
    const count = seqno - this.first + 1
    const end = this.positions.at(count, this.end)
    try {
      if (this.complete) this.file.write(chunkHeader(0), 0)
      this.file.truncate(end)
    } catch (error) {
      throw error instanceof StorageError ? new BrokenChunk(error) : error
    }
    this.positions.length = count
    this.end = end
    this.complete = false
    this.completionDue = false
  }

  #orUndo(headerToo: boolean, write: () => void): void {
    try {
      write()
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#undo(headerToo)
      throw error
    }
  }

  /** Only bytes behind `end`, and perhaps the header, can have been touched. */
  #undo(headerToo: boolean): void {
    try {
      if (headerToo) this.file.write(chunkHeader(0), 0)
      this.file.truncate(this.end)
    } catch (error) {
      throw error instanceof StorageError ? new BrokenChunk(error) : error
    }
  }
}

// The snapshot files of one node (CCF facts §15): listed, read in pieces, written whole or not at all. Not their content (protocols/snapshot).
// A file without `.committed` is one that was being written when the node stopped: it proves nothing and is removed when the node starts.
// The rule to remember: a name that ends in `.committed` appears only after every byte of the file is durable.
import { parseSnapshotFileName } from '../../protocols/snapshot/format.ts'
import type { StoredSnapshot } from '../../protocols/snapshot/format.ts'
import { type FileSystem, joinPath, StorageError } from '../ledger/files.ts'
import { withFile } from '../ledger/inspect.ts'
import { realFiles } from '../ledger/real-files.ts'

/** Bytes written at a time; in between the node does something else. */
const WRITE_BYTES = 1024 * 1024

const COMMITTED = '.committed'

export interface SnapshotFilesOptions {
  /** Created when missing. */
  readonly directory: string
  /** Of the snapshot that the ledger begins after, which is never removed: without it nobody could verify the ledger. */
  readonly neededSeqno: () => number
  readonly files?: FileSystem
}

export class SnapshotFiles {
  readonly directory: string
  /** Unfinished files that were there, and are not any more. */
  readonly removed: readonly string[]
  readonly #files: FileSystem
  readonly #neededSeqno: () => number

  /** @throws StorageError */
  constructor({ directory, neededSeqno, files = realFiles }: SnapshotFilesOptions) {
    this.directory = directory
    this.#files = files
    this.#neededSeqno = neededSeqno
    files.mkdir(directory)
    this.removed = files.readdir(directory).filter((name) => parseSnapshotFileName(name)?.committed === false)
    for (const name of this.removed) files.unlink(joinPath(directory, name))
  }

  /** Complete ones, ascending by seqno. @throws StorageError */
  list(): StoredSnapshot[] {
    return this.#names().map((fileName) => ({
      fileName,
      sizeBytes: withFile(this.#files, joinPath(this.directory, fileName), (file) => file.size()),
    }))
  }

  #names(): string[] {
    const seqnoOf = (name: string): number => parseSnapshotFileName(name)!.seqno
    return this.#files
      .readdir(this.directory)
      .filter((name) => parseSnapshotFileName(name)?.committed === true)
      .sort((a, b) => seqnoOf(a) - seqnoOf(b))
  }

  /** Fewer bytes only at the end of the file; undefined when there is no such snapshot. @throws StorageError */
  read(fileName: string, offset: number, length: number): Uint8Array | undefined {
    // Whoever asks may be another node: nothing but a snapshot's name becomes part of a path.
    if (parseSnapshotFileName(fileName)?.committed !== true || !this.#names().includes(fileName)) return undefined
    return withFile(this.#files, joinPath(this.directory, fileName), (file) => file.read(offset, length))
  }

  /**
   * Writes a snapshot, then removes the oldest beyond `keep`, except the one that the ledger needs. Whatever fails leaves no file of that name.
   * `fileName`: ends in `.committed`. A file that has that name already is not overwritten but set aside as `.ignored`.
   */
  save(fileName: string, bytes: Uint8Array, keep: number, done: (error: StorageError | undefined) => void): void {
    const path = joinPath(this.directory, fileName)
    const temporary = path.slice(0, -COMMITTED.length)
    const files = this.#files
    const finish = (error: StorageError | undefined): void => {
      if (error === undefined) return done(undefined)
      try {
        files.unlink(temporary)
      } catch (unlinkError) {
        // It was never created, or already has its final name.
        if (!(unlinkError instanceof StorageError)) throw unlinkError
      }
      done(error)
    }
    try {
      const file = files.open(temporary, 'create')
      const write = (offset: number): void => {
        try {
          if (offset < bytes.length) {
            file.write(bytes.subarray(offset, offset + WRITE_BYTES), offset)
            files.defer(() => write(offset + WRITE_BYTES))
            return
          }
          file.datasync((error) => {
            file.close()
            if (error === undefined) this.#publish(temporary, path, keep, finish)
            else finish(error)
          })
        } catch (error) {
          file.close()
          finish(asStorageError(error))
        }
      }
      write(0)
    } catch (error) {
      finish(asStorageError(error))
    }
  }

  #publish(temporary: string, path: string, keep: number, finish: (error: StorageError | undefined) => void): void {
    try {
      if (this.#names().some((name) => joinPath(this.directory, name) === path)) {
        this.#files.rename(path, `${path}.ignored`)
      }
      this.#files.rename(temporary, path)
    } catch (error) {
      finish(asStorageError(error))
      return
    }
    this.#files.syncDirectory(this.directory, (error) => {
      if (error === undefined) this.#removeOldest(keep)
      finish(error)
    })
  }

  /** A snapshot that cannot be removed is tried again after the next. */
  #removeOldest(keep: number): void {
    const needed = this.#neededSeqno()
    const names = this.#names().filter((name) => parseSnapshotFileName(name)?.seqno !== needed)
    for (const name of names.slice(0, Math.max(0, names.length - keep))) {
      try {
        this.#files.unlink(joinPath(this.directory, name))
      } catch (error) {
        if (!(error instanceof StorageError)) throw error
        return
      }
    }
  }
}

/** Anything else is a defect. */
function asStorageError(error: unknown): StorageError {
  if (error instanceof StorageError) return error
  throw error
}

// A moving window over a file: reads ahead a megabyte at a time, so that walking a file of any size costs one window of memory.
// Not a cache: going back reads again. The rule to remember: a window is never written to again, so views on it stay right.
import type { File } from './files.ts'

const WINDOW_BYTES = 1024 * 1024

export class FileWindow {
  readonly #file: File
  readonly #limit: number
  #bytes: Uint8Array = new Uint8Array(0)
  #at = 0

  /** Sees the file's bytes below `limit`. */
  constructor(file: File, limit: number) {
    this.#file = file
    this.#limit = limit
  }

  /** Whether the bytes before `end` are below the limit. */
  holds(end: number): boolean {
    return end <= this.#limit
  }

  /** A view on `length` bytes from `offset`; undefined when not all of them are below the limit. @throws StorageError */
  take(offset: number, length: number): Uint8Array | undefined {
    if (offset + length > this.#limit) return undefined
    const isInside = offset >= this.#at && offset + length <= this.#at + this.#bytes.length
    if (!isInside) {
      this.#bytes = this.#file.read(offset, Math.min(this.#limit - offset, Math.max(length, WINDOW_BYTES)))
      this.#at = offset
      // The file was cut while it was read.
      if (this.#bytes.length < length) return undefined
    }
    return this.#bytes.subarray(offset - this.#at, offset - this.#at + length)
  }
}

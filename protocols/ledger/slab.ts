// Memory for the entries of one batch: regions cut from one zeroed buffer, back to back. Allocating each entry's own
// buffer costs about half of encoding it (V8 keeps typed arrays above 64 bytes off its heap).
// Not an allocator to keep in an actor's state: make one per batch. A region lives as long as any other of its slab.

const DEFAULT_BYTES = 64 * 1024

export class Slab {
  #buffer: ArrayBuffer
  #used = 0

  /** `bytes`: size of each buffer; a good guess at the batch's total makes the whole batch contiguous. */
  constructor(bytes = DEFAULT_BYTES) {
    this.#buffer = new ArrayBuffer(bytes)
  }

  /** `length` zero bytes that no one else has. */
  take(length: number): Uint8Array {
    if (length > this.#buffer.byteLength - this.#used) {
      this.#buffer = new ArrayBuffer(Math.max(length, DEFAULT_BYTES))
      this.#used = 0
    }
    const region = new Uint8Array(this.#buffer, this.#used, length)
    this.#used += length
    return region
  }
}

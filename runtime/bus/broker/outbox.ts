// Bytes on their way to one client: collected in pooled 64 KiB blocks and written in few large pieces.
// Not a stream: no events, no back-pressure of its own; the broker looks at `pendingBytes` and acts.
// The rule to remember: one write is under way at a time; what arrives meanwhile is packed densely behind it, so the
// memory held for a slow client is about what it is owed.

/** Writes buffers in order; calls `done` once when all of them are with the operating system (or the connection is gone). */
export type WriteBuffers = (buffers: readonly Buffer[], done: () => void) => void

export const BLOCK_BYTES = 64 * 1024
/** A tail this long is handed on as a view on the received chunk instead of being copied. */
const COPY_BYTES_MAX = 16 * 1024
/** Up to this many bytes a loop beats the call of a native copy (measured: 1–2.5 ns per byte against 150 ns). */
const LOOP_BYTES_MAX = 80
const FREE_BLOCKS_MAX = 64

/** Blocks that nobody uses, shared by all connections of a broker. */
export class BlockPool {
  readonly #free: Buffer[] = []

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)
  }

  give(block: Buffer): void {
    if (this.#free.length < FREE_BLOCKS_MAX) this.#free.push(block)
  }
}

export class Outbox {
  readonly #pool: BlockPool
  readonly #write: WriteBuffers
  /** Closed pieces not yet written, and the pooled blocks they lie in. */
  #pieces: Buffer[] = []
  #blocks: Buffer[] = []
  #block: Buffer | undefined
  #pieceStart = 0
  #used = 0
  #isWriting = false
  #pendingBytes = 0

  constructor(pool: BlockPool, write: WriteBuffers) {
    this.#pool = pool
    this.#write = write
  }

  /** Bytes appended and not yet with the operating system. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  get isWriting(): boolean {
    return this.#isWriting
  }

  appendText(latin1: string): void {
    const bytes = Buffer.from(latin1, 'latin1')
    this.append(bytes, 0, bytes.length)
  }

  /** Appends `bytes[from, to)`; long pieces by reference, so `bytes` must not be changed afterwards. */
  append(bytes: Buffer, from: number, to: number): void {
    const length = to - from
    if (length > COPY_BYTES_MAX) {
      this.#closePiece()
      this.#pieces.push(bytes.subarray(from, to))
      this.#pendingBytes += length
      return
    }
    const block = this.#room(length)
    const at = this.#used
    if (length <= LOOP_BYTES_MAX) for (let i = 0; i < length; i++) block[at + i] = bytes[from + i]!
    else bytes.copy(block, at, from, to)
    this.#used = at + length
    this.#pendingBytes += length
  }

  /** Appends the parts of a delivered message: verb, `subject[from, to)`, subscription id, `tail[from, to)`. */
  appendMessage(
    verb: Buffer,
    subject: Buffer,
    subjectFrom: number,
    subjectTo: number,
    sidField: Buffer,
    tail: Buffer,
    tailFrom: number,
    tailTo: number,
  ): void {
    const headLength = verb.length + (subjectTo - subjectFrom) + sidField.length
    if (headLength > BLOCK_BYTES || subjectTo - subjectFrom > LOOP_BYTES_MAX) {
      this.append(verb, 0, verb.length)
      this.append(subject, subjectFrom, subjectTo)
      this.append(sidField, 0, sidField.length)
    } else {
      const block = this.#room(headLength)
      let at = this.#used
      for (let i = 0; i < verb.length; i++) block[at++] = verb[i]!
      for (let i = subjectFrom; i < subjectTo; i++) block[at++] = subject[i]!
      for (let i = 0; i < sidField.length; i++) block[at++] = sidField[i]!
      this.#used = at
      this.#pendingBytes += headLength
    }
    this.append(tail, tailFrom, tailTo)
  }

  /** Starts writing unless a write is under way (which continues with the rest by itself). */
  flush(): void {
    if (this.#isWriting || this.#pendingBytes === 0) return
    this.#closePiece()
    const pieces = this.#pieces
    const blocks = this.#blocks
    if (this.#block !== undefined) {
      // only whole blocks return to the pool, so the current one goes along with its last piece
      blocks.push(this.#block)
      this.#block = undefined
    }
    this.#pieces = []
    this.#blocks = []
    this.#isWriting = true
    let bytes = 0
    for (const piece of pieces) bytes += piece.length
    this.#write(pieces, () => {
      this.#isWriting = false
      this.#pendingBytes -= bytes
      for (const block of blocks) this.#pool.give(block)
      this.flush()
    })
  }

  #room(length: number): Buffer {
    if (this.#block !== undefined && this.#used + length <= BLOCK_BYTES) return this.#block
    this.#closePiece()
    if (this.#block !== undefined) this.#blocks.push(this.#block)
    this.#block = this.#pool.take()
    this.#pieceStart = 0
    this.#used = 0
    return this.#block
  }

  #closePiece(): void {
    if (this.#block === undefined || this.#used === this.#pieceStart) return
    this.#pieces.push(this.#block.subarray(this.#pieceStart, this.#used))
    this.#pieceStart = this.#used
  }
}

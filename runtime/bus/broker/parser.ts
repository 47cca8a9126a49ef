// Reads the client's side of the NATS protocol from a byte stream cut anywhere.
// It keeps no subscriptions and writes nothing; what it finds it hands to a ProtocolSink, synchronously and in order.
// The rule to remember: an operation that arrives whole is read in place (no copy); one that arrives in pieces is first
// put together in one buffer of its own, bounded by the control line and the maximum payload, and then read the same way.
import { classify, lineFault, Op } from './operations.ts'
import type { Fault } from './operations.ts'

/** Where the parts of the publication being handed over lie in `bytes`. Valid only during `onPublish`. */
export interface Publication {
  readonly bytes: Buffer
  readonly subjectStart: number
  readonly subjectEnd: number
  /** Equal to `replyEnd` if no reply is wanted. */
  readonly replyStart: number
  readonly replyEnd: number
  /** Bytes of headers at the start of the payload; −1 for PUB. */
  readonly headerBytes: number
  /** Headers and payload together. */
  readonly sizeBytes: number
  readonly payloadStart: number
  /**
   * Start of the piece that goes to subscribers unchanged: `[reply ][header bytes ]size CRLF payload CRLF`.
   * −1 if the line was spaced unusually and the piece has to be written anew.
   */
  readonly tailStart: number
}

export interface ProtocolSink {
  onConnect(optionsJson: string): void
  onPing(): void
  onPong(): void
  onPublish(publication: Publication): void
  onSubscribe(subject: string, queue: string | undefined, sid: string): void
  /** `max` is 0 for "at once". */
  onUnsubscribe(sid: string, max: number): void
  /** Nothing after this is read. */
  onFault(fault: Fault): void
}

export interface ParserLimits {
  readonly controlLineBytesMax: number
  readonly payloadBytesMax: number
}

const SPACE = 32
const TAB = 9
const CR = 13
const LF = 10
/** Anything but space, tab and line ends. */
const isWordByte = (b: number): boolean => b > SPACE || (b !== SPACE && b !== LF && b !== CR && b !== TAB)

const ARGUMENTS_MAX = 5
const NUMBER_DIGITS_MAX = 9
const HELD_BYTES_MIN = 512

export class ProtocolParser implements Publication {
  bytes: Buffer = Buffer.alloc(0)
  subjectStart = 0
  subjectEnd = 0
  replyStart = 0
  replyEnd = 0
  headerBytes = -1
  sizeBytes = 0
  payloadStart = 0
  tailStart = -1

  /** While true only CONNECT is accepted (a server with a token). */
  awaitingConnect = false

  readonly #sink: ProtocolSink
  readonly #limits: ParserLimits
  #stopped = false
  /** An operation of which only the beginning has arrived. */
  #held: Buffer | undefined
  #heldBytes = 0
  /** Bytes of the whole held operation; 0 while its line is incomplete. */
  #neededBytes = 0
  /** Start and end of each argument of the line read last. */
  readonly #arguments = new Int32Array(2 * ARGUMENTS_MAX)
  #argumentCount = 0

  constructor(sink: ProtocolSink, limits: ParserLimits) {
    this.#sink = sink
    this.#limits = limits
  }

  /** Nothing more is read, not even the rest of the chunk being fed. */
  stop(): void {
    this.#stopped = true
    this.#held = undefined
  }

  /** Reads a piece of the stream. `chunk` must not be changed afterwards. */
  feed(chunk: Buffer): void {
    let at = this.#held === undefined ? 0 : this.#resume(chunk)
    while (at < chunk.length && !this.#stopped) at = this.#next(chunk, at)
  }

  /** Reads one operation that starts at `at`, or holds what there is of it. Returns where the next one starts. */
  #next(chunk: Buffer, at: number): number {
    const lineEnd = this.#scan(chunk, at, at + this.#limits.controlLineBytesMax)
    if (lineEnd < 0) {
      const fault = lineFault(chunk, at, chunk.length, this.#limits.controlLineBytesMax, this.awaitingConnect)
      if (fault === undefined) this.#hold(chunk, at, 0)
      else this.#fail(fault)
      return chunk.length
    }
    const payloadBytes = this.#line(chunk, at, lineEnd)
    if (this.#stopped || payloadBytes < 0) return lineEnd + 1
    const end = lineEnd + 1 + payloadBytes + 2
    if (end > chunk.length) {
      this.#hold(chunk, at, end - at)
      this.#rebase(at)
      return chunk.length
    }
    this.#payload(chunk, lineEnd + 1)
    return end
  }

  /** Continues the held operation with the beginning of `chunk`. Returns where the next operation starts. */
  #resume(chunk: Buffer): number {
    let at = 0
    if (this.#neededBytes === 0) {
      const room = this.#limits.controlLineBytesMax - this.#heldBytes
      const lineEnd = this.#scan(chunk, 0, room)
      at = lineEnd < 0 ? Math.min(chunk.length, room + 1) : lineEnd + 1
      this.#append(chunk, 0, at, this.#limits.controlLineBytesMax + 1)
      const held = this.#held!
      if (lineEnd < 0) {
        const fault = lineFault(held, 0, this.#heldBytes, this.#limits.controlLineBytesMax, this.awaitingConnect)
        if (fault !== undefined) this.#fail(fault)
        return chunk.length
      }
      const payloadBytes = this.#line(held, 0, this.#scan(held, 0, this.#heldBytes))
      if (this.#stopped) return chunk.length
      if (payloadBytes < 0) {
        this.#held = undefined
        return at
      }
      this.#neededBytes = this.#heldBytes + payloadBytes + 2
    }
    const taken = Math.min(this.#neededBytes - this.#heldBytes, chunk.length - at)
    this.#append(chunk, at, at + taken, this.#neededBytes)
    if (this.#heldBytes < this.#neededBytes) return chunk.length
    const whole = this.#held!
    this.#held = undefined
    this.#payload(whole, this.#neededBytes - this.sizeBytes - 2)
    return at + taken
  }

  #hold(chunk: Buffer, from: number, neededBytes: number): void {
    this.#held = Buffer.allocUnsafeSlow(HELD_BYTES_MIN)
    this.#heldBytes = 0
    this.#neededBytes = neededBytes
    this.#append(chunk, from, chunk.length, neededBytes === 0 ? this.#limits.controlLineBytesMax + 1 : neededBytes)
  }

  /** The line was read at `from` of a chunk; what is held of it begins at 0. */
  #rebase(from: number): void {
    this.subjectStart -= from
    this.subjectEnd -= from
    if (this.replyEnd > 0) {
      this.replyStart -= from
      this.replyEnd -= from
    }
    if (this.tailStart >= 0) this.tailStart -= from
  }

  /** Grows by doubling, so that a client which announces much and sends little costs little. */
  #append(chunk: Buffer, from: number, to: number, bytesMax: number): void {
    const needed = this.#heldBytes + (to - from)
    if (needed > this.#held!.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(bytesMax, 2 * this.#held!.length)))
      this.#held!.copy(grown, 0, 0, this.#heldBytes)
      this.#held = grown
    }
    chunk.copy(this.#held!, this.#heldBytes, from, to)
    this.#heldBytes = needed
  }

  #fail(fault: Fault): void {
    this.stop()
    this.#sink.onFault(fault)
  }

  /**
   * Index of the first line feed in `bytes[from, limit)`, or −1. Notes on the way where the words after the first (the
   * operation) begin and end.
   */
  #scan(bytes: Buffer, from: number, limit: number): number {
    const end = Math.min(bytes.length, limit)
    const words = this.#arguments
    let count = -1
    let i = from
    while (i < end) {
      const start = i
      while (i < end && isWordByte(bytes[i]!)) i++
      if (i === end) return -1
      if (i > start) {
        if (count >= 0 && count < ARGUMENTS_MAX) {
          words[2 * count] = start
          words[2 * count + 1] = i
        }
        count++
      }
      if (bytes[i] === LF) {
        this.#argumentCount = count
        return i
      }
      i++
    }
    return -1
  }

  /** Reads a complete line and acts on it, unless a payload follows: then returns its size in bytes, otherwise −1. */
  #line(bytes: Buffer, start: number, lineEnd: number): number {
    const op = classify(bytes, start, lineEnd + 1)
    if (this.awaitingConnect && op !== Op.connect) {
      this.#fail('authorization')
      return -1
    }
    switch (op) {
      case Op.pub:
        return this.#publish(bytes, lineEnd, false)
      case Op.hpub:
        return this.#publish(bytes, lineEnd, true)
      case Op.sub:
        this.#subscribe(bytes)
        break
      case Op.unsub:
        this.#unsubscribe(bytes)
        break
      case Op.ping:
        this.#sink.onPing()
        break
      case Op.pong:
        this.#sink.onPong()
        break
      case Op.connect:
        this.#sink.onConnect(bytes.toString('utf8', start + 8, lineEnd))
        break
      case Op.ignored:
        break
      default:
        this.#fail(op === Op.refused ? 'parser' : 'unknownOperation')
    }
    return -1
  }

  /** The decimal number in argument `n`; −1 if it is none or has more than nine digits. */
  #number(bytes: Buffer, n: number): number {
    const start = this.#arguments[2 * n]!
    const end = this.#arguments[2 * n + 1]!
    if (end - start > NUMBER_DIGITS_MAX) return -1
    let value = 0
    for (let i = start; i < end; i++) {
      const digit = bytes[i]! - 48
      if (digit < 0 || digit > 9) return -1
      value = value * 10 + digit
    }
    return value
  }

  /** Latin-1, so that every byte of a subject in any encoding survives the way through a string. */
  #text(bytes: Buffer, n: number): string {
    return bytes.toString('latin1', this.#arguments[2 * n]!, this.#arguments[2 * n + 1]!)
  }

  #publish(bytes: Buffer, lineEnd: number, withHeaders: boolean): number {
    const extra = withHeaders ? 1 : 0
    const count = this.#argumentCount
    if (count !== 2 + extra && count !== 3 + extra) return this.#failLine()
    const size = this.#number(bytes, count - 1)
    const headerBytes = withHeaders ? this.#number(bytes, count - 2) : -1
    if (size < 0 || (withHeaders && (headerBytes < 0 || headerBytes > size))) return this.#failLine()
    if (size > this.#limits.payloadBytesMax) {
      this.#fail('payloadTooLarge')
      return -1
    }
    const a = this.#arguments
    const hasReply = count === 3 + extra
    this.subjectStart = a[0]!
    this.subjectEnd = a[1]!
    this.replyStart = hasReply ? a[2]! : 0
    this.replyEnd = hasReply ? a[3]! : 0
    this.headerBytes = headerBytes
    this.sizeBytes = size
    this.tailStart = this.#isTailCanonical(bytes, lineEnd) ? a[2]! : -1
    return size
  }

  /** True if everything after the subject is separated by single spaces and ends with CRLF. */
  #isTailCanonical(bytes: Buffer, lineEnd: number): boolean {
    const a = this.#arguments
    const last = 2 * this.#argumentCount - 1
    if (bytes[lineEnd - 1] !== CR || a[last] !== lineEnd - 1) return false
    for (let i = 3; i < last; i += 2) if (a[i + 1] !== a[i]! + 1 || bytes[a[i]!] !== SPACE) return false
    return true
  }

  #failLine(): number {
    this.#fail('parser')
    return -1
  }

  #payload(bytes: Buffer, payloadStart: number): void {
    const end = payloadStart + this.sizeBytes
    if (bytes[end] !== CR || bytes[end + 1] !== LF) {
      this.#fail('unknownOperation')
      return
    }
    this.bytes = bytes
    this.payloadStart = payloadStart
    this.#sink.onPublish(this)
  }

  #subscribe(bytes: Buffer): void {
    const count = this.#argumentCount
    if (count === 2) this.#sink.onSubscribe(this.#text(bytes, 0), undefined, this.#text(bytes, 1))
    else if (count === 3) this.#sink.onSubscribe(this.#text(bytes, 0), this.#text(bytes, 1), this.#text(bytes, 2))
    else this.#fail('parser')
  }

  #unsubscribe(bytes: Buffer): void {
    const count = this.#argumentCount
    if (count !== 1 && count !== 2) {
      this.#fail('parser')
      return
    }
    // nats-server takes a bad number for none
    this.#sink.onUnsubscribe(this.#text(bytes, 0), count === 2 ? Math.max(0, this.#number(bytes, 1)) : 0)
  }
}

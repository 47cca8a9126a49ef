// Bytes: text encodings, comparison, and the bounded reader and writer every wire format is built on.
// Not a serialisation framework: each format spells out its own fields.
// The rule to remember: a reader never reads past its end; it throws DecodeError, and the edge turns that into a refusal.

/** Input that does not follow its format. `offset` counts bytes from the start of the buffer being read. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
  readonly offset: number
  constructor(message: string, offset: number) {
    super(`${message} at byte ${offset}`)
    this.offset = offset
  }
}

export const EMPTY = new Uint8Array(0)

const textEncoder = new TextEncoder()
const strictTextDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export const utf8 = (text: string): Uint8Array => textEncoder.encode(text)

/** Strict UTF-8; throws DecodeError on malformed input. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return strictTextDecoder.decode(bytes)
  } catch {
    throw new DecodeError('malformed UTF-8', 0)
  }
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX[byte]
  return text
}

export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) throw new DecodeError('not hexadecimal', 0)
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

/** What one call may take as arguments. */
const CHUNK = 8192

/** Spreading would go through an iterator: ten times slower, and 70 bytes of garbage a byte. */
const characters = (bytes: Uint8Array): string => String.fromCharCode.apply(null, bytes as unknown as number[])

/** Standard base64 with padding (RFC 4648 §4). */
export function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let i = 0; i < bytes.length; i += CHUNK) binary += characters(bytes.subarray(i, i + CHUNK))
  return btoa(binary)
}

/** Last digits before `==` and `=` whose bits beyond the last byte are zero: others would be a second spelling (RFC 4648 §3.5). */
const CANONICAL_BASE64 = /^[A-Za-z0-9+/]*(?:[AQgw]==|[AEIMQUYcgkosw048]=|)$/

/** Standard base64, padding required (RFC 4648 §4); no white space, and no text that another text stands for. */
export function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0 || !CANONICAL_BASE64.test(text)) throw new DecodeError('not base64', 0)
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}

/** One character per byte (0–255). Such strings compare in byte order, so they serve as map keys. */
export function toByteString(bytes: Uint8Array): string {
  if (bytes.length <= CHUNK) return characters(bytes)
  let text = ''
  for (let i = 0; i < bytes.length; i += CHUNK) text += characters(bytes.subarray(i, i + CHUNK))
  return text
}

export function fromByteString(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Lexicographic by unsigned byte; a prefix sorts first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length)
  for (let i = 0; i < n; i++) {
    const d = a[i]! - b[i]!
    if (d !== 0) return d
  }
  return a.length - b.length
}

/** Reads fields in order from a buffer. Every method throws DecodeError when the field does not fit. */
export class ByteReader {
  readonly bytes: Uint8Array
  offset: number
  readonly #view: DataView

  constructor(bytes: Uint8Array, offset = 0) {
    this.bytes = bytes
    this.offset = offset
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get remaining(): number {
    return this.bytes.length - this.offset
  }

  #take(length: number): number {
    if (length < 0 || length > this.remaining)
      throw new DecodeError(`needs ${length} bytes, ${this.remaining} left`, this.offset)
    const at = this.offset
    this.offset += length
    return at
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1))
  }
  u16le(): number {
    return this.#view.getUint16(this.#take(2), true)
  }
  u32le(): number {
    return this.#view.getUint32(this.#take(4), true)
  }
  u48le(): number {
    const at = this.#take(6)
    return this.#view.getUint32(at, true) + this.#view.getUint16(at + 4, true) * 2 ** 32
  }
  /** An unsigned 64-bit integer that must not exceed 2^53 − 1. */
  u64le(): number {
    const at = this.#take(8)
    const value = this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32
    if (!Number.isSafeInteger(value)) throw new DecodeError('integer too large', at)
    return value
  }
  u64be(): number {
    const at = this.#take(8)
    const value = this.#view.getUint32(at) * 2 ** 32 + this.#view.getUint32(at + 4)
    if (!Number.isSafeInteger(value)) throw new DecodeError('integer too large', at)
    return value
  }
  /** A view on the buffer, not a copy. */
  take(length: number): Uint8Array {
    const at = this.#take(length)
    return this.bytes.subarray(at, at + length)
  }
  /** u32le length, then that many bytes; refused above `max`. */
  blob(max: number): Uint8Array {
    const length = this.u32le()
    if (length > max) throw new DecodeError(`length ${length} exceeds ${max}`, this.offset - 4)
    return this.take(length)
  }
  /** u16le length, then that many bytes of UTF-8. */
  text(): string {
    const at = this.offset
    const bytes = this.take(this.u16le())
    try {
      return fromUtf8(bytes)
    } catch {
      throw new DecodeError('malformed UTF-8', at)
    }
  }
  end(): void {
    if (this.remaining !== 0) throw new DecodeError(`${this.remaining} bytes too many`, this.offset)
  }
}

/** Appends fields to a growing buffer. `finish()` returns a view on it: the writer must not be used afterwards. */
export class ByteWriter {
  #bytes: Uint8Array
  #view: DataView
  length = 0

  constructor(sizeHint = 256) {
    this.#bytes = new Uint8Array(sizeHint)
    this.#view = new DataView(this.#bytes.buffer)
  }

  #grow(extra: number): number {
    const at = this.length
    const needed = at + extra
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    this.length = needed
    return at
  }

  u8(value: number): this {
    const at = this.#grow(1)
    this.#bytes[at] = value
    return this
  }
  u16le(value: number): this {
    const at = this.#grow(2)
    this.#view.setUint16(at, value, true)
    return this
  }
  u32le(value: number): this {
    const at = this.#grow(4)
    this.#view.setUint32(at, value, true)
    return this
  }
  u48le(value: number): this {
    const at = this.#grow(6)
    this.#view.setUint32(at, value % 2 ** 32, true)
    this.#view.setUint16(at + 4, Math.floor(value / 2 ** 32), true)
    return this
  }
  u64le(value: number): this {
    const at = this.#grow(8)
    this.#view.setUint32(at, value % 2 ** 32, true)
    this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
    return this
  }
  u64be(value: number): this {
    const at = this.#grow(8)
    this.#view.setUint32(at, Math.floor(value / 2 ** 32))
    this.#view.setUint32(at + 4, value % 2 ** 32)
    return this
  }
  raw(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length)
    this.#bytes.set(bytes, at)
    return this
  }
  blob(bytes: Uint8Array): this {
    return this.u32le(bytes.length).raw(bytes)
  }
  text(value: string): this {
    const bytes = utf8(value)
    if (bytes.length > 0xffff) throw new RangeError(`text of ${bytes.length} bytes exceeds 65535`)
    return this.u16le(bytes.length).raw(bytes)
  }
  /** Overwrites a u32le written earlier (a length known only afterwards). */
  patchU32le(at: number, value: number): void {
    this.#view.setUint32(at, value, true)
  }
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }
}

// DER (X.690), the strict and bounded subset that keys, signatures and certificates need: one-byte tags, definite
// minimal lengths, no recursion. Not a general ASN.1 library: each format spells out its own fields.
// The rule to remember: whatever is not the one canonical encoding is a DecodeError, so that re-encoding never changes a digest.
import { ByteWriter, DecodeError, utf8 } from './bytes.ts'

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** Tag of a constructed context-specific field `[n]` (EXPLICIT, or IMPLICIT of a constructed type). */
export const contextTag = (n: number): number => 0xa0 | n
/** Tag of a primitive context-specific field `[n]` (IMPLICIT of a primitive type). */
export const contextPrimitiveTag = (n: number): number => 0x80 | n

const OID_BYTES_MAX = 64

export interface DerElement {
  readonly tag: number
  readonly content: Uint8Array
  /** Tag, length and content, exactly as they stand in the input. */
  readonly raw: Uint8Array
  /** Of the tag, from the start of the buffer given to the outermost reader. */
  readonly offset: number
}

/** Reads elements in order. Every method throws DecodeError when the next element is not what was asked for. */
export class DerReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  get done(): boolean {
    return this.#at === this.#end
  }

  /** Tag of the next element, or undefined at the end. */
  peek(): number | undefined {
    return this.#at < this.#end ? this.#bytes[this.#at] : undefined
  }

  fail(message: string, offset = this.#at): never {
    throw new DecodeError(message, offset)
  }

  #byte(): number {
    if (this.#at >= this.#end) this.fail('DER element cut short')
    return this.#bytes[this.#at++]!
  }

  /** X.690 §8.1.3 and §10.1: definite, in the fewest octets. Three length octets bound an element to 16 MiB. */
  #length(): number {
    const at = this.#at
    const first = this.#byte()
    if (first < 0x80) return first
    const octets = first & 0x7f
    if (octets === 0 || octets > 3) this.fail('unsupported DER length', at)
    let length = 0
    for (let i = 0; i < octets; i++) length = length * 256 + this.#byte()
    if (length < 0x80 || length < 2 ** (8 * (octets - 1))) this.fail('DER length not minimal', at)
    return length
  }

  /** The next element, which must have `tag` if that is given. */
  element(tag?: number): DerElement {
    const offset = this.#at
    const actual = this.#byte()
    if ((actual & 0x1f) === 0x1f) this.fail('multi-byte DER tag', offset)
    if (tag !== undefined && actual !== tag) this.fail(`DER tag ${actual} where ${tag} is due`, offset)
    const length = this.#length()
    const start = this.#at
    if (length > this.#end - start) this.fail('DER element longer than its container', offset)
    this.#at = start + length
    const content = this.#bytes.subarray(start, this.#at)
    return { tag: actual, content, raw: this.#bytes.subarray(offset, this.#at), offset }
  }

  /** The next element if it has `tag`, else undefined and nothing is consumed. */
  optional(tag: number): DerElement | undefined {
    return this.peek() === tag ? this.element(tag) : undefined
  }

  /** A reader over the content of an element this reader returned; offsets in its errors stay those of the whole buffer. */
  within({ offset, raw, content }: DerElement): DerReader {
    const end = offset + raw.length
    return new DerReader(this.#bytes, end - content.length, end)
  }

  /** A reader over the content of the next element. */
  inside(tag: number = TAG.sequence): DerReader {
    return this.within(this.element(tag))
  }

  /** Magnitude of a non-negative INTEGER, big-endian without leading zeros (zero is one zero byte). */
  unsigned(): Uint8Array {
    const { content, offset } = this.element(TAG.integer)
    const [first, second] = content
    if (first === undefined) this.fail('empty INTEGER', offset)
    if (first >= 0x80) this.fail('negative INTEGER', offset)
    if (first !== 0 || second === undefined) return content
    if (second < 0x80) this.fail('INTEGER not minimal', offset)
    return content.subarray(1)
  }

  /** A small INTEGER, 0 … 2^24 − 1. */
  smallInteger(): number {
    const at = this.#at
    const magnitude = this.unsigned()
    if (magnitude.length > 3) this.fail('INTEGER too large', at)
    return magnitude.reduce((value, byte) => value * 256 + byte, 0)
  }

  boolean(): boolean {
    const { content, offset } = this.element(TAG.boolean)
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) this.fail('bad BOOLEAN', offset)
    return content[0] === 0xff
  }

  /** Dotted form, e.g. `1.2.840.10045.2.1`. */
  oid(): string {
    const { content, offset } = this.element(TAG.oid)
    if (content.length === 0 || content.length > OID_BYTES_MAX || content.at(-1)! >= 0x80) this.fail('bad OID', offset)
    const arcs: bigint[] = []
    let arc = 0n
    let fresh = true
    for (const byte of content) {
      if (fresh && byte === 0x80) this.fail('OID not minimal', offset)
      arc = (arc << 7n) | BigInt(byte & 0x7f)
      fresh = byte < 0x80
      if (!fresh) continue
      arcs.push(arc)
      arc = 0n
    }
    const head = arcs[0]!
    const root = head < 80n ? head / 40n : 2n
    return [root, head - root * 40n, ...arcs.slice(1)].join('.')
  }

  /** Content of a BIT STRING that holds whole octets. */
  octetAlignedBits(): Uint8Array {
    const { content, offset } = this.element(TAG.bitString)
    if (content[0] !== 0) this.fail('BIT STRING not of whole octets', offset)
    return content.subarray(1)
  }

  end(): void {
    if (!this.done) this.fail(`${this.#end - this.#at} bytes too many`)
  }
}

/** Runs a decoder of outside input; undefined when it throws DecodeError, any other error passes through. */
export function tryDecode<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** One element: tag, minimal length, the contents one after the other. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, part) => sum + part.length, 0)
  if (length >= 2 ** 24) throw new RangeError(`DER element of ${length} bytes exceeds 2^24 - 1`)
  const out = new ByteWriter(length + 5).u8(tag)
  if (length < 0x80) out.u8(length)
  else if (length < 0x100) out.u8(0x81).u8(length)
  else if (length < 0x10000)
    out
      .u8(0x82)
      .u8(length >>> 8)
      .u8(length & 0xff)
  else
    out
      .u8(0x83)
      .u8(length >>> 16)
      .u8((length >>> 8) & 0xff)
      .u8(length & 0xff)
  for (const part of contents) out.raw(part)
  return out.finish()
}

export const derSequence = (...contents: readonly Uint8Array[]): Uint8Array => der(TAG.sequence, ...contents)
export const derSet = (...contents: readonly Uint8Array[]): Uint8Array => der(TAG.set, ...contents)
export const derOctets = (content: Uint8Array): Uint8Array => der(TAG.octetString, content)
export const derBits = (content: Uint8Array): Uint8Array => der(TAG.bitString, Uint8Array.of(0), content)
export const derUtf8 = (text: string): Uint8Array => der(TAG.utf8String, utf8(text))
export const derTrue = (): Uint8Array => der(TAG.boolean, Uint8Array.of(0xff))

/** INTEGER from an unsigned big-endian magnitude of any length; leading zeros are dropped. */
export function derUnsigned(magnitude: Uint8Array): Uint8Array {
  let start = 0
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++
  const body = magnitude.subarray(start)
  if (body.length === 0) return der(TAG.integer, Uint8Array.of(0))
  return body[0]! >= 0x80 ? der(TAG.integer, Uint8Array.of(0), body) : der(TAG.integer, body)
}

/** OBJECT IDENTIFIER from its dotted form; the arcs must be below 2^53 (ours are constants). */
export function derOid(dotted: string): Uint8Array {
  const arcs = dotted.split('.').map(Number)
  const [root, second, ...rest] = arcs
  if (root === undefined || second === undefined || !arcs.every((arc) => Number.isSafeInteger(arc) && arc >= 0)) {
    throw new RangeError('not a dotted OID')
  }
  const content: number[] = []
  for (const arc of [root * 40 + second, ...rest]) {
    const digits = [arc % 128]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) digits.unshift(128 + (left % 128))
    content.push(...digits)
  }
  return der(TAG.oid, Uint8Array.from(content))
}

/**
 * ECDSA signature from DER (`SEQUENCE { r INTEGER, s INTEGER }`, RFC 3279 §2.2.3) to r ‖ s of `scalarBytes` each.
 * Undefined unless it is the canonical DER of two non-negative integers that fit; their range is the verifier's business.
 */
export function ecdsaDerToRaw(signature: Uint8Array, scalarBytes: number): Uint8Array | undefined {
  return tryDecode(() => {
    const outer = new DerReader(signature)
    const pair = outer.inside()
    outer.end()
    const raw = new Uint8Array(2 * scalarBytes)
    for (const end of [scalarBytes, 2 * scalarBytes]) {
      const magnitude = pair.unsigned()
      if (magnitude.length > scalarBytes) pair.fail('signature integer too large')
      raw.set(magnitude, end - magnitude.length)
    }
    pair.end()
    return raw
  })
}

/** ECDSA signature from r ‖ s (equal halves) to DER. */
export function ecdsaRawToDer(raw: Uint8Array): Uint8Array {
  if (raw.length === 0 || raw.length % 2 !== 0) throw new RangeError('a raw signature has two equal halves')
  const half = raw.length / 2
  return derSequence(derUnsigned(raw.subarray(0, half)), derUnsigned(raw.subarray(half)))
}

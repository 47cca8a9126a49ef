// What the hunt knows of one decoder of input from outside. The catalogue lists them all; test/tidy/decoders.test.ts finds those forgotten.
// The rule to remember: whatever a decoder does other than return a value or make its declared refusal is a defect.
import { DecodeError, fromUtf8 } from '../../../protocols/codec/bytes.ts'

export type Format = 'binary' | 'der' | 'cbor' | 'json' | 'text'

/** A class of errors. */
export type Refusal = abstract new (...args: never[]) => Error

export interface Decoder {
  /** For the command line. */
  readonly name: string
  /** The exported functions asked, as `path#name`. */
  readonly of: readonly string[]
  /** Which structure mutations know, beside bytes. */
  readonly format: Format
  /** Undefined is a refusal. */
  readonly decode: (bytes: Uint8Array) => unknown
  /** What it may throw. */
  readonly refuses: readonly Refusal[]
  /** The stated bound: it allocates at most this many bytes for each byte of input, and `fixedBytes` besides. */
  readonly bytesPerByte: number
  readonly fixedBytes: number
  /** Good input of every kind. */
  readonly seeds: () => readonly Uint8Array[]
  /** The inverse: decoding what it makes gives an equal value. */
  readonly encode?: (value: never) => Uint8Array
  /** The format promises one spelling: whatever is accepted is what `encode` makes of it. */
  readonly oneSpelling?: boolean
  /** Makes outer lengths fit again, so that mutations reach what lies inside. */
  readonly repair?: (bytes: Uint8Array) => Uint8Array
}

/** Whatever fits no other rule: names, small objects, and what V8 does beside. */
const FIXED_BYTES = 64 * 1024

type Given = Pick<Decoder, 'name' | 'of' | 'seeds'> & Partial<Decoder>

interface Typed<T> {
  readonly decode: (bytes: Uint8Array) => T
  readonly encode?: (value: NonNullable<T>) => Uint8Array
}

const withDefaults = (given: Given & Pick<Decoder, 'decode'>): Decoder => ({
  format: 'binary',
  refuses: [DecodeError],
  bytesPerByte: 16,
  fixedBytes: FIXED_BYTES,
  ...given,
})

export const ofBytes = <T>(given: Omit<Given, 'decode' | 'encode'> & Typed<T>): Decoder => withDefaults(given as never)

/** A decoder of text: the hunt's bytes are its UTF-8, and bytes that are none are refused before it. */
export function ofText<T>(
  given: Omit<Given, 'decode' | 'encode'> & {
    readonly decode: (text: string) => T
    readonly encode?: (value: NonNullable<T>) => string
  },
): Decoder {
  const { decode, encode, refuses = [], ...rest } = given
  return withDefaults({
    format: 'text',
    ...rest,
    refuses: [...refuses, DecodeError],
    decode: (bytes) => decode(fromUtf8(bytes)),
    ...(encode === undefined ? {} : { encode: (value: never) => new TextEncoder().encode(encode(value)) }),
  })
}

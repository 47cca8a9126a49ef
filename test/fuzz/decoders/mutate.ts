// Changes that know nothing of a format but that formats have lengths, counts and repetitions: applied to all of them.
// Structure-aware ones are in mutate-tree.ts (DER, CBOR) and mutate-json.ts. The rule to remember: deterministic, by the generator given.
import { concat } from '../../../protocols/codec/bytes.ts'
import type { Prng } from '../../../runtime/prng.ts'

/** Inputs do not grow beyond this by mutation. */
export const MUTANT_BYTES_MAX = 256 * 1024

const EXTREMES: readonly bigint[] = [
  0n,
  1n,
  7n,
  8n,
  127n,
  128n,
  255n,
  256n,
  65535n,
  65536n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
]
const BYTES = [0, 1, 0x7f, 0x80, 0xff, 0x20, 0x22, 0x2e, 0x5b, 0x5c, 0x7b, 0xc0, 0xed, 0xf4]
const WIDTHS = [1, 2, 3, 4, 6, 8] as const

export const pick = <T>(random: Prng, from: readonly T[]): T => from[random.integer(0, from.length - 1)]!

interface Slice {
  readonly from: number
  readonly to: number
}

/** Short ones more often than long ones. */
function slice(random: Prng, length: number): Slice {
  const size = Math.min(length, random.chance(3, 4) ? random.integer(1, 16) : random.integer(1, Math.max(1, length)))
  const from = random.integer(0, length - size)
  return { from, to: from + size }
}

function putInteger(bytes: Uint8Array, at: number, width: number, value: bigint, littleEndian: boolean): Uint8Array {
  const out = bytes.slice()
  for (let i = 0; i < width && at + i < out.length; i++) {
    const shift = 8n * BigInt(littleEndian ? i : width - 1 - i)
    out[at + i] = Number((value >> shift) & 0xffn)
  }
  return out
}

/** Offsets at which a little-endian number stands that may be a length or a count: the ones worth lying about. */
function lengthsIn(bytes: Uint8Array, width: 2 | 4 | 8): number[] {
  const found: number[] = []
  for (let at = 0; at + width <= bytes.length && found.length < 256; at++) {
    let value = 0
    for (let i = width - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!
    if (value > 0 && value <= bytes.length - at - width) found.push(at)
  }
  return found
}

type Mutator = (random: Prng, bytes: Uint8Array, other: Uint8Array) => Uint8Array

const flipBit: Mutator = (random, bytes) => {
  const out = bytes.slice()
  out[random.integer(0, out.length - 1)]! ^= 1 << random.integer(0, 7)
  return out
}

const setByte: Mutator = (random, bytes) => {
  const out = bytes.slice()
  out[random.integer(0, out.length - 1)] = random.chance(1, 2) ? pick(random, BYTES) : random.integer(0, 255)
  return out
}

const setInteger: Mutator = (random, bytes) =>
  putInteger(
    bytes,
    random.integer(0, bytes.length - 1),
    pick(random, WIDTHS),
    pick(random, EXTREMES),
    random.chance(1, 2),
  )

const lieAboutLength: Mutator = (random, bytes, other) => {
  const width = pick(random, [2, 4, 8] as const)
  const found = lengthsIn(bytes, width)
  if (found.length === 0) return setInteger(random, bytes, other)
  return putInteger(bytes, pick(random, found), width, pick(random, EXTREMES), true)
}

const truncate: Mutator = (random, bytes) => bytes.slice(0, random.integer(0, bytes.length - 1))

const insert: Mutator = (random, bytes) => {
  const at = random.integer(0, bytes.length)
  return concat(bytes.subarray(0, at), random.bytes(random.integer(1, 24)), bytes.subarray(at))
}

const remove: Mutator = (random, bytes) => {
  const { from, to } = slice(random, bytes.length)
  return concat(bytes.subarray(0, from), bytes.subarray(to))
}

const duplicate: Mutator = (random, bytes) => {
  const { from, to } = slice(random, bytes.length)
  return concat(bytes.subarray(0, to), bytes.subarray(from))
}

/** The same over and over: counts, nesting, and whatever grows faster than its input. */
const repeat: Mutator = (random, bytes) => {
  const { from, to } = slice(random, bytes.length)
  const times = Math.min(random.integer(2, 4096), Math.floor(MUTANT_BYTES_MAX / (to - from)))
  return concat(
    bytes.subarray(0, to),
    ...Array.from({ length: times }, () => bytes.subarray(from, to)),
    bytes.subarray(to),
  )
}

const swap: Mutator = (random, bytes) => {
  const a = slice(random, bytes.length)
  const b = slice(random, bytes.length)
  const [first, second] = a.from <= b.from ? [a, b] : [b, a]
  if (first.to > second.from) return duplicate(random, bytes, bytes)
  return concat(
    bytes.subarray(0, first.from),
    bytes.subarray(second.from, second.to),
    bytes.subarray(first.to, second.from),
    bytes.subarray(first.from, first.to),
    bytes.subarray(second.to),
  )
}

const splice: Mutator = (random, bytes, other) =>
  concat(bytes.subarray(0, random.integer(0, bytes.length)), other.subarray(random.integer(0, other.length)))

const copyOver: Mutator = (random, bytes) => {
  const out = bytes.slice()
  const { from, to } = slice(random, bytes.length)
  out.copyWithin(random.integer(0, bytes.length - 1), from, to)
  return out
}

const fill: Mutator = (random, bytes) => {
  const { from, to } = slice(random, bytes.length)
  return bytes.slice().fill(pick(random, BYTES), from, to)
}

const MUTATORS: readonly Mutator[] = [
  flipBit,
  setByte,
  setInteger,
  setInteger,
  lieAboutLength,
  lieAboutLength,
  truncate,
  insert,
  remove,
  duplicate,
  repeat,
  swap,
  splice,
  copyOver,
  fill,
]

/** One change of `bytes`, drawn from `random`; `other` is another good input. */
export function mutateBytes(random: Prng, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  if (bytes.length === 0) return random.bytes(random.integer(0, 32))
  return pick(random, MUTATORS)(random, bytes, other).slice(0, MUTANT_BYTES_MAX)
}

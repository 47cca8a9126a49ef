// Secret sharing as CCF does it (CCF facts §6.4): a secret of ten elements of the field of 2^31 − 1, each shared by a polynomial of its own.
// Not what the secret is for (wrapping.ts). The rule to remember: k shares give the secret, k − 1 say nothing; the full secret is the share x = 0.
import { invariant } from '../errors.ts'

/** 2^31 − 1, a Mersenne prime. */
const P = 2 ** 31 - 1
const LIMBS = 10
/** The limbs of a secret, u32le each. */
export const SPLIT_SECRET_BYTES = 4 * LIMBS
/** x u32le ‖ ten y, u32le each. */
export const SHARE_BYTES = 4 + SPLIT_SECRET_BYTES
/** Largest threshold, and shares of one secret (CCF facts §6.4). */
export const SHARES_MAX = 254

/** 96 random bits for each field element. */
const SAMPLE_BYTES = 12

export interface Share {
  /** 0: the secret itself. */
  readonly x: number
  readonly y: readonly number[]
}

/** a · b mod P in two halves, so that no product exceeds 2^53. */
const multiply = (a: number, b: number): number => {
  const high = (Math.floor(a / 65536) * b) % P
  return (high * 65536 + (a % 65536) * b) % P
}

/** By Fermat: a^(P − 2). */
function inverse(a: number): number {
  let result = 1
  let square = a
  for (let rest = P - 2; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = multiply(result, square)
    square = multiply(square, square)
  }
  return result
}

/** Random bytes that `splitSecret` needs. */
export const splitSeedBytes = (threshold: number): number => SAMPLE_BYTES * LIMBS * threshold

/**
 * A field element out of 96 bits, reduced and not rejected: how many bytes are drawn does not depend on what is drawn, so one `drawBytes`
 * is enough and no loop needs a bound. What that costs is a bias below 2^-65. 2^32 ≡ 2 modulo P.
 */
function sample(view: DataView, at: number): number {
  let value = view.getUint32(at, true) % P
  for (const next of [4, 8]) value = (value * 2 + view.getUint32(at + next, true)) % P
  return value
}

const evaluate = (coefficients: readonly number[], x: number): number =>
  coefficients.reduceRight((sum, coefficient) => (multiply(sum, x) + coefficient) % P, 0)

/**
 * A fresh secret, which is the share x = 0, and `count` shares x = 1 …, any `threshold` of which recombine to it.
 * `seed`: `splitSeedBytes(threshold)` random bytes; SECRET, as is everything returned. `count` may be 0 when only the secret is handed out.
 */
export function splitSecret(seed: Uint8Array, threshold: number, count: number): { secret: Share; shares: Share[] } {
  const isPossible = threshold >= 1 && threshold <= SHARES_MAX && count <= SHARES_MAX
  invariant(isPossible && seed.length === splitSeedBytes(threshold), 'a secret is split with a threshold of 1 to 254')
  const view = new DataView(seed.buffer, seed.byteOffset, seed.byteLength)
  const polynomials = Array.from({ length: LIMBS }, (_, limb) =>
    Array.from({ length: threshold }, (__, degree) => sample(view, SAMPLE_BYTES * (limb * threshold + degree))),
  )
  const at = (x: number): Share => ({ x, y: polynomials.map((coefficients) => evaluate(coefficients, x)) })
  return { secret: at(0), shares: Array.from({ length: count }, (_, i) => at(i + 1)) }
}

/**
 * The secret's bytes. Undefined when two shares are for the same x, when there are none, or when one of several is the secret itself.
 * Too few or foreign shares give other bytes: only what the secret unwraps can tell.
 */
export function recombine(shares: readonly Share[]): Uint8Array | undefined {
  const xs = shares.map(({ x }) => x % P)
  if (xs.length === 0 || new Set(xs).size !== xs.length) return undefined
  if (xs.includes(0)) return xs.length === 1 ? splitSecretBytes(shares[0]!) : undefined
  // Lagrange's basis polynomials at 0: the product of xj / (xj − xi) over all other j.
  const weights = xs.map((xi, i) =>
    xs.reduce((product, xj, j) => (j === i ? product : multiply(multiply(product, xj), inverse((xj - xi + P) % P))), 1),
  )
  const y = Array.from({ length: LIMBS }, (_, limb) =>
    shares.reduce((sum, share, i) => (sum + multiply(share.y[limb]!, weights[i]!)) % P, 0),
  )
  return splitSecretBytes({ x: 0, y })
}

/** The limbs alone, 40 bytes: what the wrapping key is derived from. */
export const splitSecretBytes = (share: Share): Uint8Array => encodeShare(share).slice(4)

export function encodeShare({ x, y }: Share): Uint8Array {
  const bytes = new Uint8Array(SHARE_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, x, true)
  y.forEach((limb, i) => view.setUint32(4 + 4 * i, limb, true))
  return bytes
}

/** Undefined unless it is 44 bytes, all limbs elements of the field. */
export function decodeShare(bytes: Uint8Array): Share | undefined {
  if (bytes.length !== SHARE_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const x = view.getUint32(0, true)
  const y = Array.from({ length: LIMBS }, (_, i) => view.getUint32(4 + 4 * i, true))
  return x < P && y.every((limb) => limb < P) ? { x, y } : undefined
}

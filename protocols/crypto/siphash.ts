// SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", INDOCRYPT 2012). Not for secrets here: CCF orders the keys of a snapshot
// by it, so whoever writes the same snapshot must know the order (CCF facts §15).
// The rule to remember: 64-bit words are pairs of 32-bit halves, for big integers cost twenty times as much, and nothing is allocated but the result: a
// snapshot hashes every key.

/** Lanes v0 … v3 as low, high, low, high, … */
type Lanes = Int32Array

const lanes: Lanes = new Int32Array(8)

/** v[a] += v[b] */
function add(v: Lanes, a: number, b: number): void {
  const low = (v[a]! >>> 0) + (v[b]! >>> 0)
  v[a] = low
  v[a + 1] = v[a + 1]! + v[b + 1]! + (low > 0xffff_ffff ? 1 : 0)
}

/** v[a] = rotate(v[a], by) ^ v[b]; `by` below 32 */
function rotateXor(v: Lanes, a: number, by: number, b: number): void {
  const [low, high] = [v[a]!, v[a + 1]!]
  v[a] = ((low << by) | (high >>> (32 - by))) ^ v[b]!
  v[a + 1] = ((high << by) | (low >>> (32 - by))) ^ v[b + 1]!
}

/** Rotation by 32. */
function swap(v: Lanes, a: number): void {
  const low = v[a]!
  v[a] = v[a + 1]!
  v[a + 1] = low
}

function rounds(v: Lanes, count: number): void {
  for (let i = 0; i < count; i++) {
    add(v, 0, 2)
    rotateXor(v, 2, 13, 0)
    swap(v, 0)
    add(v, 4, 6)
    rotateXor(v, 6, 16, 4)
    add(v, 0, 6)
    rotateXor(v, 6, 21, 0)
    add(v, 4, 2)
    rotateXor(v, 2, 17, 4)
    swap(v, 4)
  }
}

function absorb(v: Lanes, low: number, high: number): void {
  v[6]! ^= low
  v[7]! ^= high
  rounds(v, 2)
  v[0]! ^= low
  v[1]! ^= high
}

/** Up to four bytes from `at` on, little-endian; what is beyond the end counts as zero. */
const wordAt = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)

/** `key`: 16 bytes. @returns the 64-bit hash as two unsigned halves */
export function sipHash24(key: Uint8Array, message: Uint8Array): { readonly low: number; readonly high: number } {
  const v = lanes
  const [k0, k1, k2, k3] = [wordAt(key, 0), wordAt(key, 4), wordAt(key, 8), wordAt(key, 12)]
  // "somepseudorandomlygeneratedbytes"
  v[0] = k0 ^ 0x70736575
  v[1] = k1 ^ 0x736f6d65
  v[2] = k2 ^ 0x6e646f6d
  v[3] = k3 ^ 0x646f7261
  v[4] = k0 ^ 0x6e657261
  v[5] = k1 ^ 0x6c796765
  v[6] = k2 ^ 0x79746573
  v[7] = k3 ^ 0x74656462
  const { length } = message
  let at = 0
  for (; at + 8 <= length; at += 8) absorb(v, wordAt(message, at), wordAt(message, at + 4))
  // The last word: what is left, and the length modulo 256 in the highest byte.
  absorb(v, wordAt(message, at), wordAt(message, at + 4) | (length << 24))
  v[4] ^= 0xff
  rounds(v, 4)
  return { low: (v[0] ^ v[2] ^ v[4] ^ v[6]) >>> 0, high: (v[1] ^ v[3] ^ v[5] ^ v[7]) >>> 0 }
}

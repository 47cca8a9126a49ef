// SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", INDOCRYPT 2012). Not for secrets here: CCF orders the keys of a snapshot
// by it, so whoever writes the same snapshot must know the order (CCF facts §15).
import { ByteReader } from '../codec/bytes.ts'

const WORD = 64
const add = (a: bigint, b: bigint): bigint => BigInt.asUintN(WORD, a + b)
const rotate = (a: bigint, by: bigint): bigint => BigInt.asUintN(WORD, (a << by) | (a >> (64n - by)))

type Lanes = [bigint, bigint, bigint, bigint]

function rounds(v: Lanes, count: number): void {
  for (let i = 0; i < count; i++) {
    v[0] = add(v[0], v[1])
    v[1] = rotate(v[1], 13n) ^ v[0]
    v[0] = rotate(v[0], 32n)
    v[2] = add(v[2], v[3])
    v[3] = rotate(v[3], 16n) ^ v[2]
    v[0] = add(v[0], v[3])
    v[3] = rotate(v[3], 21n) ^ v[0]
    v[2] = add(v[2], v[1])
    v[1] = rotate(v[1], 17n) ^ v[2]
    v[2] = rotate(v[2], 32n)
  }
}

function word(bytes: Uint8Array, at: number): bigint {
  const reader = new ByteReader(bytes, at)
  return BigInt(reader.u32le()) | (BigInt(reader.u32le()) << 32n)
}

/** 64 bits. `key`: 16 bytes. */
export function sipHash24(key: Uint8Array, message: Uint8Array): bigint {
  const [k0, k1] = [word(key, 0), word(key, 8)]
  const v: Lanes = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ]
  const absorb = (m: bigint): void => {
    v[3] ^= m
    rounds(v, 2)
    v[0] ^= m
  }
  const whole = message.length - (message.length % 8)
  for (let at = 0; at < whole; at += 8) absorb(word(message, at))
  // The last word: what is left, and the length modulo 256 in the highest byte.
  const last = new Uint8Array(8)
  last.set(message.subarray(whole))
  last[7] = message.length
  absorb(word(last, 0))
  v[2] ^= 0xffn
  rounds(v, 4)
  return v[0] ^ v[1] ^ v[2] ^ v[3]
}

// RSAES-OAEP with SHA-256, MGF1 of SHA-256 and no label (RFC 8017 §7.1, CCF facts §6.2): the padding, the keys' encodings, and the portable
// arithmetic. Encryption takes its randomness as an argument, so it is a pure function and replays.
// The rule to remember: the arithmetic here is not constant in time. It is the reference and the simulation's; live nodes decrypt with native.ts.
import { sha256 } from '@noble/hashes/sha2.js'
import { concat, DecodeError, equalBytes, fromHex, toHex } from '../codec/bytes.ts'
import { derOid, DerReader, TAG, tryDecode } from '../codec/der.ts'
import { SHA256_BYTES } from './sizes.ts'

/** What `rsaOaepEncrypt` wants as randomness. */
export const OAEP_SEED_BYTES = SHA256_BYTES
/** Moduli that are accepted: CCF makes 2048 bits. A bound above keeps a hostile key from costing much. */
const MODULUS_BITS = { least: 1024, most: 8192 } as const
/** No public exponent in use is larger (NIST SP 800-56B allows more); a small one makes encryption cheap. */
const EXPONENT_BYTES_MAX = 4

const RSA_ENCRYPTION = derOid('1.2.840.113549.1.1.1')
const EMPTY_LABEL_HASH = sha256(new Uint8Array(0))

export interface RsaPublicKey {
  readonly modulus: bigint
  readonly exponent: bigint
  /** Bytes of the modulus, and of every ciphertext. */
  readonly bytes: number
}

/** SECRET. */
export interface RsaPrivateKey extends RsaPublicKey {
  readonly p: bigint
  readonly q: bigint
  readonly dp: bigint
  readonly dq: bigint
  readonly qInverse: bigint
}

const number = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes)}`)

function bytesOf(value: bigint, length: number): Uint8Array {
  return fromHex(value.toString(16).padStart(2 * length, '0'))
}

function checkAlgorithm(algorithm: DerReader): void {
  if (!equalBytes(algorithm.element(TAG.oid).raw, RSA_ENCRYPTION)) algorithm.fail('not an RSA key', 0)
  if (algorithm.element(TAG.null).content.length > 0) algorithm.fail('not an RSA key', 0)
  algorithm.end()
}

function publicKey(modulus: Uint8Array, exponent: Uint8Array): RsaPublicKey {
  const bits = 8 * (modulus.length - 1) + (32 - Math.clz32(modulus[0]!))
  const e = number(exponent)
  const isUsable = bits >= MODULUS_BITS.least && bits <= MODULUS_BITS.most && bits % 8 === 0
  if (!isUsable || exponent.length > EXPONENT_BYTES_MAX || e < 3n || (e & 1n) === 0n || (modulus.at(-1)! & 1) === 0) {
    throw new DecodeError('RSA key of an unusable size', 0)
  }
  return { modulus: number(modulus), exponent: e, bytes: modulus.length }
}

/** Undefined when `spki` is no RSA key, or one of a size that is not accepted. */
export const parseRsaSpki = (spki: Uint8Array): RsaPublicKey | undefined =>
  tryDecode(() => {
    const outer = new DerReader(spki)
    const info = outer.inside()
    outer.end()
    checkAlgorithm(info.inside())
    const bits = info.octetAlignedBits()
    info.end()
    const key = new DerReader(bits)
    const fields = key.inside()
    key.end()
    const modulus = fields.unsigned()
    const exponent = fields.unsigned()
    fields.end()
    return publicKey(modulus, exponent)
  })

/** Two primes, RFC 8017 §A.1.2. Undefined for anything else. */
export const parseRsaPkcs8 = (pkcs8: Uint8Array): RsaPrivateKey | undefined =>
  tryDecode(() => {
    const outer = new DerReader(pkcs8)
    const info = outer.inside()
    outer.end()
    if (info.smallInteger() !== 0) info.fail('unknown version')
    checkAlgorithm(info.inside())
    const key = new DerReader(info.element(TAG.octetString).content)
    info.end()
    const fields = key.inside()
    key.end()
    if (fields.smallInteger() !== 0) fields.fail('unknown version')
    const [modulus, exponent] = [fields.unsigned(), fields.unsigned()]
    fields.unsigned() // the private exponent: its residues below are used instead
    const [p, q, dp, dq, qInverse] = [0, 1, 2, 3, 4].map(() => number(fields.unsigned()))
    fields.end()
    const common = publicKey(modulus, exponent)
    if (p! * q! !== common.modulus) throw new DecodeError('RSA key of unrelated numbers', 0)
    return { ...common, p: p!, q: q!, dp: dp!, dq: dq!, qInverse: qInverse! }
  })

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  let square = base % modulus
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

/** RFC 8017 §B.2.1. */
function mask(seed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(Math.ceil(length / SHA256_BYTES) * SHA256_BYTES)
  for (let counter = 0; counter * SHA256_BYTES < length; counter++) {
    const number = Uint8Array.of(counter >>> 24, counter >>> 16, counter >>> 8, counter)
    out.set(sha256(concat(seed, number)), counter * SHA256_BYTES)
  }
  return out.subarray(0, length)
}

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, i) => byte ^ b[i]!)

/** The longest message a key takes, bytes. */
export const oaepBytesMax = (modulusBytes: number): number => modulusBytes - 2 * SHA256_BYTES - 2

/** RFC 8017 §7.1.1, step 2. Throws RangeError for a message that is too long or a seed of another size. */
export function oaepPad(message: Uint8Array, seed: Uint8Array, modulusBytes: number): Uint8Array {
  if (message.length > oaepBytesMax(modulusBytes)) throw new RangeError('the message is too long for the RSA key')
  if (seed.length !== OAEP_SEED_BYTES) throw new RangeError(`an OAEP seed has ${OAEP_SEED_BYTES} bytes`)
  const block = new Uint8Array(modulusBytes - SHA256_BYTES - 1)
  block.set(EMPTY_LABEL_HASH)
  block[block.length - message.length - 1] = 1
  block.set(message, block.length - message.length)
  const maskedBlock = xor(block, mask(seed, block.length))
  return concat(Uint8Array.of(0), xor(seed, mask(maskedBlock, OAEP_SEED_BYTES)), maskedBlock)
}

/** RFC 8017 §7.1.2, step 3. One undefined for every reason, so that nobody learns which. */
function oaepUnpad(padded: Uint8Array): Uint8Array | undefined {
  const maskedBlock = padded.subarray(1 + OAEP_SEED_BYTES)
  const seed = xor(padded.subarray(1, 1 + OAEP_SEED_BYTES), mask(maskedBlock, OAEP_SEED_BYTES))
  const block = xor(maskedBlock, mask(seed, maskedBlock.length))
  let wrong = padded[0]!
  for (let i = 0; i < SHA256_BYTES; i++) wrong |= block[i]! ^ EMPTY_LABEL_HASH[i]!
  const mark = block.findIndex((byte, i) => i >= SHA256_BYTES && byte !== 0)
  return wrong !== 0 || mark < 0 || block[mark] !== 1 ? undefined : block.slice(mark + 1)
}

/** The portable implementation of the door's function of that name. */
export function rsaOaepEncrypt(spki: Uint8Array, message: Uint8Array, seed: Uint8Array): Uint8Array | undefined {
  const key = parseRsaSpki(spki)
  if (key === undefined) return undefined
  return bytesOf(power(number(oaepPad(message, seed, key.bytes)), key.exponent, key.modulus), key.bytes)
}

/** The portable implementation of the door's function of that name. */
export function rsaOaepDecrypt(pkcs8: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
  const key = parseRsaPkcs8(pkcs8)
  if (key === undefined) throw new RangeError('not an RSA private key')
  if (ciphertext.length !== key.bytes) return undefined
  const c = number(ciphertext)
  if (c >= key.modulus) return undefined
  // By the primes separately (RFC 8017 §5.1.2): four times as fast.
  const { p, q, dp, dq, qInverse } = key
  const m2 = power(c, dq, q)
  const h = ((((power(c, dp, p) - m2) % p) + p) * qInverse) % p
  return oaepUnpad(bytesOf(m2 + q * h, key.bytes))
}

// RSA keys of simulations and tests, made from names so that every run has the same: 1024 bits, quick to make and of no use to anybody.
// Not random and not safe. The rule to remember: no private key is in the repository, and none needs to be.
import { createHash } from 'node:crypto'
import { fromHex } from '../../../protocols/codec/bytes.ts'
import { derBits, der, derOctets, derOid, derSequence, derUnsigned, TAG } from '../../../protocols/codec/der.ts'

export interface RsaKeyPair {
  readonly pkcs8: Uint8Array
  readonly spki: Uint8Array
}

const PRIME_BITS = 512
const E = 65537n

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let rest = exponent, square = base % modulus; rest > 0n; rest >>= 1n, square = (square * square) % modulus) {
    if ((rest & 1n) === 1n) result = (result * square) % modulus
  }
  return result
}

/** Fermat's test to a few bases: enough for numbers nobody chose. */
const isPrime = (n: bigint): boolean =>
  [3n, 5n, 7n, 11n, 13n].every((p) => n % p !== 0n) && [2n, 3n, 5n].every((base) => power(base, n - 1n, n) === 1n)

function primeFrom(name: string): bigint {
  const digest = createHash('sha512').update(name).digest('hex')
  // The two highest bits, so that a product of two has twice as many.
  let n = BigInt(`0x${digest}`) | (3n << BigInt(PRIME_BITS - 2)) | 1n
  while (!isPrime(n) || (n - 1n) % E === 0n) n += 2n
  return n
}

function inverse(a: bigint, modulus: bigint): bigint {
  let [r, next, x, y] = [modulus, a % modulus, 0n, 1n]
  while (next !== 0n) {
    const quotient = r / next
    ;[r, next, x, y] = [next, r - quotient * next, y, x - quotient * y]
  }
  return (x + modulus) % modulus
}

const integer = (n: bigint): Uint8Array => {
  const hex = n.toString(16)
  return derUnsigned(fromHex(hex.length % 2 === 0 ? hex : `0${hex}`))
}

const made = new Map<string, RsaKeyPair>()

export function rsaKeyOf(name: string): RsaKeyPair {
  const known = made.get(name)
  if (known !== undefined) return known
  const [p, q] = [primeFrom(`${name} p`), primeFrom(`${name} q`)]
  const d = inverse(E, (p - 1n) * (q - 1n))
  const algorithm = derSequence(derOid('1.2.840.113549.1.1.1'), der(TAG.null))
  const numbers = [0n, p * q, E, d, p, q, d % (p - 1n), d % (q - 1n), inverse(q, p)]
  const key = {
    pkcs8: derSequence(integer(0n), algorithm, derOctets(derSequence(...numbers.map(integer)))),
    spki: derSequence(algorithm, derBits(derSequence(integer(p * q), integer(E)))),
  }
  made.set(name, key)
  return key
}

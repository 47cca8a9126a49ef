// Goal: noble and native are one function under two names: same results for the same arguments, each accepts what the other
// made, and both refuse the same garbage without throwing.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, DecodeError, EMPTY, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { ecdsaDerToRaw } from '../../../protocols/codec/der.ts'
import type { EcCurve, HashName } from '../../../protocols/crypto/crypto.ts'
import { EC_CURVES, rawSignatureBytes } from '../../../protocols/crypto/ec-keys.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { ecKeyPairFromSeed, nobleCrypto } from '../../../protocols/crypto/noble.ts'
import { IMPLEMENTATIONS } from './vectors.ts'

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })
const exactly = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const CURVES: readonly EcCurve[] = ['P-256', 'P-384', 'P-521']
const HASHES: readonly HashName[] = ['sha256', 'sha384', 'sha512']
const keysOf = (curve: EcCurve) => ecKeyPairFromSeed(curve, utf8(`test ${curve}`))

/** Both implementations' results, as text that can be compared. */
const both = (
  compute: (crypto: (typeof IMPLEMENTATIONS)[number]) => Uint8Array | undefined,
): Array<string | undefined> =>
  IMPLEMENTATIONS.map((crypto) => {
    const result = compute(crypto)
    return result && toHex(result)
  })

function agree(compute: (crypto: (typeof IMPLEMENTATIONS)[number]) => Uint8Array | undefined): string | undefined {
  const [noble, native] = both(compute)
  expect(native).toBe(noble)
  return noble
}

describe('noble and native agree', () => {
  it('on hashes, HMAC and HKDF', () => {
    const property = fc.property(fc.array(bytes(200), { maxLength: 5 }), bytes(150), bytes(100), (parts, key, info) => {
      const hash = agree((crypto) => crypto.sha256(...parts))
      expect(agree((crypto) => crypto.sha256(concat(...parts)))).toBe(hash)
      agree((crypto) => crypto.hmacSha256(key, concat(...parts)))
      agree((crypto) => crypto.hkdfSha256(concat(...parts), key, info, info.length))
    })
    fc.assert(property, { seed: 1, numRuns: 150 })
  })

  it('on AES-256-GCM, each opening the other, neither after a bit has changed', () => {
    const property = fc.property(
      exactly(32),
      exactly(12),
      bytes(80),
      bytes(300),
      fc.nat(),
      (key, iv, aad, plaintext, bit) => {
        agree((crypto) => crypto.aesGcmSeal(key, iv, aad, plaintext).ciphertext)
        agree((crypto) => crypto.aesGcmSeal(key, iv, aad, plaintext).tag)
        const { ciphertext, tag } = nativeCrypto.aesGcmSeal(key, iv, aad, plaintext)
        expect(agree((crypto) => crypto.aesGcmOpen(key, iv, aad, ciphertext, tag))).toBe(toHex(plaintext))
        const sealed = concat(ciphertext, tag, aad)
        sealed[(bit >>> 3) % sealed.length]! ^= 1 << (bit & 7)
        const [c, t, a] = [
          sealed.slice(0, ciphertext.length),
          sealed.slice(ciphertext.length, ciphertext.length + 16),
          sealed.slice(ciphertext.length + 16),
        ]
        expect(agree((crypto) => crypto.aesGcmOpen(key, iv, a, c, t))).toBeUndefined()
      },
    )
    fc.assert(property, { seed: 2, numRuns: 150 })
  })

  it('on X25519', () => {
    const property = fc.property(exactly(32), exactly(32), (a, b) => {
      const [publicA, publicB] = [nobleCrypto.x25519PublicKey(a), nativeCrypto.x25519PublicKey(b)]
      agree((crypto) => crypto.x25519PublicKey(a))
      const shared = agree((crypto) => crypto.x25519(a, publicB))
      expect(agree((crypto) => crypto.x25519(b, publicA))).toBe(shared)
    })
    fc.assert(property, { seed: 3, numRuns: 30 })
  })

  it.each(CURVES)('on ECDSA with %s: each verifies what the other signed, with every hash and format', (curve) => {
    const { pkcs8, spki } = keysOf(curve)
    const message = utf8('message')
    for (const hash of HASHES) {
      for (const format of ['der', 'raw'] as const) {
        for (const signer of IMPLEMENTATIONS) {
          const signature = signer.signEcdsa(pkcs8, hash, message, format)
          const valid = IMPLEMENTATIONS.map((crypto) => {
            const key = crypto.importEcPublicKey(spki)!
            return [
              crypto.verifyEcdsa(key, hash, message, signature, format),
              crypto.verifyEcdsa(key, hash, utf8('Message'), signature, format),
            ]
          })
          expect(valid).toEqual([
            [true, false],
            [true, false],
          ])
        }
      }
    }
    const twice = [1, 2].map(() => toHex(nobleCrypto.signEcdsa(pkcs8, 'sha256', message, 'der')))
    expect(twice[0]).toBe(twice[1])
  })

  it('on what is no signature: random bytes and damaged signatures', () => {
    const { pkcs8, spki } = keysOf('P-256')
    const [message, keys] = [utf8('message'), IMPLEMENTATIONS.map((crypto) => crypto.importEcPublicKey(spki)!)]
    const good = nobleCrypto.signEcdsa(pkcs8, 'sha256', message, 'der')
    const edits = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 2 })
    const damaged = edits.map((list) => {
      const copy = good.slice()
      for (const [at, value] of list) copy[at] = value
      return copy
    })
    const signatures = fc.oneof(
      bytes(100),
      damaged,
      damaged.map((s) => s.subarray(1)),
      damaged.map((s) => concat(s, EMPTY, s)),
    )
    let accepted = 0
    const property = fc.property(signatures, fc.constantFrom('der', 'raw'), (signature, format) => {
      const results = IMPLEMENTATIONS.map((crypto, i) =>
        crypto.verifyEcdsa(keys[i]!, 'sha256', message, signature, format),
      )
      expect(results[0]).toBe(results[1])
      if (results[0]) accepted++
      expect(results[0]).toBe(format === 'der' && toHex(signature) === toHex(good))
    })
    fc.assert(property, { seed: 4, numRuns: 600 })
    expect(accepted).toBeLessThan(30)
  })

  it('on keys that are no keys: wrong encodings and points off the curve', () => {
    for (const curve of CURVES) {
      const { spki } = keysOf(curve)
      const offCurve = spki.slice()
      offCurve[spki.length - 1]! ^= 1
      const compressed = spki.slice()
      compressed[spki.length - rawSignatureBytes(curve) - 1] = 2
      for (const bad of [offCurve, compressed, spki.subarray(1), concat(spki, Uint8Array.of(0)), EMPTY]) {
        expect(IMPLEMENTATIONS.map((crypto) => crypto.importEcPublicKey(bad))).toEqual([undefined, undefined])
      }
      const property = fc.property(fc.nat(spki.length - 1), fc.nat(255), (at, value) => {
        const copy = spki.slice()
        copy[at] = value
        const [noble, native] = IMPLEMENTATIONS.map((crypto) => crypto.importEcPublicKey(copy)?.curve)
        expect(native).toBe(noble)
        expect(noble !== undefined).toBe(value === spki[at])
      })
      fc.assert(property, { seed: 5, numRuns: 100 })
    }
  })

  it('on each other’s imported keys, and on plain copies of them', () => {
    const { pkcs8, spki } = keysOf('P-384')
    const signature = nobleCrypto.signEcdsa(pkcs8, 'sha384', utf8('x'), 'raw')
    for (const crypto of IMPLEMENTATIONS) {
      for (const key of [
        nobleCrypto.importEcPublicKey(spki)!,
        nativeCrypto.importEcPublicKey(spki)!,
        { curve: 'P-384' as const, spki },
      ]) {
        expect(crypto.verifyEcdsa(key, 'sha384', utf8('x'), signature, 'raw')).toBe(true)
        expect(crypto.verifyEcdsaDigest(key, crypto.sha256(utf8('x')), signature, 'raw')).toBe(false)
      }
      const none = { curve: 'P-384' as const, spki: EMPTY }
      expect(crypto.verifyEcdsa(none, 'sha384', utf8('x'), signature, 'raw')).toBe(false)
      expect(crypto.verifyEcdsaDigest(none, new Uint8Array(48), signature, 'raw')).toBe(false)
      expect(crypto.verifyEcdsaDigest({ curve: 'P-384', spki }, new Uint8Array(31), signature, 'raw')).toBe(false)
    }
  })

  it('on bad private keys, without showing them', () => {
    const { pkcs8 } = keysOf('P-256')
    for (const crypto of IMPLEMENTATIONS) {
      for (const bad of [EMPTY, pkcs8.subarray(0, 40), concat(pkcs8, EMPTY, pkcs8)]) {
        expect(() => crypto.signEcdsa(bad, 'sha256', EMPTY, 'der')).toThrow(DecodeError)
      }
    }
  })

  it('a digest signature is one over that digest: CCF signs 32-byte roots with P-384 (CCF facts §4.2)', () => {
    const { pkcs8, spki } = keysOf('P-384')
    const preimage = utf8('left and right')
    for (const crypto of IMPLEMENTATIONS) {
      const signature = crypto.signEcdsa(pkcs8, 'sha256', preimage, 'der')
      const key = crypto.importEcPublicKey(spki)!
      expect(crypto.verifyEcdsaDigest(key, crypto.sha256(preimage), signature, 'der')).toBe(true)
      const raw = ecdsaDerToRaw(signature, EC_CURVES['P-384'].scalarBytes)!
      expect(crypto.verifyEcdsaDigest(key, crypto.sha256(preimage), raw, 'raw')).toBe(true)
      expect(crypto.verifyEcdsaDigest(key, crypto.sha256(EMPTY), raw, 'raw')).toBe(false)
    }
  })
})

describe('results', () => {
  it.each(IMPLEMENTATIONS)('$name: are plain Uint8Arrays that own exactly their memory', (crypto) => {
    const [key, iv] = [new Uint8Array(32).fill(1), new Uint8Array(12)]
    for (const size of [0, 20, 64, 65, 300, 5000]) {
      const { ciphertext, tag } = crypto.aesGcmSeal(key, iv, EMPTY, new Uint8Array(size))
      const opened = crypto.aesGcmOpen(key, iv, EMPTY, ciphertext, tag)!
      const others = [crypto.sha256(opened), crypto.hmacSha256(key, opened), crypto.hkdfSha256(key, iv, iv, 80)]
      const more = [crypto.x25519PublicKey(key), crypto.x25519(key, crypto.x25519PublicKey(key))!]
      const { pkcs8, spki } = keysOf('P-256')
      more.push(crypto.importEcPublicKey(spki)!.spki, crypto.signEcdsa(pkcs8, 'sha256', key, 'raw'))
      for (const result of [ciphertext, tag, opened, ...others, ...more]) {
        expect(Object.getPrototypeOf(result)).toBe(Uint8Array.prototype)
        expect(result.buffer.byteLength).toBe(result.length)
      }
    }
  })

  it('a seed stands for one key pair on each curve', () => {
    const seeds = [utf8('a'), utf8('a'), utf8('b')]
    const [first, again, other] = seeds.map((seed) => toHex(ecKeyPairFromSeed('P-384', seed).spki))
    expect(again).toBe(first)
    expect(other).not.toBe(first)
  })
})

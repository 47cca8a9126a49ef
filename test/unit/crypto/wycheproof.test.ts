// Goal: both implementations of the crypto door agree with Wycheproof, whose vectors are the mistakes others made.
// Every vector runs on native. noble's ECDSA takes 2–10 ms a verification, so of P-384 and P-521 it runs every third and
// every eighth signature, plus all that must fail as an encoding already; everything else runs in full.
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../protocols/codec/bytes.ts'
import { ecdsaDerToRaw, ecdsaRawToDer } from '../../../protocols/codec/der.ts'
import type { HashName, SignatureFormat } from '../../../protocols/crypto/crypto.ts'
import { EC_CURVES, rawSignatureBytes } from '../../../protocols/crypto/ec-keys.ts'
import type { Fields } from './vectors.ts'
import { hex, IMPLEMENTATIONS, label, vectorGroups } from './vectors.ts'

/** Runs `check` on every vector and names those where it did not hold; expects `count` vectors, so that none is lost. */
function everyVector(name: string, count: number, check: (test: Fields) => boolean): void {
  const tests = vectorGroups(name).flatMap((group) => group.tests)
  expect(tests).toHaveLength(count)
  expect(tests.filter((test) => !check(test)).map(label)).toEqual([])
}

describe.each(IMPLEMENTATIONS)('Wycheproof, $name', (crypto) => {
  it('AES-256-GCM', () => {
    everyVector('aes_gcm', 66, (test) => {
      const [key, iv, aad, msg] = [hex(test, 'key'), hex(test, 'iv'), hex(test, 'aad'), hex(test, 'msg')]
      const opened = crypto.aesGcmOpen(key, iv, aad, hex(test, 'ct'), hex(test, 'tag'))
      if (test['result'] === 'invalid') return opened === undefined
      const sealed = crypto.aesGcmSeal(key, iv, aad, msg)
      return (
        opened !== undefined &&
        toHex(opened) === test['msg'] &&
        toHex(sealed.ciphertext) === test['ct'] &&
        toHex(sealed.tag) === test['tag']
      )
    })
  })

  it('HMAC-SHA-256, also with truncated tags', () => {
    everyVector('hmac_sha256', 174, (test) => {
      const tag = toHex(crypto.hmacSha256(hex(test, 'key'), hex(test, 'msg')))
      const matches = tag.slice(0, String(test['tag']).length) === test['tag']
      return matches === (test['result'] === 'valid')
    })
  })

  it('HKDF-SHA-256; the invalid ones ask for more than 255 blocks', () => {
    everyVector('hkdf_sha256', 86, (test) => {
      const derive = (): Uint8Array =>
        crypto.hkdfSha256(hex(test, 'ikm'), hex(test, 'salt'), hex(test, 'info'), Number(test['size']))
      if (test['result'] === 'valid') return toHex(derive()) === test['okm']
      expect(derive).toThrow(RangeError)
      return true
    })
  })

  // "acceptable" marks twisted curve points, non-canonical and low-order public keys. We compute what RFC 7748 computes,
  // and refuse exactly the all-zero result.
  it('X25519', () => {
    const zero = '0'.repeat(64)
    const refused: unknown[] = []
    everyVector('x25519', 518, (test) => {
      const shared = crypto.x25519(hex(test, 'private'), hex(test, 'public'))
      if (shared !== undefined) return toHex(shared) === test['shared']
      refused.push(test['tcId'])
      return test['result'] === 'acceptable' && test['shared'] === zero
    })
    expect(refused).toHaveLength(31)
  })
})

const ECDSA: ReadonlyArray<
  readonly [file: string, hash: HashName, format: SignatureFormat, count: number, nobleEvery: number]
> = [
  ['ecdsa_secp256r1_sha256', 'sha256', 'der', 484, 1],
  ['ecdsa_secp256r1_sha256_p1363', 'sha256', 'raw', 262, 1],
  ['ecdsa_secp384r1_sha256', 'sha256', 'der', 472, 3],
  ['ecdsa_secp384r1_sha384', 'sha384', 'der', 504, 3],
  ['ecdsa_secp384r1_sha384_p1363', 'sha384', 'raw', 280, 3],
  ['ecdsa_secp521r1_sha512_p1363', 'sha512', 'raw', 318, 8],
]

describe.each(IMPLEMENTATIONS)('Wycheproof ECDSA, $name', (crypto) => {
  it.each(ECDSA)('%s', (file, hash, format, count, nobleEvery) => {
    const every = crypto.name === 'noble' ? nobleEvery : 1
    const wrong: string[] = []
    let seen = 0
    for (const group of vectorGroups(file)) {
      const key = crypto.importEcPublicKey(hex(group, 'publicKeyDer'))
      if (key === undefined) throw new Error('key not imported')
      for (const test of group.tests) {
        const signature = hex(test, 'sig')
        const malformed =
          format === 'der'
            ? ecdsaDerToRaw(signature, EC_CURVES[key.curve].scalarBytes) === undefined
            : signature.length !== rawSignatureBytes(key.curve)
        if (seen++ % every !== 0 && !malformed) continue
        const valid = crypto.verifyEcdsa(key, hash, hex(test, 'msg'), signature, format)
        if (valid !== (test['result'] === 'valid')) wrong.push(label(test))
      }
    }
    expect(seen).toBe(count)
    expect(wrong).toEqual([])
  })

  it('accepts the same signatures in the other format, and over their digest', () => {
    for (const [file, hash, format] of ECDSA) {
      const group = vectorGroups(file).find(({ tests }) => tests.some((test) => test['result'] === 'valid'))
      const test = group?.tests.find((candidate) => candidate['result'] === 'valid')
      const key = group && crypto.importEcPublicKey(hex(group, 'publicKeyDer'))
      if (test === undefined || key === undefined) throw new Error(`no valid vector in ${file}`)
      const [message, signature] = [hex(test, 'msg'), hex(test, 'sig')]
      const other =
        format === 'raw' ? ecdsaRawToDer(signature) : ecdsaDerToRaw(signature, EC_CURVES[key.curve].scalarBytes)
      const otherFormat = format === 'raw' ? 'der' : 'raw'
      expect(crypto.verifyEcdsa(key, hash, message, other!, otherFormat)).toBe(true)
      expect(crypto.verifyEcdsa(key, hash, message, other!, format)).toBe(false)
      if (hash !== 'sha256') continue
      const digest = crypto.sha256(message)
      expect(crypto.verifyEcdsaDigest(key, digest, signature, format)).toBe(true)
      expect(crypto.verifyEcdsaDigest(key, crypto.sha256(digest), signature, format)).toBe(false)
    }
  })
})

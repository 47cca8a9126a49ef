// RSA-OAEP of both implementations against each other and against node:crypto, which has its own padding (RFC 8017 §7.1).
// There are no published vectors with a given seed in the repository: OpenSSL is the other opinion, in both directions.
import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
} from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { ecKeyPairFromSeed, nobleCrypto } from '../../../protocols/crypto/noble.ts'
import { oaepBytesMax } from '../../../protocols/crypto/rsa-oaep.ts'
import { rsaKeyOf } from '../../../runtime/models/service/rsa-keys.ts'

const BOTH = [nobleCrypto, nativeCrypto]
const fresh = (bits: number) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits })
  const der = { format: 'der' } as const
  return {
    pkcs8: new Uint8Array(privateKey.export({ ...der, type: 'pkcs8' })),
    spki: new Uint8Array(publicKey.export({ ...der, type: 'spki' })),
  }
}
const keys = [rsaKeyOf('oaep'), fresh(2048), fresh(3072)]
const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

describe('RSA-OAEP', () => {
  it.each(keys.map((key, i) => ({ i, ...key })))(
    'key $i: one ciphertext for a seed, which everybody decrypts',
    (key) => {
      const most = oaepBytesMax(nobleCrypto.rsaOaepEncrypt(key.spki, new Uint8Array(), new Uint8Array(32))!.length)
      const privateKey = createPrivateKey({ key: Buffer.from(key.pkcs8), format: 'der', type: 'pkcs8' })
      const publicKey = createPublicKey({ key: Buffer.from(key.spki), format: 'der', type: 'spki' })
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: most }), bytes(32), (message, seed) => {
          const [noble, native] = BOTH.map((crypto) => crypto.rsaOaepEncrypt(key.spki, message, seed)!)
          expect(noble).toEqual(native)
          expect(new Uint8Array(privateDecrypt({ key: privateKey, ...OAEP }, noble!))).toEqual(message)
          const theirs = new Uint8Array(publicEncrypt({ key: publicKey, ...OAEP }, message))
          for (const crypto of BOTH) {
            expect(crypto.rsaOaepDecrypt(key.pkcs8, noble!)).toEqual(message)
            expect(crypto.rsaOaepDecrypt(key.pkcs8, theirs)).toEqual(message)
          }
        }),
        { numRuns: 8, seed: 1 },
      )
    },
  )

  it('refuses every changed byte, other keys and other sizes', () => {
    const [key, other] = [keys[0]!, rsaKeyOf('other')]
    const sealed = nobleCrypto.rsaOaepEncrypt(key.spki, Uint8Array.of(1, 2, 3), new Uint8Array(32).fill(9))!
    for (const crypto of BOTH) {
      for (let i = 0; i < sealed.length; i += 5) {
        expect(crypto.rsaOaepDecrypt(key.pkcs8, sealed.with(i, sealed[i]! ^ 1))).toBeUndefined()
      }
      expect(crypto.rsaOaepDecrypt(other.pkcs8, sealed)).toBeUndefined()
      expect(crypto.rsaOaepDecrypt(key.pkcs8, sealed.subarray(1))).toBeUndefined()
      expect(crypto.rsaOaepDecrypt(key.pkcs8, new Uint8Array(sealed.length).fill(0xff))).toBeUndefined()
      expect(() => crypto.rsaOaepEncrypt(key.spki, new Uint8Array(63), new Uint8Array(32))).toThrow(RangeError)
      expect(() => crypto.rsaOaepEncrypt(key.spki, new Uint8Array(1), new Uint8Array(31))).toThrow(RangeError)
    }
  })

  it('takes no key of another kind or form', () => {
    const ec = ecKeyPairFromSeed('P-256', new Uint8Array(32))
    const { spki, pkcs8 } = keys[0]!
    for (const crypto of BOTH) {
      for (const bad of [ec.spki, spki.subarray(1), new Uint8Array(), spki.with(10, spki[10]! ^ 1)]) {
        expect(crypto.rsaOaepEncrypt(bad, new Uint8Array(1), new Uint8Array(32))).toBeUndefined()
      }
      expect(() => crypto.rsaOaepDecrypt(ec.pkcs8, new Uint8Array(128))).toThrow(RangeError)
      expect(() => crypto.rsaOaepDecrypt(pkcs8.subarray(1), new Uint8Array(128))).toThrow(RangeError)
    }
  })
})

// Goal: the published examples of the standards themselves hold for both implementations: FIPS 180-4, RFC 4231 (HMAC),
// RFC 5869 (HKDF), NIST/McGrew-Viega (GCM), RFC 7748 (X25519), RFC 6979 (deterministic ECDSA; signing by noble only).
import { describe, expect, it } from 'vitest'
import { concat, EMPTY, fromHex, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import type { EcCurve, HashName } from '../../../protocols/crypto/crypto.ts'
import { encodeEcPkcs8, encodeEcSpki } from '../../../protocols/crypto/ec-keys.ts'
import { nobleCrypto } from '../../../protocols/crypto/noble.ts'
import { IMPLEMENTATIONS } from './vectors.ts'

const repeated = (byte: number, length: number): Uint8Array => new Uint8Array(length).fill(byte)

describe.each(IMPLEMENTATIONS)('standards, $name', (crypto) => {
  it('SHA-256 (FIPS 180-4 examples), whole and in parts of any size', () => {
    expect(toHex(crypto.sha256())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    expect(toHex(crypto.sha256(utf8('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    const million = 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'
    expect(toHex(crypto.sha256(repeated(0x61, 1_000_000)))).toBe(million)
    expect(toHex(crypto.sha256(repeated(0x61, 999_999), EMPTY, utf8('a')))).toBe(million)
    expect(toHex(crypto.sha256(utf8('a'), EMPTY, utf8('bc')))).toBe(toHex(crypto.sha256(utf8('abc'))))
  })

  it('SHA-256 of parts around the size at which native stops joining them', () => {
    for (const size of [4095, 4096, 4097, 8192]) {
      const whole = repeated(7, size)
      const parts = crypto.sha256(whole.subarray(0, 100), whole.subarray(100))
      expect(toHex(parts)).toBe(toHex(nobleCrypto.sha256(whole)))
      expect(toHex(crypto.hmacSha256(whole, whole))).toBe(toHex(nobleCrypto.hmacSha256(whole, whole)))
    }
  })

  it('HMAC-SHA-256 (RFC 4231 cases 1, 2, 3 and 6: long key)', () => {
    const cases: ReadonlyArray<readonly [Uint8Array, Uint8Array, string]> = [
      [repeated(0x0b, 20), utf8('Hi There'), 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
      [
        utf8('Jefe'),
        utf8('what do ya want for nothing?'),
        '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      ],
      [repeated(0xaa, 20), repeated(0xdd, 50), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
      [
        repeated(0xaa, 131),
        utf8('Test Using Larger Than Block-Size Key - Hash Key First'),
        '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
      ],
    ]
    for (const [key, message, mac] of cases) expect(toHex(crypto.hmacSha256(key, message))).toBe(mac)
  })

  it('HKDF-SHA-256 (RFC 5869 A.1 and A.3: empty salt and info)', () => {
    const ikm = repeated(0x0b, 22)
    const okm1 = '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865'
    expect(
      toHex(crypto.hkdfSha256(ikm, fromHex('000102030405060708090a0b0c'), fromHex('f0f1f2f3f4f5f6f7f8f9'), 42)),
    ).toBe(okm1)
    const okm3 = '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8'
    expect(toHex(crypto.hkdfSha256(ikm, EMPTY, EMPTY, 42))).toBe(okm3)
    expect(crypto.hkdfSha256(ikm, EMPTY, EMPTY, 0)).toHaveLength(0)
    expect(() => crypto.hkdfSha256(ikm, EMPTY, EMPTY, 8161)).toThrow(RangeError)
    expect(() => crypto.hkdfSha256(ikm, EMPTY, EMPTY, 1.5)).toThrow(RangeError)
  })

  it('AES-256-GCM (GCM specification, test cases 13, 14 and 16)', () => {
    const [key, iv] = [repeated(0, 32), repeated(0, 12)]
    const empty = crypto.aesGcmSeal(key, iv, EMPTY, EMPTY)
    expect([empty.ciphertext.length, toHex(empty.tag)]).toEqual([0, '530f8afbc74536b9a963b4f1c4cb738b'])
    const zeros = crypto.aesGcmSeal(key, iv, EMPTY, repeated(0, 16))
    expect(toHex(zeros.ciphertext)).toBe('cea7403d4d606b6e074ec5d3baf39d18')
    expect(toHex(zeros.tag)).toBe('d0d1c8a799996bf0265b98b5d48ab919')
    const key16 = fromHex('feffe9928665731c6d6a8f9467308308'.repeat(2))
    const plaintext = fromHex(
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    )
    const aad = fromHex('feedfacedeadbeeffeedfacedeadbeefabaddad2')
    const sealed = crypto.aesGcmSeal(key16, fromHex('cafebabefacedbaddecaf888'), aad, plaintext)
    expect(toHex(sealed.ciphertext)).toBe(
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662',
    )
    expect(toHex(sealed.tag)).toBe('76fc6ece0f4e1768cddf8853bb2d551b')
  })

  it('X25519 (RFC 7748 §6.1), and no secret with a point of low order', () => {
    const alice = fromHex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a')
    const bob = fromHex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb')
    const alicePublic = '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a'
    const bobPublic = 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f'
    const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742'
    expect([toHex(crypto.x25519PublicKey(alice)), toHex(crypto.x25519PublicKey(bob))]).toEqual([alicePublic, bobPublic])
    expect(toHex(crypto.x25519(alice, fromHex(bobPublic))!)).toBe(shared)
    expect(toHex(crypto.x25519(bob, fromHex(alicePublic))!)).toBe(shared)
    expect(crypto.x25519(alice, repeated(0, 32))).toBeUndefined()
    expect(
      crypto.x25519(alice, fromHex('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800')),
    ).toBeUndefined()
    expect(crypto.x25519(alice, repeated(9, 31))).toBeUndefined()
  })

  it('tells a caller of a wrong size, and a peer only that it failed', () => {
    const [key, iv] = [repeated(1, 32), repeated(2, 12)]
    expect(() => crypto.aesGcmSeal(key.subarray(1), iv, EMPTY, EMPTY)).toThrow(RangeError)
    expect(() => crypto.aesGcmSeal(key, iv.subarray(1), EMPTY, EMPTY)).toThrow(RangeError)
    expect(() => crypto.aesGcmOpen(key.subarray(1), iv, EMPTY, EMPTY, iv)).toThrow(RangeError)
    expect(() => crypto.x25519(key.subarray(1), key)).toThrow(RangeError)
    expect(() => crypto.x25519PublicKey(key.subarray(1))).toThrow(RangeError)
    const { ciphertext, tag } = crypto.aesGcmSeal(key, iv, EMPTY, utf8('text'))
    for (const length of [0, 4, 8, 12, 15]) {
      expect(crypto.aesGcmOpen(key, iv, EMPTY, ciphertext, tag.subarray(0, length))).toBeUndefined()
    }
    expect(crypto.aesGcmOpen(key, iv, EMPTY, ciphertext, concat(tag, EMPTY.slice(), Uint8Array.of(0)))).toBeUndefined()
  })
})

// RFC 6979 A.2.5 – A.2.7, message "sample": scalar, hash, r ‖ s.
const RFC6979: ReadonlyArray<readonly [EcCurve, HashName, scalar: string, r: string, s: string]> = [
  [
    'P-256',
    'sha256',
    'c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721',
    'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716',
    'f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8',
  ],
  [
    'P-384',
    'sha256',
    '6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5',
    '21b13d1e013c7fa1392d03c5f99af8b30c570c6f98d4ea8e354b63a21d3daa33bde1e888e63355d92fa2b3c36d8fb2cd',
    'f3aa443fb107745bf4bd77cb3891674632068a10ca67e3d45db2266fa7d1feebefdc63eccd1ac42ec0cb8668a4fa0ab0',
  ],
  [
    'P-384',
    'sha384',
    '6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5',
    '94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46',
    '99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8',
  ],
  [
    'P-521',
    'sha512',
    '00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c70855836a6d16fcc1466f6d8fbec67db89ec0c08b0e996b83538',
    '00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add152b534931d7d4e8455cc91f9b15bf05ec36e377fa',
    '00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a',
  ],
]

describe('RFC 6979', () => {
  it.each(RFC6979)(
    '%s with %s: noble signs exactly so (high S kept), both verify',
    async (curve, hash, scalar, r, s) => {
      const { p256, p384, p521 } = await import('@noble/curves/nist.js')
      const point = { 'P-256': p256, 'P-384': p384, 'P-521': p521 }[curve].getPublicKey(fromHex(scalar), false)
      const pkcs8 = encodeEcPkcs8(curve, fromHex(scalar), point)
      const signature = nobleCrypto.signEcdsa(pkcs8, hash, utf8('sample'), 'raw')
      expect(toHex(signature)).toBe(r + s)
      for (const crypto of IMPLEMENTATIONS) {
        const key = crypto.importEcPublicKey(encodeEcSpki(curve, point))!
        expect(crypto.verifyEcdsa(key, hash, utf8('sample'), signature, 'raw')).toBe(true)
        expect(crypto.verifyEcdsa(key, hash, utf8('simple'), signature, 'raw')).toBe(false)
      }
    },
  )
})

// Goal: the cryptography of fast simulations refuses what real cryptography refuses by accident of a bug: another message, key, root or
// certificate, a changed byte anywhere; and is otherwise the same thing, so that certificates parse and ids are stable.
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../protocols/codec/bytes.ts'
import { parseCertificate, verifyIssuedBy } from '../../protocols/crypto/certificate.ts'
import { ecKeyPairFromSeed } from '../../protocols/crypto/noble.ts'
import { fastCrypto as crypto } from '../../runtime/models/service/crypto.ts'
import { identitiesOf } from '../../runtime/models/service/identities.ts'
import { mix } from '../../runtime/models/service/mix.ts'
import { Prng } from '../../runtime/prng.ts'

const [key, other] = ['a', 'b'].map((name) => ecKeyPairFromSeed('P-256', utf8(name)))
const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))

describe('a signature of simulations', () => {
  const message = utf8('the root of a Merkle tree, or anything')
  const publicKey = crypto.importEcPublicKey(key!.spki)!

  it.each(['raw', 'der'] as const)('holds for its message and key only (%s)', (format) => {
    const signature = crypto.signEcdsa(key!.pkcs8, 'sha256', message, format)
    const verify = (k = publicKey, m = message, s = signature) => crypto.verifyEcdsa(k, 'sha256', m, s, format)
    expect(verify()).toBe(true)
    expect(verify(crypto.importEcPublicKey(other!.spki)!)).toBe(false)
    for (let i = 0; i < message.length; i++) expect(verify(publicKey, flipped(message, i))).toBe(false)
    for (let i = 0; i < signature.length; i++) expect(verify(publicKey, message, flipped(signature, i))).toBe(false)
    expect(verify(publicKey, message, new Uint8Array(0))).toBe(false)
    expect(crypto.verifyEcdsaDigest(publicKey, crypto.sha256(message), signature, format)).toBe(true)
  })

  it('makes certificates that hold under their issuer only', () => {
    const { setup } = identitiesOf(crypto, 3, [])
    const service = parseCertificate(setup.serviceCertificatePem)
    const certificates = setup.nodes.map(({ certificatePem }) => parseCertificate(certificatePem))
    expect(certificates.map((certificate) => verifyIssuedBy(crypto, certificate, service))).toEqual([true, true, true])
    expect(verifyIssuedBy(crypto, certificates[0]!, certificates[1]!)).toBe(false)
  })

  it('knows no keys that are none', () => {
    expect(crypto.importEcPublicKey(utf8('no key'))).toBeUndefined()
  })
})

describe('a seal of simulations', () => {
  const secret = crypto.sha256(utf8('secret'))
  const iv = new Uint8Array(12).fill(7)
  const [aad, plaintext] = [utf8('public'), utf8('what only nodes may read')]
  const { ciphertext, tag } = crypto.aesGcmSeal(secret, iv, aad, plaintext)

  it('opens, and shows nothing before', () => {
    expect(crypto.aesGcmOpen(secret, iv, aad, ciphertext, tag)).toEqual(plaintext)
    expect(Buffer.from(ciphertext).toString('latin1')).not.toContain('nodes')
  })

  it('refuses any change', () => {
    expect(crypto.aesGcmOpen(flipped(secret, 0), iv, aad, ciphertext, tag)).toBeUndefined()
    expect(crypto.aesGcmOpen(secret, flipped(iv, 3), aad, ciphertext, tag)).toBeUndefined()
    expect(crypto.aesGcmOpen(secret, iv, flipped(aad, 1), ciphertext, tag)).toBeUndefined()
    for (let i = 0; i < ciphertext.length; i++)
      expect(crypto.aesGcmOpen(secret, iv, aad, flipped(ciphertext, i), tag)).toBeUndefined()
    for (let i = 0; i < tag.length; i++)
      expect(crypto.aesGcmOpen(secret, iv, aad, ciphertext, flipped(tag, i))).toBeUndefined()
  })
})

describe('the digest of simulations', () => {
  it('is that of the concatenation, however it is cut', () => {
    const bytes = new Prng(1).bytes(100)
    const whole = crypto.sha256(bytes)
    for (let cut = 0; cut <= 100; cut += 7)
      expect(crypto.sha256(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual(whole)
  })

  it('tells apart what differs in one bit, in length or in key', () => {
    const seen = new Set<string>()
    const add = (digest: Uint8Array): void => {
      const text = Buffer.from(digest).toString('hex')
      expect(seen.has(text)).toBe(false)
      seen.add(text)
    }
    for (let length = 0; length < 80; length++) add(mix(32, 1, new Uint8Array(length)))
    const bytes = new Prng(2).bytes(64)
    for (let i = 0; i < 64 * 8; i++)
      add(
        mix(
          32,
          1,
          bytes.map((byte, at) => (at === i >> 3 ? byte ^ (1 << (i & 7)) : byte)),
        ),
      )
    for (let seed = 0; seed < 20_000; seed++) add(mix(32, 1, new Prng(seed).bytes(32)))
    add(mix(32, 2, bytes))
  })

  it('spreads one bit over the whole', () => {
    const [a, b] = [mix(32, 1, new Uint8Array(32)), mix(32, 1, flipped(new Uint8Array(32), 31))]
    const differing = a.reduce((sum, byte, i) => sum + (byte === b[i] ? 0 : 1), 0)
    expect(differing).toBeGreaterThan(24)
  })
})

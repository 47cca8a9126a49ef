// Cryptography for simulations: `realCrypto` is the product's, made deterministic; `fastCrypto` keeps its shape and its refusals at a
// hundredth of the cost, so that a run is spent on the protocol.
// What `fastCrypto` still refuses: another message, another key, another root, a changed byte of ciphertext, tag or associated data. What it
// does not resist is somebody who computes: a signature is a digest keyed with the public key. No simulated fault does that.
// The rule to remember: keys and certificates are real, so that ids and parsing are those of production; only the arithmetic is replaced.
import { concat, equalBytes } from '../../../protocols/codec/bytes.ts'
import { ecdsaRawToDer } from '../../../protocols/codec/der.ts'
import type { Crypto, EcPublicKey, SignatureFormat } from '../../../protocols/crypto/crypto.ts'
import { EC_CURVES, parseEcPkcs8, parseEcSpki, rawSignatureBytes } from '../../../protocols/crypto/ec-keys.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { nobleCrypto } from '../../../protocols/crypto/noble.ts'
import { OAEP_SEED_BYTES } from '../../../protocols/crypto/rsa-oaep.ts'
import { GCM_TAG_BYTES, SHA256_BYTES } from '../../../protocols/crypto/sizes.ts'
import { cipher, mix } from './mix.ts'

/** Deterministic signatures (RFC 6979) from noble, everything else native: the same bytes, faster. */
export const realCrypto: Crypto = { ...nativeCrypto, signEcdsa: nobleCrypto.signEcdsa }

/** Keys of the digest for its different uses. */
const HASH = 1
const HMAC = 2
const SEAL = 3
const SIGN = 4
const OAEP = 5

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => mix(SHA256_BYTES, HASH, ...parts)

const word = (bytes: Uint8Array): number => bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)

/** The uncompressed point at the end of both a PKCS#8 with its public key and an SPKI. */
const pointOf = (der: Uint8Array, curve: EcPublicKey['curve']): Uint8Array =>
  der.subarray(der.length - 1 - 2 * EC_CURVES[curve].scalarBytes)

function signatureOf(curve: EcPublicKey['curve'], point: Uint8Array, digest: Uint8Array, format: SignatureFormat) {
  const raw = mix(rawSignatureBytes(curve), SIGN, point, digest)
  return format === 'raw' ? raw : ecdsaRawToDer(raw)
}

const verifyEcdsaDigest = (
  key: EcPublicKey,
  digest: Uint8Array,
  signature: Uint8Array,
  format: SignatureFormat,
): boolean => equalBytes(signatureOf(key.curve, pointOf(key.spki, key.curve), digest, format), signature)

export const fastCrypto: Crypto = {
  ...nativeCrypto,
  sha256,
  hmacSha256: (key, message) => mix(SHA256_BYTES, HMAC, key, message),
  aesGcmSeal(key, iv, aad, plaintext) {
    const ciphertext = cipher(plaintext, word(mix(4, SEAL, key, iv)))
    return { ciphertext, tag: mix(GCM_TAG_BYTES, SEAL, key, iv, aad, ciphertext) }
  },
  aesGcmOpen(key, iv, aad, ciphertext, tag) {
    if (!equalBytes(mix(GCM_TAG_BYTES, SEAL, key, iv, aad, ciphertext), tag)) return undefined
    return cipher(ciphertext, word(mix(4, SEAL, key, iv)))
  },
  /** Whether the point lies on its curve is arithmetic too, and is not looked at. */
  importEcPublicKey: (spki) => {
    const parsed = parseEcSpki(spki)
    return parsed && { curve: parsed.curve, spki }
  },
  verifyEcdsa: (key, _hash, message, signature, format) => verifyEcdsaDigest(key, sha256(message), signature, format),
  verifyEcdsaDigest,
  signEcdsa(pkcs8, _hash, message, format) {
    const { curve } = parseEcPkcs8(pkcs8)
    return signatureOf(curve, pointOf(pkcs8, curve), sha256(message), format)
  },
  /** Simulated nodes have no RSA keys: their EC key stands for one. seed ‖ ciphertext ‖ tag, keyed with the public point. */
  rsaOaepEncrypt(spki, message, seed) {
    const parsed = parseEcSpki(spki)
    if (parsed === undefined) return undefined
    const body = cipher(message, word(mix(4, OAEP, parsed.point, seed)))
    return concat(seed, body, mix(GCM_TAG_BYTES, OAEP, parsed.point, seed, body))
  },
  rsaOaepDecrypt(pkcs8, ciphertext) {
    const point = pointOf(pkcs8, parseEcPkcs8(pkcs8).curve)
    const [seed, body] = [ciphertext.subarray(0, OAEP_SEED_BYTES), ciphertext.subarray(OAEP_SEED_BYTES, -GCM_TAG_BYTES)]
    const tag = mix(GCM_TAG_BYTES, OAEP, point, seed, body)
    if (!equalBytes(tag, ciphertext.subarray(-GCM_TAG_BYTES))) return undefined
    return cipher(body, word(mix(4, OAEP, point, seed)))
  },
}

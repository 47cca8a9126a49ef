// The portable implementation of the crypto door, on @noble: simulation, checker, browser, and the reference for native.ts.
// Not for hot paths of live hosts: signatures are 10–30 times slower than node's (measurements §1.5).
// The rule to remember: signing is deterministic (RFC 6979) and high-S is kept, so the same seed gives the same ledger.
import { gcm } from '@noble/ciphers/aes.js'
import { ecdsa } from '@noble/curves/abstract/weierstrass.js'
import type { ECDSA } from '@noble/curves/abstract/weierstrass.js'
import { x25519 } from '@noble/curves/ed25519.js'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { mapHashToField } from '@noble/curves/abstract/modular.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js'
import { concat, utf8 } from '../codec/bytes.ts'
import { ecdsaDerToRaw, ecdsaRawToDer } from '../codec/der.ts'
import type { Crypto, EcCurve, EcPublicKey, HashName, Sealed, SignatureFormat } from './crypto.ts'
import { EC_CURVES, encodeEcPkcs8, encodeEcSpki, parseEcPkcs8, parseEcSpki, rawSignatureBytes } from './ec-keys.ts'
import { rsaOaepDecrypt, rsaOaepEncrypt } from './rsa-oaep.ts'
import {
  AES_KEY_BYTES,
  GCM_IV_BYTES,
  GCM_TAG_BYTES,
  isDigest,
  requireBytes,
  requireHkdfLength,
  X25519_BYTES,
} from './sizes.ts'

const CURVES: Readonly<Record<EcCurve, ECDSA>> = { 'P-256': p256, 'P-384': p384, 'P-521': p521 }
const HASHES = { sha256, sha384, sha512 } as const

// CCF and OpenSSL make high-S signatures, and RFC 6979's vectors contain them: noble's low-S default must be off on both sides.
const RAW_OF_DIGEST = { prehash: false, lowS: false, format: 'compact' } as const

// RFC 6979 §3.2 derives the nonce with HMAC of the *message's* hash. noble's ready-made curves fix one hash each, so other
// pairs (P-384 with SHA-256, which CCF's node signatures need) get an instance of their own, made once.
const signers = new Map<string, ECDSA>()
function signerOf(curve: EcCurve, hash: HashName): ECDSA {
  const name = `${curve} ${hash}`
  const known = signers.get(name)
  if (known !== undefined) return known
  const made = ecdsa(CURVES[curve].Point, HASHES[hash], { lowS: false })
  signers.set(name, made)
  return made
}

/** The point was checked to lie on its curve. */
class NobleEcPublicKey implements EcPublicKey {
  readonly curve: EcCurve
  readonly spki: Uint8Array
  readonly point: Uint8Array
  constructor(curve: EcCurve, spki: Uint8Array, point: Uint8Array) {
    this.curve = curve
    this.spki = spki
    this.point = point
  }
}

function importEcPublicKey(spki: Uint8Array): NobleEcPublicKey | undefined {
  const own = spki.slice()
  const parsed = parseEcSpki(own)
  if (parsed === undefined || !CURVES[parsed.curve].utils.isValidPublicKey(parsed.point, false)) return undefined
  return new NobleEcPublicKey(parsed.curve, own, parsed.point)
}

function verifyEcdsaDigest(
  key: EcPublicKey,
  digest: Uint8Array,
  signature: Uint8Array,
  format: SignatureFormat,
): boolean {
  const imported = key instanceof NobleEcPublicKey ? key : importEcPublicKey(key.spki)
  if (imported === undefined || !isDigest(digest)) return false
  const raw = format === 'raw' ? signature : ecdsaDerToRaw(signature, EC_CURVES[imported.curve].scalarBytes)
  if (raw === undefined || raw.length !== rawSignatureBytes(imported.curve)) return false
  return CURVES[imported.curve].verify(raw, digest, imported.point, RAW_OF_DIGEST)
}

function aesGcmSeal(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Sealed {
  requireBytes(key, AES_KEY_BYTES, 'AES key')
  requireBytes(iv, GCM_IV_BYTES, 'GCM IV')
  const sealed = gcm(key, iv, aad).encrypt(plaintext)
  return { ciphertext: sealed.slice(0, plaintext.length), tag: sealed.slice(plaintext.length) }
}

function aesGcmOpen(
  key: Uint8Array,
  iv: Uint8Array,
  aad: Uint8Array,
  ciphertext: Uint8Array,
  tag: Uint8Array,
): Uint8Array | undefined {
  requireBytes(key, AES_KEY_BYTES, 'AES key')
  requireBytes(iv, GCM_IV_BYTES, 'GCM IV')
  if (tag.length !== GCM_TAG_BYTES) return undefined
  try {
    return gcm(key, iv, aad).decrypt(concat(ciphertext, tag))
  } catch {
    // All sizes were checked above, so the only thing left to fail is the tag.
    return undefined
  }
}

export const nobleCrypto: Crypto = {
  name: 'noble',
  sha256(...parts) {
    if (parts.length === 1) return sha256(parts[0]!)
    const state = sha256.create()
    for (const part of parts) state.update(part)
    return state.digest()
  },
  hmacSha256: (key, message) => hmac(sha256, key, message),
  hkdfSha256(ikm, salt, info, length) {
    requireHkdfLength(length)
    return hkdf(sha256, ikm, salt, info, length)
  },
  aesGcmSeal,
  aesGcmOpen,
  x25519PublicKey(privateKey) {
    requireBytes(privateKey, X25519_BYTES, 'X25519 private key')
    return x25519.getPublicKey(privateKey)
  },
  x25519(privateKey, publicKey) {
    requireBytes(privateKey, X25519_BYTES, 'X25519 private key')
    if (publicKey.length !== X25519_BYTES) return undefined
    try {
      return x25519.getSharedSecret(privateKey, publicKey)
    } catch {
      // Sizes were checked above: noble refuses only points of low order, whose shared secret is all zero (RFC 7748 §6.1).
      return undefined
    }
  },
  importEcPublicKey,
  verifyEcdsa: (key, hash, message, signature, format) =>
    verifyEcdsaDigest(key, HASHES[hash](message), signature, format),
  verifyEcdsaDigest,
  signEcdsa(pkcs8, hash, message, format) {
    const { curve, scalar } = parseEcPkcs8(pkcs8)
    const raw = signerOf(curve, hash).sign(HASHES[hash](message), scalar, RAW_OF_DIGEST)
    return format === 'raw' ? raw : ecdsaRawToDer(raw)
  },
  rsaOaepEncrypt,
  rsaOaepDecrypt,
}

export interface EcKeyPair {
  /** PKCS#8 DER. Secret. */
  readonly pkcs8: Uint8Array
  /** SubjectPublicKeyInfo DER. */
  readonly spki: Uint8Array
}

/** The key pair a seed stands for: for simulations and golden files, where keys must be the same in every run. */
export function ecKeyPairFromSeed(curve: EcCurve, seed: Uint8Array): EcKeyPair {
  const { Point, getPublicKey } = CURVES[curve]
  // FIPS 186-5 A.2.1: reduce half as many bits again as the order has, so that the bias is negligible.
  const wide = hkdf(
    sha256,
    seed,
    undefined,
    utf8(`concordat ${curve} key`),
    Math.ceil(EC_CURVES[curve].scalarBytes * 1.5),
  )
  const scalar = mapHashToField(wide, Point.Fn.ORDER)
  const point = getPublicKey(scalar, false)
  return { pkcs8: encodeEcPkcs8(curve, scalar, point), spki: encodeEcSpki(curve, point) }
}

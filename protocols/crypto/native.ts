// The fast implementation of the crypto door, on node:crypto: live hosts. The only file in protocols/ that imports node:*.
// Not deterministic: OpenSSL draws a fresh nonce for every signature, so simulations use noble.ts.
// The rule to remember: results are plain Uint8Arrays, and small ones live on the V8 heap; kept Buffers make GC expensive
// (measurements §1.7).
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hash,
  privateDecrypt,
  publicEncrypt,
  sign,
  verify,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { concat } from '../codec/bytes.ts'
import type { Crypto, EcCurve, EcPublicKey, HashName, Sealed, SignatureFormat } from './crypto.ts'
import { parseEcPkcs8, parseEcSpki, rawSignatureBytes } from './ec-keys.ts'
import { nobleCrypto } from './noble.ts'
import { oaepPad, parseRsaPkcs8, parseRsaSpki } from './rsa-oaep.ts'
import {
  AES_KEY_BYTES,
  GCM_IV_BYTES,
  GCM_TAG_BYTES,
  requireBytes,
  requireHkdfLength,
  SHA256_BYTES,
  X25519_BYTES,
} from './sizes.ts'

const BLOCK_BYTES = 64
const IPAD = 0x36
const OPAD = 0x5c
/** Typed arrays up to this size are kept on the V8 heap: copying is cheaper than keeping what OpenSSL allocated. */
const HEAP_BYTES_MAX = 64

// Joining small parts here and hashing once costs a third of createHash().update()…: one call into C++ instead of three.
const scratch = new Uint8Array(4096)
const innerScratch = new Uint8Array(BLOCK_BYTES + scratch.length)
const outerScratch = new Uint8Array(BLOCK_BYTES + SHA256_BYTES)
/** scratchParts[n]: the first n bytes of `scratch`. Made once: a ledger hashes a dozen small things per transaction, of the same few lengths. */
const scratchParts = new Array<Uint8Array | undefined>(scratch.length + 1).fill(undefined)

/** A `binary` string to bytes. Taking digests as strings halves their cost: no external ArrayBuffer is made (bench: 0.9 vs 1.9 µs). */
function bytesOf(digest: string): Uint8Array {
  const bytes = new Uint8Array(digest.length)
  for (let i = 0; i < digest.length; i++) bytes[i] = digest.charCodeAt(i)
  return bytes
}

/** A plain array with the buffer's content: a copy if that is small or the memory is shared, else a view. */
function plain(buffer: Buffer): Uint8Array {
  if (buffer.length <= HEAP_BYTES_MAX || buffer.buffer.byteLength !== buffer.length) return new Uint8Array(buffer)
  return new Uint8Array(buffer.buffer)
}

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return bytesOf(hash('sha256', parts[0]!, 'binary'))
  let length = 0
  for (const part of parts) length += part.length
  if (length > scratch.length) {
    const state = createHash('sha256')
    for (const part of parts) state.update(part)
    return bytesOf(state.digest('binary'))
  }
  let at = 0
  for (const part of parts) {
    scratch.set(part, at)
    at += part.length
  }
  return bytesOf(hash('sha256', (scratchParts[length] ??= scratch.subarray(0, length)), 'binary'))
}

/** RFC 2104 by two one-shot hashes, half the cost of createHmac. */
function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  const short = key.length > BLOCK_BYTES ? sha256(key) : key
  innerScratch.fill(IPAD, 0, BLOCK_BYTES)
  outerScratch.fill(OPAD, 0, BLOCK_BYTES)
  for (let i = 0; i < short.length; i++) {
    innerScratch[i] = short[i]! ^ IPAD
    outerScratch[i] = short[i]! ^ OPAD
  }
  let inner: string
  if (message.length <= scratch.length) {
    innerScratch.set(message, BLOCK_BYTES)
    inner = hash('sha256', innerScratch.subarray(0, BLOCK_BYTES + message.length), 'binary')
  } else {
    inner = createHash('sha256').update(innerScratch.subarray(0, BLOCK_BYTES)).update(message).digest('binary')
  }
  for (let i = 0; i < SHA256_BYTES; i++) outerScratch[BLOCK_BYTES + i] = inner.charCodeAt(i)
  return bytesOf(hash('sha256', outerScratch, 'binary'))
}

/** RFC 5869 §2 on the HMAC above (hkdfSync costs twice as much). */
function hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  requireHkdfLength(length)
  const pseudorandomKey = hmacSha256(salt, ikm)
  const okm = new Uint8Array(length)
  let block = new Uint8Array(0)
  for (let counter = 1, at = 0; at < length; counter++, at += SHA256_BYTES) {
    block = new Uint8Array(hmacSha256(pseudorandomKey, concat(block, info, Uint8Array.of(counter))))
    okm.set(block.subarray(0, length - at), at)
  }
  return okm
}

function aesGcmSeal(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Sealed {
  requireBytes(key, AES_KEY_BYTES, 'AES key')
  requireBytes(iv, GCM_IV_BYTES, 'GCM IV')
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  if (aad.length > 0) cipher.setAAD(aad)
  const ciphertext = cipher.update(plaintext)
  cipher.final()
  return { ciphertext: plain(ciphertext), tag: plain(cipher.getAuthTag()) }
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
  const decipher = createDecipheriv('aes-256-gcm', key, iv)
  if (aad.length > 0) decipher.setAAD(aad)
  decipher.setAuthTag(tag)
  const plaintext = decipher.update(ciphertext)
  try {
    decipher.final()
  } catch {
    // GCM's final() has no padding to check: it fails for a wrong tag only.
    return undefined
  }
  return plain(plaintext)
}

/** Holds the imported key, because importing costs as much as verifying (measurements §6.2). */
class NativeEcPublicKey implements EcPublicKey {
  readonly curve: EcCurve
  readonly spki: Uint8Array
  readonly #object: KeyObject
  #portable: EcPublicKey | undefined
  constructor(curve: EcCurve, spki: Uint8Array, object: KeyObject) {
    this.curve = curve
    this.spki = spki
    this.#object = object
  }
  verify(name: HashName, message: Uint8Array, signature: Uint8Array, format: SignatureFormat): boolean {
    if (format === 'der') return verify(name, message, this.#object, signature)
    if (signature.length !== rawSignatureBytes(this.curve)) return false
    return verify(name, message, { key: this.#object, dsaEncoding: 'ieee-p1363' }, signature)
  }
  /** The same key for noble; undefined never happens, as both implementations import the same keys. */
  get portable(): EcPublicKey | undefined {
    return (this.#portable ??= nobleCrypto.importEcPublicKey(this.spki))
  }
}

function importEcPublicKey(spki: Uint8Array): NativeEcPublicKey | undefined {
  const own = spki.slice()
  const parsed = parseEcSpki(own)
  if (parsed === undefined) return undefined
  try {
    // The encoding is exact already; OpenSSL refuses points that are not on the curve.
    const object = createPublicKey({ key: Buffer.from(own.buffer), format: 'der', type: 'spki' })
    return new NativeEcPublicKey(parsed.curve, own, object)
  } catch {
    return undefined
  }
}

function verifyEcdsa(
  key: EcPublicKey,
  name: HashName,
  message: Uint8Array,
  signature: Uint8Array,
  format: SignatureFormat,
): boolean {
  const imported = key instanceof NativeEcPublicKey ? key : importEcPublicKey(key.spki)
  return imported !== undefined && imported.verify(name, message, signature, format)
}

// Importing a private key costs more than using it, so imported keys are kept as long as the bytes they came from.
// Callers treat key bytes as immutable; wiping them does not wipe OpenSSL's copy.
const privateKeys = new WeakMap<Uint8Array, KeyObject>()
function privateKeyOf(bytes: Uint8Array, pkcs8: (bytes: Uint8Array) => Uint8Array): KeyObject {
  const known = privateKeys.get(bytes)
  if (known !== undefined) return known
  const object = createPrivateKey({ key: Buffer.from(pkcs8(bytes)), format: 'der', type: 'pkcs8' })
  privateKeys.set(bytes, object)
  return object
}

// RFC 8410 §7 and §4: everything before the 32 key bytes is fixed.
const X25519_PKCS8 = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20)
const X25519_SPKI = Uint8Array.of(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 3, 0x21, 0)

function x25519PrivateKey(privateKey: Uint8Array): KeyObject {
  requireBytes(privateKey, X25519_BYTES, 'X25519 private key')
  return privateKeyOf(privateKey, (raw) => concat(X25519_PKCS8, raw))
}

function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  const own = x25519PrivateKey(privateKey)
  if (publicKey.length !== X25519_BYTES) return undefined
  const peer = createPublicKey({ key: Buffer.from(concat(X25519_SPKI, publicKey)), format: 'der', type: 'spki' })
  try {
    return plain(diffieHellman({ privateKey: own, publicKey: peer }))
  } catch {
    // Both keys were imported: OpenSSL fails only for an all-zero shared secret (RFC 7748 §6.1).
    return undefined
  }
}

export const nativeCrypto: Crypto = {
  name: 'native',
  sha256,
  hmacSha256,
  hkdfSha256,
  aesGcmSeal,
  aesGcmOpen,
  x25519PublicKey(privateKey) {
    const spki = createPublicKey(x25519PrivateKey(privateKey)).export({ format: 'der', type: 'spki' })
    return new Uint8Array(spki.subarray(X25519_SPKI.length))
  },
  x25519,
  importEcPublicKey,
  verifyEcdsa,
  // node:crypto cannot verify an EC signature over a digest without hashing it again.
  verifyEcdsaDigest(key, digest, signature, format) {
    const portable = (key instanceof NativeEcPublicKey && key.portable) || key
    return nobleCrypto.verifyEcdsaDigest(portable, digest, signature, format)
  },
  signEcdsa(pkcs8, name, message, format) {
    const key = privateKeyOf(pkcs8, (bytes) => {
      parseEcPkcs8(bytes) // same input accepted as by noble.ts: EC keys on our curves only
      return bytes
    })
    return plain(sign(name, message, format === 'raw' ? { key, dsaEncoding: 'ieee-p1363' } : key))
  },
  rsaOaepEncrypt(spki, message, seed) {
    const parsed = parseRsaSpki(spki)
    if (parsed === undefined) return undefined
    // OpenSSL draws the seed itself, so the padding is ours and only the arithmetic is its.
    const padded = oaepPad(message, seed, parsed.bytes)
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    return plain(publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, padded))
  },
  rsaOaepDecrypt(pkcs8, ciphertext) {
    const key = privateKeyOf(pkcs8, (bytes) => {
      if (parseRsaPkcs8(bytes) === undefined) throw new RangeError('not an RSA private key')
      return bytes
    })
    try {
      return plain(privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, ciphertext))
    } catch {
      // The key was imported and nothing else can fail: OpenSSL says of a ciphertext only that it does not decrypt.
      return undefined
    }
  },
}

// The one door to cryptography (DESIGN §8). Two implementations pass one suite of public vectors:
//   noble.ts   portable and deterministic: simulation, checker, browser, reference
//   native.ts  node:crypto: live hosts
// Everything here is a pure function. Keys that only a live node holds sign through the `sign` effect instead.

export type EcCurve = 'P-256' | 'P-384' | 'P-521'
export type HashName = 'sha256' | 'sha384' | 'sha512'
/** `der`: ASN.1 SEQUENCE of two INTEGERs (CCF's node signatures, X.509). `raw`: r ‖ s (COSE). */
export type SignatureFormat = 'der' | 'raw'

/** An EC public key, parsed once and kept: importing costs ~90 µs (measurements §1.2). */
export interface EcPublicKey {
  readonly curve: EcCurve
  /** SubjectPublicKeyInfo DER. */
  readonly spki: Uint8Array
}

export interface Sealed {
  readonly ciphertext: Uint8Array
  /** 16 bytes. */
  readonly tag: Uint8Array
}

export interface Crypto {
  readonly name: 'noble' | 'native'
  /** SHA-256 of the concatenation of the parts: 32 bytes. */
  sha256(...parts: readonly Uint8Array[]): Uint8Array
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array
  hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array
  /** AES-256-GCM: 32-byte key, 12-byte iv. */
  aesGcmSeal(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Sealed
  /** Undefined when the tag does not authenticate. */
  aesGcmOpen(
    key: Uint8Array,
    iv: Uint8Array,
    aad: Uint8Array,
    ciphertext: Uint8Array,
    tag: Uint8Array,
  ): Uint8Array | undefined
  /** Public key (32 bytes) of a 32-byte X25519 private key. */
  x25519PublicKey(privateKey: Uint8Array): Uint8Array
  /** Shared secret, or undefined when it is all zero (RFC 7748 §6.1). */
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined
  /** Undefined when `spki` is not an EC key on a supported curve. */
  importEcPublicKey(spki: Uint8Array): EcPublicKey | undefined
  /** Verifies over `message`, which is hashed with `hash` first. High-S signatures are valid. Never throws on bad input. */
  verifyEcdsa(
    key: EcPublicKey,
    hash: HashName,
    message: Uint8Array,
    signature: Uint8Array,
    format: SignatureFormat,
  ): boolean
  /** Verifies over an already computed digest (CCF facts §4.2). Slower in `native`: prefer verifyEcdsa where the preimage is known. */
  verifyEcdsaDigest(key: EcPublicKey, digest: Uint8Array, signature: Uint8Array, format: SignatureFormat): boolean
  /** Signs with a PKCS#8 EC private key. For clients, tests and simulation; live nodes use the `sign` effect. */
  signEcdsa(pkcs8: Uint8Array, hash: HashName, message: Uint8Array, format: SignatureFormat): Uint8Array
  /**
   * RSAES-OAEP (SHA-256, MGF1 of it, no label) under an RSA key in SPKI, a pure function of `seed`: 32 fresh random bytes.
   * Undefined when `spki` is no RSA key of 1024 to 8192 bits. Throws RangeError for a message above `oaepBytesMax`.
   */
  rsaOaepEncrypt(spki: Uint8Array, message: Uint8Array, seed: Uint8Array): Uint8Array | undefined
  /** Undefined when it does not decrypt. Throws RangeError when `pkcs8` is no RSA key. */
  rsaOaepDecrypt(pkcs8: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined
}

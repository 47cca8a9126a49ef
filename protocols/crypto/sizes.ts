// Sizes of keys, nonces and tags, and the check both implementations make on their callers.
// Not a limit on outside input: a wrong size here is a defect of the caller, hence RangeError and not a refusal.
// The rule to remember: what may come from outside (tags, signatures, peers' public keys) is answered with undefined or false.

export const SHA256_BYTES = 32
export const AES_KEY_BYTES = 32
export const GCM_IV_BYTES = 12
export const GCM_TAG_BYTES = 16
export const X25519_BYTES = 32
/** RFC 5869 §2.3: L ≤ 255 · HashLen. */
export const HKDF_BYTES_MAX = 255 * SHA256_BYTES

export function requireBytes(bytes: Uint8Array, length: number, what: string): void {
  if (bytes.length !== length) throw new RangeError(`${what} has ${bytes.length} bytes, not ${length}`)
}

export function requireHkdfLength(length: number): void {
  if (!Number.isInteger(length) || length < 0 || length > HKDF_BYTES_MAX) {
    throw new RangeError(`HKDF output of ${length} bytes; at most ${HKDF_BYTES_MAX}`)
  }
}

/** Digests that may be verified as such: those of SHA-256, SHA-384 and SHA-512. */
export const isDigest = (digest: Uint8Array): boolean =>
  digest.length === 32 || digest.length === 48 || digest.length === 64

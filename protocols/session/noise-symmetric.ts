// CipherState and SymmetricState of the Noise Protocol Framework, revision 34 (§5.1, §5.2), for 25519, AESGCM and SHA256, as immutable values.
// Not the handshake (noise.ts), and not what carries application data (frame.ts).
// The rule to remember: every function returns a new state; the arrays inside a state are never written to.
import { concat, EMPTY } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { invariant } from '../errors.ts'

export const NOISE_KEY_BYTES = 32
export const NOISE_TAG_BYTES = 16

/** A key and the number of its next message; without a key it passes bytes through (§5.1). */
export interface CipherState {
  readonly key: Uint8Array | undefined
  readonly nonce: number
}

export interface SymmetricState {
  readonly chainingKey: Uint8Array
  /** Hash of the handshake so far. */
  readonly hash: Uint8Array
  readonly cipher: CipherState
}

/** The AESGCM nonce of message `n`: 4 zero bytes ‖ u64be n (§12.4). */
export function noiseNonce(n: number): Uint8Array {
  const nonce = new Uint8Array(12)
  const view = new DataView(nonce.buffer)
  view.setUint32(4, Math.floor(n / 2 ** 32))
  view.setUint32(8, n % 2 ** 32)
  return nonce
}

const NO_KEY: CipherState = { key: undefined, nonce: 0 }
export const cipherWithKey = (key: Uint8Array): CipherState => ({ key, nonce: 0 })

/** EncryptWithAd (§5.1): ciphertext ‖ tag, or the plaintext itself while there is no key. */
export function encryptWithAd(
  crypto: Crypto,
  cipher: CipherState,
  ad: Uint8Array,
  plaintext: Uint8Array,
): { readonly cipher: CipherState; readonly bytes: Uint8Array } {
  if (cipher.key === undefined) return { cipher, bytes: plaintext.slice() }
  // The framework reserves 2^64 − 1; a number that is no longer exact would repeat a nonce long before.
  invariant(Number.isSafeInteger(cipher.nonce + 1), 'Noise nonce exhausted')
  const sealed = crypto.aesGcmSeal(cipher.key, noiseNonce(cipher.nonce), ad, plaintext)
  return { cipher: { key: cipher.key, nonce: cipher.nonce + 1 }, bytes: concat(sealed.ciphertext, sealed.tag) }
}

/** DecryptWithAd (§5.1); undefined when the bytes do not authenticate, and the state stays as it was. */
export function decryptWithAd(
  crypto: Crypto,
  cipher: CipherState,
  ad: Uint8Array,
  bytes: Uint8Array,
): { readonly cipher: CipherState; readonly plaintext: Uint8Array } | undefined {
  if (cipher.key === undefined) return { cipher, plaintext: bytes.slice() }
  const split = bytes.length - NOISE_TAG_BYTES
  if (split < 0 || !Number.isSafeInteger(cipher.nonce + 1)) return undefined
  const nonce = noiseNonce(cipher.nonce)
  const plaintext = crypto.aesGcmOpen(cipher.key, nonce, ad, bytes.subarray(0, split), bytes.subarray(split))
  return plaintext && { cipher: { key: cipher.key, nonce: cipher.nonce + 1 }, plaintext }
}

/** InitializeSymmetric (§5.2). */
export function initializeSymmetric(crypto: Crypto, protocolName: Uint8Array): SymmetricState {
  const hash = new Uint8Array(32)
  if (protocolName.length <= 32) hash.set(protocolName)
  else hash.set(crypto.sha256(protocolName))
  return { chainingKey: hash, hash, cipher: NO_KEY }
}

/** Noise's HKDF (§4.3) is RFC 5869 with the chaining key as salt and no info. */
function hkdf(crypto: Crypto, chainingKey: Uint8Array, input: Uint8Array, outputs: 2 | 3): readonly Uint8Array[] {
  const bytes = crypto.hkdfSha256(input, chainingKey, EMPTY, 32 * outputs)
  return [bytes.slice(0, 32), bytes.slice(32, 64), bytes.slice(64, 96)]
}

export function mixHash(crypto: Crypto, state: SymmetricState, data: Uint8Array): SymmetricState {
  return { ...state, hash: crypto.sha256(state.hash, data) }
}

export function mixKey(crypto: Crypto, state: SymmetricState, input: Uint8Array): SymmetricState {
  const [chainingKey, key] = hkdf(crypto, state.chainingKey, input, 2)
  return { chainingKey: chainingKey!, hash: state.hash, cipher: cipherWithKey(key!) }
}

/** MixKeyAndHash (§5.2), for pre-shared keys. */
export function mixKeyAndHash(crypto: Crypto, state: SymmetricState, input: Uint8Array): SymmetricState {
  const [chainingKey, toHash, key] = hkdf(crypto, state.chainingKey, input, 3)
  return { chainingKey: chainingKey!, hash: crypto.sha256(state.hash, toHash!), cipher: cipherWithKey(key!) }
}

export function encryptAndHash(
  crypto: Crypto,
  state: SymmetricState,
  plaintext: Uint8Array,
): { readonly state: SymmetricState; readonly bytes: Uint8Array } {
  const { cipher, bytes } = encryptWithAd(crypto, state.cipher, state.hash, plaintext)
  return { state: { ...state, cipher, hash: crypto.sha256(state.hash, bytes) }, bytes }
}

/** Undefined when the bytes do not authenticate. */
export function decryptAndHash(
  crypto: Crypto,
  state: SymmetricState,
  bytes: Uint8Array,
): { readonly state: SymmetricState; readonly plaintext: Uint8Array } | undefined {
  const opened = decryptWithAd(crypto, state.cipher, state.hash, bytes)
  if (opened === undefined) return undefined
  const hash = crypto.sha256(state.hash, bytes)
  return { state: { ...state, cipher: opened.cipher, hash }, plaintext: opened.plaintext }
}

/** Split (§5.2): the key of what the initiator sends, then that of what the responder sends. */
export function splitKeys(crypto: Crypto, state: SymmetricState): readonly [Uint8Array, Uint8Array] {
  const [initiatorSends, responderSends] = hkdf(crypto, state.chainingKey, EMPTY, 2)
  return [initiatorSends!, responderSends!]
}

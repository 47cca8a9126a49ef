// How one secret is sealed under another (CCF facts §6.3, §6.4): tag 16 ‖ iv 12 ‖ ciphertext 32, AES-256-GCM without associated data.
// The rule to remember: a wrapping key wraps once, so its iv may be zero; a ledger secret also seals transactions, so its iv must be fresh.
import { concat } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { AES_KEY_BYTES, GCM_IV_BYTES, GCM_TAG_BYTES } from '../crypto/sizes.ts'
import { LEDGER_SECRET_BYTES } from './ledger-secrets.ts'

export const SEALED_SECRET_BYTES = GCM_TAG_BYTES + GCM_IV_BYTES + LEDGER_SECRET_BYTES

const NOTHING = new Uint8Array(0)
const ZERO_IV = new Uint8Array(GCM_IV_BYTES)

/** `key`, `secret`: 32 bytes; `iv`: 12, never used with this key before. */
export function sealSecret(crypto: Crypto, key: Uint8Array, secret: Uint8Array, iv: Uint8Array): Uint8Array {
  const { ciphertext, tag } = crypto.aesGcmSeal(key, iv, NOTHING, secret)
  return concat(tag, iv, ciphertext)
}

/** Undefined when the size or the tag is wrong. SECRET. */
export function openSecret(crypto: Crypto, key: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length !== SEALED_SECRET_BYTES) return undefined
  const iv = sealed.subarray(GCM_TAG_BYTES, GCM_TAG_BYTES + GCM_IV_BYTES)
  const ciphertext = sealed.subarray(GCM_TAG_BYTES + GCM_IV_BYTES)
  return crypto.aesGcmOpen(key, iv, NOTHING, ciphertext, sealed.subarray(0, GCM_TAG_BYTES))
}

/**
 * The key that wraps the latest ledger secret, from the 40 bytes that are shared out. CCF declares a constant as HKDF's label and passes the
 * key material instead; kept for compatibility (CCF facts §20.2). SECRET.
 */
export const wrappingKey = (crypto: Crypto, splitSecret: Uint8Array): Uint8Array =>
  crypto.hkdfSha256(splitSecret, NOTHING, splitSecret, AES_KEY_BYTES)

/** `wrapped_latest_ledger_secret`. `key` must not wrap anything else, ever. */
export const wrapLedgerSecret = (crypto: Crypto, key: Uint8Array, secret: Uint8Array): Uint8Array =>
  sealSecret(crypto, key, secret, ZERO_IV)

// `recovery_shares` (CCF facts §6.4): the latest ledger secret, wrapped, and the shares of the wrapping key, encrypted to members.
// The rule to remember: every issue makes a new wrapping key, so shares of different issues never fit together.
import { DecodeError, toBase64 } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { encodeSortedJson } from '../governance/sorted-json.ts'
import { decodeJsonObject } from '../ledger/tables.ts'
import { base64At, objectAt, optional, seqnoAt } from './fields.ts'
import { decodeShare, recombine, type Share } from './shamir.ts'
import { openSecret, SEALED_SECRET_BYTES, wrappingKey } from './wrapping.ts'

export interface RecoveryShares {
  readonly wrappedLatestLedgerSecret: Uint8Array
  /** By member id: RSA-OAEP under the member's encryption key. */
  readonly encryptedShares: Readonly<Record<string, Uint8Array>>
  /** Seqno of the record that holds the secret before the latest; a rekey does not know it yet and leaves it out. */
  readonly previousSecretStoredVersion?: number
}

export const encodeRecoveryShares = (value: RecoveryShares): Uint8Array =>
  encodeSortedJson({
    encrypted_shares: Object.fromEntries(
      Object.entries(value.encryptedShares).map(([member, share]) => [member, toBase64(share)]),
    ),
    previous_secret_stored_version: value.previousSecretStoredVersion,
    wrapped_latest_ledger_secret: toBase64(value.wrappedLatestLedgerSecret),
  })

/** @throws DecodeError */
export function decodeRecoveryShares(value: Uint8Array): RecoveryShares {
  const fields = decodeJsonObject(value)
  const shares = objectAt(fields['encrypted_shares'], 'encrypted_shares')
  const wrapped = base64At(fields['wrapped_latest_ledger_secret'], 'wrapped_latest_ledger_secret')
  if (wrapped.length !== SEALED_SECRET_BYTES) throw new DecodeError('wrapped_latest_ledger_secret: wrong size', 0)
  return {
    wrappedLatestLedgerSecret: wrapped,
    encryptedShares: Object.fromEntries(
      Object.entries(shares).map(([member, share]) => [member, base64At(share, 'a share')]),
    ),
    ...optional(
      'previousSecretStoredVersion',
      seqnoAt(fields['previous_secret_stored_version'], 'previous_secret_stored_version'),
    ),
  }
}

/** The key that the shares stand for; undefined when they do not fit together. Too few give a key that opens nothing. SECRET. */
export function keyOfShares(crypto: Crypto, shares: readonly Share[]): Uint8Array | undefined {
  const secret = recombine(shares)
  return secret && wrappingKey(crypto, secret)
}

/** The latest ledger secret; undefined when the key is not the one that wrapped it. SECRET. */
export const unwrapLatest = (crypto: Crypto, key: Uint8Array, value: RecoveryShares): Uint8Array | undefined =>
  openSecret(crypto, key, value.wrappedLatestLedgerSecret)

/** A member's share, decrypted with its private key (PKCS#8); undefined when it is not for that key. SECRET. */
export function openShare(crypto: Crypto, pkcs8: Uint8Array, encrypted: Uint8Array): Share | undefined {
  const bytes = crypto.rsaOaepDecrypt(pkcs8, encrypted)
  return bytes && decodeShare(bytes)
}

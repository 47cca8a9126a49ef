// What a verifier of receipts brings along, and what both kinds of receipt check alike. Not the receipts themselves.
// The rule to remember: a receipt never says what to trust; everything believed leads back to the service certificate given here.
import { equalBytes } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'

export interface ReceiptTrust {
  /** PEM of the service identity the verifier trusts. */
  readonly serviceCertificate: string
  /** The claims themselves: their SHA-256 must be the claims digest of the transaction. */
  readonly claims?: Uint8Array
  /** 32 bytes the claims digest must equal. */
  readonly claimsDigest?: Uint8Array
  /**
   * Endorsements of the identities the service had before (endorsements.ts), newest first, base64: with them, receipts of those hold too.
   * Text from anywhere: believed only as far as the trusted service signed.
   */
  readonly endorsements?: readonly string[]
  /**
   * JSON receipts: when given (Unix seconds), node and service certificate must be valid at this time. By default dates are not looked at, as
   * in CCF's verifier: a receipt is evidence of what was, and does not expire.
   */
  readonly nowSeconds?: number
}

/** Thrown within verifiers only; its message becomes the reason. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

/** The claims digest the verifier expects; undefined: any. @throws Refused when it expects two. */
export function expectedClaims(crypto: Crypto, { claims, claimsDigest }: ReceiptTrust): Uint8Array | undefined {
  if (claims === undefined) return claimsDigest
  const digest = crypto.sha256(claims)
  if (claimsDigest !== undefined && !equalBytes(digest, claimsDigest))
    throw new Refused('claims and claims digest given differ')
  return digest
}

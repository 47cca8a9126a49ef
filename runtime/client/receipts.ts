// Receipts without a network: whoever holds the service certificate can check them, for ever.
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { ReceiptTrust } from '../../protocols/receipts/trust.ts'
import {
  verifyCoseReceipt as verifyCose,
  type CoseReceiptVerification,
} from '../../protocols/receipts/verify-cose-receipt.ts'
import { verifyReceipt as verify, type ReceiptVerification } from '../../protocols/receipts/verify-receipt.ts'

/** Verifies a receipt (parsed JSON) against the service certificate, and the claims if they are given. Never throws on bad input. */
export type VerifyReceipt = (receipt: unknown, trust: ReceiptTrust) => ReceiptVerification

/** The same for a COSE receipt. */
export type VerifyCoseReceipt = (receipt: Uint8Array, trust: ReceiptTrust) => CoseReceiptVerification

export const receiptVerifier =
  (crypto: Crypto): VerifyReceipt =>
  (receipt, trust) =>
    verify(crypto, receipt, trust)

export const coseReceiptVerifier =
  (crypto: Crypto): VerifyCoseReceipt =>
  (receipt, trust) =>
    verifyCose(crypto, receipt, trust)

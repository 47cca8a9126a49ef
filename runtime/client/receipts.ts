// Receipts without a network: whoever holds the service certificate can check them, for ever.
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import {
  verifyReceipt as verify,
  type ReceiptTrust,
  type ReceiptVerification,
} from '../../protocols/receipts/verify-receipt.ts'

/** Verifies a receipt (parsed JSON) against the service certificate, and the claims if they are given. Never throws on bad input. */
export type VerifyReceipt = (receipt: unknown, trust: ReceiptTrust) => ReceiptVerification

export const receiptVerifier =
  (crypto: Crypto): VerifyReceipt =>
  (receipt, trust) =>
    verify(crypto, receipt, trust)

// Verification of a COSE receipt (CCF facts §5.2). No certificate chain is needed: the service key, or an earlier one that it endorses,
// signed the root itself. A pure function: no network, no clock; it runs in browsers.
// The rule to remember: all proofs lead to one root, and that root is the detached payload of the signature.
import { DecodeError, equalBytes, utf8 } from '../codec/bytes.ts'
import { parseEcCertificate } from '../crypto/certificate.ts'
import { checkRootSignature, COSE_HEADERS, type CoseSign1, serviceKeyId } from '../crypto/cose.ts'
import type { Crypto, EcPublicKey } from '../crypto/crypto.ts'
import { parseTxId, type TxId } from '../ids.ts'
import { leafHash } from '../ledger/leaf.ts'
import { foldProof } from '../merkle/tree.ts'
import { decodeCoseReceipt, type InclusionProof } from './cose-receipt.ts'
import {
  type EndorsedService,
  findEndorsed,
  parseEndorsements,
  requireCovered,
  requireInEpoch,
} from './endorsements.ts'
import { commitEvidenceTxId } from './receipt.ts'
import { expectedClaims, type ReceiptTrust, Refused } from './trust.ts'

export interface VerifiedInclusion {
  readonly txId: TxId
  /** 32 bytes; zero: no claims. */
  readonly claimsDigest: Uint8Array
}

export type CoseReceiptVerification =
  | {
      readonly ok: true
      /** 32 bytes. */
      readonly root: Uint8Array
      /** Of the signature transaction. */
      readonly signatureTxId: TxId
      /** At least one; all lead to the same root. */
      readonly inclusions: readonly VerifiedInclusion[]
    }
  | { readonly ok: false; readonly reason: string }

interface Signer {
  readonly key: EcPublicKey
  /** Undefined: the trusted service itself. */
  readonly endorsed: EndorsedService | undefined
}

/** Whom the receipt says it is signed by: the trusted service, or an earlier one the endorsements lead to. */
function signerOf(crypto: Crypto, sign1: CoseSign1, trust: ReceiptTrust): Signer {
  const trusted = parseEcCertificate(crypto, trust.serviceCertificate).publicKey
  const kid = sign1.protectedHeader.get(COSE_HEADERS.kid)
  const isNamed = ({ spki }: EcPublicKey): boolean =>
    kid instanceof Uint8Array && equalBytes(kid, utf8(serviceKeyId(crypto, spki)))
  if (trust.endorsements === undefined || isNamed(trusted)) return { key: trusted, endorsed: undefined }
  const endorsed = findEndorsed(crypto, trusted, parseEndorsements(crypto, trust.endorsements), isNamed)
  return { key: endorsed.key, endorsed }
}

function follow(crypto: Crypto, proof: InclusionProof, claims: Uint8Array | undefined) {
  const { writeSetDigest, commitEvidence, claimsDigest, path } = proof
  if (claims !== undefined && !equalBytes(claimsDigest, claims)) throw new Refused('the receipt is for other claims')
  const txId = parseTxId(commitEvidenceTxId(commitEvidence) ?? '')
  if (txId === undefined) throw new Refused('commit evidence names no transaction')
  const leaf = leafHash(crypto, writeSetDigest, crypto.sha256(utf8(commitEvidence)), claimsDigest)
  return { inclusion: { txId, claimsDigest }, root: foldProof(crypto, leaf, path).root }
}

function verify(crypto: Crypto, bytes: Uint8Array, trust: ReceiptTrust): CoseReceiptVerification {
  const { sign1, proofs } = decodeCoseReceipt(bytes)
  const claims = expectedClaims(crypto, trust)
  const followed = proofs.map((proof) => follow(crypto, proof, claims))
  const { root } = followed[0]!
  if (followed.some((other) => !equalBytes(other.root, root))) throw new Refused('proofs lead to different roots')
  const { key, endorsed } = signerOf(crypto, sign1, trust)
  const checked = checkRootSignature(crypto, key, sign1, root)
  if (!checked.ok) return checked
  const inclusions = followed.map(({ inclusion }) => inclusion)
  if (endorsed !== undefined) {
    requireInEpoch(checked.txId, endorsed)
    for (const { txId } of inclusions) requireCovered(txId, endorsed)
  }
  return { ok: true, root, signatureTxId: checked.txId, inclusions }
}

/**
 * Verifies a COSE receipt with the service certificate the caller trusts; with claims, every proof must be for them. Never throws on bad
 * input; the reason is one line for a person.
 */
export function verifyCoseReceipt(crypto: Crypto, bytes: Uint8Array, trust: ReceiptTrust): CoseReceiptVerification {
  try {
    return verify(crypto, bytes, trust)
  } catch (error) {
    if (error instanceof Refused) return { ok: false, reason: error.message }
    if (error instanceof DecodeError) return { ok: false, reason: `malformed: ${error.message}` }
    throw error
  }
}

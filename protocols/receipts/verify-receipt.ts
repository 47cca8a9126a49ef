// Verification of a JSON receipt with nothing but the service certificate (CCF facts §5.1), and for earlier identities of the service their
// endorsements. A pure function: no network, no clock; it runs in browsers.
// The rule to remember: the fold's last step gives the root's preimage, so the node's signature over the root digest is
// checked as an ordinary ECDSA-SHA256 signature; only an empty proof needs the digest variant.
import { concat, DecodeError, equalBytes, fromBase64, fromHex, utf8 } from '../codec/bytes.ts'
import {
  type EcCertificate,
  isValidAt,
  nodeIdOf,
  parseEcCertificate,
  verifyIssuedBy,
  verifySignedBy,
} from '../crypto/certificate.ts'
import type { Crypto, EcPublicKey } from '../crypto/crypto.ts'
import { type NodeId, nodeId, parseTxId, type TxId } from '../ids.ts'
import { leafHash } from '../ledger/leaf.ts'
import { foldProof } from '../merkle/tree.ts'
import { findEndorsed, parseEndorsements, requireCovered } from './endorsements.ts'
import { commitEvidenceTxId, parseReceipt, proofSteps, type Receipt } from './receipt.ts'
import { expectedClaims, type ReceiptTrust, Refused } from './trust.ts'

export type ReceiptVerification =
  | {
      readonly ok: true
      /** 32 bytes: the signed Merkle root. */
      readonly root: Uint8Array
      /** 32 bytes. */
      readonly leaf: Uint8Array
      /** Of the node that signed. */
      readonly nodeId: NodeId
      /** From the commit evidence; undefined for receipts that give only a leaf. */
      readonly txId: TxId | undefined
      /** 32 bytes (zero: no claims); undefined when the leaf has none. */
      readonly claimsDigest: Uint8Array | undefined
    }
  | { readonly ok: false; readonly reason: string }

interface Leaf {
  readonly hash: Uint8Array
  readonly txId: TxId | undefined
  readonly claimsDigest: Uint8Array | undefined
}

function leafOf(crypto: Crypto, receipt: Receipt, trust: ReceiptTrust): Leaf {
  const expected = expectedClaims(crypto, trust)
  const components = receipt.leaf_components
  if (components === undefined) {
    if (expected !== undefined) throw new Refused('the receipt gives no leaf components, so claims cannot be checked')
    return { hash: fromHex(receipt.leaf ?? ''), txId: undefined, claimsDigest: undefined }
  }
  const stated = components.claims_digest === undefined ? undefined : fromHex(components.claims_digest)
  if (stated !== undefined && expected !== undefined && !equalBytes(stated, expected)) {
    throw new Refused('the receipt is for other claims')
  }
  const claimsDigest = stated ?? expected
  const evidence = components.commit_evidence
  const hash = leafHash(crypto, fromHex(components.write_set_digest), crypto.sha256(utf8(evidence)), claimsDigest)
  const txId = parseTxId(commitEvidenceTxId(evidence) ?? '')
  if (txId === undefined) throw new Refused('commit evidence names no transaction')
  return { hash, txId, claimsDigest }
}

/**
 * The node certificate must be issued by the first endorsement's key, each endorsement by the next one's, the last by
 * the service's (CCF facts §5.1 item 4). Endorsements are themselves CA certificates, beyond the path length that a
 * service certificate allows, so for them only the signature counts, as in CCF's own verifier.
 */
function checkChain(crypto: Crypto, node: EcCertificate, receipt: Receipt, service: EcCertificate): void {
  const endorsements = (receipt.service_endorsements ?? []).map((pem) => parseEcCertificate(crypto, pem))
  if (!verifyIssuedBy(crypto, node, endorsements[0] ?? service)) {
    throw new Refused('the node certificate does not lead to the service certificate')
  }
  endorsements.forEach((endorsement, i) => {
    const issuer = endorsements[i + 1] ?? service
    if (!issuer.isCa || !verifySignedBy(crypto, endorsement, issuer.publicKey)) {
      throw new Refused('the service endorsements do not lead to the service certificate')
    }
  })
}

/**
 * The node certificate must be signed by an earlier service that the endorsements lead to, and the transaction be of its epoch. Only the
 * key of that service is known, not its certificate, so issuer names are not compared.
 */
function checkEndorsed(
  crypto: Crypto,
  node: EcCertificate,
  service: EcCertificate,
  txId: TxId | undefined,
  given: readonly string[],
): void {
  const endorsements = parseEndorsements(crypto, given)
  const signedBy = (key: EcPublicKey): boolean => verifySignedBy(crypto, node, key)
  const endorsed = findEndorsed(crypto, service.publicKey, endorsements, signedBy)
  if (node.hasUnknownCriticalExtension) throw new Refused('the node certificate has an unknown critical extension')
  if (txId === undefined)
    throw new Refused('a bare leaf names no transaction, so it is in no earlier epoch for certain')
  requireCovered(txId, endorsed)
}

function checkDates(certificate: EcCertificate, what: string, nowSeconds: number): void {
  if (!isValidAt(certificate, nowSeconds)) throw new Refused(`the ${what} certificate is not valid at that time`)
}

function verify(crypto: Crypto, receipt: Receipt, trust: ReceiptTrust): ReceiptVerification {
  const leaf = leafOf(crypto, receipt, trust)
  const { root, preimage } = foldProof(crypto, leaf.hash, proofSteps(receipt))
  const node = parseEcCertificate(crypto, receipt.cert)
  const service = parseEcCertificate(crypto, trust.serviceCertificate)
  const signature = fromBase64(receipt.signature)
  const holds =
    preimage === undefined
      ? crypto.verifyEcdsaDigest(node.publicKey, root, signature, 'der')
      : crypto.verifyEcdsa(node.publicKey, 'sha256', concat(preimage.left, preimage.right), signature, 'der')
  if (!holds) throw new Refused('the signature over the root does not hold')
  if (nodeIdOf(crypto, node) !== receipt.node_id) throw new Refused('the certificate is not of the node named')
  const { endorsements } = trust
  // A receipt may be older than the recovery after it, so what it brings along may lead nowhere now.
  if (endorsements === undefined || verifyIssuedBy(crypto, node, service)) checkChain(crypto, node, receipt, service)
  else checkEndorsed(crypto, node, service, leaf.txId, endorsements)
  if (trust.nowSeconds !== undefined) {
    checkDates(node, 'node', trust.nowSeconds)
    checkDates(service, 'service', trust.nowSeconds)
  }
  return {
    ok: true,
    root,
    leaf: leaf.hash,
    nodeId: nodeId(receipt.node_id),
    txId: leaf.txId,
    claimsDigest: leaf.claimsDigest,
  }
}

/**
 * Verifies a receipt: parsed JSON from anywhere. Never throws on bad input; the reason is one line for a person.
 */
export function verifyReceipt(crypto: Crypto, receipt: unknown, trust: ReceiptTrust): ReceiptVerification {
  try {
    return verify(crypto, parseReceipt(receipt), trust)
  } catch (error) {
    if (error instanceof Refused) return { ok: false, reason: error.message }
    if (error instanceof DecodeError) return { ok: false, reason: `malformed: ${error.message}` }
    throw error
  }
}

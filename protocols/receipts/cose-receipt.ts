// The COSE receipt (CCF facts §5.2): the service's own root signature with an inclusion proof in its unprotected header.
// Building and reading it; verification is verify-cose-receipt.ts, the JSON receipt receipt.ts.
// The rule to remember: the protected header is passed through byte for byte; only the unprotected header is ours.
import { DecodeError } from '../codec/bytes.ts'
import { COSE_HEADERS, type CoseSign1, decodeCbor, encodeCbor, encodeSign1, parseSign1 } from '../crypto/cose.ts'
import type { Crypto } from '../crypto/crypto.ts'
import type { ProofStep } from '../merkle/tree.ts'
import { inclusionOf, PROOF_STEPS_MAX, type ReceiptInput } from './receipt.ts'

/** Label of inclusion proofs within `vdp`, and the two fields of one proof. */
const INCLUSION_PROOFS = -1
const PROOF_LEAF = 1
const PROOF_PATH = 2
const PROOF_BYTES_MAX = 8192
const PROOFS_MAX = 16
/** A whole receipt. */
const COSE_RECEIPT_BYTES_MAX = PROOFS_MAX * PROOF_BYTES_MAX + 4096

export interface InclusionProof {
  /** 32 bytes. */
  readonly writeSetDigest: Uint8Array
  /** `ce:<view>.<seqno>:<hex>`. */
  readonly commitEvidence: string
  /** 32 bytes. */
  readonly claimsDigest: Uint8Array
  /** From the leaf to the root. */
  readonly path: readonly ProofStep[]
}

/** One proof as CBOR, also usable alone (CCF's `describe_merkle_proof_v1`). */
export const encodeInclusionProof = (proof: InclusionProof): Uint8Array =>
  encodeCbor(
    new Map<number, unknown>([
      [PROOF_LEAF, [proof.writeSetDigest, proof.commitEvidence, proof.claimsDigest]],
      [PROOF_PATH, proof.path.map((step) => [step.side === 'left', step.hash])],
    ]),
  )

/**
 * Builds a COSE receipt from a stored root signature (`cose_signatures`).
 * @throws DecodeError when `coseSign1` is not a COSE_Sign1.
 */
export function buildCoseReceipt(coseSign1: Uint8Array, proofs: readonly InclusionProof[]): Uint8Array {
  const { protectedBytes, signature } = parseSign1(coseSign1)
  const vdp = new Map([[INCLUSION_PROOFS, proofs.map(encodeInclusionProof)]])
  return encodeSign1(protectedBytes, new Map([[COSE_HEADERS.vdp, vdp]]), undefined, signature)
}

/** What the COSE receipt of a transaction is built from. */
export interface CoseReceiptInput extends ReceiptInput {
  /** Text; there is no COSE receipt without. */
  readonly commitEvidence: string
}

/**
 * The COSE receipt of a transaction, signature transactions included, from a later signature. Undefined when that signature's tree does not
 * hold its leaf, the signature has no COSE signature (old ledgers), or the entry no claims digest (old entry types).
 * @throws DecodeError when the entry or the signature is malformed.
 */
export function coseReceiptOf(crypto: Crypto, input: CoseReceiptInput): Uint8Array | undefined {
  const { coseSign1 } = input.signature
  const inclusion = coseSign1 && inclusionOf(crypto, input)
  const claimsDigest = inclusion?.header.claimsDigest
  if (coseSign1 === undefined || inclusion === undefined || claimsDigest === undefined) return undefined
  const { writeSetDigest, path } = inclusion
  return buildCoseReceipt(coseSign1, [{ writeSetDigest, commitEvidence: input.commitEvidence, claimsDigest, path }])
}

const isHash = (value: unknown): value is Uint8Array => value instanceof Uint8Array && value.length === 32

function parseStep(value: unknown): ProofStep {
  if (!Array.isArray(value) || value.length !== 2) throw new DecodeError('bad proof step', 0)
  const [left, hash] = value as unknown[]
  if (typeof left !== 'boolean' || !isHash(hash)) throw new DecodeError('bad proof step', 0)
  return { side: left ? 'left' : 'right', hash }
}

/** @throws DecodeError */
export function decodeInclusionProof(bytes: Uint8Array): InclusionProof {
  const map = decodeCbor(bytes, PROOF_BYTES_MAX)
  const leaf = map instanceof Map ? (map.get(PROOF_LEAF) as unknown) : undefined
  const path = map instanceof Map ? (map.get(PROOF_PATH) as unknown) : undefined
  if (!Array.isArray(leaf) || leaf.length !== 3) throw new DecodeError('bad leaf of inclusion proof', 0)
  const [writeSetDigest, commitEvidence, claimsDigest] = leaf as unknown[]
  if (!isHash(writeSetDigest) || !isHash(claimsDigest) || typeof commitEvidence !== 'string') {
    throw new DecodeError('bad leaf of inclusion proof', 0)
  }
  if (!Array.isArray(path) || path.length === 0 || path.length > PROOF_STEPS_MAX) {
    throw new DecodeError('bad path of inclusion proof', 0)
  }
  return { writeSetDigest, commitEvidence, claimsDigest, path: path.map(parseStep) }
}

export interface CoseReceipt {
  readonly sign1: CoseSign1
  /** At least one. */
  readonly proofs: readonly InclusionProof[]
}

/** Reads a COSE receipt without judging it. @throws DecodeError */
export function decodeCoseReceipt(bytes: Uint8Array): CoseReceipt {
  if (bytes.length > COSE_RECEIPT_BYTES_MAX) throw new DecodeError(`COSE receipt of ${bytes.length} bytes`, 0)
  const sign1 = parseSign1(bytes)
  const vdp = sign1.unprotectedHeader.get(COSE_HEADERS.vdp)
  const proofs = vdp instanceof Map ? (vdp.get(INCLUSION_PROOFS) as unknown) : undefined
  if (!Array.isArray(proofs) || proofs.length === 0 || proofs.length > PROOFS_MAX) {
    throw new DecodeError('no inclusion proofs', 0)
  }
  return { sign1, proofs: (proofs as unknown[]).map(proofOf) }
}

function proofOf(bytes: unknown): InclusionProof {
  if (!(bytes instanceof Uint8Array)) throw new DecodeError('inclusion proof is not a byte string', 0)
  return decodeInclusionProof(bytes)
}

// The COSE receipt (CCF facts §5.2): the service's own root signature with an inclusion proof in its unprotected header.
// It needs no certificate chain: the service key signed the root itself. The JSON receipt is receipt.ts.
// The rule to remember: the protected header is passed through byte for byte; only the unprotected header is ours.
import { DecodeError, equalBytes, utf8 } from '../codec/bytes.ts'
import {
  checkRootSignature,
  COSE_HEADERS,
  type CborMap,
  decodeCbor,
  encodeCbor,
  encodeSign1,
  parseSign1,
} from '../crypto/cose.ts'
import type { Crypto, EcPublicKey } from '../crypto/crypto.ts'
import { parseTxId, type TxId } from '../ids.ts'
import { leafHash } from '../ledger/leaf.ts'
import { foldProof, type ProofStep } from '../merkle/tree.ts'
import { commitEvidenceTxId, PROOF_STEPS_MAX } from './receipt.ts'

/** Label of inclusion proofs within `vdp`, and the two fields of one proof. */
const INCLUSION_PROOFS = -1
const PROOF_LEAF = 1
const PROOF_PATH = 2
const PROOF_BYTES_MAX = 8192
const PROOFS_MAX = 16

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

const no = (reason: string): CoseReceiptVerification => ({ ok: false, reason })

function proofsOf(unprotectedHeader: CborMap): InclusionProof[] {
  const vdp = unprotectedHeader.get(COSE_HEADERS.vdp)
  const proofs = vdp instanceof Map ? (vdp.get(INCLUSION_PROOFS) as unknown) : undefined
  if (!Array.isArray(proofs) || proofs.length === 0 || proofs.length > PROOFS_MAX) {
    throw new DecodeError('no inclusion proofs', 0)
  }
  return (proofs as unknown[]).map((proof) => {
    if (!(proof instanceof Uint8Array)) throw new DecodeError('inclusion proof is not a byte string', 0)
    return decodeInclusionProof(proof)
  })
}

function verify(
  crypto: Crypto,
  serviceKey: EcPublicKey,
  bytes: Uint8Array,
  claimsDigest: Uint8Array | undefined,
): CoseReceiptVerification {
  const sign1 = parseSign1(bytes)
  const inclusions: VerifiedInclusion[] = []
  let root: Uint8Array | undefined
  for (const proof of proofsOf(sign1.unprotectedHeader)) {
    if (claimsDigest !== undefined && !equalBytes(proof.claimsDigest, claimsDigest))
      return no('the receipt is for other claims')
    const txId = parseTxId(commitEvidenceTxId(proof.commitEvidence) ?? '')
    if (txId === undefined) return no('commit evidence names no transaction')
    const evidenceDigest = crypto.sha256(utf8(proof.commitEvidence))
    const folded = foldProof(
      crypto,
      leafHash(crypto, proof.writeSetDigest, evidenceDigest, proof.claimsDigest),
      proof.path,
    )
    if (root !== undefined && !equalBytes(root, folded.root)) return no('proofs lead to different roots')
    root = folded.root
    inclusions.push({ txId, claimsDigest: proof.claimsDigest })
  }
  if (root === undefined) return no('no inclusion proofs')
  const checked = checkRootSignature(crypto, serviceKey, sign1, root)
  return checked.ok ? { ok: true, root, signatureTxId: checked.txId, inclusions } : checked
}

/**
 * Verifies a COSE receipt with the key of the service certificate the caller trusts. Never throws on bad input.
 * @param claimsDigest when given (32 bytes), every proof must be for these claims.
 */
export function verifyCoseReceipt(
  crypto: Crypto,
  serviceKey: EcPublicKey,
  bytes: Uint8Array,
  claimsDigest?: Uint8Array,
): CoseReceiptVerification {
  try {
    return verify(crypto, serviceKey, bytes, claimsDigest)
  } catch (error) {
    if (error instanceof DecodeError) return no(`malformed: ${error.message}`)
    throw error
  }
}

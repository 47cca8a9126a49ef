// The JSON receipt (CCF facts §5.1): its shape, how a node builds one, and bounded parsing. Verification is next door.
// A receipt shows, offline, that a transaction is in the tree whose root a node of the service signed.
// The rule to remember: it reveals the commit evidence, so it is built only for committed transactions.
import { DecodeError, fromHex, toBase64, toHex } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { decodeEntryHeader, type EntryHeader } from '../ledger/entry.ts'
import { leafHash, writeSetDigest } from '../ledger/leaf.ts'
import type { SignatureContent } from '../ledger/signature.ts'
import { deserialiseTree, type MerkleTree, proof as proofOf, type ProofStep } from '../merkle/tree.ts'

export interface LeafComponents {
  /** Hex; absent in ledgers without claims, or stripped by the application (the verifier fills it in). */
  readonly claims_digest?: string
  /** `ce:<view>.<seqno>:<hex>`. */
  readonly commit_evidence: string
  /** Hex. */
  readonly write_set_digest: string
}

/** One sibling hash (hex), named by the side on which it stands. */
export type ReceiptStep = { readonly left: string } | { readonly right: string }

/** Exactly CCF's JSON, keys in its (alphabetical) order. */
export interface Receipt {
  /** PEM of the signing node. */
  readonly cert: string
  /** Hex; only instead of `leaf_components`: signature transactions and transactions of old ledgers. */
  readonly leaf?: string
  readonly leaf_components?: LeafComponents
  readonly node_id: string
  /** From the leaf to the root. */
  readonly proof: readonly ReceiptStep[]
  /** PEMs leading from the key that issued `cert` to the current service identity. */
  readonly service_endorsements?: readonly string[]
  /** Base64 DER over the root. */
  readonly signature: string
}

export interface ReceiptInput {
  /** The transaction's entry as it stands in the ledger. */
  readonly entryBytes: Uint8Array
  /** Text of its commit evidence (leaf.ts); undefined for entry types without, or unknown: the receipt then gives the bare leaf. */
  readonly commitEvidence: string | undefined
  /** A signature transaction after it. */
  readonly signature: SignatureContent
  /** The tree that signature signed (size = its seqno); by default rebuilt from the signature's serialised tree. */
  readonly tree?: MerkleTree | undefined
  readonly serviceEndorsements?: readonly string[] | undefined
}

const stepToJson = (step: ProofStep): ReceiptStep =>
  step.side === 'left' ? { left: toHex(step.hash) } : { right: toHex(step.hash) }

/** What any receipt of a transaction shows: the parts of its leaf, and the way from there to a signed root. */
export interface Inclusion {
  readonly header: EntryHeader
  /** 32 bytes. */
  readonly writeSetDigest: Uint8Array
  /** From the leaf to the root. */
  readonly path: readonly ProofStep[]
}

/**
 * Finds a transaction under a signature. Undefined when that signature's tree does not hold the transaction's leaf (signed before it,
 * or flushed since).
 * @throws DecodeError when the entry or the serialised tree is malformed.
 */
export function inclusionOf(crypto: Crypto, { entryBytes, signature, tree }: ReceiptInput): Inclusion | undefined {
  const header = decodeEntryHeader(entryBytes)
  const signed = tree ?? deserialiseTree(crypto, signature.treeBytes)
  const path = signed.size === signature.seqno ? proofOf(crypto, signed, header.seqno) : undefined
  return path && { header, writeSetDigest: writeSetDigest(crypto, entryBytes), path }
}

/**
 * Builds the receipt of a transaction from a later signature. Undefined where `inclusionOf` is.
 * @throws DecodeError when the entry or the serialised tree is malformed.
 */
export function buildReceipt(crypto: Crypto, input: ReceiptInput): Receipt | undefined {
  const { signature } = input
  const inclusion = inclusionOf(crypto, input)
  if (inclusion === undefined) return undefined
  const { header, writeSetDigest: digest, path } = inclusion
  const claims = header.claimsDigest
  const leaf =
    input.commitEvidence === undefined
      ? { leaf: toHex(leafHash(crypto, digest, header.commitEvidenceDigest, claims)) }
      : {
          leaf_components: {
            ...(claims === undefined ? {} : { claims_digest: toHex(claims) }),
            commit_evidence: input.commitEvidence,
            write_set_digest: toHex(digest),
          },
        }
  return {
    cert: signature.nodeCertPem,
    ...leaf,
    node_id: signature.nodeId,
    proof: path.map(stepToJson),
    ...(input.serviceEndorsements === undefined ? {} : { service_endorsements: input.serviceEndorsements }),
    signature: toBase64(signature.signatureDer),
  }
}

/** The receipt of a signature transaction: its signed root as leaf, and nothing to prove (CCF facts §5.1). */
export function buildSignatureReceipt(signature: SignatureContent, serviceEndorsements?: readonly string[]): Receipt {
  return {
    cert: signature.nodeCertPem,
    leaf: toHex(signature.root),
    node_id: signature.nodeId,
    proof: [],
    ...(serviceEndorsements === undefined ? {} : { service_endorsements: serviceEndorsements }),
    signature: toBase64(signature.signatureDer),
  }
}

/** Longest proof: one step for each of the 2^63 seqnos' bits. */
export const PROOF_STEPS_MAX = 64
const PEM_CHARS_MAX = 16 * 1024
const ENDORSEMENTS_MAX = 16
/** A DER signature of P-521 has at most 141 bytes. */
const SIGNATURE_CHARS_MAX = 256
const COMMIT_EVIDENCE = /^ce:([0-9]{1,10}\.[0-9]{1,16}):[0-9a-f]{64}$/

/** The transaction id inside a commit evidence text, or undefined when it is not one. */
export const commitEvidenceTxId = (text: string): string | undefined => COMMIT_EVIDENCE.exec(text)?.[1]

type Json = Readonly<Record<string, unknown>>

function asObject(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DecodeError(`${what} is not an object`, 0)
  }
  return value as Json
}

function textField(object: Json, name: string, charsMax: number): string {
  const value = object[name]
  if (typeof value !== 'string' || value.length === 0 || value.length > charsMax)
    throw new DecodeError(`bad ${name}`, 0)
  return value
}

function hashField(object: Json, name: string): string {
  const value = object[name]
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value))
    throw new DecodeError(`${name} is not a SHA-256 hash`, 0)
  return value
}

function parseStep(value: unknown): ReceiptStep {
  const step = asObject(value, 'proof step')
  if ('left' in step === 'right' in step) throw new DecodeError('proof step needs one of left and right', 0)
  return 'left' in step ? { left: hashField(step, 'left') } : { right: hashField(step, 'right') }
}

function parseComponents(value: unknown): LeafComponents {
  const components = asObject(value, 'leaf_components')
  const evidence = textField(components, 'commit_evidence', 1024)
  // Anything else as evidence would let an inner node's preimage pass for a leaf's (CCF facts §20.4).
  if (commitEvidenceTxId(evidence) === undefined) throw new DecodeError('bad commit_evidence', 0)
  return {
    ...(components['claims_digest'] === undefined ? {} : { claims_digest: hashField(components, 'claims_digest') }),
    commit_evidence: evidence,
    write_set_digest: hashField(components, 'write_set_digest'),
  }
}

function parseList<T>(value: unknown, what: string, lengthMax: number, parse: (item: unknown) => T): T[] {
  if (!Array.isArray(value) || value.length > lengthMax) throw new DecodeError(`bad ${what}`, 0)
  return value.map((item) => parse(item))
}

function parsePem(value: unknown): string {
  return textField({ certificate: value }, 'certificate', PEM_CHARS_MAX)
}

/**
 * A receipt from parsed JSON of unknown origin. Unknown fields are ignored (CCF's applications add some); everything
 * kept is bounded and well-formed, but nothing is verified.
 * @throws DecodeError
 */
export function parseReceipt(value: unknown): Receipt {
  const json = asObject(value, 'receipt')
  const hasLeaf = json['leaf'] !== undefined
  if (hasLeaf === (json['leaf_components'] !== undefined)) {
    throw new DecodeError('receipt needs one of leaf and leaf_components', 0)
  }
  const endorsements = json['service_endorsements']
  return {
    cert: parsePem(json['cert']),
    ...(hasLeaf ? { leaf: hashField(json, 'leaf') } : { leaf_components: parseComponents(json['leaf_components']) }),
    node_id: hashField(json, 'node_id'),
    proof: parseList(json['proof'], 'proof', PROOF_STEPS_MAX, parseStep),
    ...(endorsements === undefined
      ? {}
      : { service_endorsements: parseList(endorsements, 'service_endorsements', ENDORSEMENTS_MAX, parsePem) }),
    signature: textField(json, 'signature', SIGNATURE_CHARS_MAX),
  }
}

/** The proof of a parsed receipt as hashes. */
export const proofSteps = (receipt: Receipt): ProofStep[] =>
  receipt.proof.map((step) =>
    'left' in step ? { side: 'left', hash: fromHex(step.left) } : { side: 'right', hash: fromHex(step.right) },
  )

// Offline verification of a ledger, entry by entry, from its files alone (CCF facts §3.6): nothing is decrypted, no
// secret is needed. A pure state machine: each call returns the next state; reading files is the caller's business.
// The rule to remember: an entry is only as good as the next signature; `lastSignedSeqno` says how far the proof goes.
import { concat, DecodeError, equalBytes, fromHex, toHex } from '../codec/bytes.ts'
import { parseEcCertificate } from '../crypto/certificate.ts'
import { verifyRootSignature } from '../crypto/cose.ts'
import type { Crypto, EcPublicKey } from '../crypto/crypto.ts'
import { CorruptDataError } from '../errors.ts'
import { seqno, type Seqno, SEQNO_UNKNOWN, type View, VIEW_UNKNOWN } from '../ids.ts'
import { appendAll, deserialiseTree, emptyTree, flush, type MerkleTree, root, serialiseTree } from '../merkle/tree.ts'
import { decodeEntry, type Entry, ENTRY_TYPES } from './entry.ts'
import { entryLeaf } from './leaf.ts'
import {
  applyToServiceRecord,
  checkSignatureCertificate,
  LedgerFault,
  noService,
  type ServiceRecord,
  signerKey,
} from './service-record.ts'
import { parseSignature, type SignatureContent } from './signature.ts'
import { decodeJsonString, INTERNAL_TABLES, singleValue } from './tables.ts'
import { mapWrites } from './write-set.ts'

/** One service identity's part of the ledger: a new epoch begins with every recovery. */
export interface EpochSummary {
  readonly firstSeqno: Seqno
  readonly lastSeqno: Seqno
  readonly serviceCertificatePem: string
  readonly signatures: number
  readonly coseSignatures: number
  /** 0 before the first signature. */
  readonly lastSignedSeqno: Seqno
  /** Root of the last signature: 64 hex digits. */
  readonly root: string | undefined
}

export interface Verification {
  readonly crypto: Crypto
  readonly trustedKey: EcPublicKey | undefined
  readonly lastSeqno: Seqno
  readonly lastView: View
  /** Over all entries so far; leaves are kept only as far back as signatures still serialise them. */
  readonly tree: MerkleTree
  readonly service: ServiceRecord
  readonly epochs: readonly EpochSummary[]
  /** View history: the first seqno of each view. */
  readonly firstSeqnoOfView: ReadonlyMap<View, Seqno>
}

export interface EntryPlace {
  /** The file, for error messages. */
  readonly file: string
  /** Of the entry within the file. */
  readonly offset: number
}

/** What is known of a ledger up to a signature transaction, from a verified snapshot. */
export interface LedgerBeginning {
  readonly seqno: Seqno
  readonly view: View
  /** Over leaves 0 … seqno. */
  readonly tree: MerkleTree
  readonly service: ServiceRecord
  /** Of the transaction at `seqno`: 64 hex digits. */
  readonly signedRoot: string
  readonly firstSeqnoOfView: ReadonlyMap<View, Seqno>
}

/**
 * @param options.serviceCertificatePem When given, the ledger's last service identity must have this certificate's key
 * (checked by `finishVerification`).
 * @param options.from What takes the place of all entries up to its seqno.
 * @throws DecodeError when that certificate cannot be read.
 */
export function startVerification(options: {
  readonly crypto: Crypto
  readonly serviceCertificatePem?: string
  readonly from?: LedgerBeginning
}): Verification {
  const { crypto, serviceCertificatePem, from } = options
  return {
    crypto,
    trustedKey:
      serviceCertificatePem === undefined ? undefined : parseEcCertificate(crypto, serviceCertificatePem).publicKey,
    ...(from === undefined ? BEGINNING : beginningAt(from)),
  }
}

type Progress = Omit<Verification, 'crypto' | 'trustedKey'>

const BEGINNING: Progress = {
  lastSeqno: SEQNO_UNKNOWN,
  lastView: VIEW_UNKNOWN,
  tree: emptyTree,
  service: noService,
  epochs: [],
  firstSeqnoOfView: new Map(),
}

function beginningAt({
  seqno: at,
  view: inView,
  tree,
  service,
  signedRoot,
  firstSeqnoOfView,
}: LedgerBeginning): Progress {
  const epoch: EpochSummary = {
    firstSeqno: at,
    lastSeqno: at,
    serviceCertificatePem: service.certificatePem ?? '',
    signatures: 0,
    coseSignatures: 0,
    lastSignedSeqno: at,
    root: signedRoot,
  }
  return { lastSeqno: at, lastView: inView, tree, service, epochs: [epoch], firstSeqnoOfView }
}

function checkPosition(state: Verification, entry: Entry): void {
  if (entry.type === ENTRY_TYPES.snapshot) throw new LedgerFault('a snapshot is no ledger entry')
  checkFollows(state, entry.seqno, entry.view)
}

function checkFollows({ lastSeqno, lastView }: Verification, nextSeqno: Seqno, inView: View): void {
  if (nextSeqno !== lastSeqno + 1) throw new LedgerFault(`seqno ${nextSeqno} follows ${lastSeqno}`)
  if (inView < lastView || inView < 1) throw new LedgerFault(`view ${inView} follows ${lastView}`)
}

/** The serialised tree must be ours, byte for byte; returns our tree, flushed as the signer's was. */
function checkTree(state: Verification, signature: SignatureContent, expectedRoot: Uint8Array): MerkleTree {
  const { crypto } = state
  const theirs = signature.treeBytes
  if (theirs.length < 16) throw new LedgerFault('serialised tree too short')
  const firstKept = new DataView(theirs.buffer, theirs.byteOffset).getBigUint64(8)
  if (firstKept >= BigInt(state.tree.flushed) && firstKept <= BigInt(state.tree.size)) {
    const tree = flush(state.tree, Number(firstKept))
    if (!equalBytes(serialiseTree(tree), theirs)) throw new LedgerFault('serialised tree differs from the ledger')
    return tree
  }
  // A primary of a new view may know of less committed than the one before it, so its tree starts earlier.
  const rebuilt = deserialiseTree(crypto, theirs)
  if (rebuilt.size !== state.tree.size || !equalBytes(root(crypto, rebuilt).root, expectedRoot)) {
    throw new LedgerFault('serialised tree differs from the ledger')
  }
  return state.tree
}

function checkCose(state: Verification, signature: SignatureContent, coseSign1: Uint8Array): void {
  const key = state.service.certificate?.publicKey
  if (key === undefined) throw new LedgerFault('COSE signature before any service identity')
  const checked = verifyRootSignature(state.crypto, key, coseSign1, signature.root)
  if (!checked.ok) throw new LedgerFault(`COSE signature: ${checked.reason}`)
  if (checked.txId.view !== signature.view || checked.txId.seqno !== signature.seqno) {
    throw new LedgerFault('COSE signature names another transaction')
  }
}

function verifySignature(state: Verification, entry: Entry, signature: SignatureContent): Verification {
  const { crypto } = state
  if (entry.claimsDigest?.some((byte) => byte !== 0) === true) throw new LedgerFault('a signature with claims')
  const expected = root(crypto, state.tree)
  if (!equalBytes(expected.root, signature.root)) {
    throw new LedgerFault(`root ${toHex(signature.root)} signed, but the ledger has ${toHex(expected.root)}`)
  }
  const { key, service } = signerKey(crypto, state.service, signature.nodeId)
  checkSignatureCertificate(crypto, service, signature.nodeId, signature.nodeCertPem, key)
  const { preimage } = expected
  const holds =
    preimage === undefined
      ? crypto.verifyEcdsaDigest(key, signature.root, signature.signatureDer, 'der')
      : crypto.verifyEcdsa(key, 'sha256', concat(preimage.left, preimage.right), signature.signatureDer, 'der')
  if (!holds) throw new LedgerFault(`signature of node ${signature.nodeId} does not hold`)
  if (signature.coseSign1 !== undefined) checkCose(state, signature, signature.coseSign1)
  const epoch = state.epochs.at(-1)
  if (epoch === undefined) throw new LedgerFault('signature before any service identity')
  const signed: EpochSummary = {
    ...epoch,
    signatures: epoch.signatures + 1,
    coseSignatures: epoch.coseSignatures + (signature.coseSign1 === undefined ? 0 : 1),
    lastSignedSeqno: signature.seqno,
    root: toHex(signature.root),
  }
  return {
    ...state,
    service,
    tree: checkTree(state, signature, expected.root),
    epochs: [...state.epochs.slice(0, -1), signed],
  }
}

/** A recovered service says which root it continues from: it must be the last one its predecessor signed. */
function checkContinuation(state: Verification, entry: Entry): void {
  const value = singleValue(mapWrites(entry.publicWrites, INTERNAL_TABLES.previousServiceLastSignedRoot))
  if (value === undefined) return
  if (toHex(fromHex(decodeJsonString(value))) !== state.epochs.at(-1)?.root) {
    throw new LedgerFault('continues from a root the previous service did not sign last')
  }
}

function applyTables(state: Verification, entry: Entry): Verification {
  const service = applyToServiceRecord(state.crypto, state.service, entry.publicWrites)
  if (service === state.service) return state
  const { certificate, certificatePem } = service
  const before = state.service.certificate
  if (certificate === undefined || certificatePem === undefined || certificate === before) return { ...state, service }
  if (before !== undefined && equalBytes(before.publicKey.spki, certificate.publicKey.spki))
    return { ...state, service }
  checkContinuation(state, entry)
  const epoch: EpochSummary = {
    firstSeqno: entry.seqno,
    lastSeqno: entry.seqno,
    serviceCertificatePem: certificatePem,
    signatures: 0,
    coseSignatures: 0,
    lastSignedSeqno: SEQNO_UNKNOWN,
    root: undefined,
  }
  return { ...state, service, epochs: [...state.epochs, epoch] }
}

function step(state: Verification, bytes: Uint8Array, entry: Entry): Verification {
  checkPosition(state, entry)
  const signature = parseSignature(entry)
  const checked = signature === undefined ? applyTables(state, entry) : verifySignature(state, entry, signature)
  return appended(checked, entry.view, [entryLeaf(checked.crypto, bytes, entry)])
}

/** Leaves of consecutive transactions of one view come after what was checked. */
function appended(state: Verification, inView: View, leaves: readonly Uint8Array[]): Verification {
  const { crypto, trustedKey, service, epochs, lastSeqno, lastView, firstSeqnoOfView } = state
  // Field by field, not by spreading: it is done for every entry, and it showed.
  return {
    crypto,
    trustedKey,
    service,
    epochs,
    lastSeqno: seqno(lastSeqno + leaves.length),
    lastView: inView,
    tree: appendAll(crypto, state.tree, leaves),
    firstSeqnoOfView:
      inView === lastView ? firstSeqnoOfView : new Map(firstSeqnoOfView).set(inView, seqno(lastSeqno + 1)),
  }
}

/**
 * Whether more of an entry matters to a verifier than its seqno, its view and its leaf: it signs, or it may change the service or its nodes.
 * All of that stands in CCF's own tables (CCF facts §7).
 */
export const concernsService = (entry: Entry): boolean =>
  entry.publicWrites.some(({ name }) => name.startsWith('public:ccf.'))

/**
 * The same step for a run of entries that do not concern the service, were decoded elsewhere (another thread) and are all of one view.
 * @throws LedgerFault when they cannot follow
 */
export function verifyLeaves(
  state: Verification,
  first: Seqno,
  inView: View,
  leaves: readonly Uint8Array[],
): Verification {
  if (leaves.length === 0) return state
  checkFollows(state, first, inView)
  return appended(state, inView, leaves)
}

/** Is told of every entry that was found good, with the state after it. May refuse it with a LedgerFault. */
export type EntryVisitor = (entry: Entry, after: Verification) => void

/**
 * Checks the next entry: format, contiguity, and if it is a signature the root, the serialised tree, the signer and
 * both signatures; if it changes the service or its nodes, that the change may happen.
 * @throws CorruptDataError at the first fault; the state passed in stays valid.
 */
export function verifyEntry(
  state: Verification,
  bytes: Uint8Array,
  where: EntryPlace,
  visit?: EntryVisitor,
): Verification {
  try {
    const entry = decodeEntry(bytes)
    const next = step(state, bytes, entry)
    visit?.(entry, next)
    return next
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof LedgerFault)) throw error
    throw new CorruptDataError(where.file, where.offset, error.message)
  }
}

export interface LedgerSummary {
  readonly lastSeqno: Seqno
  /** Everything up to here is proven. */
  readonly lastSignedSeqno: Seqno
  /** Of the last signature: 64 hex digits. */
  readonly root: string | undefined
  readonly serviceStatus: string | undefined
  readonly epochs: readonly EpochSummary[]
}

/** What was verified. @throws CorruptDataError when the last service identity is not the trusted one. */
export function finishVerification(state: Verification): LedgerSummary {
  const last = state.service.certificate?.publicKey
  if (state.trustedKey !== undefined && (last === undefined || !equalBytes(last.spki, state.trustedKey.spki))) {
    throw new CorruptDataError('ledger', 0, 'belongs to another service than the trusted certificate')
  }
  const epochs = state.epochs.map((epoch, i) => {
    const following = state.epochs[i + 1]
    return { ...epoch, lastSeqno: following === undefined ? state.lastSeqno : seqno(following.firstSeqno - 1) }
  })
  const signed = epochs.findLast((epoch) => epoch.root !== undefined)
  return {
    lastSeqno: state.lastSeqno,
    lastSignedSeqno: signed?.lastSignedSeqno ?? SEQNO_UNKNOWN,
    root: signed?.root,
    serviceStatus: state.service.status,
    epochs,
  }
}

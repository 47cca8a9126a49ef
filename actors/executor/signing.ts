// Signature transactions (CCF facts §4.2, §4.4): when one is due, what is signed, and how it enters the ledger.
// The rule to remember: at most one is under way or uncommitted, so alone a request is signed at once and under load one signature serves many.
import { assembleRootSignature, coseAlgorithm, rootToBeSigned } from '../../protocols/crypto/cose.ts'
import { concat } from '../../protocols/codec/bytes.ts'
import { invariant } from '../../protocols/errors.ts'
import { seqno as asSeqno, view as asView } from '../../protocols/ids.ts'
import { ENTRY_FLAGS, encodeEntry } from '../../protocols/ledger/entry.ts'
import { commitEvidenceDigest, leafHash, writeSetDigest } from '../../protocols/ledger/leaf.ts'
import { signatureWrites } from '../../protocols/ledger/signature.ts'
import { append, root, serialiseTree } from '../../protocols/merkle/tree.ts'
import { applyWriteSet } from '../../store/kv/kv-state.ts'
import type { Envelope, Step } from '../actor.ts'
import { unchanged } from '../actor.ts'
import { send, type SignItem } from '../effects.ts'
import { propose } from './draft.ts'
import { endorsedCertificate } from './node-table.ts'
import { beginSnapshot, isSnapshotDue } from './snapshots.ts'
import { secretFor } from './secrets.ts'
import { isPrimary, lastSeqno, type ExecutorEvent, type ExecutorState, type Pending } from './state.ts'

const ZERO_DIGEST = new Uint8Array(32)

const isDue = (s: ExecutorState): boolean => {
  if (!isPrimary(s) || s.signing !== undefined || s.signatureOutstanding || lastSeqno(s) < 1) return false
  return s.mustSign || (s.pending.last() !== undefined && s.pending.last()!.record.kind !== 'signature')
}

/** Begins a signature transaction if one is due. Time is the host's, and only goes into the COSE `iat` claim. */
export function signIfDue(s: ExecutorState, { at }: Envelope<ExecutorEvent>): Step<ExecutorState> {
  if (!isDue(s)) return unchanged(s)
  const { config } = s
  const seqno = lastSeqno(s) + 1
  const { root: rootHash, preimage } = root(config.crypto, s.tree)
  invariant(s.tree.size === seqno && preimage !== undefined, `signature ${seqno} over a tree of ${s.tree.size} leaves`)
  const cose = rootToBeSigned({
    curve: config.serviceCurve,
    kid: config.serviceKid,
    iatSeconds: Math.floor(at / 1000),
    issuer: config.coseIssuer,
    subject: config.coseSubject,
    view: asView(s.summary.view),
    seqno: asSeqno(seqno),
    root: rootHash,
  })
  const items: SignItem[] = [
    { key: 'node', hash: 'sha256', message: concat(preimage.left, preimage.right), format: 'der' },
    { key: 'service', hash: coseAlgorithm(config.serviceCurve).hash, message: cose.toBeSigned, format: 'raw' },
  ]
  const token = s.nextToken
  const signing = {
    token,
    seqno,
    root: rootHash,
    treeBytes: serialiseTree(s.tree),
    coseProtected: cose.protectedHeader,
    kv: s.kv,
    held: [],
  }
  return { state: { ...s, signing, mustSign: false, nextToken: token + 1 }, effects: [{ type: 'sign', token, items }] }
}

/** The signatures are there: the signature transaction enters the ledger, and what was held back follows it. */
export function signed(s: ExecutorState, envelope: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const { token, signatures } = envelope.event as Extract<ExecutorEvent, { type: 'signed' }>
  const { signing, config } = s
  if (signing === undefined || signing.token !== token) return unchanged(s)
  const [nodeSignature, serviceSignature] = signatures
  invariant(nodeSignature !== undefined && serviceSignature !== undefined, 'two signatures were asked for')
  const certificate = endorsedCertificate(signing.kv, config.nodeId)
  invariant(certificate !== undefined, 'a primary is endorsed by the service')
  const txId = { view: asView(s.summary.view), seqno: asSeqno(signing.seqno) }
  const writes = signatureWrites({
    nodeId: config.nodeId,
    nodeCertPem: certificate,
    root: signing.root,
    ...txId,
    signatureDer: nodeSignature,
    coseSign1: assembleRootSignature(signing.coseProtected, serviceSignature),
    treeBytes: signing.treeBytes,
  })
  const { secret, commitSecret } = secretFor(s.secrets, txId.seqno)
  const evidenceDigest = commitEvidenceDigest(config.crypto, commitSecret, txId.view, txId.seqno)
  const isSnapshotPoint = isSnapshotDue(s, txId.seqno)
  const { bytes } = encodeEntry(config.crypto, secret, {
    ...txId,
    flags: isSnapshotPoint ? ENTRY_FLAGS.forceChunkAfter : 0,
    claimsDigest: ZERO_DIGEST,
    commitEvidenceDigest: evidenceDigest,
    writes,
  })
  const leaf = leafHash(config.crypto, writeSetDigest(config.crypto, bytes), evidenceDigest, ZERO_DIGEST)
  const record = { ...txId, kind: 'signature' as const, bytes }
  const tree = append(config.crypto, s.tree, leaf)
  const checkpoint = { tree, kv: applyWriteSet(signing.kv, writes, signing.seqno) }
  const own: Pending = { record, leaf, writes, checkpoint }
  const entered: ExecutorState = {
    ...s,
    signing: undefined,
    signatureOutstanding: true,
    tree,
    kv: applyWriteSet(s.kv, writes, signing.seqno),
    pending: s.pending.append([own]),
  }
  const begun = isSnapshotPoint ? beginSnapshot(entered, own, checkpoint.kv) : unchanged(entered)
  const following = propose(begun.state, signing.held)
  const records = [record, ...signing.held.map((held) => held.record)]
  return {
    state: following.state,
    effects: [send('replica', { type: 'replicate', view: s.summary.view, records }), ...begun.effects],
  }
}

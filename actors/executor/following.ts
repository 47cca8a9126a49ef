// How the executor follows its replica: becoming primary or backup, entries received, rolled back, committed.
// The rule to remember: a backup hashes and checks at once, and opens entries only when they are committed.
import { equalBytes, toBase64, toHex, utf8 } from '../../protocols/codec/bytes.ts'
import { CorruptDataError, invariant } from '../../protocols/errors.ts'
import { namesNodes, type LogRecord } from '../../protocols/consensus/log.ts'
import type { ConsensusSummary, ReplicaNotice } from '../../protocols/consensus/messages.ts'
import { meaningOf } from '../../protocols/consensus/record.ts'
import { parseCertificate } from '../../protocols/crypto/certificate.ts'
import type { HistoryCommitted } from '../../protocols/historical/messages.ts'
import { formatTxId } from '../../protocols/ids.ts'
import { decodeEntry, decodeEntryHeader, openPrivateDomain, publicMapOf } from '../../protocols/ledger/entry.ts'
import { entryLeaf } from '../../protocols/ledger/leaf.ts'
import { parseSignature } from '../../protocols/ledger/signature.ts'
import { isSignedRoot, signerKey } from '../../protocols/ledger/signer.ts'
import type { SequencedWrites, WriteSet } from '../../protocols/ledger/write-set.ts'
import { append, appendAll, flush, root, type MerkleTree } from '../../protocols/merkle/tree.ts'
import type { CommitNotice, PrimaryChanged } from '../../protocols/requests.ts'
import { commitSubject } from '../../protocols/subjects.ts'
import { applyWriteSets, applyWriteSet, type KvState } from '../../store/kv/kv-state.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { send, type Effect } from '../effects.ts'
import { tellNode, tellOfNodes, tellOfSecrets } from './admission.ts'
import { isRemovedNode } from './node-table.ts'
import { Draft } from './draft.ts'
import { expireForwardings } from './forwarding.ts'
import { abandonIssuing, startOpening } from './issuing.ts'
import { forgetAfter, isSealedAway, learn, secretFor, SECRETS_TABLE } from './secrets.ts'
import { serviceStatus } from './service.ts'
import { dropSnapshots } from './snapshots.ts'
import { isPrimary, type ExecutorEvent, type ExecutorState, type Origin, type Pending } from './state.ts'

const corrupt = (seqno: number, reason: string): never => {
  throw new CorruptDataError(`replicated entry ${seqno}`, 0, reason)
}

/** The tree after `seqno`: from the last signature's checkpoint on, the leaves in between are appended again. */
function treeAfter(s: ExecutorState, pending: ExecutorState['pending']): MerkleTree {
  let from = pending.end
  let base = s.committed.tree
  while (from > pending.first) {
    const checkpoint = pending.at(from - 1)!.checkpoint
    if (checkpoint !== undefined) {
      base = checkpoint.tree
      break
    }
    from--
  }
  return appendAll(
    s.config.crypto,
    base,
    pending.slice(from, pending.end).map(({ leaf }) => leaf),
  )
}

function cutAfter(s: ExecutorState, seqno: number): ExecutorState {
  const pending = s.pending.cutEnd(seqno + 1)
  const secrets = forgetAfter(s.config, s.secrets, seqno)
  return pending === s.pending ? { ...s, secrets } : { ...s, pending, secrets, tree: treeAfter(s, pending) }
}

/** The replica's log was cut: entries after `seqno` never happened. */
export function rolledBack(s: ExecutorState, envelope: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const { seqno } = envelope.event as Extract<ReplicaNotice, { type: 'rolledBack' }>
  return unchanged(cutAfter(s, seqno))
}

/** Not primary (any more): what was only executed here is dropped, and the store goes back to what is committed. */
export function becameBackup(s: ExecutorState, envelope: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const { summary } = envelope.event as Extract<ReplicaNotice, { type: 'becameBackup' }>
  const known = cutAfter(
    {
      ...s,
      summary,
      signing: undefined,
      signatureOutstanding: false,
      mustSign: false,
      caughtUp: [],
      endorsing: undefined,
    },
    summary.lastSeqno,
  )
  const dropped = dropSnapshots(s)
  const { snapshots, snapshotWanted } = dropped.state
  const abandoned = abandonIssuing({ ...known, kv: known.committed.kv, snapshots, snapshotWanted })
  const { state } = abandoned
  const before = s.summary.leaderId
  if (before === summary.leaderId) return step(state, ...dropped.effects, ...abandoned.effects)
  const expired = before === undefined ? unchanged(state) : expireForwardings(state, envelope.at, true)
  return step(expired.state, ...dropped.effects, ...abandoned.effects, ...expired.effects, tellPrimary(summary))
}

const tellPrimary = ({ leaderId }: ConsensusSummary): Effect =>
  send<PrimaryChanged>('node', { type: 'primaryChanged', primary: leaderId })

/** Primary: entries not committed yet are opened, so that the store is at the end of the log; then a signature is due. */
export function becamePrimary(s: ExecutorState, envelope: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const { summary } = envelope.event as Extract<ReplicaNotice, { type: 'becamePrimary' }>
  invariant(
    s.pending.end - 1 === summary.lastSeqno,
    `executor ends at ${s.pending.end - 1}, the log at ${summary.lastSeqno}`,
  )
  let kv = s.committed.kv
  const opened: Pending[] = []
  for (const item of s.pending.toArray()) {
    const writes = item.writes ?? writesOf(s, item.record, false)
    kv = applyWriteSet(kv, writes, item.record.seqno)
    const { checkpoint } = item
    opened.push({ ...item, writes, checkpoint: checkpoint && { ...checkpoint, kv } })
  }
  const pending = s.pending.cutEnd(s.pending.first).append(opened)
  const state: ExecutorState = {
    ...s,
    summary,
    kv,
    pending,
    signing: undefined,
    signatureOutstanding: false,
    mustSign: true,
    // Learners are this primary's to name, whatever was told before.
    nodesTold: '',
  }
  const expired = expireForwardings(state, envelope.at, true)
  const begun = summary.lastSeqno > 0 ? unchanged(expired.state) : beginService(expired.state)
  return step(begun.state, ...expired.effects, tellPrimary(summary), ...begun.effects)
}

/** The genesis transaction of a new service (CCF facts §1: `2.1`). */
function beginService(s: ExecutorState): Step<ExecutorState> {
  const { genesis } = s.config
  invariant(genesis !== undefined, 'primary of an empty ledger without a genesis transaction')
  const draft = new Draft(s)
  draft.kv = applyWriteSet(s.kv, genesis.writes, draft.nextSeqno)
  draft.add({ writes: genesis.writes, claimsDigest: undefined, ...meaningOf(genesis.writes) })
  const begun = draft.finish()
  // It takes the nodes it names to commit it, and they can take part only if this node knows them.
  return step(begun.state, ...begun.effects, tellNode(begun.state, draft.kv))
}

/** `isRemoved`: this node was, for good. It follows the public tables until it stops; who was removed does not get new secrets. */
function writesOf(s: ExecutorState, record: LogRecord, isRemoved: boolean): WriteSet {
  const entry = decodeEntry(record.bytes)
  if (isRemoved && isSealedAway(s.secrets, record.seqno)) return entry.publicWrites
  const { secret } = secretFor(s.secrets, record.seqno)
  const privateWrites = openPrivateDomain(s.config.crypto, secret, entry)
  if (privateWrites === undefined) return corrupt(record.seqno, 'the seal does not hold')
  return [...entry.publicWrites, ...privateWrites]
}

/** Entries from the primary: hashed into the tree; a signature among them must sign exactly what was received. */
export function appended(s: ExecutorState, envelope: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const { records } = envelope.event as Extract<ReplicaNotice, { type: 'appended' }>
  const { crypto } = s.config
  let { tree, signers, secrets } = s
  const added: Pending[] = []
  for (const record of records) {
    const header = decodeEntryHeader(record.bytes)
    if (header.seqno !== record.seqno || header.view !== record.view) corrupt(record.seqno, 'names another transaction')
    if (namesNodes(record.kind)) checkNodes(record)
    const isSignature = record.kind === 'signature'
    if (isSignature) signers = checkSignature(s, tree, record, signers)
    secrets = learn(s.config, secrets, record.seqno, publicMapOf(header, SECRETS_TABLE))
    const leaf = entryLeaf(crypto, record.bytes, header)
    tree = append(crypto, tree, leaf)
    added.push({ record, leaf, writes: undefined, checkpoint: isSignature ? { tree, kv: undefined } : undefined })
  }
  return unchanged({ ...s, tree, signers, secrets, pending: s.pending.append(added) })
}

/** What quorums are counted by must be what the entry itself says. */
function checkNodes({ seqno, kind, nodes, bytes }: LogRecord): void {
  const meaning = meaningOf(decodeEntry(bytes).publicWrites)
  const isSame = meaning.kind === kind && meaning.nodes?.join() === nodes?.join()
  if (!isSame) corrupt(seqno, 'names other nodes than those it was sent with')
}

type Signers = ExecutorState['signers']

/** Throws CorruptDataError unless the signature is by a node of this service, over the root of what was received. */
function checkSignature(s: ExecutorState, tree: MerkleTree, record: LogRecord, signers: Signers): Signers {
  const { crypto } = s.config
  const content = parseSignature(decodeEntry(record.bytes)) ?? corrupt(record.seqno, 'is not a signature transaction')
  const { root: expected, preimage } = root(crypto, tree)
  if (!equalBytes(content.root, expected) || preimage === undefined) corrupt(record.seqno, 'signs another Merkle root')
  const known = signers[content.nodeCertPem]
  const key = known ?? signerKey(crypto, content, [parseCertificate(s.config.serviceCertificatePem)])
  if (typeof key === 'string') return corrupt(record.seqno, key)
  if (!isSignedRoot(crypto, key, preimage!, content)) {
    corrupt(record.seqno, `the signature of node ${content.nodeId} does not hold`)
  }
  return known === undefined ? { ...signers, [content.nodeCertPem]: key } : signers
}

/** The commit index moved: whoever waits is told, the world is told, and the store's committed state follows. */
export function committed(s: ExecutorState, envelope: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const { summary } = envelope.event as Extract<ReplicaNotice, { type: 'committed' }>
  const { seqno } = summary.committed
  const last = s.pending.at(seqno)
  invariant(last?.checkpoint !== undefined, `commit of ${seqno}, which is not a pending signature`)
  const items = s.pending.slice(s.pending.first, seqno + 1)
  const { kv, transactions } =
    last.checkpoint.kv === undefined
      ? openCommitted(s, items)
      : { kv: last.checkpoint.kv, transactions: transactionsOf(items) }
  const committedTree = flush(last.checkpoint.tree, seqno)
  const state: ExecutorState = {
    ...s,
    summary,
    committed: { kv, tree: committedTree },
    kv: isPrimary(s) ? s.kv : kv,
    tree: flush(s.tree, seqno),
    pending: s.pending.cutStart(seqno + 1),
    signatureOutstanding: false,
  }
  const told = tellOrigins(state, summary)
  const history: HistoryCommitted = {
    type: 'historyCommitted',
    seqno,
    viewHistory: summary.viewHistory,
    secrets: s.secrets.all,
    now: transactions && { transactions, tree: committedTree },
  }
  // Secrets before nodes: whoever is let in because of this commit must not be given fewer than it holds.
  const secrets = tellOfSecrets(told.state)
  const known = tellOfNodes(secrets.state)
  const effects = [...told.effects, ...secrets.effects, ...known.effects, send('historian', history)]
  if (!isPrimary(s)) return { state: known.state, effects }
  effects.push(broadcast(s, summary, last.record))
  const opened = openService(known.state)
  return { state: opened.state, effects: [...effects, ...opened.effects] }
}

/** Between commits too, an operator sees who answers. */
export function heard(s: ExecutorState, { event }: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const { peers } = event as Extract<ReplicaNotice, { type: 'heard' }>
  return unchanged({ ...s, summary: { ...s.summary, peers } })
}

interface Opened {
  readonly kv: KvState
  /** Undefined when something in them stays closed to this node. */
  readonly transactions: readonly SequencedWrites[] | undefined
}

/** A backup opens what is committed. */
function openCommitted(s: ExecutorState, items: readonly Pending[]): Opened {
  const { withoutFrom = Number.MAX_SAFE_INTEGER } = s.secrets
  const open = (from: KvState, records: readonly Pending[], isRemoved: boolean): Required<Opened> => {
    const transactions = records.map(({ record, writes }) => ({
      seqno: record.seqno,
      writes: writes ?? writesOf(s, record, isRemoved),
    }))
    return { kv: applyWriteSets(from, transactions), transactions }
  }
  const before = open(
    s.committed.kv,
    items.filter(({ record }) => record.seqno < withoutFrom),
    false,
  )
  const after = items.filter(({ record }) => record.seqno >= withoutFrom)
  if (after.length === 0) return before
  return { kv: open(before.kv, after, isRemovedNode(s, before.kv)).kv, transactions: undefined }
}

/** What is committed and was executed, or opened, before. */
function transactionsOf(items: readonly Pending[]): SequencedWrites[] | undefined {
  const transactions: SequencedWrites[] = []
  for (const { record, writes } of items) {
    if (writes === undefined) return undefined
    transactions.push({ seqno: record.seqno, writes })
  }
  return transactions
}

function tellOrigins(s: ExecutorState, summary: ConsensusSummary): Step<ExecutorState> {
  const { view, seqno } = summary.committed
  const origins: Record<string, Origin> = {}
  const effects: Effect[] = []
  const notice: CommitNotice = { type: 'commitNotice', view, seqno }
  for (const [address, origin] of Object.entries(s.origins)) {
    effects.push(send(address, notice))
    if (origin.forwarding > 0 || origin.seqno > seqno) origins[address] = origin
  }
  return { state: effects.length === 0 ? s : { ...s, origins }, effects }
}

/** What everyone may know and check offline: the committed root and the service's signature over it. */
function broadcast(s: ExecutorState, summary: ConsensusSummary, record: LogRecord): Effect {
  const signature = parseSignature(decodeEntry(record.bytes))
  invariant(signature !== undefined, 'a committed index is a signature')
  const body = {
    cose_sign1: signature.coseSign1 === undefined ? null : toBase64(signature.coseSign1),
    root: toHex(signature.root),
    transaction_id: formatTxId(summary.committed),
  }
  return { type: 'publish', subject: commitSubject(s.config.service), payload: utf8(JSON.stringify(body)) }
}

/** Once genesis is committed, the service opens. (With governance, members will vote on this.) */
function openService(s: ExecutorState): Step<ExecutorState> {
  const { genesis } = s.config
  return genesis === undefined || serviceStatus(s.kv) !== 'Opening' ? unchanged(s) : startOpening(s)
}

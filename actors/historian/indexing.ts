// The index of the past, built in the background: from what the executor hands over with each commit (handed.ts), and from the ledger itself for
// whatever came before: read a batch, verify it, write its rows with the mark, go on. Only what is committed is read, so nothing is ever taken back.
// The rule to remember: rows are written only once a signature of the service covers the transactions they are of.
import { DecodeError, equalBytes } from '../../protocols/codec/bytes.ts'
import { viewAt } from '../../protocols/consensus/view-history.ts'
import type { HistoryCommitted } from '../../protocols/historical/messages.ts'
import { decodeEntry } from '../../protocols/ledger/entry.ts'
import { entryLeaf } from '../../protocols/ledger/leaf.ts'
import { parseSignature, type SignatureContent } from '../../protocols/ledger/signature.ts'
import { INDEX_BATCH_BYTES_MAX } from '../../protocols/limits.ts'
import { append, flush, leafAt, root, type MerkleTree } from '../../protocols/merkle/tree.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { trace, type Effect, type IndexRow } from '../effects.ts'
import { judgeOnce } from '../machine.ts'
import { decodeMark, encodeMark, indexKey, rowsOf, type Mark } from './index-rows.ts'
import { verifierOf } from './fetching.ts'
import { firstHanded, handedContinues, stillToCome, takeOver } from './handed.ts'
import { askAgain, isAwaited } from './lookups.ts'
import { giveAll } from './queries.ts'
import {
  EMPTY_INDEX,
  nextOf,
  type HeldLeaf,
  type HistorianEvent,
  type HistorianState,
  type IndexState,
} from './state.ts'
import { allWrites, isCorrupt, verifySignature, type Corrupt, type Signed, type Signers } from './verification.ts'

type Event<T extends HistorianEvent['type']> = Extract<HistorianEvent, { readonly type: T }>

/** The commit index moved. */
export function committed(s: HistorianState, { event }: Envelope<HistorianEvent>): Step<HistorianState> {
  const commit = event as HistoryCommitted
  const { seqno, viewHistory, secrets } = commit
  const secret = s.index.secret ?? indexKey(s.config.crypto, secrets)
  const unconfirmedView = seqno >= s.index.upTo ? undefined : s.index.unconfirmedView
  const known = { ...s, committedSeqno: seqno, viewHistory, secrets, index: { ...s.index, secret, unconfirmedView } }
  const state = { ...known, index: takeOver(known, commit) }
  return unconfirmedView === s.index.unconfirmedView ? unchanged(state) : askAgain(state)
}

export const openIndex = (s: HistorianState): Step<HistorianState> => step(s, { type: 'openIndex', clear: false })

/** What is there is not of this past: it is built anew. */
export function clearIndex(s: HistorianState): Step<HistorianState> {
  const { secret, reads, handed, handedRows } = s.index
  return step(
    { ...s, index: { ...EMPTY_INDEX, secret, reads, handed, handedRows } },
    { type: 'openIndex', clear: true },
    trace('indexRebuilt', { committed: s.committedSeqno }),
  )
}

const foundMark = judgeOnce<HistorianState, HistorianEvent, Mark | undefined>((s, { event }) => {
  const { mark } = event as Event<'indexOpened'>
  return mark && s.index.secret && decodeMark(s.config.crypto, s.index.secret, mark)
})

/** There is a mark, and it is not ours, or of a past that was not committed. */
export function isForeign(s: HistorianState, envelope: Envelope<HistorianEvent>): boolean {
  if ((envelope.event as Event<'indexOpened'>).mark === undefined) return false
  const mark = foundMark(s, envelope)
  return mark === undefined || (mark.upTo <= s.committedSeqno && viewAt(s.viewHistory, mark.upTo) !== mark.view)
}

export function resume(s: HistorianState, envelope: Envelope<HistorianEvent>): Step<HistorianState> {
  const mark = foundMark(s, envelope)
  if (mark === undefined) return unchanged(s)
  const { begin, upTo, view, tree } = mark
  const unconfirmedView = upTo <= s.committedSeqno ? undefined : view
  return askAgain({ ...s, index: { ...s.index, begin, upTo, tree, unconfirmedView, isResumed: true } })
}

/** The commit index has reached what the index was found to hold, and committed something else there. */
export function isOfAnotherPast({ index }: HistorianState, { event }: Envelope<HistorianEvent>): boolean {
  const { seqno, viewHistory } = event as HistoryCommitted
  if (index.unconfirmedView === undefined || seqno < index.upTo) return false
  return viewAt(viewHistory, index.upTo) !== index.unconfirmedView
}

export const isBehind = (s: HistorianState): boolean => s.committedSeqno > s.index.upTo

/** These two with what is being written counted in: asked when that has been done. */
export function isAwaitedAndBehind(s: HistorianState): boolean {
  const after = withWritten(s)
  return isBehind(after) && isAwaited(after)
}

export function isAwaitedAndHanded(s: HistorianState): boolean {
  const after = withWritten(s)
  return handedContinues(after) && isAwaited(after)
}

export function pause(s: HistorianState): Step<HistorianState> {
  const { indexPauseMs } = s.config
  return step(s, { type: 'setTimer', name: 'indexPause', afterMs: [indexPauseMs, indexPauseMs] })
}

/** Reads from the ledger what was not handed over. The first batch, which finds where the ledger of this node begins, is not cut short. */
export function readOn(s: HistorianState): Step<HistorianState> {
  const from = nextOf(s.index)
  const handed = s.index.upTo === 0 ? undefined : firstHanded(s)
  const to = handed === undefined || handed === from ? s.committedSeqno : handed - 1
  return step(s, { type: 'readEntries', token: 'index', from, to, bytesMax: INDEX_BATCH_BYTES_MAX })
}

type Verdict =
  | { readonly kind: 'held'; readonly index: IndexState }
  /** The last signature of the batch holds: everything up to it may be written. */
  | { readonly kind: 'covered'; readonly index: IndexState; readonly signers: Signers; readonly mark: Mark }
  | { readonly kind: 'corrupt'; readonly seqno: number; readonly reason: string }
  /** The ledger does not continue what the index was found to hold. */
  | { readonly kind: 'foreign' }

/** What a batch of entries is, decided once for the chart's guards and its actions. */
const judgeBatch = judgeOnce<HistorianState, HistorianEvent, Verdict>((s, { event }) => {
  const { records } = event as Event<'entriesRead'>
  const verifier = verifierOf(s)
  const { crypto } = s.config
  const { secret } = s.index
  // Each signature covers all before it, so one node's signature is checked for a batch: the last.
  const lastSignature = records.findLast(({ kind }) => kind === 'signature')?.seqno
  const corrupt = (seqno: number, { corrupt: reason }: Corrupt): Verdict =>
    s.index.isResumed ? { kind: 'foreign' } : { kind: 'corrupt', seqno, reason }
  let { index, signers } = s
  let covered: Mark | undefined
  let next = nextOf(index)
  const [first] = records
  if (first === undefined || secret === undefined) return corrupt(next, { corrupt: 'it cannot be read' })
  if (first.seqno > next && index.upTo === 0 && index.held.length === 0) {
    // The ledger of this node begins at a snapshot.
    next = first.seqno
    index = { ...index, begin: next, tree: undefined }
  }
  const held = [...index.held]
  for (const { bytes, seqno } of records) {
    if (seqno !== next) return corrupt(next, { corrupt: `entry ${seqno} stands in its place` })
    const read = leafOf(s, bytes, secret)
    if (isCorrupt(read)) return corrupt(seqno, read)
    const { view, signature, leaf, rows } = read
    if (view !== viewAt(s.viewHistory, seqno)) {
      return corrupt(seqno, { corrupt: `it is of view ${view}, which did not commit it` })
    }
    let { tree } = index
    if (signature !== undefined && !(seqno !== lastSignature && isRootOf(s, tree, signature))) {
      const checked = verifySignature(verifier, signers, bytes, seqno)
      if (isCorrupt(checked)) return corrupt(seqno, checked)
      const wrong = firstWrong(s, tree, held, checked.signed)
      if (wrong !== undefined) return corrupt(wrong, { corrupt: `it is not what signature ${view}.${seqno} covers` })
      signers = checked.signers
      if (tree === undefined) {
        tree = checked.signed.tree
        index = { ...index, begin: beginOf(held, tree) }
      }
    }
    tree = tree && append(crypto, tree, leaf)
    if (signature !== undefined && tree !== undefined) {
      tree = flush(tree, tree.size)
      covered = { begin: index.begin, upTo: seqno, view, tree }
    }
    held.push({ seqno, leaf, rows })
    index = { ...index, tree }
    next++
  }
  index = { ...index, held }
  return covered === undefined ? { kind: 'held', index } : { kind: 'covered', index, signers, mark: covered }
})

/** True if the tree is known, and is the one that was signed: with the one after it, this signature need not be looked at. */
const isRootOf = ({ config }: HistorianState, tree: MerkleTree | undefined, content: SignatureContent): boolean =>
  tree !== undefined && equalBytes(root(config.crypto, tree).root, content.root)

const NO_ROWS: readonly IndexRow[] = []

/** Of an entry: its Merkle leaf, and its rows if its seal holds. */
function leafOf(s: HistorianState, bytes: Uint8Array, secret: Uint8Array) {
  const { crypto } = s.config
  try {
    const entry = decodeEntry(bytes)
    const leaf = entryLeaf(crypto, bytes, entry)
    const { view, seqno } = entry
    const signature = parseSignature(entry)
    if (signature !== undefined) return { leaf, view, rows: NO_ROWS, signature }
    const opened = entry.ciphertext.length === 0 ? { writes: entry.publicWrites } : allWrites(verifierOf(s), entry)
    if (isCorrupt(opened)) return opened
    return { leaf, view, rows: rowsOf(crypto, secret, [{ seqno, writes: opened.writes }]), signature }
  } catch (error) {
    if (error instanceof DecodeError) return { corrupt: error.message }
    throw error
  }
}

/** The first transaction before a signature that is not what it signed; undefined if all are. */
function firstWrong(
  { config }: HistorianState,
  tree: MerkleTree | undefined,
  held: readonly HeldLeaf[],
  signed: Signed,
): number | undefined {
  const isAsSigned = ({ seqno, leaf }: HeldLeaf): boolean => {
    const expected = leafAt(signed.tree, seqno)
    // What the signer had flushed is covered by the root, if the tree is known from its beginning.
    return expected === undefined || equalBytes(expected, leaf)
  }
  const wrong = held.find((leaf) => !isAsSigned(leaf))
  if (wrong !== undefined || tree === undefined) return wrong?.seqno
  const isSame = equalBytes(root(config.crypto, tree).root, signed.content.root)
  // Something before the first of them, then, which was verified when it was read: the signature is of another past.
  return isSame ? undefined : (held[0]?.seqno ?? signed.content.seqno)
}

/** Of a ledger that begins at a snapshot: the first transaction that its first signature vouches for by itself. */
const beginOf = (held: readonly HeldLeaf[], tree: MerkleTree): number =>
  held.find(({ seqno }) => leafAt(tree, seqno) !== undefined)?.seqno ?? tree.size

export const batchIsCovered = (s: HistorianState, envelope: Envelope<HistorianEvent>): boolean =>
  judgeBatch(s, envelope).kind === 'covered'
export const batchIsCorrupt = (s: HistorianState, envelope: Envelope<HistorianEvent>): boolean =>
  judgeBatch(s, envelope).kind === 'corrupt'
export const batchIsForeign = (s: HistorianState, envelope: Envelope<HistorianEvent>): boolean =>
  judgeBatch(s, envelope).kind === 'foreign'

export function holdBatch(s: HistorianState, envelope: Envelope<HistorianEvent>): Step<HistorianState> {
  const verdict = judgeBatch(s, envelope)
  return verdict.kind === 'held' ? unchanged({ ...s, index: verdict.index }) : unchanged(s)
}

export function writeBatch(s: HistorianState, envelope: Envelope<HistorianEvent>): Step<HistorianState> {
  const verdict = judgeBatch(s, envelope)
  if (verdict.kind !== 'covered' || s.index.secret === undefined) return unchanged(s)
  const { mark, signers, index } = verdict
  const rows = index.held.flatMap((held) => (held.seqno >= mark.begin && held.seqno <= mark.upTo ? held.rows : []))
  const held = index.held.filter(({ seqno }) => seqno > mark.upTo)
  const effect: Effect = { type: 'writeIndex', rows, mark: encodeMark(s.config.crypto, s.index.secret, mark) }
  return step({ ...s, signers, index: { ...index, held, writing: mark } }, effect)
}

function withWritten(s: HistorianState): HistorianState {
  const { writing } = s.index
  if (writing === undefined) return s
  const { begin, upTo } = writing
  return { ...s, index: stillToCome({ ...s.index, begin, upTo, writing: undefined, isResumed: false }) }
}

/** Durable: what waited for it is asked. */
export const batchWritten = (s: HistorianState): Step<HistorianState> => askAgain(withWritten(s))

/** What the index would have said is not known: it says nothing more, and the node says why. */
export function stopIndex(s: HistorianState, envelope: Envelope<HistorianEvent>): Step<HistorianState> {
  const verdict = envelope.event.type === 'entriesRead' ? judgeBatch(s, envelope) : undefined
  const isBad = verdict?.kind === 'corrupt'
  const broken = isBad
    ? `ledger entry ${verdict.seqno} is corrupt: ${verdict.reason}`
    : (envelope.event as Event<'indexFailed'>).reason
  const state: HistorianState = { ...s, index: { ...s.index, broken, held: [] } }
  // Tried again, they are refused with the reason.
  const refusedNow = giveAll(state, (query) => (query.asks.size === 0 ? query : { ...query, asks: new Map() }))
  const point = isBad
    ? trace('ledgerCorrupt', { seqno: verdict.seqno, reason: verdict.reason })
    : trace('indexFailed', { reason: broken })
  return step(refusedNow.state, point, ...refusedNow.effects)
}

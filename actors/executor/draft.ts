// Transactions being added to the primary's state within one step. Mutable inside the step only; `finish` gives the new state.
// Not consensus: whether the replica accepts the records is its business; if it does not, a notice rolls this state back.
// The rule to remember: a leaf follows the leaf before it, so what is executed while a signature is being made is held back.
import type { LogRecord, RecordKind } from '../../protocols/consensus/log.ts'
import type { Replicate } from '../../protocols/consensus/messages.ts'
import { seqno as asSeqno, view as asView, type NodeId } from '../../protocols/ids.ts'
import { encodeEntry } from '../../protocols/ledger/entry.ts'
import { commitEvidenceDigest, leafHash, writeSetDigest } from '../../protocols/ledger/leaf.ts'
import { mapWrites, type WriteSet } from '../../protocols/ledger/write-set.ts'
import { appendAll } from '../../protocols/merkle/tree.ts'
import type { KvState } from '../../store/kv/kv-state.ts'
import { send, type Effect } from '../effects.ts'
import { learn, secretFor, SECRETS_TABLE, type KnownSecrets } from './secrets.ts'
import { lastSeqno, type Added, type ExecutorState } from './state.ts'

const ZERO_DIGEST = new Uint8Array(32)

export interface NewTransaction {
  readonly writes: WriteSet
  readonly claimsDigest: Uint8Array | undefined
  readonly kind?: RecordKind
  readonly nodes?: readonly NodeId[]
}

export class Draft {
  readonly #state: ExecutorState
  readonly #view: number
  readonly #added: Added[] = []
  kv: KvState
  /** An operator asked for a snapshot: a signature is due at once, and is its point. */
  wantsSnapshot = false
  #last: number
  #secrets: KnownSecrets

  constructor(state: ExecutorState) {
    this.#state = state
    this.#view = state.summary.view
    this.kv = state.kv
    this.#last = lastSeqno(state)
    this.#secrets = state.secrets
  }

  get nextSeqno(): number {
    return this.#last + 1
  }

  get lastSeqno(): number {
    return this.#last
  }

  /** Serialises, seals and hashes one transaction at `nextSeqno`. The caller has set, or sets, `kv` to the state after it. */
  add(transaction: NewTransaction): void {
    const { crypto } = this.#state.config
    const seqno = asSeqno(++this.#last)
    const { secret, commitSecret } = secretFor(this.#secrets, seqno)
    const view = asView(this.#view)
    const claimsDigest = transaction.claimsDigest ?? ZERO_DIGEST
    const evidenceDigest = commitEvidenceDigest(crypto, commitSecret, view, seqno)
    const { bytes } = encodeEntry(crypto, secret, {
      view,
      seqno,
      flags: 0,
      claimsDigest,
      commitEvidenceDigest: evidenceDigest,
      writes: transaction.writes,
    })
    const leaf = leafHash(crypto, writeSetDigest(crypto, bytes), evidenceDigest, claimsDigest)
    const kind = transaction.kind ?? 'transaction'
    const record: LogRecord =
      transaction.nodes === undefined
        ? { seqno, view, kind, bytes }
        : { seqno, view, kind, bytes, nodes: transaction.nodes }
    this.#added.push({ record, leaf, writes: transaction.writes, checkpoint: undefined })
    this.#secrets = learn(this.#state.config, this.#secrets, seqno, mapWrites(transaction.writes, SECRETS_TABLE))
  }

  /** The state with everything added, and the proposal to the replica if nothing is held back. */
  finish(): { readonly state: ExecutorState; readonly effects: readonly Effect[] } {
    const wanted = { snapshotWanted: true, mustSign: true }
    const s = this.wantsSnapshot ? { ...this.#state, ...wanted } : this.#state
    if (this.#added.length === 0) return { state: s, effects: [] }
    if (s.signing !== undefined) {
      const signing = { ...s.signing, held: [...s.signing.held, ...this.#added] }
      return { state: { ...s, kv: this.kv, secrets: this.#secrets, signing }, effects: [] }
    }
    return propose({ ...s, kv: this.kv, secrets: this.#secrets }, this.#added)
  }
}

/** Puts records at the end of the pending list and the tree, and hands them to the replica. */
export function propose(
  s: ExecutorState,
  added: readonly Added[],
): { readonly state: ExecutorState; readonly effects: readonly Effect[] } {
  const tree = appendAll(
    s.config.crypto,
    s.tree,
    added.map(({ leaf }) => leaf),
  )
  const pending = s.pending.append(added)
  const message: Replicate = { type: 'replicate', view: s.summary.view, records: added.map(({ record }) => record) }
  return { state: { ...s, tree, pending }, effects: [send('replica', message)] }
}

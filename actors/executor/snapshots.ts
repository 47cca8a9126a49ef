// The executor's part in snapshots: says when one is due (CCF facts §3.2, §15), keeps the store as it was for whoever writes it, and puts its
// digest into the ledger. Not the making (actors/snapshotter). Keeping a state is free: it shares everything with its successors.
// The rule to remember: the transaction that a snapshot is of ends its chunk, so that ledgers which begin there begin with a file.
import { toHex } from '../../protocols/codec/bytes.ts'
import { updateViewHistory } from '../../protocols/consensus/view-history.ts'
import { seqno as asSeqno, view as asView } from '../../protocols/ids.ts'
import {
  decodeJsonObject,
  encodeJson,
  INTERNAL_TABLES,
  SINGLE_KEY,
  singleWrite,
} from '../../protocols/ledger/tables.ts'
import { SNAPSHOT_PART_BYTES, SNAPSHOT_PART_ROWS, SNAPSHOTS_PENDING_MAX } from '../../protocols/limits.ts'
import type {
  EvidenceRecorded,
  ReadState,
  RecordEvidence,
  SnapshotAbandoned,
  SnapshotDue,
  SnapshotsDropped,
  StateRead,
} from '../../protocols/snapshot/messages.ts'
import { applyWriteSet, readMap, type KvState } from '../../store/kv/kv-state.ts'
import { readPart } from '../../store/kv/state-rows.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { send, type Effect } from '../effects.ts'
import { Draft } from './draft.ts'
import { secretFor } from './secrets.ts'
import { isPrimary, type ExecutorEvent, type ExecutorState, type Pending } from './state.ts'

/** Seqno of the newest snapshot whose digest the store names; 0 if there is none. */
function recordedSnapshot(kv: KvState): number {
  const value = readMap(kv, INTERNAL_TABLES.snapshotEvidence).get(SINGLE_KEY)
  const version = value && decodeJsonObject(value)['version']
  return typeof version === 'number' ? version : 0
}

/** Whether the signature transaction at `seqno` is a snapshot point: enough has happened since the last one, or an operator wants one. */
export function isSnapshotDue(s: ExecutorState, seqno: number): boolean {
  // One that is sealed is not kept here any more, but may still be pending.
  if (s.snapshots.length >= SNAPSHOTS_PENDING_MAX - 1) return false
  const last = Math.max(s.snapshots.at(-1)?.seqno ?? 0, recordedSnapshot(s.kv))
  return s.snapshotWanted || seqno - last >= s.config.snapshotTxCount
}

/** The signature transaction that is a snapshot point has entered the ledger. `kv`: the store after it. */
export function beginSnapshot(s: ExecutorState, { record, leaf }: Pending, kv: KvState): Step<ExecutorState> {
  const { seqno } = record
  const due: SnapshotDue = {
    type: 'snapshotDue',
    seqno,
    leaf,
    viewHistory: viewHistoryAt(s, seqno),
    ledgerSecret: secretFor(s.secrets, seqno).secret,
  }
  const snapshots = [...s.snapshots, { seqno, kv }]
  return step({ ...s, snapshots, snapshotWanted: false }, send('snapshotter', due))
}

/** The replica's last word may be from before this view's first transaction, which is then among those that are pending. */
function viewHistoryAt({ summary, pending }: ExecutorState, seqno: number): readonly number[] {
  const known = summary.viewHistory.filter((first) => first <= seqno)
  if (known.length >= summary.view) return known
  let first = seqno
  while (pending.at(first - 1)?.record.view === summary.view) first--
  return updateViewHistory(known, first, summary.view)
}

/** The next rows of a state that is kept; nothing if it is not. */
export function readState(s: ExecutorState, { event }: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const { seqno, from } = event as ReadState
  const kept = s.snapshots.find((snapshot) => snapshot.seqno === seqno)
  if (kept === undefined) return unchanged(s)
  const part = readPart(kept.kv, from, { rowsMax: SNAPSHOT_PART_ROWS, bytesMax: SNAPSHOT_PART_BYTES })
  return step(s, send<StateRead>('snapshotter', { type: 'stateRead', seqno, ...part }))
}

/** CCF's evidence: the digest, and as claims digest of its transaction, so that a receipt proves it. */
export function recordEvidence(s: ExecutorState, { event, from }: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const { seqno, digest } = event as RecordEvidence
  const released = withoutSnapshot(s, seqno)
  if (released === s || !isPrimary(s)) return unchanged(released)
  const draft = new Draft(released)
  const evidenceSeqno = draft.nextSeqno
  const writes = [singleWrite(INTERNAL_TABLES.snapshotEvidence, encodeJson({ hash: toHex(digest), version: seqno }))]
  draft.add({ writes, claimsDigest: digest })
  draft.kv = applyWriteSet(draft.kv, writes, evidenceSeqno)
  const { state, effects } = draft.finish()
  const txId = { view: asView(s.summary.view), seqno: asSeqno(evidenceSeqno) }
  // Told of the commit like everyone who wrote something.
  const origins = { ...state.origins, [from]: { forwarding: 0, seqno: evidenceSeqno } }
  const recorded = send<EvidenceRecorded>(from, { type: 'evidenceRecorded', seqno, txId })
  return step({ ...state, origins }, ...effects, recorded)
}

export const abandonSnapshot = (s: ExecutorState, { event }: Envelope<ExecutorEvent>): Step<ExecutorState> =>
  unchanged(withoutSnapshot(s, (event as SnapshotAbandoned).seqno))

function withoutSnapshot(s: ExecutorState, seqno: number): ExecutorState {
  const snapshots = s.snapshots.filter((snapshot) => snapshot.seqno !== seqno)
  return snapshots.length === s.snapshots.length ? s : { ...s, snapshots }
}

/** Not primary any more: what was asked for and begun is forgotten. */
export const dropSnapshots = (
  s: ExecutorState,
): { readonly state: ExecutorState; readonly effects: readonly Effect[] } =>
  isPrimary(s)
    ? step(
        { ...s, snapshots: [], snapshotWanted: false },
        send<SnapshotsDropped>('snapshotter', { type: 'snapshotsDropped' }),
      )
    : unchanged(s)

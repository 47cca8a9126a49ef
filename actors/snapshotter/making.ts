// How a snapshot is made (CCF facts §15): rows read from the store as it was, put into CCF's order, sealed; its digest goes into the ledger;
// once that is committed, its receipt makes the snapshot complete. The rule to remember: between two slices of work others have their turn.
import { concat } from '../../protocols/codec/bytes.ts'
import { invariant } from '../../protocols/errors.ts'
import { formatTxId, seqno as asSeqno } from '../../protocols/ids.ts'
import { SNAPSHOT_BYTES_MAX, SNAPSHOTS_KEPT, SNAPSHOTS_PENDING_MAX } from '../../protocols/limits.ts'
import type { Execute, Executed } from '../../protocols/requests.ts'
import { addRows, assembleStep, beginDraft, isAssembled, sealDraft } from '../../protocols/snapshot/draft.ts'
import { snapshotFileName } from '../../protocols/snapshot/format.ts'
import type {
  EvidenceRecorded,
  ReadState,
  RecordEvidence,
  SnapshotAbandoned,
  SnapshotDue,
  StateRead,
} from '../../protocols/snapshot/messages.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { send, trace, type Effect, type HostEvent } from '../effects.ts'
import type { Job, SnapshotterEvent, SnapshotterState } from './state.ts'

/** Then the snapshot is given up: an index that lags catches up sooner. */
const RECEIPT_REQUESTS_MAX = 1000

const jobOf = ({ job }: SnapshotterState): Job => {
  invariant(job !== undefined, 'a snapshot is being made')
  return job
}

const pause = ({ config }: SnapshotterState, afterMs = config.pauseMs): Effect => ({
  type: 'setTimer',
  name: 'goOn',
  afterMs: [afterMs, afterMs],
})

const readRows = ({ due, next }: Job): Effect =>
  send<ReadState>('executor', { type: 'readState', seqno: due.seqno, from: next })

/** Waits for its turn. The executor begins no more than SNAPSHOTS_PENDING_MAX. */
export function enqueue(s: SnapshotterState, { event }: Envelope<SnapshotterEvent>): Step<SnapshotterState> {
  invariant(s.queue.length < SNAPSHOTS_PENDING_MAX, 'more snapshots wait than may be pending')
  return step({ ...s, queue: [...s.queue, event as SnapshotDue] })
}

export const hasNext = (s: SnapshotterState): boolean => s.queue.length > 0

/** Begins with the one that has waited longest. */
export function begin(s: SnapshotterState): Step<SnapshotterState> {
  const [due, ...queue] = s.queue
  invariant(due !== undefined, 'a snapshot is due')
  const { seqno, leaf, viewHistory } = due
  const draft = beginDraft({ seqno: asSeqno(seqno), leaf, viewHistory })
  const job: Job = { due, draft, next: undefined, entry: undefined, evidence: undefined, asked: 0 }
  return step({ ...s, queue, job }, readRows(job), trace('snapshotBegun', { seqno }))
}

const isOfJob = (s: SnapshotterState, { event }: Envelope<SnapshotterEvent>): boolean =>
  (event as StateRead | EvidenceRecorded).seqno === s.job?.due.seqno

export const isEvidence = isOfJob

export const isLastPart = (s: SnapshotterState, envelope: Envelope<SnapshotterEvent>): boolean =>
  isOfJob(s, envelope) && (envelope.event as StateRead).next === undefined

export const isTooLarge = (s: SnapshotterState, envelope: Envelope<SnapshotterEvent>): boolean =>
  isOfJob(s, envelope) && jobOf(s).draft.sizeBytes > SNAPSHOT_BYTES_MAX

/** Rows of the store, and a pause before more is done. */
export function takeRows(s: SnapshotterState, envelope: Envelope<SnapshotterEvent>): Step<SnapshotterState> {
  if (!isOfJob(s, envelope)) return unchanged(s)
  const job = jobOf(s)
  const { maps, next } = envelope.event as StateRead
  return step({ ...s, job: { ...job, draft: addRows(job.draft, maps), next } }, pause(s))
}

export const readOn = (s: SnapshotterState): Step<SnapshotterState> => step(s, readRows(jobOf(s)))

export const isComplete = (s: SnapshotterState): boolean => isAssembled(jobOf(s).draft)

export function assemble(s: SnapshotterState): Step<SnapshotterState> {
  const job = jobOf(s)
  return step({ ...s, job: { ...job, draft: assembleStep(job.draft) } }, pause(s))
}

/** The one step whose length depends on the store's size: AES-GCM and SHA-256 over all of it. */
export function seal(s: SnapshotterState): Step<SnapshotterState> {
  const job = jobOf(s)
  const { crypto } = s.config
  const { seqno, ledgerSecret } = job.due
  const entry = sealDraft(crypto, ledgerSecret, job.draft)
  const digest = crypto.sha256(entry)
  // The parts are not needed any more, and are as large as the whole.
  const draft = beginDraft(job.draft.head)
  return step(
    { ...s, job: { ...job, draft, entry } },
    send<RecordEvidence>('executor', { type: 'recordEvidence', seqno, digest }),
  )
}

export function noteEvidence(s: SnapshotterState, { event }: Envelope<SnapshotterEvent>): Step<SnapshotterState> {
  return step({ ...s, job: { ...jobOf(s), evidence: (event as EvidenceRecorded).txId } })
}

export const isProven = ({ job }: SnapshotterState, { event }: Envelope<SnapshotterEvent>): boolean =>
  job?.evidence !== undefined && (event as { readonly seqno: number }).seqno >= job.evidence.seqno

/** The way every client gets one. */
export function askReceipt(s: SnapshotterState): Step<SnapshotterState> {
  const job = jobOf(s)
  const path = `/node/receipt?transaction_id=${formatTxId(job.evidence!)}`
  const request: Execute = {
    type: 'execute',
    token: s.nextToken,
    caller: { kind: 'anonymous' },
    activeView: 0,
    publicOnly: true,
    requests: [{ id: 0, verb: 'GET', path, body: new Uint8Array(0) }],
  }
  return step({ ...s, nextToken: s.nextToken + 1, job: { ...job, asked: job.asked + 1 } }, send('executor', request))
}

const answerOf = ({ event }: Envelope<SnapshotterEvent>) => (event as Executed).responses[0]

export const hasReceipt = (_: SnapshotterState, envelope: Envelope<SnapshotterEvent>): boolean =>
  answerOf(envelope)?.status === 200

export const isHopeless = (s: SnapshotterState): boolean => jobOf(s).asked >= RECEIPT_REQUESTS_MAX

/** The index that knows where the signature is may lag behind the commit. */
export const waitForReceipt = (s: SnapshotterState): Step<SnapshotterState> =>
  step(s, pause(s, s.config.receiptRetryMs))

export function save(s: SnapshotterState, envelope: Envelope<SnapshotterEvent>): Step<SnapshotterState> {
  const { due, entry, evidence } = jobOf(s)
  invariant(entry !== undefined && evidence !== undefined, 'a snapshot is sealed and its evidence recorded')
  const bytes = concat(entry, answerOf(envelope)!.body)
  const fileName = snapshotFileName(due.seqno, evidence.seqno)
  return step(s, { type: 'saveSnapshot', fileName, bytes, keep: SNAPSHOTS_KEPT })
}

/** Whether it is there or not: the node goes on, and another is made in time. */
export function finish(s: SnapshotterState, { event }: Envelope<SnapshotterEvent>): Step<SnapshotterState> {
  const { fileName, reason } = event as Extract<HostEvent, { type: 'snapshotSaved' }>
  const said =
    reason === undefined ? trace('snapshotSaved', { fileName }) : trace('snapshotNotSaved', { fileName, reason })
  return step({ ...s, job: undefined }, said)
}

export function abandon(s: SnapshotterState): Step<SnapshotterState> {
  const { seqno } = jobOf(s).due
  return step(
    { ...s, job: undefined },
    send<SnapshotAbandoned>('executor', { type: 'snapshotAbandoned', seqno }),
    trace('snapshotAbandoned', { seqno }),
  )
}

/** Not primary any more: what is not proven may never be, and whoever leads now makes its own. */
export const drop = (s: SnapshotterState): Step<SnapshotterState> =>
  step({ ...s, job: undefined, queue: [] }, { type: 'cancelTimer', name: 'goOn' })

/** The one whose evidence is committed is finished. */
export const dropQueue = (s: SnapshotterState): Step<SnapshotterState> => step({ ...s, queue: [] })

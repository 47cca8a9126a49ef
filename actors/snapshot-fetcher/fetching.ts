// How a snapshot is found and fetched: everyone is asked, the newest is taken in pieces, checked as a whole, and kept on this node's disk before
// anything is built on it. The rule to remember: a source that lies, changes its mind or falls silent costs time, never more.
import { concat } from '../../protocols/codec/bytes.ts'
import { CorruptDataError, invariant } from '../../protocols/errors.ts'
import { SNAPSHOT_BYTES_MAX, SNAPSHOT_PIECE_BYTES, SNAPSHOTS_KEPT } from '../../protocols/limits.ts'
import { openSnapshot } from '../../protocols/snapshot/beginning.ts'
import { parseSnapshotFileName } from '../../protocols/snapshot/format.ts'
import type {
  FetchPiece,
  FindSnapshots,
  LogBeginning,
  SnapshotChosen,
  SnapshotPiece,
  SnapshotsOffered,
} from '../../protocols/snapshot/messages.ts'
import { splitAddress, step, unchanged, type Envelope, type Step } from '../actor.ts'
import { send, trace, type Effect, type HostEvent } from '../effects.ts'
import { judgeOnce } from '../machine.ts'
import { OWN, type Candidate, type FetcherEvent, type FetcherState } from './state.ts'

/** Rounds of asking while nobody but this node itself answers. */
const ROUNDS_MAX = 3
/** Requests for one piece, before the next source is tried. */
const REQUESTS_MAX = 3

const sourceOf = ({ candidates }: FetcherState): Candidate => {
  invariant(candidates[0] !== undefined, 'a snapshot is being fetched')
  return candidates[0]
}

const nameOf = ({ source }: Candidate): string => splitAddress(source).node ?? 'this node'

/** Asks whoever has not answered. */
export function search(s: FetcherState): Step<FetcherState> {
  const { searchMs } = s.config
  return step(
    { ...s, rounds: s.rounds + 1 },
    ...s.unheard.map((address) => send<FindSnapshots>(address, { type: 'findSnapshots' })),
    { type: 'setTimer', name: 'searchTimeout', afterMs: [searchMs, searchMs] },
  )
}

/** What somebody has. Names and sizes that cannot be are left out. */
export const heard = judgeOnce((s: FetcherState, { event, from }: Envelope<FetcherEvent>): Step<FetcherState> => {
  if (!s.unheard.includes(from)) return unchanged(s)
  const offered = (event as SnapshotsOffered).snapshots.flatMap(({ fileName, sizeBytes }): Candidate[] => {
    const name = parseSnapshotFileName(fileName)
    const isPossible = name?.committed === true && sizeBytes > 0 && sizeBytes <= SNAPSHOT_BYTES_MAX
    return isPossible ? [{ source: from, fileName, seqno: name.seqno, sizeBytes }] : []
  })
  // The newest first; of equal ones, one that is here already.
  const isOwn = ({ source }: Candidate): number => (source === OWN ? 1 : 0)
  const candidates = [...s.candidates, ...offered].sort((a, b) => b.seqno - a.seqno || isOwn(b) - isOwn(a))
  return step({ ...s, candidates, unheard: s.unheard.filter((address) => address !== from) })
})

const found = (s: FetcherState): boolean => s.candidates.length > 0

export const allHeardAndFound = (s: FetcherState, envelope: Envelope<FetcherEvent>): boolean => {
  const { state } = heard(s, envelope)
  return state.unheard.length === 0 && found(state)
}
export const allHeard = (s: FetcherState, envelope: Envelope<FetcherEvent>): boolean =>
  heard(s, envelope).state.unheard.length === 0

const isAlone = ({ unheard, config }: FetcherState): boolean =>
  unheard.length >= config.peers.length && config.peers.length > 0

/**
 * Somebody has let this node in, so somebody can be heard: it is worth asking again. One answer is enough to go on: if the leader's was missed and its
 * ledger stands on a snapshot, it says so, and the node begins anew.
 */
export const mustAskAgain = (s: FetcherState): boolean => isAlone(s) && s.rounds < ROUNDS_MAX
export const hasCandidate = found

/** The next piece. */
export function fetch(s: FetcherState): Step<FetcherState> {
  const { source, fileName } = sourceOf(s)
  const { pieceMs } = s.config
  return step(
    s,
    { type: 'cancelTimer', name: 'searchTimeout' },
    send<FetchPiece>(source, { type: 'fetchPiece', fileName, offset: s.receivedBytes }),
    { type: 'setTimer', name: 'pieceTimeout', afterMs: [pieceMs, pieceMs] },
  )
}

type Verdict =
  /** Not what was asked for: late, or twice. */
  | { readonly kind: 'ignore' }
  | { readonly kind: 'more'; readonly bytes: Uint8Array }
  | { readonly kind: 'holds'; readonly bytes: Uint8Array; readonly log: LogBeginning }
  | { readonly kind: 'fails'; readonly reason: string }

/** What a piece makes of the snapshot. */
const judge = judgeOnce((s: FetcherState, { event, from }: Envelope<FetcherEvent>): Verdict => {
  const { fileName, offset, bytes } = event as SnapshotPiece
  const wanted = sourceOf(s)
  if (from !== wanted.source || fileName !== wanted.fileName || offset !== s.receivedBytes) return { kind: 'ignore' }
  const left = wanted.sizeBytes - s.receivedBytes
  if (bytes.length === 0) return { kind: 'fails', reason: 'it is not there any more' }
  if (bytes.length > left)
    return { kind: 'fails', reason: `it has more than the ${wanted.sizeBytes} bytes it was offered with` }
  if (bytes.length < Math.min(left, SNAPSHOT_PIECE_BYTES)) {
    return { kind: 'fails', reason: `it has fewer than the ${wanted.sizeBytes} bytes it was offered with` }
  }
  if (bytes.length < left) return { kind: 'more', bytes }
  const whole = concat(...s.pieces, bytes)
  try {
    const { log } = openSnapshot(s.config.crypto, s.config, fileName, whole)
    return { kind: 'holds', bytes: whole, log }
  } catch (error) {
    if (!(error instanceof CorruptDataError)) throw error
    return { kind: 'fails', reason: error.message }
  }
})

const hasVerdict = (kind: Verdict['kind']) => (s: FetcherState, envelope: Envelope<FetcherEvent>) =>
  judge(s, envelope).kind === kind

export const isPart = hasVerdict('more')
export const fails = hasVerdict('fails')
export const holds = hasVerdict('holds')
export const isOwnAndHolds = (s: FetcherState, envelope: Envelope<FetcherEvent>): boolean =>
  holds(s, envelope) && sourceOf(s).source === OWN
export const isLastAndFails = (s: FetcherState, envelope: Envelope<FetcherEvent>): boolean =>
  fails(s, envelope) && isLast(s)
export const isLast = (s: FetcherState): boolean => s.candidates.length === 1
export const isSilent = (s: FetcherState): boolean => s.unanswered + 1 >= REQUESTS_MAX
export const isLastAndSilent = (s: FetcherState): boolean => isSilent(s) && isLast(s)
export const couldNotSave = (_: FetcherState, { event }: Envelope<FetcherEvent>): boolean =>
  (event as Extract<HostEvent, { type: 'snapshotSaved' }>).reason !== undefined
export const isLastAndCouldNotSave = (s: FetcherState, envelope: Envelope<FetcherEvent>): boolean =>
  couldNotSave(s, envelope) && isLast(s)

export function takePiece(s: FetcherState, { event }: Envelope<FetcherEvent>): Step<FetcherState> {
  const { bytes } = event as SnapshotPiece
  const pieces = [...s.pieces, bytes]
  return step({ ...s, pieces, receivedBytes: s.receivedBytes + bytes.length, unanswered: 0 })
}

export const noteSilence = (s: FetcherState): Step<FetcherState> => step({ ...s, unanswered: s.unanswered + 1 })

/** Names what was wrong with the snapshot, and forgets it. */
export function refuse(s: FetcherState, envelope: Envelope<FetcherEvent>): Step<FetcherState> {
  const candidate = sourceOf(s)
  const { fileName } = candidate
  const next = {
    ...s,
    candidates: s.candidates.slice(1),
    pieces: [],
    receivedBytes: 0,
    verified: undefined,
    unanswered: 0,
  }
  return step(next, trace('snapshotRefused', { fileName, source: nameOf(candidate), reason: reasonOf(s, envelope) }))
}

function reasonOf(s: FetcherState, envelope: Envelope<FetcherEvent>): string {
  const { event } = envelope
  if (event.type === 'snapshotSaved') return `it cannot be kept here: ${event.reason}`
  if (event.type !== 'snapshotPiece') return 'its source does not answer'
  const verdict = judge(s, envelope)
  return verdict.kind === 'fails' ? verdict.reason : verdict.kind
}

/** Whole and verified: it goes to the disk, so that this node's ledger never stands on something that it does not have. */
export function keep(s: FetcherState, envelope: Envelope<FetcherEvent>): Step<FetcherState> {
  const verdict = judge(s, envelope)
  invariant(verdict.kind === 'holds', 'a verified snapshot')
  const { fileName } = sourceOf(s)
  const { bytes, log } = verdict
  return step(
    { ...s, pieces: [], verified: { bytes, log } },
    { type: 'cancelTimer', name: 'pieceTimeout' },
    { type: 'saveSnapshot', fileName, bytes, keep: SNAPSHOTS_KEPT },
  )
}

/** The node begins there. */
export function choose(s: FetcherState, envelope: Envelope<FetcherEvent>): Step<FetcherState> {
  const candidate = sourceOf(s)
  const { fileName, seqno } = candidate
  const verdict = s.verified ?? judge(s, envelope)
  invariant('log' in verdict, 'a verified snapshot')
  const { bytes, log } = verdict
  return step(
    { ...s, pieces: [], verified: undefined },
    { type: 'cancelTimer', name: 'pieceTimeout' },
    send<SnapshotChosen>('node', { type: 'snapshotChosen', snapshot: { fileName, bytes, log } }),
    trace('snapshotChosen', { fileName, seqno, source: nameOf(candidate) }),
  )
}

/** Nobody has one that holds: the node begins with the service's first transaction. */
export const giveUp = (s: FetcherState): Step<FetcherState> =>
  step(
    s,
    ...(['searchTimeout', 'pieceTimeout'] as const).map((name): Effect => ({ type: 'cancelTimer', name })),
    send<SnapshotChosen>('node', { type: 'snapshotChosen', snapshot: undefined }),
  )

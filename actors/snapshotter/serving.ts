// What a node that joins gets from this one: the names of its complete snapshots, and pieces of them. Nothing in them is secret from whoever may
// read the ledger files; that they are whole and true is for the receiver to check.
// The rule to remember: only nodes that the ledger names have a channel to this one, and each piece is asked for, so nothing piles up.
import { SNAPSHOT_PIECE_BYTES } from '../../protocols/limits.ts'
import type { FetchPiece, SnapshotPiece, SnapshotsOffered } from '../../protocols/snapshot/messages.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { send, type HostEvent } from '../effects.ts'
import type { SnapshotterEvent, SnapshotterState } from './state.ts'

/** Requests under way; more are not answered, and whoever asked asks again. */
const UNDER_WAY_MAX = 256

export function list(s: SnapshotterState, { from }: Envelope<SnapshotterEvent>): Step<SnapshotterState> {
  if (s.askers.length >= UNDER_WAY_MAX) return unchanged(s)
  return step({ ...s, askers: [...s.askers, from] }, { type: 'listSnapshots' })
}

export function offer(s: SnapshotterState, { event }: Envelope<SnapshotterEvent>): Step<SnapshotterState> {
  const { snapshots } = event as Extract<HostEvent, { type: 'snapshotsListed' }>
  const [asker, ...askers] = s.askers
  if (asker === undefined) return unchanged(s)
  return step({ ...s, askers }, send<SnapshotsOffered>(asker, { type: 'snapshotsOffered', snapshots }))
}

export function read(s: SnapshotterState, { event, from }: Envelope<SnapshotterEvent>): Step<SnapshotterState> {
  const { fileName, offset } = event as FetchPiece
  if (Object.keys(s.reads).length >= UNDER_WAY_MAX) return unchanged(s)
  const token = s.nextToken
  const reads = { ...s.reads, [token]: { to: from, fileName, offset } }
  const effect = { type: 'readSnapshot', token, fileName, offset, length: SNAPSHOT_PIECE_BYTES } as const
  return step({ ...s, nextToken: token + 1, reads }, effect)
}

export function sendPiece(s: SnapshotterState, { event }: Envelope<SnapshotterEvent>): Step<SnapshotterState> {
  const { token, bytes = new Uint8Array(0) } = event as Extract<HostEvent, { type: 'snapshotRead' }>
  const { [token]: asked, ...reads } = s.reads
  if (asked === undefined) return unchanged(s)
  const { to, fileName, offset } = asked
  return step({ ...s, reads }, send<SnapshotPiece>(to, { type: 'snapshotPiece', fileName, offset, bytes }))
}

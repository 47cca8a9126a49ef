// What a snapshotter knows: the snapshot in the making, those that wait for their turn, and which nodes wait for what of its files.
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { TxId } from '../../protocols/ids.ts'
import type { CommitNotice, Executed } from '../../protocols/requests.ts'
import type { SnapshotDraft } from '../../protocols/snapshot/draft.ts'
import type {
  EvidenceRecorded,
  FetchPiece,
  FindSnapshots,
  RowsCursor,
  SnapshotDue,
  SnapshotsDropped,
  StateRead,
} from '../../protocols/snapshot/messages.ts'
import type { Address } from '../actor.ts'
import type { HostEvent } from '../effects.ts'

export interface SnapshotterConfig {
  readonly crypto: Crypto
  /** Between two slices of work, so that the node attends to its other business. */
  readonly pauseMs: number
  /** Between two requests for a receipt that is not there yet. */
  readonly receiptRetryMs: number
}

export type SnapshotterEvent =
  | SnapshotDue
  | StateRead
  | EvidenceRecorded
  | SnapshotsDropped
  | CommitNotice
  | Executed
  | FindSnapshots
  | FetchPiece
  /** The pause is over. */
  | { readonly type: 'goOn' }
  | Extract<HostEvent, { readonly type: 'snapshotsListed' | 'snapshotRead' | 'snapshotSaved' }>

export interface Job {
  readonly due: SnapshotDue
  readonly draft: SnapshotDraft
  /** Where the next rows begin. */
  readonly next: RowsCursor | undefined
  /** Sealed. */
  readonly entry: Uint8Array | undefined
  readonly evidence: TxId | undefined
  /** Requests for the receipt. */
  readonly asked: number
}

/** A piece that is being read for a node. */
export interface PieceRead {
  readonly to: Address
  readonly fileName: string
  readonly offset: number
}

export interface SnapshotterState {
  readonly config: SnapshotterConfig
  readonly job: Job | undefined
  readonly queue: readonly SnapshotDue[]
  readonly nextToken: number
  /** Whoever asked what snapshots there are, in order. */
  readonly askers: readonly Address[]
  readonly reads: Readonly<Record<number, PieceRead>>
}

export const initialState = (config: SnapshotterConfig): SnapshotterState => ({
  config,
  job: undefined,
  queue: [],
  nextToken: 1,
  askers: [],
  reads: {},
})

// What a fetcher knows: who was asked, what was offered, and the pieces of the snapshot that is being fetched.
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type { JoinTrust } from '../../protocols/snapshot/beginning.ts'
import type { ChosenSnapshot, SnapshotPiece, SnapshotsOffered } from '../../protocols/snapshot/messages.ts'
import type { Address } from '../actor.ts'
import type { HostEvent } from '../effects.ts'

export interface FetcherConfig extends JoinTrust {
  readonly crypto: Crypto
  /** Nodes that may have snapshots, besides this one. */
  readonly peers: readonly NodeId[]
  /** Answers are waited for so long; then whoever has not answered is left out. */
  readonly searchMs: number
  /** A piece that does not come within this time is asked for again. */
  readonly pieceMs: number
}

export type FetcherEvent =
  | SnapshotsOffered
  | SnapshotPiece
  | { readonly type: 'searchTimeout' }
  | { readonly type: 'pieceTimeout' }
  | Extract<HostEvent, { readonly type: 'snapshotSaved' }>

/** A snapshot that somebody offers. */
export interface Candidate {
  readonly source: Address
  readonly fileName: string
  readonly seqno: number
  readonly sizeBytes: number
}

export interface FetcherState {
  readonly config: FetcherConfig
  /** Snapshotters that have not said what they have. */
  readonly unheard: readonly Address[]
  /** The best first; while one is being fetched, it is the first. */
  readonly candidates: readonly Candidate[]
  readonly pieces: readonly Uint8Array[]
  readonly receivedBytes: number
  /** Whole and verified, on its way to the disk. */
  readonly verified: Omit<ChosenSnapshot, 'fileName'> | undefined
  /** Requests for the next piece that were not answered. */
  readonly unanswered: number
  /** Rounds of asking. */
  readonly rounds: number
}

/** This node's own snapshotter. */
export const OWN: Address = 'snapshotter'

export const initialState = (config: FetcherConfig): FetcherState => ({
  config,
  unheard: [OWN, ...config.peers.map((peer) => `snapshotter@${peer}`)],
  candidates: [],
  pieces: [],
  receivedBytes: 0,
  verified: undefined,
  unanswered: 0,
  rounds: 0,
})

// What is said about snapshots: within a node between executor and snapshotter, between nodes when one joins, and to the node that begins at one.
// The rule to remember: within a node only plain data travels, in bounded parts, so that a journal can hold every message.
import type { NodeId, TxId } from '../ids.ts'
import type { SnapshotMap, StoredSnapshot } from './format.ts'

/** From executor to snapshotter, on the primary: the signature transaction at `seqno` is a snapshot point. */
export interface SnapshotDue {
  readonly type: 'snapshotDue'
  readonly seqno: number
  /** 32 bytes: the Merkle leaf of that transaction. */
  readonly leaf: Uint8Array
  /** Element i: first seqno of view i + 1. */
  readonly viewHistory: readonly number[]
  /** 32 bytes, in force at `seqno`. SECRET. */
  readonly ledgerSecret: Uint8Array
}

/** Where a part of the store begins: at the first key of a map, or at this one. */
export interface RowsCursor {
  readonly map: string
  readonly key: Uint8Array | undefined
}

/** From snapshotter to executor: the next rows of the store as it was at `seqno`. Not answered once the snapshot was dropped. */
export interface ReadState {
  readonly type: 'readState'
  readonly seqno: number
  /** Undefined: from the beginning. */
  readonly from: RowsCursor | undefined
}

export interface StatePart {
  /** Rows of one or more maps, ascending by name and key; a map may continue in the next part. */
  readonly maps: readonly SnapshotMap[]
  /** Undefined when this was the last part. */
  readonly next: RowsCursor | undefined
}

export interface StateRead extends StatePart {
  readonly type: 'stateRead'
  readonly seqno: number
}

/** From snapshotter to executor: put this digest into the ledger. The store as it was at `seqno` is not needed any more. */
export interface RecordEvidence {
  readonly type: 'recordEvidence'
  readonly seqno: number
  /** 32 bytes: SHA-256 of the snapshot's entry. */
  readonly digest: Uint8Array
}

/** From snapshotter to executor: nothing will come of this snapshot. */
export interface SnapshotAbandoned {
  readonly type: 'snapshotAbandoned'
  readonly seqno: number
}

/** The answer to `recordEvidence`; a `commitNotice` follows when that transaction is committed. */
export interface EvidenceRecorded {
  readonly type: 'evidenceRecorded'
  readonly seqno: number
  readonly txId: TxId
}

/** From executor to snapshotter: not primary any more; what has not been committed of snapshots may never be. */
export interface SnapshotsDropped {
  readonly type: 'snapshotsDropped'
}

/** A joining node asks another for its complete snapshots. */
export interface FindSnapshots {
  readonly type: 'findSnapshots'
}

export interface SnapshotsOffered {
  readonly type: 'snapshotsOffered'
  readonly snapshots: readonly StoredSnapshot[]
}

/** Asks for SNAPSHOT_PIECE_BYTES of one of them, or what there is, from `offset` on. */
export interface FetchPiece {
  readonly type: 'fetchPiece'
  readonly fileName: string
  readonly offset: number
}

export interface SnapshotPiece {
  readonly type: 'snapshotPiece'
  readonly fileName: string
  readonly offset: number
  /** Empty when the snapshot is not there any more. */
  readonly bytes: Uint8Array
}

/** Where a log begins that is not the service's first: everything up to `seqno` is committed. */
export interface LogBeginning {
  readonly seqno: number
  readonly view: number
  readonly viewHistory: readonly number[]
  /** The one in force: its index is that of the entry that named these nodes last. */
  readonly configuration: { readonly idx: number; readonly nodes: readonly NodeId[] }
  /** Nodes whose removal is not known to be final. */
  readonly removed: readonly NodeId[]
}

export interface SnapshotFile {
  readonly fileName: string
  readonly bytes: Uint8Array
}

/** A verified snapshot that is on this node's disk, and what consensus must know of it. */
export interface ChosenSnapshot extends SnapshotFile {
  readonly log: LogBeginning
}

/** From fetcher to node: begin there; or, with no snapshot that holds, at the service's first transaction. */
export interface SnapshotChosen {
  readonly type: 'snapshotChosen'
  readonly snapshot: ChosenSnapshot | undefined
}

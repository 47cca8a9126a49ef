// What replicas say to one another (consensus.md §4) and what a replica and its executor and ledger writer say within a node.
// Not a wire format: see peer-codec.ts. Messages between nodes are uni-directional; a response does not name its request.
import type { NodeId, TxId } from '../ids.ts'
import type { LogRecord } from './log.ts'

export interface AppendEntries {
  readonly type: 'AppendEntries'
  readonly view: number
  readonly prevIdx: number
  readonly prevView: number
  /** Last index carried; equal to prevIdx in a heartbeat. */
  readonly idx: number
  /** The one view of all entries carried; in a heartbeat the view of prevIdx. */
  readonly viewOfIdx: number
  readonly leaderCommitIdx: number
  readonly records: readonly LogRecord[]
}

export interface AppendEntriesResponse {
  readonly type: 'AppendEntriesResponse'
  readonly view: number
  /** ACK: the idx of the request. NACK: an upper bound of the possible match, never a match. */
  readonly lastLogIdx: number
  readonly success: boolean
}

export type ElectionType = 'PreVote' | 'RegularVote'

export interface RequestVote {
  readonly type: 'RequestVote'
  readonly view: number
  readonly lastCommittableIdx: number
  readonly viewOfLastCommittableIdx: number
  readonly electionType: ElectionType
}

export interface RequestVoteResponse {
  readonly type: 'RequestVoteResponse'
  readonly view: number
  readonly voteGranted: boolean
  readonly electionType: ElectionType
}

/** The sender asks the receiver to stand for election at once. */
export interface ProposeRequestVote {
  readonly type: 'ProposeRequestVote'
  readonly view: number
}

/** From a leader to a learner: its ledger stands on a snapshot, and what the receiver needs next is before that. Not a message of CCF's. */
export interface LogBeginsLater {
  readonly type: 'LogBeginsLater'
  readonly view: number
  /** First entry that the sender can send. */
  readonly firstIdx: number
}

export type ConsensusMessage =
  AppendEntries | AppendEntriesResponse | RequestVote | RequestVoteResponse | ProposeRequestVote

export type Leadership = 'None' | 'Follower' | 'PreVoteCandidate' | 'Candidate' | 'Leader'

/**
 * A node's part in the service, as its own log says (consensus.md §2, ccfraft.tla `membershipState`): removed by an entry; by an entry that
 * is signed; by one that is committed; and, at last, known by every future leader to be removed, so that it may be shut down.
 */
export type Membership =
  'Active' | 'RetirementOrdered' | 'RetirementSigned' | 'RetirementCompleted' | 'RetiredCommitted'

/** What the rest of a node may know of its replica. */
export interface ConsensusSummary {
  readonly leadership: Leadership
  readonly membership: Membership
  readonly view: number
  readonly leaderId: NodeId | undefined
  readonly lastSeqno: number
  /** view 0, seqno 0 before anything is committed. */
  readonly committed: TxId
  /** Position v−1 holds the first seqno of view v (consensus.md §13). */
  readonly viewHistory: readonly number[]
  readonly configurations: readonly Configuration[]
  /** Kept by a leader of the other nodes: how far they match, and the host clock (ms) of their last answer. */
  readonly peers: Readonly<Record<NodeId, { readonly matchIdx: number; readonly lastAckAt: number }>>
}

export interface Configuration {
  /** Index of the reconfiguration entry. */
  readonly idx: number
  readonly nodes: readonly NodeId[]
}

/** From executor to replica. Dropped unless the replica leads `view` and the records continue its log. */
export interface Replicate {
  readonly type: 'replicate'
  readonly view: number
  readonly records: readonly LogRecord[]
}

/** From replica to executor and to whoever follows consensus; always in the order in which the log changed. */
export type ReplicaNotice =
  /** The log ends at `summary.lastSeqno`; the executor may propose from there on, a signature first. */
  | { readonly type: 'becamePrimary'; readonly summary: ConsensusSummary }
  /** No longer, or not, primary; also sent when a backup learns of a view or a leader. */
  | { readonly type: 'becameBackup'; readonly summary: ConsensusSummary }
  /** A backup's log grew. */
  | { readonly type: 'appended'; readonly records: readonly LogRecord[] }
  /** The log was cut after `seqno`. */
  | { readonly type: 'rolledBack'; readonly seqno: number }
  | { readonly type: 'committed'; readonly summary: ConsensusSummary }
  /** Primary only, with every heartbeat: how far the others are, and when they last answered. */
  | { readonly type: 'heard'; readonly peers: ConsensusSummary['peers'] }
  /** Primary only: the removal of these nodes is committed; a `retiredCommitted` record that names them is due. May be said again. */
  | { readonly type: 'retirementCompleted'; readonly nodes: readonly NodeId[] }
  /** Primary only: this learner holds everything that is committed here. Said once for each time it is made a learner. */
  | { readonly type: 'learnerCaughtUp'; readonly node: NodeId }

/** From replica to the node actor. */
export type NodeNotice =
  | { readonly type: 'membershipChanged'; readonly membership: Membership }
  /** All other nodes that this one may have to talk to: of any configuration, learners, and removed ones that are not finished. */
  | { readonly type: 'peersChanged'; readonly peers: readonly NodeId[] }
  /** This node holds no entry, and the leader of `view` cannot give it the first: only a snapshot lets it take part, and that leader has one. */
  | { readonly type: 'beyondReach'; readonly view: number; readonly leader: NodeId }
  /** This node is a learner that holds a part of the log, and the leader holds nothing that continues it: it cannot catch up any more. */
  | { readonly type: 'outrun' }

/**
 * From executor to replica, on the primary: nodes that are sent the log but count in no quorum, until a configuration names them.
 * Replaces the earlier set; a new primary starts with none.
 */
export interface SetLearners {
  readonly type: 'setLearners'
  readonly nodes: readonly NodeId[]
}

/** From replica to ledger writer. `epoch` counts truncations, so that a late answer is not taken for the new suffix. */
export type LedgerWriterRequest =
  | { readonly type: 'appendRecords'; readonly epoch: number; readonly records: readonly LogRecord[] }
  | { readonly type: 'truncateAfter'; readonly epoch: number; readonly seqno: number }
  | { readonly type: 'commitUpTo'; readonly seqno: number }

/** From ledger writer to replica. */
export type LedgerWriterNotice =
  | { readonly type: 'durable'; readonly epoch: number; readonly seqno: number }
  | { readonly type: 'ledgerBroken'; readonly reason: string }

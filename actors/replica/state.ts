// What a replica knows: the variables of ccfraft.tla under their own names (consensus.md §3), and the log.
// Leadership is the chart's state, not a field. Nothing here is persisted for consensus: a node that stops never comes back under its identity.
import type { NodeId, TxId } from '../../protocols/ids.ts'
import { seqno, view } from '../../protocols/ids.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import { INITIAL_BATCH, type Batch } from '../../protocols/consensus/batch.ts'
import type {
  Configuration,
  ConsensusMessage,
  LogBeginsLater,
  ConsensusSummary,
  LedgerWriterNotice,
  Membership,
  Replicate,
  SetLearners,
} from '../../protocols/consensus/messages.ts'
import type { LogBeginning } from '../../protocols/snapshot/messages.ts'
import { viewAt, type ViewHistory } from '../../protocols/consensus/view-history.ts'
import { AppendList } from '../../store/kv/append-list.ts'
import type { HostEvent } from '../effects.ts'

export interface ReplicaConfig {
  readonly nodeId: NodeId
  /** Interval between AppendEntries of a leader, ms. CCF's default: 100. */
  readonly messageTimeoutMs: number
  /** A follower stands for election after half to all of this without a leader, ms. CCF's default: 5000. */
  readonly electionTimeoutMs: number
  readonly preVoteEnabled: boolean
  /**
   * `eager`: entries are sent as soon as a signature covers them or enough have gathered, and answers make a leader send on. `heartbeat`: as CCF
   * does it, on the heartbeat only, in batches of consensus.md §14: its scenario files count messages.
   */
  readonly pacing: 'eager' | 'heartbeat'
  /** True: the node may stand for election as soon as it knows a configuration, as nodes of CCF's test driver. False: see `ticking`. */
  readonly tickingFromStart: boolean
  /** Bytes of entries in one AppendEntries; it has at least one. */
  readonly appendBytesMax: number
  /** Bytes of entries not yet sent that make a leader send before a signature is due. */
  readonly sendAfterBytes: number
  /** Bytes of the log kept in memory; older committed entries are read back from the ledger. */
  readonly logTailBytesMax: number
  /** Where a log begins that stands on a snapshot; undefined: with the service's first entry. */
  readonly beginning: LogBeginning | undefined
  /** 0, or the view in which this node stood when it threw its empty log away to begin anew: views only grow. */
  readonly viewAtLeast: number
}

export type ReplicaEvent =
  | ConsensusMessage
  | LogBeginsLater
  | Replicate
  | SetLearners
  | LedgerWriterNotice
  /** Makes an initial node leader of view 2 (CCF: force_become_leader). */
  | { readonly type: 'forceLeader' }
  | { readonly type: 'electionTimeout' }
  | { readonly type: 'heartbeatTimeout' }
  /** Time for CheckQuorum. */
  | { readonly type: 'quorumTimeout' }
  /** The leader is asked to hand over: it proposes a vote to the node most likely to win it. */
  | { readonly type: 'proposeSuccessor' }
  | Extract<HostEvent, { readonly type: 'entriesRead' }>

/** A log entry and the sum of sizes up to and including it, so that any stretch of the log has a size in O(1). */
export interface LogItem {
  readonly record: LogRecord
  readonly endOffset: number
}

/** What a leader keeps of another node. sentIdx is optimistic; matchIdx is proven by ACKs and never falls within a view. */
export interface Peer {
  readonly sentIdx: number
  readonly matchIdx: number
  /** Host clock, ms, of the last response. */
  readonly lastAckAt: number
  /** True while entries older than the in-memory log are being read for it. */
  readonly reading: boolean
  /**
   * After a NACK, the index that the one message sent to it since follows; nothing else is sent until an answer or the next heartbeat.
   * Only for the pacing `eager`: under `heartbeat` a NACK is not answered at once.
   */
  readonly probe: number | undefined
}

export const newPeer = (sentIdx: number, at: number): Peer => ({
  sentIdx,
  matchIdx: 0,
  lastAckAt: at,
  reading: false,
  probe: undefined,
})

/** A node that is sent the log but counts in no quorum yet. Kept by a leader. */
export interface Learner {
  readonly node: NodeId
  /** True once it held everything that was committed here, and the executor was told. */
  readonly isCaughtUp: boolean
}

/** A positive answer that waits until the entries it speaks of are durable. */
export interface PendingAck {
  readonly to: NodeId
  readonly view: number
  readonly idx: number
}

export interface ReplicaState {
  readonly config: ReplicaConfig
  readonly currentView: number
  readonly votedFor: NodeId | undefined
  readonly leaderId: NodeId | undefined
  readonly votesForMe: readonly NodeId[]
  /** True after a new view was learnt: permits one conflict rollback in that view. */
  readonly isNewFollower: boolean
  readonly log: AppendList<LogItem>
  readonly commitIdx: number
  /** Ascending signature indices above commitIdx. */
  readonly committableIndices: readonly number[]
  readonly viewHistory: ViewHistory
  /** Head: the current one; the rest are pending. */
  readonly configurations: readonly Configuration[]
  readonly membership: Membership
  /** Index of the configuration without this node, unless Active. */
  readonly retirementIdx: number | undefined
  /** Index of the first signature after it, once there is one (CCF: retirement_committable_idx). */
  readonly retirementSignedIdx: number | undefined
  /** Uncommitted retired_committed entries, ascending: when they are committed, these nodes are finished. */
  readonly retiredCommitted: readonly Configuration[]
  readonly learners: readonly Learner[]
  /** Only for the pacing `heartbeat`. */
  readonly batch: Batch
  /** Every other node of any configuration that is not finished (CCF: all_other_nodes), and learners. */
  readonly peers: Readonly<Record<NodeId, Peer>>
  /** False until a signature is held while in the latest configuration: only then may the node stand for election. */
  readonly ticking: boolean
  /** Highest index known to be fsynced by the ledger writer in this truncation epoch. */
  readonly durableIdx: number
  readonly epoch: number
  readonly pendingAcks: readonly PendingAck[]
  /** Highest commit index this follower was told and had verified entries for, not yet durable here. */
  readonly commitTarget: number
}

export const lastIdx = (s: ReplicaState): number => s.log.end - 1

export const lastCommittableIdx = (s: ReplicaState): number => s.committableIndices.at(-1) ?? s.commitIdx

/** View of the entry at `idx`; 0 for an index the log does not reach. */
export const termAt = (s: ReplicaState, idx: number): number => (idx > lastIdx(s) ? 0 : viewAt(s.viewHistory, idx))

/** Sum of the sizes of entries in (from, to]; entries no longer in memory count as nothing. */
export function bytesBetween(s: ReplicaState, from: number, to: number): number {
  const end = s.log.at(to)?.endOffset ?? 0
  const start = s.log.at(from)?.endOffset ?? firstOffset(s)
  return Math.max(0, end - start)
}

function firstOffset(s: ReplicaState): number {
  const first = s.log.at(s.log.first)
  return first === undefined ? 0 : first.endOffset - first.record.bytes.length
}

export const committedTxId = (s: ReplicaState): TxId => ({
  view: view(termAt(s, s.commitIdx)),
  seqno: seqno(s.commitIdx),
})

export const summaryOf = (s: ReplicaState, leadership: ConsensusSummary['leadership']): ConsensusSummary => ({
  leadership,
  membership: s.membership,
  view: s.currentView,
  leaderId: s.leaderId,
  lastSeqno: lastIdx(s),
  committed: committedTxId(s),
  viewHistory: s.viewHistory,
  configurations: s.configurations,
  peers: s.peers,
})

export function initialState(config: ReplicaConfig): ReplicaState {
  const empty: ReplicaState = {
    config,
    currentView: 0,
    votedFor: undefined,
    leaderId: undefined,
    votesForMe: [],
    isNewFollower: false,
    log: AppendList.startingAt<LogItem>(1),
    commitIdx: 0,
    committableIndices: [],
    viewHistory: [],
    configurations: [],
    membership: 'Active',
    retirementIdx: undefined,
    retirementSignedIdx: undefined,
    retiredCommitted: [],
    learners: [],
    batch: INITIAL_BATCH,
    peers: {},
    ticking: config.tickingFromStart,
    durableIdx: 0,
    epoch: 0,
    pendingAcks: [],
    commitTarget: 0,
  }
  const begun = config.beginning === undefined ? empty : { ...empty, ...stateAt(config.nodeId, config.beginning) }
  return { ...begun, currentView: Math.max(begun.currentView, config.viewAtLeast) }
}

/** A follower that knows a snapshot, which is on its disk: as if it held, and had committed, everything up to there (consensus.md §12). */
function stateAt(self: NodeId, { seqno: at, view: inView, viewHistory, configuration, removed }: LogBeginning) {
  const others = [...configuration.nodes, ...removed].filter((node) => node !== self)
  return {
    currentView: inView,
    isNewFollower: true,
    log: AppendList.startingAt<LogItem>(at + 1),
    commitIdx: at,
    viewHistory,
    configurations: [configuration],
    peers: Object.fromEntries(others.map((node) => [node, newPeer(at, 0)])),
    ticking: configuration.nodes.includes(self),
    durableIdx: at,
    commitTarget: at,
  } satisfies Partial<ReplicaState>
}

// The events of a trace that CCF's trace validation reads (trace-format.md): their names, the state of the acting node, message packets.
// Not when they happen: models/scenario/tracer.ts. The rule to remember: names are those of CCF's implementation ("term", "idx"), not ours.
import type { ConsensusMessage, Leadership } from '../../protocols/consensus/messages.ts'

export type TraceFunction =
  | 'bootstrap'
  | 'replicate'
  | 'add_configuration'
  | 'send_append_entries'
  | 'recv_append_entries'
  | 'execute_append_entries_sync'
  | 'send_append_entries_response'
  | 'recv_append_entries_response'
  | 'become_pre_vote_candidate'
  | 'become_candidate'
  | 'send_request_vote'
  | 'recv_request_vote'
  | 'recv_request_vote_response'
  | 'become_leader'
  | 'become_follower'
  | 'commit'
  | 'recv_propose_request_vote'
  | 'drop_pending_to'

/** The acting node. */
export interface TraceState {
  readonly node_id: string
  readonly pre_vote_enabled: boolean
  readonly leadership_state: Leadership
  readonly membership_state: 'Active' | 'Retired'
  readonly current_view: number
  readonly last_idx: number
  readonly commit_idx: number
  /** The first and the last uncommitted signature: none, one or two indices. */
  readonly committable_indices: readonly number[]
}

export type TracePacket = { readonly msg: string; readonly term: number } & Readonly<
  Record<string, string | number | boolean>
>

/** What an event says besides its function and state. */
export interface TraceFields {
  readonly from_node_id?: string
  readonly to_node_id?: string
  readonly match_idx?: number
  readonly sent_idx?: number
  readonly packet?: TracePacket
  readonly globally_committable?: boolean
  readonly view?: number
  readonly seqno?: number
  readonly args?: {
    readonly idx?: number
    readonly configuration?: { readonly idx: number; readonly rid: number; readonly nodes: TraceNodes }
  }
}

export type TraceNodes = Readonly<Record<string, { readonly address: string }>>

export interface TraceEvent {
  /** Position in the run. */
  readonly h_ts: number
  /** The command that led here, on the first event after it. */
  readonly cmd: string
  readonly msg: { readonly function: TraceFunction; readonly state: TraceState } & TraceFields
}

export const nodesObject = (nodes: readonly string[]): TraceNodes =>
  Object.fromEntries(nodes.map((node) => [node, { address: ':' }]))

/** A message as CCF writes it into traces: headers only. */
export function packetOf(message: ConsensusMessage): TracePacket {
  const term = message.view
  switch (message.type) {
    case 'AppendEntries':
      return {
        msg: 'raft_append_entries',
        term,
        leader_commit_idx: message.leaderCommitIdx,
        prev_idx: message.prevIdx,
        prev_term: message.prevView,
        idx: message.idx,
        term_of_idx: message.viewOfIdx,
      }
    case 'AppendEntriesResponse':
      return {
        msg: 'raft_append_entries_response',
        term,
        success: message.success ? 'OK' : 'FAIL',
        last_log_idx: message.lastLogIdx,
      }
    case 'RequestVote':
      return {
        msg: 'raft_request_vote',
        term,
        last_committable_idx: message.lastCommittableIdx,
        term_of_last_committable_idx: message.viewOfLastCommittableIdx,
        ...preVote(message.electionType),
      }
    case 'RequestVoteResponse':
      return {
        msg: 'raft_request_vote_response',
        term,
        vote_granted: message.voteGranted,
        ...preVote(message.electionType),
      }
    case 'ProposeRequestVote':
      return { msg: 'raft_propose_request_vote', term }
  }
}

/** CCF names the kind of an election only when it is not a regular one. */
const preVote = (electionType: string): Readonly<Record<string, string>> =>
  electionType === 'PreVote' ? { election_type: electionType } : {}

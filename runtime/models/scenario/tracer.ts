// Derives CCF's trace events from what a node did: its state before a turn, the event, the effects and its state after (trace-format.md).
// The replica knows nothing of traces. One turn of ours is several steps of CCF's implementation, which are told apart here, in its order.
// The rule to remember: the derived steps must end in the state the replica is in. A turn of which that is not so has no trace.
import type { Effect } from '../../../actors/effects.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import type { AppendEntries, ConsensusMessage, ReplicaNotice } from '../../../protocols/consensus/messages.ts'
import { splitAddress } from '../../../actors/actor.ts'
import { lastIdx } from '../../../actors/replica/state.ts'
import type { Pair, ScenarioLine } from '../../scenario/command.ts'
import {
  nodesObject,
  packetOf,
  type TraceEvent,
  type TraceFields,
  type TraceFunction,
  type TraceState,
} from '../../scenario/trace-event.ts'
import { isRetired, leadershipOf, type NodeState } from './node.ts'
import type { Reporter } from './run.ts'
import type { Loss, Turn } from './world.ts'

/** Collects the trace events of a run. */
export class Tracer implements Reporter {
  readonly events: TraceEvent[] = []
  /** What the trace does not explain, if anything: a defect of this file or of the replica. */
  mismatch: string | undefined
  #command = ''

  commanded(line: ScenarioLine | undefined): void {
    this.#command = line?.text ?? ''
  }

  lost([from, to]: Pair, message: ConsensusMessage, _: Loss, sender: NodeState): void {
    const fields = { from_node_id: from, to_node_id: to, packet: packetOf(message) }
    this.#emit('drop_pending_to', stateOf(sender), fields)
  }

  turned(turn: Turn): void {
    const mismatch = new TurnTrace(turn, (name, state, fields) => this.#emit(name, state, fields)).run()
    this.mismatch ??= mismatch
  }

  #emit(name: TraceFunction, now: TraceState, fields: TraceFields): void {
    const state = { ...now, committable_indices: ends(now.committable_indices) }
    this.events.push({ h_ts: this.events.length + 1, cmd: this.#command, msg: { function: name, state, ...fields } })
    this.#command = ''
  }
}

function stateOf(state: NodeState): TraceState {
  const { s } = state
  return {
    node_id: s.config.nodeId,
    pre_vote_enabled: s.config.preVoteEnabled,
    leadership_state: leadershipOf(state),
    membership_state: isRetired(state) ? 'Retired' : 'Active',
    current_view: s.currentView,
    last_idx: lastIdx(s),
    commit_idx: s.commitIdx,
    committable_indices: s.committableIndices,
  }
}

const ends = (indices: readonly number[]): number[] =>
  indices.length < 2 ? [...indices] : [indices[0]!, indices.at(-1)!]

type Emit = (name: TraceFunction, state: TraceState, fields: TraceFields) => void
type Changes = Partial<Omit<TraceState, 'node_id' | 'pre_vote_enabled'>>

/** One turn, told step by step: `#now` is the node's state as CCF's implementation would have it at that moment. */
class TurnTrace {
  readonly #turn: Turn
  readonly #emitTo: Emit
  #now: TraceState

  constructor(turn: Turn, emit: Emit) {
    this.#turn = turn
    this.#emitTo = emit
    this.#now = stateOf(turn.before)
  }

  /** @returns what the events do not explain, if anything */
  run(): string | undefined {
    const { event, from, after } = this.#turn
    const sender = splitAddress(from).node
    if (sender !== undefined) this.#received(event as ConsensusMessage, sender)
    if (event.type === 'replicate' && this.#notRefused()) this.#replicated(event.records[0]!)
    for (const notice of this.#notices()) this.#noticed(notice)
    this.#sent()
    this.#now = { ...this.#now, leadership_state: leadershipOf(after) }
    const [told, is] = [JSON.stringify(this.#now), JSON.stringify(stateOf(after))]
    return told === is ? undefined : `${event.type} at node ${this.#now.node_id}: told ${told}, is ${is}`
  }

  #emit(name: TraceFunction, fields: TraceFields = {}): void {
    this.#emitTo(name, this.#now, fields)
  }

  #change(changes: Changes): void {
    this.#now = { ...this.#now, ...changes }
  }

  #notices(): ReplicaNotice[] {
    return this.#turn.effects.flatMap((effect) =>
      effect.type === 'send' && effect.to === 'executor' ? [effect.message as ReplicaNotice] : [],
    )
  }

  /** Before anything changes. */
  #received(message: ConsensusMessage, from: string): void {
    const fields = { from_node_id: from, packet: packetOf(message) }
    if (message.type === 'AppendEntries') this.#emit('recv_append_entries', fields)
    else if (message.type === 'RequestVote') this.#emit('recv_request_vote', fields)
    else if (message.type === 'RequestVoteResponse') this.#emit('recv_request_vote_response', fields)
    else if (message.type === 'ProposeRequestVote') this.#emit('recv_propose_request_vote', fields)
    else {
      const peer = peerOf(this.#turn.before, from)
      // CCF logs nothing of answers from nodes it does not know.
      if (peer === undefined) return
      this.#emit('recv_append_entries_response', { ...fields, match_idx: peer.matchIdx, sent_idx: peer.sentIdx })
    }
  }

  /** In the order in which the replica tells its executor, which is that of the changes. */
  #noticed(notice: ReplicaNotice): void {
    switch (notice.type) {
      case 'becameBackup':
        return this.#becameBackup(notice.summary.leadership, notice.summary.view)
      case 'becamePrimary':
        this.#change({ leadership_state: 'Leader', current_view: notice.summary.view })
        return this.#emit('become_leader')
      case 'rolledBack':
        return this.#rolledBack(notice.seqno)
      case 'appended':
        for (const record of notice.records) this.#executed(record)
        return
      case 'committed':
        return this.#committed(notice.summary.committed.seqno)
      case 'heard':
      case 'retirementCompleted':
      case 'learnerCaughtUp':
        return
    }
  }

  #becameBackup(leadership: TraceState['leadership_state'], view: number): void {
    // Also said when a follower learns who leads.
    const isNews =
      leadership !== 'Follower' || this.#now.leadership_state !== 'Follower' || view > this.#now.current_view
    // A node that has retired for ever logs nothing of it.
    if (!isNews || leadership === 'None') return this.#change({ leadership_state: leadership })
    const { config } = this.#turn.before.s
    // A node on its own needs no one's pre-vote; CCF's becomes pre-vote candidate all the same, for a moment.
    const skipsPreVote =
      leadership === 'Candidate' && this.#turn.event.type === 'electionTimeout' && config.preVoteEnabled
    if (skipsPreVote) {
      this.#change({ leadership_state: 'PreVoteCandidate' })
      this.#emit('become_pre_vote_candidate')
    }
    this.#change({ leadership_state: leadership, current_view: view })
    if (leadership === 'Follower') this.#emit('become_follower')
    else if (leadership === 'PreVoteCandidate') this.#emit('become_pre_vote_candidate')
    else this.#emit('become_candidate')
  }

  #rolledBack(idx: number): void {
    const committable_indices = this.#now.committable_indices.filter((i) => i <= idx)
    this.#change({ last_idx: idx, committable_indices, membership_state: this.#membershipAt(idx) })
  }

  /** Once the log ends at `idx`, after all cuts of this turn. */
  #membershipAt(idx: number): TraceState['membership_state'] {
    const { retirementIdx } = this.#turn.after.s
    return retirementIdx !== undefined && retirementIdx <= idx ? 'Retired' : 'Active'
  }

  /** A follower applies an entry, and commits up to it if it may. */
  #executed(record: LogRecord): void {
    this.#emit('execute_append_entries_sync')
    this.#change({ last_idx: record.seqno })
    if (record.kind === 'reconfiguration') this.#configurationAdded(record)
    if (record.kind !== 'signature') return
    this.#change({ committable_indices: [...this.#now.committable_indices, record.seqno] })
    this.#committed(Math.min(record.seqno, this.#turn.after.s.commitIdx))
  }

  #configurationAdded({ seqno, nodes = [] }: LogRecord): void {
    const configuration = { idx: seqno, rid: seqno, nodes: nodesObject(nodes) }
    this.#emit('add_configuration', { args: { configuration } })
    this.#change({ membership_state: this.#membershipAt(seqno) })
  }

  #committed(idx: number): void {
    if (idx <= this.#now.commit_idx) return
    this.#emit('commit', { args: { idx } })
    const committable_indices = this.#now.committable_indices.filter((i) => i > idx)
    this.#change({ commit_idx: idx, committable_indices })
  }

  #notRefused(): boolean {
    return lastIdx(this.#turn.after.s) > this.#now.last_idx
  }

  /** A leader appends: a configuration is in force, and its new nodes are sent an AppendEntries, before the entry counts. */
  #replicated(record: LogRecord): void {
    const { seqno, view, kind } = record
    this.#emit('replicate', { globally_committable: kind === 'signature', view, seqno })
    if (kind === 'reconfiguration') {
      this.#configurationAdded(record)
      this.#sentAppendEntries((to, { idx }) => peerOf(this.#turn.before, to) === undefined && idx < seqno)
    }
    const added = kind === 'signature' ? [seqno] : []
    this.#change({ last_idx: seqno, committable_indices: [...this.#now.committable_indices, ...added] })
    this.#sentAppendEntries((to, { idx }) => peerOf(this.#turn.before, to) !== undefined || idx >= seqno)
  }

  #messages(): { readonly to: string; readonly message: ConsensusMessage }[] {
    return this.#turn.effects.flatMap((effect) => sentTo(effect))
  }

  #sent(): void {
    if (this.#turn.event.type !== 'replicate') this.#sentAppendEntries(() => true)
    for (const { to, message } of this.#messages()) {
      const fields = { to_node_id: to, packet: packetOf(message) }
      if (message.type === 'RequestVote') this.#emit('send_request_vote', fields)
      else if (message.type === 'AppendEntriesResponse') this.#emit('send_append_entries_response', fields)
    }
  }

  #sentAppendEntries(which: (to: string, message: AppendEntries) => boolean): void {
    const becameLeader = leadershipOf(this.#turn.before) !== 'Leader'
    const sentIdx = new Map<string, number>()
    for (const { to, message } of this.#messages()) {
      if (message.type !== 'AppendEntries' || !which(to, message)) continue
      const peer = becameLeader ? undefined : peerOf(this.#turn.before, to)
      const fields = { to_node_id: to, match_idx: peer?.matchIdx ?? 0, packet: packetOf(message) }
      this.#emit('send_append_entries', { ...fields, sent_idx: sentIdx.get(to) ?? peer?.sentIdx ?? message.prevIdx })
      sentIdx.set(to, message.idx)
    }
  }
}

const peerOf = ({ s }: NodeState, id: string) => Object.entries(s.peers).find(([node]) => node === id)?.[1]

function sentTo(effect: Effect): { readonly to: string; readonly message: ConsensusMessage }[] {
  const to = effect.type === 'send' ? splitAddress(effect.to).node : undefined
  if (effect.type !== 'send' || to === undefined) return []
  return [{ to, message: effect.message as ConsensusMessage }]
}

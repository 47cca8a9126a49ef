// One replica of a scenario's world: its state, its clock and its queue of messages. Not who may talk to whom: world.ts.
// The rule to remember: time moves only when the scenario says so, on each node for itself (scenario-dsl.md, "World model").
import type { ActorDefinition } from '../../../actors/actor.ts'
import type { MachineState } from '../../../actors/machine.ts'
import {
  lastIdx,
  termAt,
  type ReplicaConfig,
  type ReplicaEvent,
  type ReplicaState,
} from '../../../actors/replica/state.ts'
import type { ConsensusMessage, Leadership } from '../../../protocols/consensus/messages.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import type { Prng } from '../../prng.ts'
import type { Profile } from '../../scenario/command.ts'

export type NodeState = MachineState<ReplicaState>
export type ReplicaDefinition = ActorDefinition<ReplicaConfig, NodeState, ReplicaEvent>

/** A message that was sent and neither delivered nor lost yet. */
export interface Queued {
  readonly to: string
  readonly message: ConsensusMessage
}

export interface ScenarioNode {
  readonly id: string
  readonly prng: Prng
  state: NodeState
  /** In the order in which they were sent. */
  queue: Queued[]
  /** The node's own clock, ms: acknowledgements age by it. */
  clockMs: number
  /** Since the election timer was restarted, or since a leader's last heartbeat, ms. */
  elapsedMs: number
  isCrashed: boolean
}

/** CCF's driver: request timeout 10 ms, election timeout 100 ms. */
export const MESSAGE_TIMEOUT_MS = 10
export const ELECTION_TIMEOUT_MS = 100

/** CCF's driver sends on heartbeats and lets every node stand from the start; our nodes send signatures at once and stand when they hold one. */
export const configOf = (id: string, preVoteEnabled: boolean, profile: Profile): ReplicaConfig => ({
  nodeId: id as NodeId,
  messageTimeoutMs: MESSAGE_TIMEOUT_MS,
  electionTimeoutMs: ELECTION_TIMEOUT_MS,
  preVoteEnabled,
  pacing: profile === 'ccf' ? 'heartbeat' : 'eager',
  tickingFromStart: profile === 'ccf',
  // CCF counts entries and does not weigh them.
  sendAfterBytes: Number.MAX_SAFE_INTEGER,
  appendBytesMax: Number.MAX_SAFE_INTEGER,
  logTailBytesMax: Number.MAX_SAFE_INTEGER,
  beginning: undefined,
  viewAtLeast: 0,
})

const LEADERSHIP: Readonly<Record<string, Leadership>> = {
  none: 'None',
  follower: 'Follower',
  preVoteCandidate: 'PreVoteCandidate',
  candidate: 'Candidate',
  leader: 'Leader',
  halted: 'None',
}

export const leadershipOf = (state: NodeState): Leadership => LEADERSHIP[state.value] ?? 'None'
export const isLeader = (node: ScenarioNode): boolean => !node.isCrashed && leadershipOf(node.state) === 'Leader'
export const isRetired = ({ s }: NodeState): boolean => s.membership !== 'Active'

/** What a scenario's result says of a node. */
export interface NodeSummary {
  readonly id: string
  readonly leadership: Leadership
  readonly membership: ReplicaState['membership']
  readonly view: number
  readonly lastIdx: number
  readonly commitIdx: number
}

export const summaryOf = ({ id, state }: ScenarioNode): NodeSummary => ({
  id,
  leadership: leadershipOf(state),
  membership: state.s.membership,
  view: state.s.currentView,
  lastIdx: lastIdx(state.s),
  commitIdx: state.s.commitIdx,
})

/** `view.idx` of the last entry; 0.0 in an empty log. */
export const lastTxIdOf = ({ s }: NodeState): string => `${termAt(s, lastIdx(s))}.${lastIdx(s)}`

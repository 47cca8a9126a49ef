// The replica as a model: real replicas, what clients, operators and clocks may do to them, and the bounds of the search.
// The initial world is that of consensus.md §19: one node began the service, the other members were added, all of it is committed everywhere.
import { replica } from '../../../actors/replica/replica.ts'
import { lastIdx, termAt, type ReplicaConfig } from '../../../actors/replica/state.ts'
import { mayStand } from '../../../actors/replica/elections.ts'
import type { ConsensusMessage } from '../../../protocols/consensus/messages.ts'
import { isMember, quorumInEach } from '../../../protocols/consensus/quorum.ts'
import { FIRST_VIEW, type NodeId } from '../../../protocols/ids.ts'
import type { Action, Model, NetworkKind, Outcome } from '../../check/model.ts'
import { replicaEdges } from './edges.ts'
import { act, append, ELECTION_TIMEOUT_MS, happen, receive } from './events.ts'
import {
  idOf,
  look,
  messageKey,
  placeOf,
  rename,
  renameMessage,
  shape,
  stateKey,
  type LocalState,
} from './local-state.ts'
import { entriesOf, namedRetired, removedNodes } from './log-facts.ts'
import { getsOn } from './progress.ts'
import { stateProperties, worldProperties } from './properties.ts'
import { stepProperties } from './step-properties.ts'

export interface ReplicaModelOptions {
  readonly nodes: number
  /** Members at the start; the others are there to be added. */
  readonly members: number
  /** Views the search may reach, the first included. */
  readonly views: number
  readonly requests: number
  readonly signatures: number
  readonly reconfigurations: number
  /** Times a leader is asked to hand over to another node. */
  readonly handOvers: number
  /** Disks that fail. */
  readonly brokenDisks: number
  /** Times a leader is given nodes to teach. */
  readonly lessons: number
  readonly network: NetworkKind
  readonly crashes: number
  readonly preVote: boolean
  /** Entries an AppendEntries may carry. */
  readonly batch: number
  /** Heartbeats, or votes asked for, under way on one link. */
  readonly inFlight: number
  readonly checkQuorum: boolean
  /** Nodes that may stand for election at one time. */
  readonly candidates: number
  /** True: every entry is sent when it is appended. False: with a signature or a heartbeat. */
  readonly sendAtOnce: boolean
  /** Ask of every combination of local states whether it can get on (slow). */
  readonly noDeadEnd: boolean
}

export const REPLICA_MODEL_DEFAULTS: ReplicaModelOptions = {
  nodes: 3,
  members: 3,
  views: 2,
  requests: 1,
  signatures: 1,
  reconfigurations: 0,
  handOvers: 0,
  brokenDisks: 0,
  lessons: 0,
  network: 'fifo',
  crashes: 0,
  preVote: true,
  batch: 100,
  inFlight: 1,
  checkQuorum: true,
  candidates: 1,
  sendAtOnce: false,
  noDeadEnd: false,
}

const BUDGETS = ['requests', 'signatures', 'reconfigurations', 'handOvers', 'brokenDisks', 'lessons'] as const
const budgetOf = (name: (typeof BUDGETS)[number]): number => BUDGETS.indexOf(name)

type Step = Outcome<LocalState, ConsensusMessage>

const configOf = (place: number, options: ReplicaModelOptions): ReplicaConfig => ({
  nodeId: idOf(place),
  messageTimeoutMs: 10,
  electionTimeoutMs: ELECTION_TIMEOUT_MS,
  preVoteEnabled: options.preVote,
  pacing: 'eager',
  tickingFromStart: false,
  sendAfterBytes: options.sendAtOnce ? 1 : Number.MAX_SAFE_INTEGER,
  appendBytesMax: options.batch,
  logTailBytesMax: Number.MAX_SAFE_INTEGER,
  beginning: undefined,
  viewAtLeast: 0,
})

/** Non-empty sets of nodes that may be configured: nobody comes back, and something changes. */
function nextConfigurations({ s }: LocalState, nodes: number): NodeId[][] {
  const gone = removedNodes(s)
  const current = s.configurations.at(-1)?.nodes ?? []
  const all = Array.from({ length: nodes }, (_, place) => idOf(place)).filter((node) => !gone.includes(node))
  const sets = all.reduce<NodeId[][]>((found, node) => [...found, ...found.map((set) => [...set, node])], [[]])
  const isCurrent = (set: readonly NodeId[]): boolean =>
    set.length === current.length && set.every((node) => current.includes(node))
  return sets.filter((set) => set.length > 0 && !isCurrent(set))
}

/** Removed nodes that are in no configuration in force and not declared finished: the executor would declare them now. */
const toFinish = ({ s }: LocalState): NodeId[] => {
  const named = namedRetired(s)
  return removedNodes(s)
    .filter((node) => !isMember(s.configurations, node) && !named.includes(node))
    .sort()
}

function actionsOf(state: LocalState, options: ReplicaModelOptions): Action[] {
  const { value } = state
  if (value === 'halted') return []
  const disk: Action[] = options.brokenDisks > 0 ? [{ name: 'breakDisk', budget: budgetOf('brokenDisks') }] : []
  return [...disk, ...(value === 'leader' ? leaderActions(state, options) : followerActions(state, options))]
}

const followerActions = ({ value, s }: LocalState, { views }: ReplicaModelOptions): Action[] =>
  value !== 'none' && mayStand(s) && s.currentView < FIRST_VIEW + views - 1
    ? [{ name: 'timeout', contends: true, pacedBy: { sent: 'RequestVote', answer: 'RequestVoteResponse' } }]
    : []

function leaderActions(state: LocalState, options: ReplicaModelOptions): Action[] {
  const { s } = state
  const last = entriesOf(s).at(-1)
  const isSigned = last?.kind === 'signature' && last.view === s.currentView
  const finished = toFinish(state)
  const pupils = Array.from({ length: options.nodes }, (_, place) => idOf(place)).filter(
    (node) => node !== s.config.nodeId && !isMember(s.configurations, node) && !removedNodes(s).includes(node),
  )
  return [
    { name: 'request', budget: budgetOf('requests') },
    ...(isSigned ? [] : [{ name: 'sign', budget: budgetOf('signatures') }]),
    ...nextConfigurations(state, options.nodes).map((nodes) => ({
      name: `reconfigure ${nodes.join()}`,
      budget: budgetOf('reconfigurations'),
    })),
    ...(finished.length > 0 ? [{ name: `finish ${finished.join()}` }] : []),
    { name: 'heartbeat', pacedBy: { sent: 'AppendEntries', answer: 'AppendEntriesResponse' } },
    ...(options.checkQuorum ? [{ name: 'checkQuorum' }] : []),
    ...(options.handOvers > 0 ? [{ name: 'handOver', budget: budgetOf('handOvers') }] : []),
    ...(pupils.length > 0 ? [{ name: `teach ${pupils.join()}`, budget: budgetOf('lessons') }] : []),
  ]
}

export function describe(message: ConsensusMessage): string {
  switch (message.type) {
    case 'AppendEntries':
      return `AppendEntries(${message.prevIdx},${message.idx}]@${message.view} commit ${message.leaderCommitIdx}`
    case 'AppendEntriesResponse':
      return `${message.success ? 'ACK' : 'NACK'} ${message.lastLogIdx}@${message.view}`
    case 'RequestVote':
      return `${message.electionType === 'PreVote' ? 'RequestPreVote' : 'RequestVote'}@${message.view} last ${message.viewOfLastCommittableIdx}.${message.lastCommittableIdx}`
    case 'RequestVoteResponse':
      return `${message.voteGranted ? 'granted' : 'denied'}@${message.view}`
    case 'ProposeRequestVote':
      return `ProposeRequestVote@${message.view}`
  }
}

/** Late messages that still count: a refusal that understates what its sender holds by now (F1, B3), a vote of a view that is over (F2). */
function staleness(message: ConsensusMessage, sender: LocalState, receiver: LocalState): number {
  if (message.type === 'AppendEntriesResponse' && !message.success && message.lastLogIdx < lastIdx(sender.s)) return 3
  // It tells of a commit beyond what it carries, where the two logs differ.
  if (message.type === 'AppendEntries' && message.leaderCommitIdx > message.idx) {
    const [theirs, ours] = [sender, receiver].map(({ s }) => termAt(s, message.leaderCommitIdx))
    if (ours !== 0 && ours !== theirs) return 3
  }
  const isVote = message.type === 'RequestVote' || message.type === 'RequestVoteResponse'
  return isVote && (message.view < receiver.s.currentView || message.view < sender.s.currentView) ? 2 : 0
}

const everyLogConfiguration = (states: readonly LocalState[]) =>
  states.flatMap(({ s }) =>
    entriesOf(s).flatMap(({ kind, idx, nodes = [] }) => (kind === 'reconfiguration' ? [{ idx, nodes }] : [])),
  )

export function replicaModel(options: ReplicaModelOptions): Model<LocalState, ConsensusMessage> {
  const { nodes } = options
  if (nodes < 1 || nodes > 7 || options.members < 1 || options.members > nodes) {
    throw new RangeError('a model has 1 to 7 nodes, and at least one of them is a member')
  }
  return {
    name: 'replica',
    places: Array.from({ length: nodes }, (_, place) => idOf(place)),
    network: options.network,
    inFlightMax: options.inFlight,
    budgets: BUDGETS.map((name) => ({ name, limit: options[name] })),
    initial: begin(options),
    stateKey,
    messageKey,
    look,
    staleness,
    kindOf: ({ type }) => type,
    describe,
    actions: (state) => actionsOf(state, options),
    act: (state, _place, { name }) => act(state, name),
    receive: (state, _place, from, message) => receive(state, from, message),
    isBeyond: ({ s }) => s.currentView > FIRST_VIEW + options.views - 1,
    contention: {
      max: options.candidates,
      isContending: ({ value }) => value === 'candidate' || value === 'preVoteCandidate',
    },
    symmetry: { shape, rename, renameMessage },
    ...(options.crashes === 0
      ? {}
      : {
          crashes: {
            max: options.crashes,
            isSurvivable: (states, alive) =>
              quorumInEach(everyLogConfiguration(states), (node) => alive[placeOf(node)] === true),
          },
        }),
    stateProperties,
    stepProperties,
    worldProperties,
    goals: goals(options),
    ...(options.noDeadEnd ? { getsOn } : {}),
    edges: replicaEdges,
  }
}

const goals = (options: ReplicaModelOptions): Model<LocalState, ConsensusMessage>['goals'] => [
  {
    name: 'a second leader commits',
    isReached: (states) => states.some(({ s }) => termAt(s, s.commitIdx) > FIRST_VIEW),
  },
  {
    name: 'a leader steps down in its own view',
    isReached: (states) => states.some(({ value, s }) => value === 'follower' && s.votedFor === s.config.nodeId),
  },
  {
    name: 'logs diverge',
    isReached: (states) =>
      states.some((a) =>
        states.some((b) => termAt(a.s, lastIdx(b.s)) > termAt(b.s, lastIdx(b.s)) && lastIdx(b.s) > b.s.commitIdx),
      ),
  },
  ...(options.reconfigurations === 0
    ? []
    : [
        {
          name: 'a reconfiguration commits',
          isReached: (states: readonly LocalState[]) =>
            states.some(({ s }) => (s.configurations[0]?.idx ?? 0) > 3 && s.configurations.length === 1),
        },
        {
          name: 'a node is finished',
          isReached: (states: readonly LocalState[]) => states.some(({ s }) => s.membership === 'RetiredCommitted'),
        },
      ]),
]

/** Node 0 begins the service and adds the other members; everything is delivered until all have committed it. */
function begin(options: ReplicaModelOptions): LocalState[] {
  const states = Array.from({ length: options.nodes }, (_, place) => replica.start(configOf(place, options)).state)
  const members = Array.from({ length: options.members }, (_, place) => idOf(place))
  const mail: { readonly from: number; readonly to: number; readonly message: ConsensusMessage }[] = []
  const put = (place: number, { state, sends }: Step): void => {
    states[place] = state
    mail.push(...sends.map((sent) => ({ from: place, ...sent })))
  }
  put(0, happen(states[0]!, { type: 'forceLeader' }))
  put(0, append(states[0]!, 'reconfiguration', [idOf(0)]))
  put(0, append(states[0]!, 'signature'))
  if (options.members > 1) {
    put(0, append(states[0]!, 'reconfiguration', members))
    put(0, append(states[0]!, 'signature'))
  }
  for (let round = 0; round < 4; round++) {
    for (let next = mail.shift(); next !== undefined; next = mail.shift()) {
      put(next.to, receive(states[next.to]!, next.from, next.message))
    }
    put(0, act(states[0]!, 'heartbeat'))
  }
  for (let next = mail.shift(); next !== undefined; next = mail.shift()) {
    put(next.to, receive(states[next.to]!, next.from, next.message))
  }
  return states
}

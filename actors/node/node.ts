// The node: its life from start to removal, and the supervision of its actors and client sessions. States are CCF's (facts §8.2) as far as a node
// without recovery has them, with `findingSnapshot` and `catchingUp` between Pending and PartOfNetwork, and the two that a removed node passes through.
// Not here: what the other actors do. Their configurations come from the composition, as opaque makers.
// The rule to remember: a node joins once, with a key of its own; removed, it stops by itself exactly when it is safe.
import { setup } from 'xstate'
import { HANDSHAKES_MAX } from '../../protocols/limits.ts'
import type { Invariant } from '../actor.ts'
import { step } from '../actor.ts'
import { send } from '../effects.ts'
import { actions, contextOf, guards, machineActor, machineTypes } from '../machine.ts'
import {
  askToJoin,
  beginAnew,
  findSnapshot,
  found,
  giveUp,
  isWelcomeOfPeer,
  join,
  secretsChanged,
  takePart,
  welcome,
} from './joining.ts'
import { nodesChanged } from './peers.ts'
import * as retiring from './retiring.ts'
import * as serving from './serving.ts'
import { initialState, type NodeConfig, type NodeEvent, type NodeState } from './state.ts'

type Name =
  | 'found'
  | 'join'
  | 'askToJoin'
  | 'welcome'
  | 'findSnapshot'
  | 'beginAnew'
  | 'giveUp'
  | 'takePart'
  | 'nodesChanged'
  | 'secretsChanged'
  | 'serve'
  | 'receiveHello'
  | 'refuseHello'
  | 'startSession'
  | 'sessionOpened'
  | 'sessionEnded'
  | 'followPrimary'
  | 'followMembership'
  | 'retire'
  | 'askPeer'
  | 'answerRetirementQuery'
  | 'leave'
  | 'stop'

type GuardName =
  | 'foundsService'
  | 'isWelcomeOfPeer'
  | 'isTrusted'
  | 'isRetiredCommitted'
  | 'returnsToServing'
  | 'returnsToCatchingUp'
  | 'isConfirmed'

const nodeSetup = setup({
  types: machineTypes<NodeState, NodeEvent>(),
  guards: guards<NodeState, NodeEvent, GuardName>({
    foundsService: (s) => s.config.founding !== undefined,
    isWelcomeOfPeer,
    isTrusted: serving.isTrusted,
    isRetiredCommitted: retiring.isRetiredCommitted,
    returnsToServing: retiring.returnsToServing,
    returnsToCatchingUp: retiring.returnsToCatchingUp,
    isConfirmed: retiring.isConfirmed,
  }),
  actions: actions<NodeState, NodeEvent, Name>({
    found,
    join,
    askToJoin,
    welcome,
    findSnapshot,
    beginAnew,
    giveUp,
    takePart,
    nodesChanged,
    secretsChanged,
    serve: serving.serve,
    receiveHello: serving.receiveHello,
    refuseHello: serving.refuseHello,
    startSession: serving.startSession,
    sessionOpened: serving.sessionOpened,
    sessionEnded: serving.sessionEnded,
    followPrimary: retiring.followPrimary,
    followMembership: retiring.followMembership,
    retire: retiring.retire,
    askPeer: retiring.askPeer,
    answerRetirementQuery: retiring.answerRetirementQuery,
    leave: retiring.leave,
    stop: retiring.stop,
  }),
})

/** Whatever its standing, a node with the service's secrets does this. */
const asNodeOfService = {
  joinRequest: { actions: 'welcome' },
  secretsChanged: { actions: 'secretsChanged' },
  retirementQuery: { actions: 'answerRetirementQuery' },
  primaryChanged: { actions: 'followPrimary' },
  askPeer: { actions: 'askPeer' },
  retiredCommitted: { guard: 'isConfirmed', target: 'retired', actions: 'leave' },
} as const
const finished = { guard: 'isRetiredCommitted', target: 'retired', actions: ['followMembership', 'leave'] } as const
const membershipChanged = [finished, { target: 'retiring', actions: ['followMembership', 'retire'] }] as const
const sessions = {
  bytesDrawn: { actions: 'startSession' },
  sessionOpened: { actions: 'sessionOpened' },
  sessionEnded: { actions: 'sessionEnded' },
} as const

export const nodeMachine = nodeSetup.createMachine({
  id: 'node',
  context: contextOf,
  initial: 'initialized',
  states: {
    initialized: {
      on: {
        begin: [
          { guard: 'foundsService', target: 'catchingUp', actions: 'found' },
          { target: 'pending', actions: 'join' },
        ],
      },
    },
    pending: {
      on: {
        welcome: { guard: 'isWelcomeOfPeer', target: 'findingSnapshot', actions: 'findSnapshot' },
        joinRetry: { actions: 'askToJoin' },
        received: { actions: 'refuseHello' },
      },
    },
    findingSnapshot: {
      on: {
        snapshotChosen: { target: 'catchingUp', actions: 'takePart' },
        received: { actions: 'refuseHello' },
      },
    },
    catchingUp: {
      on: {
        ...asNodeOfService,
        beyondReach: { target: 'pending', actions: 'beginAnew' },
        outrun: { target: 'outrun', actions: 'giveUp' },
        nodesChanged: [
          { guard: 'isTrusted', target: 'partOfNetwork', actions: ['nodesChanged', 'serve'] },
          { actions: 'nodesChanged' },
        ],
        membershipChanged,
        received: { actions: 'refuseHello' },
      },
    },
    partOfNetwork: {
      on: {
        ...asNodeOfService,
        ...sessions,
        nodesChanged: { actions: 'nodesChanged' },
        membershipChanged,
        received: { actions: 'receiveHello' },
      },
    },
    retiring: {
      on: {
        ...asNodeOfService,
        ...sessions,
        nodesChanged: { actions: 'nodesChanged' },
        membershipChanged: [
          finished,
          { guard: 'returnsToServing', target: 'partOfNetwork', actions: ['followMembership', 'serve'] },
          { guard: 'returnsToCatchingUp', target: 'catchingUp', actions: 'followMembership' },
          { actions: 'followMembership' },
        ],
        received: { actions: 'refuseHello' },
      },
    },
    outrun: {},
    retired: {
      on: {
        sessionEnded: { actions: 'sessionEnded' },
        received: { actions: 'refuseHello' },
        farewell: { actions: 'stop' },
      },
    },
  },
})

const invariants: readonly Invariant<NodeState>[] = [
  {
    name: 'a session is counted once',
    broken: ({ handshakes, sessions }) =>
      new Set([...handshakes, ...sessions]).size === handshakes.length + sessions.length
        ? undefined
        : 'a session is there twice',
  },
  {
    name: 'unfinished handshakes are bounded',
    broken: ({ handshakes, waiting }) =>
      Math.max(handshakes.length, Object.keys(waiting).length) <= HANDSHAKES_MAX
        ? undefined
        : `${handshakes.length} handshakes, ${Object.keys(waiting).length} hellos`,
  },
  {
    name: 'a peer has one channel, and no node one to itself',
    broken: ({ peers, config }) =>
      new Set([...peers, config.nodeId]).size === peers.length + 1 ? undefined : `channels to ${peers.join(', ')}`,
  },
]

export const node = machineActor<NodeConfig, NodeState, NodeEvent>({
  kind: 'node',
  version: 5,
  machine: nodeMachine,
  start: (config) => step(initialState(config), send('node', { type: 'begin' })),
  invariants,
})

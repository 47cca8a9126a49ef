// The node: its life from start to serving, and the supervision of its actors and client sessions.
// Not here: what the other actors do. Their configurations come from the composition, as opaque makers.
// The rule to remember: a node takes part only with what it was given by the first node over the sealed channel, and never under an identity used before.
import { setup } from 'xstate'
import { toHex } from '../../protocols/codec/bytes.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type { JoinRequest, PrimaryChanged, Welcome } from '../../protocols/requests.ts'
import { admitHello } from '../../protocols/session/admission.ts'
import type { Envelope, Invariant, Step } from '../actor.ts'
import { splitAddress, step, unchanged } from '../actor.ts'
import { send, trace, type Effect, type HostEvent } from '../effects.ts'
import { actions, contextOf, guards, machineActor, machineTypes } from '../machine.ts'

/** What the first node of a service has from the start, and gives to nodes that the operator admitted. */
export interface Founding {
  readonly welcome: Welcome
  readonly admitted: readonly NodeId[]
}

export interface NodeConfig {
  readonly nodeId: NodeId
  /** Nodes of the service besides this one. */
  readonly peers: readonly NodeId[]
  /** Undefined on nodes that join. */
  readonly founding: Founding | undefined
  /** The node that a joining node asks. */
  readonly first: NodeId
  readonly joinRetryMs: number
  readonly configs: ChildConfigs
}

/** Makers of the other actors' configurations. They must be pure: replay calls them again. */
export interface ChildConfigs {
  readonly replica: unknown
  readonly rpc: unknown
  readonly channel: (peer: NodeId) => unknown
  readonly executor: (secrets: Welcome) => unknown
  readonly session: (
    id: string,
    hello: { readonly replySubject: string; readonly clientNoise: Uint8Array },
    primary: NodeId | undefined,
  ) => unknown
}

export type NodeEvent =
  | { readonly type: 'begin' }
  | { readonly type: 'joinRetry' }
  | JoinRequest
  | Welcome
  | PrimaryChanged
  | { readonly type: 'sessionEnded'; readonly sessionId: string }
  | Extract<HostEvent, { readonly type: 'received' | 'bytesDrawn' }>

interface WaitingHello {
  readonly replySubject: string
  readonly clientNoise: Uint8Array
}

export interface NodeState {
  readonly config: NodeConfig
  readonly primary: NodeId | undefined
  readonly sessionsOpen: number
  readonly sessionsPeak: number
  readonly nextToken: number
  /** Hellos that wait for a session id to be drawn. */
  readonly waiting: Readonly<Record<number, WaitingHello>>
}

const SESSION_ID_BYTES = 16

const startChannels = ({ config }: NodeState): Effect[] =>
  config.peers.map((peer) => ({
    type: 'startActor',
    address: `channel/${peer}`,
    kind: 'channel',
    config: config.configs.channel(peer),
  }))

function startService({ config }: NodeState, secrets: Welcome): Effect[] {
  const { configs } = config
  return [
    { type: 'installKey', name: 'service', pkcs8: secrets.servicePrivateKey },
    { type: 'startActor', address: 'ledger-writer', kind: 'ledger-writer', config: undefined },
    { type: 'startActor', address: 'replica', kind: 'replica', config: configs.replica },
    { type: 'startActor', address: 'executor', kind: 'executor', config: configs.executor(secrets) },
    { type: 'startActor', address: 'rpc', kind: 'rpc', config: configs.rpc },
  ]
}

/** The first node creates the service and leads view 2. */
function found(s: NodeState): Step<NodeState> {
  const { founding } = s.config
  if (founding === undefined) return unchanged(s)
  return step(
    s,
    ...startChannels(s),
    ...startService(s, founding.welcome),
    send('replica', { type: 'forceLeader' }),
    trace('serviceFounded'),
  )
}

const join = (s: NodeState): Step<NodeState> => step(s, ...startChannels(s), ...askToJoin(s).effects)

function askToJoin(s: NodeState): Step<NodeState> {
  const { first, joinRetryMs } = s.config
  const request: JoinRequest = { type: 'joinRequest' }
  return step(s, send(`node@${first}`, request), {
    type: 'setTimer',
    name: 'joinRetry',
    afterMs: [joinRetryMs, joinRetryMs],
  })
}

/** Only nodes the operator named get the service's secrets. The channel has proven who asks. */
function welcome(s: NodeState, envelope: Envelope<NodeEvent>): Step<NodeState> {
  const { node } = splitAddress(envelope.from)
  const { founding } = s.config
  const admitted = founding?.admitted.find((id) => id === node)
  if (founding === undefined || admitted === undefined) return step(s, trace('joinRefused', { node: node ?? 'local' }))
  return step(s, send<Welcome>(`node@${admitted}`, founding.welcome), trace('nodeWelcomed', { node: admitted }))
}

function takePart(s: NodeState, envelope: Envelope<NodeEvent>): Step<NodeState> {
  return step(
    s,
    { type: 'cancelTimer', name: 'joinRetry' },
    ...startService(s, envelope.event as Welcome),
    trace('joined'),
  )
}

const isWelcomeOfFirst = (s: NodeState, { from }: Envelope<NodeEvent>): boolean => from === `node@${s.config.first}`

/** A hello on a session subject: admitted or refused, in clear (protocols/session/hello.ts). */
const receiveHello =
  (isReady: boolean) =>
  (s: NodeState, envelope: Envelope<NodeEvent>): Step<NodeState> => {
    const { payload, reply } = envelope.event as Extract<NodeEvent, { type: 'received' }>
    const open = s.sessionsOpen + Object.keys(s.waiting).length
    const admission = admitHello(payload, reply, { isReady, sessionsOpen: open })
    if (admission.kind === 'ignore') return step(s, trace('helloIgnored'))
    if (admission.kind === 'refuse') {
      return step(
        s,
        { type: 'publish', subject: admission.replySubject, payload: admission.payload },
        trace('helloRefused'),
      )
    }
    const token = s.nextToken
    const { replySubject, clientNoise } = admission
    const waiting = { ...s.waiting, [token]: { replySubject, clientNoise } }
    return step({ ...s, nextToken: token + 1, waiting }, { type: 'drawBytes', token, count: SESSION_ID_BYTES })
  }

function startSession(s: NodeState, envelope: Envelope<NodeEvent>): Step<NodeState> {
  const { token, bytes } = envelope.event as Extract<NodeEvent, { type: 'bytesDrawn' }>
  const { [token]: hello, ...waiting } = s.waiting
  if (hello === undefined) return unchanged(s)
  const id = toHex(bytes)
  const sessionsOpen = s.sessionsOpen + 1
  const state = { ...s, waiting, sessionsOpen, sessionsPeak: Math.max(s.sessionsPeak, sessionsOpen) }
  const config = s.config.configs.session(id, hello, s.primary)
  return step(state, { type: 'startActor', address: `session/${id}`, kind: 'session', config }, tellCounters(state))
}

function sessionEnded(s: NodeState): Step<NodeState> {
  const state = { ...s, sessionsOpen: s.sessionsOpen - 1 }
  return step(state, tellCounters(state))
}

const tellCounters = ({ sessionsOpen, sessionsPeak }: NodeState): Effect =>
  send('executor', { type: 'nodeCounters', counters: { sessionsActive: sessionsOpen, sessionsPeak } })

const primaryChanged = (s: NodeState, { event }: Envelope<NodeEvent>): Step<NodeState> =>
  step({ ...s, primary: (event as PrimaryChanged).primary })

type Name =
  | 'found'
  | 'join'
  | 'askToJoin'
  | 'welcome'
  | 'takePart'
  | 'receiveHello'
  | 'refuseHello'
  | 'startSession'
  | 'sessionEnded'
  | 'primaryChanged'

export const nodeMachine = setup({
  types: machineTypes<NodeState, NodeEvent>(),
  guards: guards<NodeState, NodeEvent, 'foundsService' | 'isWelcomeOfFirst'>({
    foundsService: (s) => s.config.founding !== undefined,
    isWelcomeOfFirst,
  }),
  actions: actions<NodeState, NodeEvent, Name>({
    found,
    join,
    askToJoin,
    welcome,
    takePart,
    receiveHello: receiveHello(true),
    refuseHello: receiveHello(false),
    startSession,
    sessionEnded,
    primaryChanged,
  }),
}).createMachine({
  id: 'node',
  context: contextOf,
  initial: 'initialized',
  // CCF's node states (facts §8.2), as far as a node without recovery has them.
  states: {
    initialized: {
      on: {
        begin: [
          { guard: 'foundsService', target: 'partOfNetwork', actions: 'found' },
          { target: 'pending', actions: 'join' },
        ],
      },
    },
    pending: {
      on: {
        welcome: { guard: 'isWelcomeOfFirst', target: 'partOfNetwork', actions: 'takePart' },
        joinRetry: { actions: 'askToJoin' },
        received: { actions: 'refuseHello' },
      },
    },
    partOfNetwork: {
      on: {
        joinRequest: { actions: 'welcome' },
        received: { actions: 'receiveHello' },
        bytesDrawn: { actions: 'startSession' },
        sessionEnded: { actions: 'sessionEnded' },
        primaryChanged: { actions: 'primaryChanged' },
      },
    },
  },
})

const invariants: readonly Invariant<NodeState>[] = [
  { name: 'sessions are counted once', broken: (s) => (s.sessionsOpen < 0 ? `${s.sessionsOpen} sessions` : undefined) },
]

export const node = machineActor<NodeConfig, NodeState, NodeEvent>({
  kind: 'node',
  version: 1,
  machine: nodeMachine,
  start: (config) =>
    step(
      { config, primary: undefined, sessionsOpen: 0, sessionsPeak: 0, nextToken: 1, waiting: {} },
      send('node', { type: 'begin' }),
    ),
  invariants,
})

// How a node gets what it needs to take part: it founds the service, or asks the nodes it knows of until one that finds it in the ledger answers.
// The rule to remember: secrets go to nodes that the committed ledger lists as Pending or Trusted, over a channel that has proven who asks.
import type { JoinRequest, Welcome } from '../../protocols/requests.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { send, trace, type Effect } from '../effects.ts'
import { connect, peerOf } from './peers.ts'
import type { NodeEvent, NodeState } from './state.ts'

function startService({ config }: NodeState, secrets: Welcome): Effect[] {
  const { configs } = config
  return [
    { type: 'installKey', name: 'service', pkcs8: secrets.servicePrivateKey },
    { type: 'startActor', address: 'ledger-writer', kind: 'ledger-writer', config: undefined },
    { type: 'startActor', address: 'replica', kind: 'replica', config: configs.replica },
    { type: 'startActor', address: 'executor', kind: 'executor', config: configs.executor(secrets) },
    { type: 'startActor', address: 'historian', kind: 'historian', config: configs.historian },
  ]
}

/** The first node creates the service and leads view 2. */
export function found(s: NodeState): Step<NodeState> {
  const { founding, peers } = s.config
  if (founding === undefined) return unchanged(s)
  const connected = connect({ ...s, secrets: founding }, peers)
  return step(
    connected.state,
    ...connected.effects,
    ...startService(s, founding),
    send('replica', { type: 'forceLeader' }),
    trace('serviceFounded'),
  )
}

export function join(s: NodeState): Step<NodeState> {
  const connected = connect(s, s.config.peers)
  return step(connected.state, ...connected.effects, ...askToJoin(connected.state).effects)
}

/** Any of them may answer: which one has the latest word is not known here. */
export function askToJoin(s: NodeState): Step<NodeState> {
  const { joinRetryMs } = s.config
  return step(s, ...s.peers.map((peer) => send<JoinRequest>(`node@${peer}`, { type: 'joinRequest' })), {
    type: 'setTimer',
    name: 'joinRetry',
    afterMs: [joinRetryMs, joinRetryMs],
  })
}

export function welcome(s: NodeState, envelope: Envelope<NodeEvent>): Step<NodeState> {
  const asker = peerOf(s, envelope)
  const standing = asker && s.nodes[asker]
  const isListed = standing === 'Pending' || standing === 'Trusted'
  if (asker === undefined || !isListed || s.secrets === undefined) {
    return step(s, trace('joinRefused', { node: asker ?? 'unknown', standing: standing ?? 'unknown' }))
  }
  return step(s, send<Welcome>(`node@${asker}`, s.secrets), trace('nodeWelcomed', { node: asker }))
}

export const isWelcomeOfPeer = (s: NodeState, envelope: Envelope<NodeEvent>): boolean =>
  peerOf(s, envelope) !== undefined

export function takePart(s: NodeState, { event }: Envelope<NodeEvent>): Step<NodeState> {
  const secrets = event as Welcome
  return step(
    { ...s, secrets },
    { type: 'cancelTimer', name: 'joinRetry' },
    ...startService(s, secrets),
    trace('welcomed'),
  )
}

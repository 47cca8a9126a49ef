// How a node gets what it needs to take part: it founds the service, or asks the nodes it knows of until one that finds it in the ledger answers.
// The rule to remember: secrets go to nodes that the committed ledger lists as Pending or Trusted, over a channel that has proven who asks.
import { invariant } from '../../protocols/errors.ts'
import type { JoinRequest, SecretsChanged, Welcome } from '../../protocols/requests.ts'
import type { ChosenSnapshot, SnapshotChosen } from '../../protocols/snapshot/messages.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { send, trace, type Effect } from '../effects.ts'
import { connect, peerOf } from './peers.ts'
import type { NodeEvent, NodeState } from './state.ts'

function startService(
  { config, viewAtLeast }: NodeState,
  secrets: Welcome,
  snapshot: ChosenSnapshot | undefined,
): Effect[] {
  const { configs } = config
  const committed = snapshot?.log.seqno ?? 0
  return [
    { type: 'startActor', address: 'ledger-writer', kind: 'ledger-writer', config: { committed } },
    { type: 'startActor', address: 'replica', kind: 'replica', config: configs.replica(snapshot?.log, viewAtLeast) },
    { type: 'startActor', address: 'executor', kind: 'executor', config: configs.executor(secrets, snapshot) },
  ]
}

/** They do not care where the log begins, so they stay when this node begins anew. */
const startHelpers = ({ config: { configs } }: NodeState): Effect[] => [
  { type: 'startActor', address: 'historian', kind: 'historian', config: configs.historian },
  { type: 'startActor', address: 'keeper', kind: 'keeper', config: configs.keeper },
]

const installServiceKey = ({ servicePrivateKey }: Welcome): Effect => ({
  type: 'installKey',
  name: 'service',
  pkcs8: servicePrivateKey,
})

/** From now on others may ask what snapshots there are here. */
const startSnapshotter = ({ config }: NodeState): Effect => ({
  type: 'startActor',
  address: 'snapshotter',
  kind: 'snapshotter',
  config: config.configs.snapshotter,
})

/** The first node creates the service and leads view 2. */
export function found(s: NodeState): Step<NodeState> {
  const { founding, peers } = s.config
  if (founding === undefined) return unchanged(s)
  const connected = connect({ ...s, secrets: founding }, peers)
  return step(
    connected.state,
    ...connected.effects,
    startSnapshotter(s),
    installServiceKey(founding),
    ...startService(s, founding, undefined),
    ...startHelpers(s),
    send('replica', { type: 'forceLeader' }),
    trace('serviceFounded'),
  )
}

export function join(s: NodeState): Step<NodeState> {
  const connected = connect(s, s.config.peers)
  return step(connected.state, ...connected.effects, startSnapshotter(s), ...askToJoin(connected.state).effects)
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

/** There is another ledger secret: whoever joins from now on gets it too. */
export function secretsChanged(s: NodeState, { event }: Envelope<NodeEvent>): Step<NodeState> {
  const { secrets } = event as SecretsChanged
  return s.secrets === undefined ? unchanged(s) : unchanged({ ...s, secrets: { ...s.secrets, secrets } })
}

export const isWelcomeOfPeer = (s: NodeState, envelope: Envelope<NodeEvent>): boolean =>
  peerOf(s, envelope) !== undefined

/** Of two answers the one that knows of more secrets: they are only ever added, and an answer may be late. */
const newest = (a: Welcome | undefined, b: Welcome): Welcome =>
  a !== undefined && a.secrets.length > b.secrets.length ? a : b

/** With the service's secrets a snapshot can be opened, so now is the time to look for one. */
export function findSnapshot(s: NodeState, { event }: Envelope<NodeEvent>): Step<NodeState> {
  const secrets = newest(s.secrets, event as Welcome)
  const config = s.config.configs.fetcher(secrets, s.peers)
  return step(
    { ...s, secrets },
    { type: 'cancelTimer', name: 'joinRetry' },
    installServiceKey(secrets),
    { type: 'startActor', address: FETCHER, kind: 'snapshot-fetcher', config },
    trace('welcomed'),
  )
}

/**
 * It began without a snapshot, holds nothing yet, and the leader's ledger begins later. An answer was missed, or a snapshot could not be opened because the
 * secrets changed since this node was let in (found by simulation, seed 5283): the nodes are asked again for both.
 */
export function beginAnew(s: NodeState, { event }: Envelope<NodeEvent>): Step<NodeState> {
  const { view, leader } = event as Extract<NodeEvent, { type: 'beyondReach' }>
  // The leader may have come to the service after this node was told whom to ask.
  const connected = connect({ ...s, viewAtLeast: view }, [leader])
  const asked = askToJoin(connected.state)
  return step(
    asked.state,
    ...SERVICE.map((address): Effect => ({ type: 'stopActor', address })),
    ...connected.effects,
    ...asked.effects,
    trace('beginsAnew'),
  )
}

/**
 * What it holds cannot be continued any more, and a ledger does not begin twice: the operator starts it again, and it begins at a snapshot. It counted in no
 * quorum and served nobody, so that nothing is lost with it.
 */
export const giveUp = (s: NodeState): Step<NodeState> =>
  step(s, { type: 'lifecycle', stage: 'outrun' }, trace('outrun'))

const FETCHER = 'snapshot-fetcher'
/** Those that are made for one beginning of the log. */
const SERVICE = ['executor', 'replica', 'ledger-writer'] as const

/** Begins where the snapshot ends, or with the service's first transaction. */
export function takePart(s: NodeState, { event }: Envelope<NodeEvent>): Step<NodeState> {
  const { snapshot } = event as SnapshotChosen
  const { secrets, hasHelpers } = s
  invariant(secrets !== undefined, 'a welcomed node has the secrets')
  return step(
    { ...s, hasHelpers: true },
    { type: 'stopActor', address: FETCHER },
    ...startService(s, secrets, snapshot),
    ...(hasHelpers ? [] : startHelpers(s)),
    trace('takesPart', { from: snapshot?.log.seqno ?? 0 }),
  )
}

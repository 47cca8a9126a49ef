// The composition of one node: with which configuration its actors run (catalogue.ts has them all), and how NATS subjects lead to them.
// What is serialisable of it (NodeSetup) heads every journal, so replay composes the same node.
import type { ChannelConfig } from '../actors/channel/state.ts'
import type { Envelope } from '../actors/actor.ts'
import type { Effect, HostEvent, LifecycleStage } from '../actors/effects.ts'
import type { ExecutorConfig } from '../actors/executor/state.ts'
import type { HistorianConfig } from '../actors/historian/state.ts'
import type { KeeperConfig } from '../actors/keeper/keeper.ts'
import type { NodeConfig } from '../actors/node/state.ts'
import type { ReplicaConfig } from '../actors/replica/state.ts'
import type { RpcConfig } from '../actors/rpc/state.ts'
import type { SessionConfig } from '../actors/session/state.ts'
import type { FetcherConfig } from '../actors/snapshot-fetcher/state.ts'
import type { SnapshotterConfig } from '../actors/snapshotter/state.ts'
import type { App } from '../protocols/app.ts'
import { toHex } from '../protocols/codec/bytes.ts'
import { parsePem } from '../protocols/codec/pem.ts'
import { parseCertificate } from '../protocols/crypto/certificate.ts'
import type { Crypto } from '../protocols/crypto/crypto.ts'
import type { NodeId } from '../protocols/ids.ts'
import {
  APPEND_BYTES_MAX,
  HISTORY_CACHE_BYTES_MAX,
  LOG_TAIL_BYTES_MAX,
  MAILBOX_MAX,
  NATS_PAYLOAD_BYTES_MAX,
} from '../protocols/limits.ts'
import type { Welcome } from '../protocols/requests.ts'
import type { SnapshotFile } from '../protocols/snapshot/messages.ts'
import { encodeHello, isReplySubject } from '../protocols/session/hello.ts'
import { encodeIdentityPayload } from '../protocols/session/identity-payload.ts'
import { noiseKeyPair } from '../protocols/session/noise.ts'
import { nodeSubjects, parseNodeSubject } from '../protocols/subjects.ts'
import type { NodeSetup } from './node-setup.ts'
import type { Bus, BusMessage } from './bus/bus.ts'
import { catalogue } from './catalogue.ts'
import { ClientQueues } from './client-queues.ts'
import { DiscoveryResponder } from './discovery-responder.ts'
import { LiveHost, monotonicNow, type LiveHostOptions } from './host/live.ts'

const BYTES_BEFORE_SENDING = 64 * 1024
const JOIN_RETRY_MS = 200
const RETIREMENT_QUERY_MS = 250
const FAREWELL_MS = 100
/** At most a tenth of a loaded node's time goes into its index: a batch takes some milliseconds. */
const INDEX_PAUSE_MS = 50
const HISTORY_BRIEF_MS = 1000
const HISTORY_EXPIRY_MS = 30_000
const RPC_PENDING_MAX = 1000
const SLICE_PAUSE_MS = 1
const RECEIPT_RETRY_MS = 100
const SNAPSHOT_SEARCH_MS = 1000
const SNAPSHOT_PIECE_MS = 2000
const HANDSHAKE_TIMEOUT_MS = 10_000

/** The configuration of the node actor, from which all others follow. Pure. */
export function nodeConfig(setup: NodeSetup, crypto: Crypto, apps: readonly App[]): NodeConfig {
  const staticKey = noiseKeyPair(crypto, setup.staticKey)
  const serviceCertificate = parseCertificate(setup.serviceCertificatePem)
  const { timing, founding } = setup
  const replicaConfig: Omit<ReplicaConfig, 'beginning' | 'viewAtLeast'> = {
    nodeId: setup.nodeId,
    messageTimeoutMs: timing.messageTimeoutMs,
    electionTimeoutMs: timing.electionTimeoutMs,
    preVoteEnabled: true,
    pacing: 'eager',
    tickingFromStart: false,
    appendBytesMax: APPEND_BYTES_MAX,
    sendAfterBytes: BYTES_BEFORE_SENDING,
    logTailBytesMax: LOG_TAIL_BYTES_MAX,
  }
  const executorConfig = (secrets: Welcome, snapshot: SnapshotFile | undefined): ExecutorConfig => ({
    crypto,
    apps,
    nodeId: setup.nodeId,
    service: setup.service,
    softwareVersion: setup.softwareVersion,
    serviceCertificatePem: setup.serviceCertificatePem,
    serviceKid: toHex(crypto.sha256(serviceCertificate.spki)),
    serviceCurve: setup.serviceCurve,
    coseIssuer: '',
    coseSubject: '',
    encryptionKey: setup.encryptionKey,
    secrets: secrets.secrets,
    genesis: founding === undefined ? undefined : { writes: founding.genesis, opening: founding.opening },
    snapshotTxCount: setup.snapshotTxCount,
    snapshot,
    forwardingTimeoutMs: timing.forwardingTimeoutMs,
  })
  const historianConfig: HistorianConfig = {
    crypto,
    apps,
    services: [serviceCertificate],
    cacheBytesMax: HISTORY_CACHE_BYTES_MAX,
    indexPauseMs: INDEX_PAUSE_MS,
    briefMs: HISTORY_BRIEF_MS,
    expiryMs: HISTORY_EXPIRY_MS,
  }
  const channelConfig = (peer: NodeId): ChannelConfig => ({
    crypto,
    service: setup.service,
    binding: setup.channelBinding,
    nodeId: setup.nodeId,
    peer,
    staticKey,
    identityPayload: setup.channelIdentity,
    retryMinMs: 100,
    retryMaxMs: 2000,
    silenceMs: Math.max(1000, 2 * timing.electionTimeoutMs),
  })
  const sessionConfig: NodeConfig['configs']['session'] = ({ nodeCertificatePem, ...options }): SessionConfig => ({
    crypto,
    service: setup.service,
    serviceCertificate,
    nodeId: setup.nodeId,
    staticKey,
    identityPayload: encodeIdentityPayload({
      role: 'node',
      proof: { certificate: parsePem(nodeCertificatePem, 'CERTIFICATE'), signature: setup.sessionSignature },
    }),
    ...options,
    handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
    idleTimeoutMs: timing.sessionIdleMs,
  })
  return {
    nodeId: setup.nodeId,
    peers: setup.peers,
    joinRetryMs: JOIN_RETRY_MS,
    retirementQueryMs: RETIREMENT_QUERY_MS,
    farewellMs: FAREWELL_MS,
    founding: founding && {
      type: 'welcome',
      servicePrivateKey: founding.servicePrivateKey,
      secrets: [{ version: 1, secret: founding.ledgerSecret }],
    },
    configs: {
      historian: historianConfig,
      snapshotter: { crypto, pauseMs: SLICE_PAUSE_MS, receiptRetryMs: RECEIPT_RETRY_MS } satisfies SnapshotterConfig,
      fetcher: ({ secrets }, peers): FetcherConfig => ({
        crypto,
        nodeId: setup.nodeId,
        encryptionKey: setup.encryptionKey,
        serviceCertificatePem: setup.serviceCertificatePem,
        secrets,
        peers,
        searchMs: SNAPSHOT_SEARCH_MS,
        pieceMs: SNAPSHOT_PIECE_MS,
      }),
      replica: (beginning, viewAtLeast): ReplicaConfig => ({ ...replicaConfig, beginning, viewAtLeast }),
      rpc: { pendingMax: RPC_PENDING_MAX } satisfies RpcConfig,
      keeper: { crypto } satisfies KeeperConfig,
      channel: channelConfig,
      executor: executorConfig,
      session: sessionConfig,
    },
  }
}

export interface RunNodeOptions extends Pick<
  LiveHostOptions,
  | 'ledger'
  | 'pastIndex'
  | 'snapshots'
  | 'keyring'
  | 'randomBytes'
  | 'random'
  | 'onTrace'
  | 'onDefect'
  | 'checkInvariants'
> {
  readonly setup: NodeSetup
  readonly crypto: Crypto
  readonly apps: readonly App[]
  readonly bus: Bus
  /** Told of every stage, after this function has done its own part of it. On `retired` the caller stops the node. */
  readonly onLifecycle: (stage: LifecycleStage) => void
  readonly observe?: (envelope: Envelope, effects: readonly Effect[], state: string) => void
}

/** Starts a node on a connected bus. It runs until `stop`, or until a defect stops it. */
export function runNode(options: RunNodeOptions): LiveHost {
  const { setup, bus, crypto, apps } = options
  if (bus.payloadBytesMax < NATS_PAYLOAD_BYTES_MAX) {
    throw new RangeError(
      `the NATS server takes messages of ${bus.payloadBytesMax} bytes; ${NATS_PAYLOAD_BYTES_MAX} are needed`,
    )
  }
  const onLifecycle = (stage: LifecycleStage): void => {
    queues.follow(stage)
    options.onLifecycle(stage)
  }
  const host = new LiveHost({ ...options, onLifecycle, catalogue: catalogue() })
  const deliver = (to: string) => (message: BusMessage) => {
    // NATS promises delivery at most once; beyond this, dropping is better than growing without bound.
    if (host.kernel.backlog >= MAILBOX_MAX) return
    const { subject, reply, payload } = message
    const event: HostEvent = { type: 'received', subject, reply, payload }
    host.post('bus', to, event)
  }
  const toNode = deliver('node')
  // One subscription for everything addressed to this node, so that NATS' order is the mailbox's order.
  bus.subscribe(nodeSubjects(setup.service, setup.nodeId), (message) => {
    const parsed = parseNodeSubject(setup.service, setup.nodeId, message.subject)
    if (parsed === undefined) return
    if (parsed.kind === 'hello') toNode(message)
    else if (parsed.kind === 'channelFrame') deliver(`channel/${parsed.peer}`)(message)
    else if (host.kernel.has(`session/${parsed.session}`)) deliver(`session/${parsed.session}`)(message)
    else refuseUnknownSession(bus, message)
  })
  const discovery = new DiscoveryResponder(bus, setup, monotonicNow())
  const toRpc = deliver('rpc')
  const onRequest = (message: BusMessage): void => {
    discovery.countRequest()
    toRpc(message)
  }
  const queues = new ClientQueues(bus, setup.service, { onHello: toNode, onRequest })
  host.start('node', 'node', nodeConfig(setup, crypto, apps))
  return host
}

/** A session this node does not have (any more): its client learns at once instead of waiting for an answer. */
function refuseUnknownSession(bus: Bus, { reply }: BusMessage): void {
  // Whoever published chose the reply subject: an unusable one must not throw, one of ours not be answered.
  if (reply === undefined || !isReplySubject(reply)) return
  const refusal = encodeHello({
    type: 'sessionRefusal',
    code: 'ResourceNotFound',
    message: 'no such session on this node',
  })
  bus.publish(reply, refusal)
}

// The configurations of a simulated node's actors. Not which actors there are (service.ts).
import type { ExecutorConfig } from '../../../actors/executor/state.ts'
import type { HistorianConfig } from '../../../actors/historian/state.ts'
import type { KeeperConfig } from '../../../actors/keeper/keeper.ts'
import type { LedgerSecret } from '../../../protocols/secrets/ledger-secrets.ts'
import type { NodeConfig } from '../../../actors/node/state.ts'
import type { ReplicaConfig } from '../../../actors/replica/state.ts'
import type { FetcherConfig } from '../../../actors/snapshot-fetcher/state.ts'
import type { SnapshotterConfig } from '../../../actors/snapshotter/state.ts'
import type { App } from '../../../protocols/app.ts'
import { parseCertificate } from '../../../protocols/crypto/certificate.ts'
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import { HISTORY_CACHE_BYTES_MAX } from '../../../protocols/limits.ts'
import type { LogBeginning, SnapshotFile } from '../../../protocols/snapshot/messages.ts'
import type { Knobs } from '../../sim/plan.ts'
import { CURVE, SECRETS, type Identities } from './identities.ts'

export interface NodeOptions {
  readonly nodeId: NodeId
  /** PKCS#8: `encryptionKeyOf` in identities.ts. */
  readonly encryptionKey: Uint8Array
  /** Nodes it knows when it starts. */
  readonly peers: readonly NodeId[]
  /** True of the one node that creates the service. */
  readonly isFounder: boolean
  readonly identities: Identities
  readonly crypto: Crypto
  readonly apps: readonly App[]
  readonly knobs: Knobs
}

export function replicaConfig(
  { nodeId, knobs }: NodeOptions,
  beginning?: LogBeginning,
  viewAtLeast = 0,
): ReplicaConfig {
  const { messageTimeoutMs, electionTimeoutMs, preVoteEnabled, pacing } = knobs
  const { appendBytesMax, sendAfterBytes, logTailBytesMax } = knobs
  return {
    nodeId,
    messageTimeoutMs,
    electionTimeoutMs,
    preVoteEnabled,
    pacing,
    tickingFromStart: false,
    appendBytesMax,
    sendAfterBytes,
    logTailBytesMax,
    beginning,
    viewAtLeast,
  }
}

export function executorConfig(
  options: NodeOptions,
  secrets: readonly LedgerSecret[] = SECRETS,
  snapshot?: SnapshotFile,
): ExecutorConfig {
  const { nodeId, encryptionKey, isFounder, identities, crypto, apps, knobs } = options
  const { setup, serviceKid } = identities
  return {
    crypto,
    nodeId,
    service: 'sim',
    softwareVersion: 'sim',
    serviceCertificatePem: setup.serviceCertificatePem,
    serviceKid,
    serviceCurve: CURVE,
    coseIssuer: '',
    coseSubject: '',
    encryptionKey,
    secrets,
    apps,
    genesis: isFounder ? { writes: setup.genesis, opening: setup.opening } : undefined,
    snapshotTxCount: knobs.snapshotTxCount,
    snapshot,
    forwardingTimeoutMs: knobs.forwardingTimeoutMs,
  }
}

const historianConfig = ({ crypto, apps, identities }: NodeOptions): HistorianConfig => ({
  crypto,
  apps,
  services: [parseCertificate(identities.setup.serviceCertificatePem)],
  cacheBytesMax: HISTORY_CACHE_BYTES_MAX,
  indexPauseMs: 20,
  briefMs: 1000,
  expiryMs: 10_000,
})

const JOIN_RETRY_MS = 50
const RETIREMENT_QUERY_MS = 250
const FAREWELL_MS = 10
const SEARCH_MS = 200
const PIECE_MS = 200

export function nodeConfig(options: NodeOptions): NodeConfig {
  const { nodeId, peers, isFounder, identities } = options
  const { pkcs8: servicePrivateKey } = identities.serviceKey
  return {
    nodeId,
    peers,
    founding: isFounder ? { type: 'welcome', servicePrivateKey, secrets: SECRETS } : undefined,
    joinRetryMs: JOIN_RETRY_MS,
    retirementQueryMs: RETIREMENT_QUERY_MS,
    farewellMs: FAREWELL_MS,
    configs: {
      historian: historianConfig(options),
      snapshotter: { crypto: options.crypto, pauseMs: 1, receiptRetryMs: 10 } satisfies SnapshotterConfig,
      fetcher: ({ secrets }, others): FetcherConfig => ({
        crypto: options.crypto,
        nodeId,
        encryptionKey: options.encryptionKey,
        serviceCertificatePem: identities.setup.serviceCertificatePem,
        secrets,
        peers: others,
        searchMs: SEARCH_MS,
        pieceMs: PIECE_MS,
      }),
      replica: (beginning, viewAtLeast) => replicaConfig(options, beginning, viewAtLeast),
      executor: ({ secrets }, snapshot) => executorConfig(options, secrets, snapshot),
      keeper: { crypto: options.crypto } satisfies KeeperConfig,
      // Stand-ins take whatever they are given: see service.ts.
      rpc: undefined,
      channel: () => undefined,
      session: () => undefined,
    },
  }
}

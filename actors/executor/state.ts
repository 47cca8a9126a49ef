// What an executor knows: the key-value store, the Merkle tree, and the transactions that are not committed yet.
// On the primary `kv` is the tip; on a backup it is the committed state, and uncommitted entries wait unopened in `pending`.
// The rule to remember: pending holds exactly the replica's log above the commit index, plus, on the primary, what was just proposed.
import type { App, AppRequest, AppResponse, AuthPolicy, Caller, Endpoint, Verb } from '../../protocols/app.ts'
import type { ConsensusSummary, ReplicaNotice } from '../../protocols/consensus/messages.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type { Crypto, EcCurve, EcPublicKey, HashName } from '../../protocols/crypto/crypto.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type { WriteSet } from '../../protocols/ledger/write-set.ts'
import { emptyTree, type MerkleTree } from '../../protocols/merkle/tree.ts'
import type { Execute, Forward, Forwarded } from '../../protocols/requests.ts'
import type { Parameters, Router } from '../../protocols/router.ts'
import type { ReadState, RecordEvidence, SnapshotAbandoned, SnapshotFile } from '../../protocols/snapshot/messages.ts'
import type { IssuePurpose, SecretsIssued } from '../../protocols/secrets/issuing.ts'
import { AppendList } from '../../store/kv/append-list.ts'
import { emptyKv, type KvState } from '../../store/kv/kv-state.ts'
import type { Address } from '../actor.ts'
import type { HostEvent } from '../effects.ts'
import type { NodeChange } from './node-changes.ts'
import { knownFromStart, type KnownSecrets, type SecretsConfig } from './secrets.ts'

export interface ExecutorConfig extends SecretsConfig {
  readonly service: string
  readonly softwareVersion: string
  readonly serviceCertificatePem: string
  /** Lower-case hex of SHA-256(service SPKI): `kid` of COSE root signatures. */
  readonly serviceKid: string
  /** Curve of the service key: chooses the COSE algorithm. */
  readonly serviceCurve: EcCurve
  /** `iss` and `sub` of COSE root signatures (CCF: cose_signatures). */
  readonly coseIssuer: string
  readonly coseSubject: string
  readonly apps: readonly App[]
  /** Only on the node that starts a service: the first transaction, and the one that opens the service once the first is committed. */
  readonly genesis: { readonly writes: WriteSet; readonly opening: WriteSet } | undefined
  /** A snapshot is due at the first signature so many transactions after the last one (CCF: snapshots.tx_count). */
  readonly snapshotTxCount: number
  /** A verified snapshot that takes the place of all entries up to its seqno; undefined: begins with the service's first transaction. */
  readonly snapshot: SnapshotFile | undefined
  /** A forwarded request that got no answer for this long is answered 504 (CCF: forwarding_timeout_ms, 3000). */
  readonly forwardingTimeoutMs: number
}

export type ExecutorEvent =
  | Execute
  | Forward
  | Forwarded
  | ReplicaNotice
  | ReadState
  | RecordEvidence
  | SnapshotAbandoned
  | SecretsIssued
  | { readonly type: 'forwardingTimeout' }
  /** From the node: what only it knows of itself. */
  | { readonly type: 'nodeCounters'; readonly counters: NodeCounters }
  | Extract<HostEvent, { readonly type: 'signed' }>

export interface NodeCounters {
  readonly sessionsActive: number
  readonly sessionsPeak: number
}

/** State right after a signature transaction: where a rollback or a change of role starts from. */
export interface Checkpoint {
  readonly tree: MerkleTree
  /** Undefined on a backup, which opens entries only once they are committed. */
  readonly kv: KvState | undefined
}

export interface Pending {
  readonly record: LogRecord
  readonly leaf: Uint8Array
  /** All that it wrote; undefined on a backup, which has not opened it. */
  readonly writes: WriteSet | undefined
  readonly checkpoint: Checkpoint | undefined
}

/** A transaction that was executed here. */
export type Added = Pending & { readonly writes: WriteSet; readonly checkpoint: undefined }

/** A signature transaction whose seqno is taken and whose signatures are being made. */
export interface Signing {
  readonly token: number
  readonly seqno: number
  readonly root: Uint8Array
  readonly treeBytes: Uint8Array
  /** COSE protected header, to be joined with the service's signature. */
  readonly coseProtected: Uint8Array
  readonly kv: KvState
  /** Transactions executed meanwhile; their leaves follow the signature's. */
  readonly held: readonly Added[]
}

/** Nodes that have caught up and whose certificates are being signed by the service's key. */
export interface Endorsing {
  readonly token: number
  readonly nodes: readonly { readonly nodeId: NodeId; readonly body: Uint8Array; readonly hash: HashName }[]
}

/** An endpoint of the node itself that changes the service's nodes. */
export interface NodeEndpoint {
  readonly verb: Verb
  readonly path: string
  readonly auth: readonly AuthPolicy[]
  readonly mode: 'readwrite'
  readonly change: (call: {
    readonly kv: KvState
    readonly crypto: Crypto
    readonly params: Parameters
    readonly body: Uint8Array
  }) => NodeChange
}

/** An endpoint of the node itself that renews ledger secrets or recovery shares. */
export interface SecretEndpoint {
  readonly verb: Verb
  readonly path: string
  readonly auth: readonly AuthPolicy[]
  readonly mode: 'readwrite'
  readonly issues: IssuePurpose
}

/** What a request may be routed to, besides what every node has built in. */
export type Served = Endpoint | NodeEndpoint | SecretEndpoint

/** Secrets or shares that the keeper was asked for. */
export interface Issuing {
  readonly token: number
  readonly purpose: IssuePurpose
  /** What it is computed from: see `issueBasis`. */
  readonly basis: string
  /** Undefined: the opening of the service. */
  readonly asker: { readonly origin: Address; readonly token: number; readonly requestId: number } | undefined
}

/** A batch handed to the primary. */
export interface Forwarding {
  readonly origin: Address
  readonly originToken: number
  readonly requestIds: readonly number[]
  /** Host clock, ms. */
  readonly deadlineAt: number
}

/** What a sender of requests has not seen committed. */
export interface Origin {
  /** Highest seqno answered to it. */
  readonly seqno: number
  /** Batches forwarded for it and not answered. */
  readonly forwarding: number
}

export interface ExecutorState {
  readonly config: ExecutorConfig
  readonly router: Router<Served>
  /** Those of the committed ledger, and of what is pending. SECRET. */
  readonly secrets: KnownSecrets
  /** Primary: what the keeper is making. */
  readonly issuing: Issuing | undefined
  /** How many ledger secrets the node was told of. */
  readonly secretsTold: number
  readonly summary: ConsensusSummary
  readonly kv: KvState
  readonly committed: Checkpoint & { readonly kv: KvState }
  readonly tree: MerkleTree
  readonly pending: AppendList<Pending>
  readonly signing: Signing | undefined
  /** Signatures proposed and not committed: while there is one, no other is begun, so batches grow with the load. */
  readonly signatureOutstanding: boolean
  /** A new primary signs at once, even if nothing is unsigned (consensus.md §10). */
  readonly mustSign: boolean
  readonly nextToken: number
  readonly forwardings: Readonly<Record<number, Forwarding>>
  readonly origins: Readonly<Record<Address, Origin>>
  readonly counters: NodeCounters
  /** Primary: learners that have caught up and are not being endorsed yet. */
  readonly caughtUp: readonly NodeId[]
  readonly endorsing: Endorsing | undefined
  /** Primary: the next signature is a snapshot point, because an operator wants it. */
  readonly snapshotWanted: boolean
  /** Primary: states that are being written down, ascending. */
  readonly snapshots: readonly { readonly seqno: number; readonly kv: KvState }[]
  /** The version of the nodes' table that the node, and on the primary the replica, were told of. */
  readonly nodesTold: string
  /** Public keys of node certificates that were found to be issued by the service. */
  readonly signers: Readonly<Record<string, EcPublicKey>>
}

/** Who asked, and what comes back to them. */
export interface Batch {
  readonly origin: Address
  readonly token: number
  readonly caller: Caller
  readonly activeView: number
  readonly publicOnly: boolean
  readonly requests: readonly AppRequest[]
}

export type Responses = readonly AppResponse[]

const NOTHING_KNOWN: ConsensusSummary = {
  leadership: 'None',
  membership: 'Active',
  view: 0,
  leaderId: undefined,
  lastSeqno: 0,
  committed: { view: 0 as never, seqno: 0 as never },
  viewHistory: [],
  configurations: [],
  peers: {},
}

export const initialState = (config: ExecutorConfig, router: Router<Served>): ExecutorState => ({
  config,
  router,
  secrets: knownFromStart(config),
  issuing: undefined,
  secretsTold: config.secrets.length,
  summary: NOTHING_KNOWN,
  kv: emptyKv,
  committed: { kv: emptyKv, tree: emptyTree },
  tree: emptyTree,
  pending: AppendList.startingAt<Pending>(1),
  signing: undefined,
  signatureOutstanding: false,
  mustSign: false,
  nextToken: 1,
  forwardings: {},
  origins: {},
  counters: { sessionsActive: 0, sessionsPeak: 0 },
  caughtUp: [],
  endorsing: undefined,
  snapshotWanted: false,
  snapshots: [],
  nodesTold: '',
  signers: {},
})

export const isPrimary = (s: ExecutorState): boolean => s.summary.leadership === 'Leader'

/** Seqno of the last transaction executed or received. */
export const lastSeqno = (s: ExecutorState): number =>
  s.signing === undefined ? s.pending.end - 1 : s.signing.seqno + s.signing.held.length

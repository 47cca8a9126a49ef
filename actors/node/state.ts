// What a node knows of itself and of the others: whom it has a channel to, what the ledger says of them, and which client sessions it has.
// Its phase of life is the chart's state, not a field. `secrets` are the service's: nothing of them belongs into a trace or an error.
// The rule to remember: who is a node of the service is what the executor says the committed ledger says, and nothing else.
import type { Membership, NodeNotice } from '../../protocols/consensus/messages.ts'
import type { NodeStanding } from '../../protocols/governance/node-row.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type {
  JoinRequest,
  NodesChanged,
  PrimaryChanged,
  RetiredCommitted,
  RetirementQuery,
  SecretsChanged,
  Welcome,
} from '../../protocols/requests.ts'
import type { LogBeginning, SnapshotChosen, SnapshotFile } from '../../protocols/snapshot/messages.ts'
import type { HostEvent } from '../effects.ts'

export interface NodeConfig {
  readonly nodeId: NodeId
  /** Other nodes of the service, as the operator knows them when this one starts. */
  readonly peers: readonly NodeId[]
  /** Only on the node that founds the service: its secrets. */
  readonly founding: Welcome | undefined
  readonly joinRetryMs: number
  /** While it seems to have been removed, another node is asked so often. */
  readonly retirementQueryMs: number
  /** Clients are given that long to be told that the node stops. */
  readonly farewellMs: number
  readonly configs: ChildConfigs
}

/** Makers of the other actors' configurations. They must be pure: replay calls them again. */
export interface ChildConfigs {
  readonly historian: unknown
  readonly rpc: unknown
  readonly snapshotter: unknown
  readonly fetcher: (secrets: Welcome, peers: readonly NodeId[]) => unknown
  /** `beginning`, `snapshot`: of the snapshot that this node begins at, if it does. */
  readonly replica: (beginning: LogBeginning | undefined, viewAtLeast: number) => unknown
  readonly keeper: unknown
  readonly channel: (peer: NodeId) => unknown
  readonly executor: (secrets: Welcome, snapshot: SnapshotFile | undefined) => unknown
  readonly session: (options: {
    readonly sessionId: string
    readonly replySubject: string
    readonly clientNoise: Uint8Array
    readonly primaryHint: NodeId | undefined
    /** PEM; proves this node to the client. */
    readonly nodeCertificatePem: string
  }) => unknown
}

export type NodeEvent =
  | { readonly type: 'begin' }
  | { readonly type: 'joinRetry' }
  | { readonly type: 'askPeer' }
  | { readonly type: 'farewell' }
  | JoinRequest
  | Welcome
  | RetirementQuery
  | RetiredCommitted
  | NodeNotice
  | SnapshotChosen
  | NodesChanged
  | SecretsChanged
  | PrimaryChanged
  | { readonly type: 'sessionOpened' | 'sessionEnded'; readonly sessionId: string }
  | Extract<HostEvent, { readonly type: 'received' | 'bytesDrawn' }>

export interface WaitingHello {
  readonly replySubject: string
  readonly clientNoise: Uint8Array
}

export interface NodeState {
  readonly config: NodeConfig
  /** What this node can give to another that joins. SECRET. */
  readonly secrets: Welcome | undefined
  /** Nodes with a channel, in the order in which they became known. */
  readonly peers: readonly NodeId[]
  /** As the committed ledger says. */
  readonly nodes: Readonly<Record<NodeId, NodeStanding>>
  /** This node's own, endorsed by the service; clients are served from then on. */
  readonly certificatePem: string | undefined
  readonly isRpcStarted: boolean
  /** The view that the replica stood in when this node began anew; 0 otherwise. */
  readonly viewAtLeast: number
  /** Historian and keeper run. */
  readonly hasHelpers: boolean
  readonly membership: Membership
  readonly primary: NodeId | undefined
  /** Retirement queries sent: each goes to the next peer. */
  readonly queries: number
  /** Sessions whose clients have not proven themselves yet, oldest first. */
  readonly handshakes: readonly string[]
  /** Open ones. */
  readonly sessions: readonly string[]
  readonly sessionsPeak: number
  readonly nextToken: number
  /** Hellos that wait for a session id to be drawn. */
  readonly waiting: Readonly<Record<number, WaitingHello>>
}

export const initialState = (config: NodeConfig): NodeState => ({
  config,
  secrets: undefined,
  peers: [],
  nodes: {},
  certificatePem: undefined,
  isRpcStarted: false,
  viewAtLeast: 0,
  hasHelpers: false,
  membership: 'Active',
  primary: undefined,
  queries: 0,
  handshakes: [],
  sessions: [],
  sessionsPeak: 0,
  nextToken: 1,
  waiting: {},
})

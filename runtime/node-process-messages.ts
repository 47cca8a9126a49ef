// What the process that starts a service and its node processes say to each other over their IPC channel. No private key crosses it.
import type { EcCurve } from '../protocols/crypto/crypto.ts'
import type { NodeId } from '../protocols/ids.ts'
import type { GenesisMember, GenesisUser } from '../protocols/governance/genesis.ts'
import type { Timing } from './node-setup.ts'

export interface NodePreparation {
  /** Holds this node's ledger, snapshots, index and crash files. */
  readonly directory: string
  /** What an earlier node left there is set aside, and its snapshots are used again. False: a ledger in the directory is refused. */
  readonly reuse: boolean
  readonly service: string
  readonly servers: string | readonly string[]
  readonly token: string | undefined
  readonly curve: Extract<EcCurve, 'P-256' | 'P-384'>
  readonly timing: Timing
  readonly flush: 'commit' | 'interval' | 'never'
  readonly chunkBytes: number | undefined
  /** Undefined: CCF's default. */
  readonly snapshotTxCount: number | undefined
  readonly journal: boolean
  /** Shown to operators. */
  readonly address: string
}

export interface PreparedNode {
  readonly nodeId: NodeId
  readonly spki: Uint8Array
  readonly encryptionPublicKeyPem: string
  readonly address: string
}

export type ToNode =
  | { readonly type: 'prepare'; readonly preparation: NodePreparation }
  | {
      readonly type: 'found'
      /** The receiver first. */
      readonly nodes: readonly PreparedNode[]
      readonly members: readonly GenesisMember[]
      readonly users: readonly GenesisUser[]
    }
  | {
      readonly type: 'join'
      /** Nodes of the service: any of them lets this one in, if the ledger lists it. */
      readonly nodeIds: readonly NodeId[]
      readonly serviceCertificatePem: string
    }
  | { readonly type: 'stop' }

export type FromNode =
  | ({ readonly type: 'prepared' } & PreparedNode)
  | { readonly type: 'founded'; readonly serviceCertificatePem: string }
  | { readonly type: 'joining' }
  /** The service trusts the node, and clients are led to it. */
  | { readonly type: 'serving' }
  | { readonly type: 'failed'; readonly reason: string }

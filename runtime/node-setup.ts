// What one node is made from, as plain data, and its timing. It heads every journal, so that replay composes the same node.
// The rule to remember: nothing here may be a function; what is SECRET says so.
import type { EcCurve } from '../protocols/crypto/crypto.ts'
import type { NodeId } from '../protocols/ids.ts'
import type { WriteSet } from '../protocols/ledger/write-set.ts'

export interface Timing {
  readonly messageTimeoutMs: number
  readonly electionTimeoutMs: number
  readonly forwardingTimeoutMs: number
  readonly sessionIdleMs: number
}

/** CCF's defaults (facts §17), with an election timeout fit for nodes that are near one another. */
export const DEFAULT_TIMING: Timing = {
  messageTimeoutMs: 100,
  electionTimeoutMs: 1000,
  forwardingTimeoutMs: 3000,
  sessionIdleMs: 60_000,
}

/** Everything a node is made from, as plain data. SECRET where marked. */
export interface NodeSetup {
  readonly softwareVersion: string
  readonly service: string
  readonly nodeId: NodeId
  /** Other nodes, as known when this one starts. */
  readonly peers: readonly NodeId[]
  readonly serviceCertificatePem: string
  readonly serviceCurve: EcCurve
  /** X25519, 32 bytes. SECRET. The same key serves channels and sessions; each has its own proof of identity. */
  readonly staticKey: Uint8Array
  /** RSA, PKCS#8: ledger secrets are encrypted to it. SECRET. */
  readonly encryptionKey: Uint8Array
  readonly channelBinding: Uint8Array
  readonly channelIdentity: Uint8Array
  /** By the node's key, over the statement that binds the static key to sessions of this service; shown with the certificate the service issues. */
  readonly sessionSignature: Uint8Array
  readonly timing: Timing
  /** Transactions between two snapshots. */
  readonly snapshotTxCount: number
  /** Only on the node that founds the service. SECRET. */
  readonly founding:
    | {
        readonly servicePrivateKey: Uint8Array
        readonly ledgerSecret: Uint8Array
        readonly genesis: WriteSet
        readonly opening: WriteSet
      }
    | undefined
}

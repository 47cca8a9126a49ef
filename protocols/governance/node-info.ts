// A node's row in `nodes.info` and its evidence on the virtual platform (CCF facts §7.3, §14). Not verification of it.
// The rule to remember: Insecure_Virtual proves nothing. It keeps the tables and the join policy in CCF's form until a
// platform with real evidence takes its place.
import { fromHex, toBase64, toHex, utf8 } from '../codec/bytes.ts'
import type { NodeId } from '../ids.ts'
import { SESSIONS_MAX } from '../limits.ts'
import { encodeSortedJson, type JsonValue } from './sorted-json.ts'

/** What every virtual node measures itself to be (CCF facts §14). */
export const VIRTUAL_MEASUREMENT = 'Insecure hard-coded virtual measurement v1'
/** The virtual platform has no executable to measure; its host data is 32 zero bytes, as CCF's own tests use. */
const VIRTUAL_HOST_DATA = '0'.repeat(64)

export type NodeStatus = 'Pending' | 'Trusted' | 'Retired'

export interface RpcInterface {
  readonly bindAddress: string
  readonly publishedAddress: string
  /** Transport, free text: `nats`. */
  readonly protocol?: string
}

export interface NodeDetails {
  /** Lower-case hex of SHA-256(SPKI). */
  readonly nodeId: NodeId
  /** SPKI in PEM. */
  readonly publicKeyPem: string
  /** RSA, for ledger secrets (CCF facts §6.2). */
  readonly encryptionPublicKeyPem: string
  readonly csrPem?: string
  readonly nodeToNodeAddress: string
  readonly rpcInterfaces: Readonly<Record<string, RpcInterface>>
  readonly data?: JsonValue
  /** Lower-case hex of SHA-256 of the node's executable: the virtual platform's host data. */
  readonly hostData: string
}

/** What is kept of a node on the virtual platform. `address`: where operators find it, free text. */
export const virtualNode = (
  node: Pick<NodeDetails, 'nodeId' | 'publicKeyPem' | 'encryptionPublicKeyPem' | 'data'> & { readonly address: string },
): NodeDetails => {
  const { address, ...details } = node
  return {
    ...details,
    nodeToNodeAddress: address,
    rpcInterfaces: { nats: { bindAddress: address, publishedAddress: address, protocol: 'nats' } },
    hostData: VIRTUAL_HOST_DATA,
  }
}

/** Virtual evidence: JSON, with H(SPKI) in the first 32 bytes of the report data. */
export function virtualQuote(nodeId: NodeId, hostData: string): Uint8Array {
  return encodeSortedJson({
    host_data: hostData,
    measurement: VIRTUAL_MEASUREMENT,
    report_data: toBase64(fromHex(nodeId)),
  })
}

const rpcInterface = (it: RpcInterface): JsonValue => ({
  bind_address: it.bindAddress,
  endorsement: { authority: 'Service' },
  max_open_sessions_soft: SESSIONS_MAX,
  protocol: it.protocol,
  published_address: it.publishedAddress,
})

/**
 * The value of a `nodes.info` row. `ledgerSecretSeqno`: absent for the node that created the service, 1 for those that
 * got its first ledger secret.
 */
export function encodeNodeInfo(node: NodeDetails, status: NodeStatus, ledgerSecretSeqno?: number): Uint8Array {
  const interfaces = Object.entries(node.rpcInterfaces).map(([name, it]) => [name, rpcInterface(it)] as const)
  return encodeSortedJson({
    certificate_signing_request: node.csrPem,
    code_digest: toHex(utf8(VIRTUAL_MEASUREMENT)),
    encryption_pub_key: node.encryptionPublicKeyPem,
    ledger_secret_seqno: ledgerSecretSeqno,
    node_data: node.data,
    node_to_node_interface: { bind_address: node.nodeToNodeAddress, published_address: node.nodeToNodeAddress },
    public_key: node.publicKeyPem,
    quote_info: {
      endorsements: '',
      format: 'Insecure_Virtual',
      quote: toBase64(virtualQuote(node.nodeId, node.hostData)),
    },
    rpc_interfaces: Object.fromEntries(interfaces),
    status,
  })
}

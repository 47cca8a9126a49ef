// How a service's nodes change: each function is one transaction over the store, or says why there is none (CCF facts §13).
// Not when: requests of the operator (node-endpoints.ts) and news of the replica (admission.ts) decide that.
// The rule to remember: who adds or removes a Trusted node writes the rows of all of them (protocols/consensus/record.ts).
import { DecodeError, EMPTY, utf8 } from '../../protocols/codec/bytes.ts'
import { parsePem } from '../../protocols/codec/pem.ts'
import { nodeIdOf } from '../../protocols/crypto/certificate.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { OAEP_SEED_BYTES } from '../../protocols/crypto/rsa-oaep.ts'
import { refusal, type Refusal } from '../../protocols/errors.ts'
import { encodeNodeInfo, virtualNode } from '../../protocols/governance/node-info.ts'
import { encodeNodeRow, encodeTrustedRow } from '../../protocols/governance/node-row.ts'
import { idKey } from '../../protocols/governance/registration.ts'
import type { JsonValue } from '../../protocols/governance/sorted-json.ts'
import type { NodeId } from '../../protocols/ids.ts'
import { decodeJsonObject, GOV_TABLES } from '../../protocols/ledger/tables.ts'
import { NODE_ROW_BYTES_MAX, NODES_MAX } from '../../protocols/limits.ts'
import type { KvState } from '../../store/kv/kv-state.ts'
import { Transaction } from '../../store/kv/transaction.ts'
import { findNode, knownNodes } from './node-table.ts'

/** A transaction and the body of its answer, or why there is none. */
export type NodeChange =
  | { readonly transaction: Transaction; readonly body: unknown }
  /** Nothing is written; the next signature is a snapshot point. */
  | { readonly wantsSnapshot: true; readonly body: unknown }
  | { readonly refused: Refusal }

const refuse = (...reason: Parameters<typeof refusal>): NodeChange => ({ refused: refusal(...reason) })

const NODE_ID = /^[0-9a-f]{64}$/
const ADDRESS_CHARS_MAX = 256
/** What is encrypted with it is not used. */
const UNUSED_SEED = new Uint8Array(OAEP_SEED_BYTES)

/** Pending: the node may catch up from now on. Saying the same of a Pending node again writes the same again. */
export function registerNode(kv: KvState, crypto: Crypto, nodeId: string, body: Uint8Array): NodeChange {
  if (!NODE_ID.test(nodeId)) return refuse(400, 'InvalidResourceName', 'A node id is 64 lower-case hex digits.')
  const row = newRow(crypto, nodeId as NodeId, body)
  if (typeof row === 'string') return refuse(400, 'InvalidInput', row)
  const known = findNode(kv, nodeId)
  if (known !== undefined && known.standing !== 'Pending') {
    return refuse(400, 'InvalidNodeState', `Node ${nodeId} is ${known.standing}; a node joins once, under a new key.`)
  }
  const active = knownNodes(kv).filter(({ standing }) => standing === 'Pending' || standing === 'Trusted')
  if (known === undefined && active.length >= NODES_MAX) {
    return refuse(400, 'InvalidNodeState', `The service has ${NODES_MAX} nodes, which is the most it may have.`)
  }
  const transaction = new Transaction(kv)
  transaction.map(GOV_TABLES.nodesInfo).put(idKey(nodeId), row)
  return { transaction, body: { node_id: nodeId, status: 'Pending' } }
}

/** The new node's row, or what is wrong with the request. */
function newRow(crypto: Crypto, nodeId: NodeId, body: Uint8Array): Uint8Array | string {
  // Before anything is decoded: nothing that is kept can come from more.
  if (body.length > NODE_ROW_BYTES_MAX) return `The body may have ${NODE_ROW_BYTES_MAX} bytes.`
  let input: Readonly<Record<string, unknown>>
  try {
    input = decodeJsonObject(body)
  } catch (error) {
    if (error instanceof DecodeError) return 'The body must be a JSON object.'
    throw error
  }
  const { public_key: publicKeyPem, encryption_pub_key: encryptionPublicKeyPem, address, node_data: data } = input
  const spki = publicKeyOf(publicKeyPem)
  if (spki === undefined || crypto.importEcPublicKey(spki) === undefined) return 'public_key must be an EC key in PEM.'
  if (nodeIdOf(crypto, spki) !== nodeId) return 'The node id is not the hash of public_key.'
  const encryptionSpki = publicKeyOf(encryptionPublicKeyPem)
  // Tried at once: a key that ledger secrets cannot be encrypted to would stand in the way of every rekey.
  if (encryptionSpki === undefined || crypto.rsaOaepEncrypt(encryptionSpki, EMPTY, UNUSED_SEED) === undefined) {
    return 'encryption_pub_key must be an RSA public key in PEM.'
  }
  if (typeof address !== 'string' || address.length === 0 || address.length > ADDRESS_CHARS_MAX) {
    return `address must be a text of 1 to ${ADDRESS_CHARS_MAX} characters.`
  }
  const node = {
    nodeId,
    publicKeyPem: publicKeyPem as string,
    encryptionPublicKeyPem: encryptionPublicKeyPem as string,
    address,
    ...(data === undefined ? {} : { data: data as JsonValue }),
  }
  const row = encodeNodeInfo(virtualNode(node), 'Pending')
  // Room for what is added when the node becomes Trusted and when it is removed.
  const room = NODE_ROW_BYTES_MAX - 256
  return row.length <= room ? row : `A node's record may have ${room} bytes; this one has ${row.length}.`
}

function publicKeyOf(pem: unknown): Uint8Array | undefined {
  if (typeof pem !== 'string') return undefined
  try {
    return parsePem(pem, 'PUBLIC KEY')
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** Trusted → Retired: the configuration without it is in force at once. A Pending node's row is deleted (CCF facts §13). */
export function retireNode(kv: KvState, nodeId: string): NodeChange {
  const node = findNode(kv, nodeId)
  if (node === undefined) return refuse(404, 'ResourceNotFound', 'No such node is known to the service.')
  const transaction = new Transaction(kv)
  const table = transaction.map(GOV_TABLES.nodesInfo)
  if (node.standing === 'Pending') {
    table.delete(idKey(nodeId))
    return { transaction, body: { node_id: nodeId, status: null } }
  }
  if (node.standing !== 'Trusted') return refuse(400, 'InvalidNodeState', `Node ${nodeId} has been removed already.`)
  const others = knownNodes(kv).filter(({ standing, nodeId: id }) => standing === 'Trusted' && id !== nodeId)
  if (others.length === 0) return refuse(400, 'InvalidNodeState', `Node ${nodeId} is the only one the service has.`)
  for (const other of others) table.put(idKey(other.nodeId), other.value)
  table.put(idKey(nodeId), encodeNodeRow(node, 'Retired'))
  return { transaction, body: { node_id: nodeId, status: 'Retired' } }
}

/**
 * Pending → Trusted, with their endorsed certificates (PEM): the configuration with them is in force at once.
 * @param ledgerSecretSeqno version of the newest ledger secret
 */
export function trustNodes(
  kv: KvState,
  certificates: ReadonlyMap<NodeId, string>,
  ledgerSecretSeqno: number,
): Transaction {
  const transaction = new Transaction(kv)
  const table = transaction.map(GOV_TABLES.nodesInfo)
  for (const node of knownNodes(kv)) {
    const { nodeId, standing, value } = node
    const certificate = certificates.get(nodeId)
    if (standing === 'Trusted') table.put(idKey(nodeId), value)
    else if (standing === 'Pending' && certificate !== undefined) {
      table.put(idKey(nodeId), encodeTrustedRow(node, ledgerSecretSeqno))
      transaction.map(GOV_TABLES.nodesEndorsedCertificates).put(idKey(nodeId), utf8(certificate))
    }
  }
  return transaction
}

/** Of `nodes`, those that are Retired: from the commit of this on they may be shut down (consensus.md §11). Undefined if there are none. */
export function declareRetired(kv: KvState, nodes: readonly NodeId[]): Transaction | undefined {
  const due = nodes.map((nodeId) => findNode(kv, nodeId)).filter((node) => node?.standing === 'Retired')
  if (due.length === 0) return undefined
  const transaction = new Transaction(kv)
  const table = transaction.map(GOV_TABLES.nodesInfo)
  for (const node of due) table.put(idKey(node!.nodeId), encodeNodeRow(node!, 'RetiredCommitted'))
  return transaction
}

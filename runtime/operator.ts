// What an operator asks of a running service about its nodes, over a sealed session (protocols/README.md §9.6).
// Not the processes of nodes (join-service.ts). The rule to remember: what an answer reports is done only once it is committed.
import { setTimeout as delay } from 'node:timers/promises'
import { parseTxId, type TxId } from '../protocols/ids.ts'
import { ConcordatError, type Client, type Response } from './client/index.ts'
import { Problem } from './terminal/problem.ts'

/** As CCF's `GET /node/network/nodes` describes a node. */
export interface NodeListing {
  readonly node_id: string
  readonly status: 'Pending' | 'Trusted' | 'Retired'
  readonly primary: boolean
  readonly rpc_interfaces: Readonly<Record<string, { readonly published_address?: string }>>
  /** Seqno. */
  readonly last_written: number
}

export interface NodeRegistration {
  readonly public_key: string
  readonly encryption_pub_key: string
  readonly address: string
}

const POLL_MS = 50
const NODES = '/node/network/nodes'

/** The service said no: nothing was changed. */
export class Refused extends Problem {
  constructor({ status, error }: Response) {
    super(error === undefined ? `status ${status}` : `${error.code}: ${error.message}`)
  }
}

export async function listNodes(client: Client, path = NODES): Promise<readonly NodeListing[]> {
  const response = await client.request(`GET ${path}`)
  if (!response.ok) throw new Refused(response)
  return (response.body as { readonly nodes: readonly NodeListing[] }).nodes
}

/** Undefined when the service does not know it. */
export async function findNode(client: Client, nodeId: string): Promise<NodeListing | undefined> {
  const response = await client.request(`GET ${NODES}/${nodeId}`)
  if (response.status === 404) return undefined
  if (!response.ok) throw new Refused(response)
  return response.body as NodeListing
}

/**
 * Resolves once the registration is committed, with its transaction id if that is known. The node's key is new, so whatever the service knows of it
 * already comes from this very request, whose answer was lost. @throws Refused
 */
export async function registerNode(client: Client, nodeId: string, node: NodeRegistration): Promise<TxId | undefined> {
  const response = await client.request(`PUT ${NODES}/${nodeId}`, node, { wait: 'committed', idempotent: true })
  if (response.ok) return response.transaction
  if (response.error?.code === 'InvalidNodeState' && (await findNode(client, nodeId)) !== undefined) return undefined
  throw new Refused(response)
}

/** True when the service has forgotten a node that was registered at `registered`: an operator withdrew it. */
export async function isWithdrawn(client: Client, nodeId: string, registered: TxId | undefined): Promise<boolean> {
  // Asked first: a node that is behind has not heard of the registration yet.
  const commit = await client.request('GET /node/commit')
  const { transaction_id: text } = (commit.body ?? {}) as { readonly transaction_id?: string }
  const committed = parseTxId(text ?? '')
  if (committed === undefined || committed.seqno < (registered?.seqno ?? Infinity)) return false
  return (await findNode(client, nodeId)) === undefined
}

/**
 * Removes a node and resolves once that is final, with the transaction id if it is known: the node may be switched off, and ends by itself.
 * @throws Refused, or Problem when it takes longer than `timeoutMs`
 */
export async function removeNode(client: Client, nodeId: string, timeoutMs: number): Promise<TxId | undefined> {
  const deadline = performance.now() + timeoutMs
  const { txId, isFinal } = await retire(client, nodeId, deadline)
  if (isFinal) return txId
  while (performance.now() < deadline) {
    const removable = await listNodes(client, '/node/network/removable_nodes')
    if (removable.some(({ node_id: id }) => id === nodeId)) return txId
    await delay(POLL_MS)
  }
  throw new Problem(`the removal of ${nodeId} is not final after ${timeoutMs} ms; it goes on (see \`node list\`)`)
}

interface Retired {
  readonly txId: TxId | undefined
  /** A node that was only Pending is simply gone. */
  readonly isFinal: boolean
}

async function retire(client: Client, nodeId: string, deadline: number): Promise<Retired> {
  let isOutcomeUnknown = false
  while (true) {
    try {
      const response = await client.request(`DELETE ${NODES}/${nodeId}`)
      // After an answer that was lost, these mean that it was a yes.
      if (isOutcomeUnknown && response.status === 404) return { txId: undefined, isFinal: true }
      if (isOutcomeUnknown && response.error?.code === 'InvalidNodeState') return { txId: undefined, isFinal: false }
      if (!response.ok) throw new Refused(response)
      const wasPending = (response.body as { readonly status?: unknown }).status === null
      if (wasPending) await response.committed()
      return { txId: response.transaction, isFinal: wasPending }
    } catch (error) {
      const mayTryAgain = error instanceof ConcordatError && TEMPORARY.has(error.code)
      if (!mayTryAgain || performance.now() > deadline) throw error
      isOutcomeUnknown ||= error.outcomeUnknown
    }
  }
}

/** What passes by itself while a service changes its primary. */
const TEMPORARY: ReadonlySet<string> = new Set(['SessionConsistencyLost', 'NodeUnreachable', 'RequestTimeout'])

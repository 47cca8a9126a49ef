// Adds a node to a running service: starts its process, registers it as the operator, and waits until the service trusts it.
// What `concordat node add` and end-to-end tests use; on several machines each node's operator would do the same with his own directory.
// The rule to remember: if it does not work out, what was registered is removed again, for a node nobody runs must not count.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseCertificate } from '../protocols/crypto/certificate.ts'
import { parseEcSpki } from '../protocols/crypto/ec-keys.ts'
import { nodeId as asNodeId, type NodeId, type TxId } from '../protocols/ids.ts'
import { connect, type Client, type ClientIdentity } from './client/index.ts'
import { publicKeyPem } from './identity.ts'
import { NodeChild } from './node-child.ts'
import { DEFAULT_TIMING, type Timing } from './node-setup.ts'
import { isWithdrawn, listNodes, Refused, registerNode, removeNode } from './operator.ts'
import { Problem } from './terminal/problem.ts'

export interface JoinServiceOptions {
  /** The bundled CLI. */
  readonly program: string
  /** Of the new node. An earlier node's ledger there is set aside; its snapshots are used again. */
  readonly directory: string
  readonly name: string
  /** Where operators find the node; free text. */
  readonly address: string
  readonly service: string
  readonly servers: string | readonly string[]
  readonly token?: string
  readonly serviceCertificatePem: string
  readonly operator: ClientIdentity
  readonly timing?: Partial<Timing>
  readonly flush?: 'commit' | 'interval' | 'never'
  /** Transactions between two snapshots; CCF's default if it is left out. */
  readonly snapshotTxCount?: number
  readonly onNotice: (notice: string) => void
  /** Told once the node may catch up. */
  readonly onPending?: (nodeId: NodeId, txId: TxId | undefined) => void
  /** Gives up. */
  readonly signal?: AbortSignal
}

export interface JoinedNode {
  readonly nodeId: NodeId
  /** Of the transaction that registered it; undefined when its answer was lost. */
  readonly txId: TxId | undefined
  readonly ledgerDirectory: string
  readonly child: NodeChild
}

const REMOVE_TIMEOUT_MS = 5000
const LOOK_MS = 500

/** Resolves when the service trusts the node. Whatever was begun is undone if that fails. @throws Problem */
export async function joinService(options: JoinServiceOptions): Promise<JoinedNode> {
  const { service, servers, token, serviceCertificatePem, operator } = options
  const client = await connect({
    servers,
    service,
    trust: serviceCertificatePem,
    identity: operator,
    ...(token === undefined ? {} : { token }),
  })
  try {
    return await startAndRegister(client, options)
  } finally {
    await client.close()
  }
}

async function startAndRegister(client: Client, options: JoinServiceOptions): Promise<JoinedNode> {
  const { serviceCertificatePem, address, onPending, directory } = options
  const members = (await listNodes(client)).filter(({ status }) => status === 'Trusted')
  const child = startNode(options)
  let registered: NodeId | undefined
  try {
    const prepared = await child.answer('prepared')
    const nodeId = asNodeId(prepared.nodeId)
    child.tell({ type: 'join', nodeIds: members.map(({ node_id: id }) => asNodeId(id)), serviceCertificatePem })
    await child.answer('joining')
    registered = nodeId
    const txId = await registerNode(client, nodeId, {
      public_key: publicKeyPem(prepared.spki),
      encryption_pub_key: prepared.encryptionPublicKeyPem,
      address,
    })
    onPending?.(nodeId, txId)
    await untilTrusted(client, child, { nodeId, txId, signal: options.signal })
    return { nodeId, txId, ledgerDirectory: join(directory, 'ledger'), child }
  } catch (error) {
    await child.stop()
    if (registered !== undefined && !(error instanceof Refused)) await withdraw(client, registered, options.onNotice)
    throw error
  }
}

function startNode(options: JoinServiceOptions): NodeChild {
  const { program, name, directory, service, servers, token, address, serviceCertificatePem } = options
  const curve = parseEcSpki(parseCertificate(serviceCertificatePem).spki)?.curve
  if (curve !== 'P-256' && curve !== 'P-384') throw new Problem('the key of the service is on no curve of nodes')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  return new NodeChild({
    program,
    name,
    onNotice: options.onNotice,
    preparation: {
      directory,
      reuse: true,
      service,
      servers,
      token,
      curve,
      address,
      timing: { ...DEFAULT_TIMING, ...options.timing },
      flush: options.flush ?? 'commit',
      chunkBytes: undefined,
      snapshotTxCount: options.snapshotTxCount,
      journal: false,
    },
  })
}

interface Joining {
  readonly nodeId: NodeId
  readonly txId: TxId | undefined
  readonly signal: AbortSignal | undefined
}

/** Catching up takes as long as the ledger is long. @throws Problem when it is given up, by whoever joins or by an operator */
async function untilTrusted(client: Client, child: NodeChild, { nodeId, txId, signal }: Joining): Promise<void> {
  const serving = child.answer('serving', Infinity)
  while ((await Promise.race([serving, delay(LOOK_MS)])) === undefined) {
    if (signal?.aborted === true) throw new Problem('given up before the service trusted the node')
    if (await isWithdrawn(client, nodeId, txId))
      throw new Problem('an operator withdrew the node before it was trusted')
  }
}

/** Whatever comes of it is said, not thrown: the reason why it is done matters more. */
async function withdraw(client: Client, nodeId: NodeId, say: (notice: string) => void): Promise<void> {
  try {
    await removeNode(client, nodeId, REMOVE_TIMEOUT_MS)
    say(`node ${nodeId} was withdrawn from the service`)
  } catch (error) {
    say(`node ${nodeId} may still be registered: ${error instanceof Error ? error.message : String(error)}`)
  }
}

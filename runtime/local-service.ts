// A whole service on this machine: the broker (unless a NATS server is given), n node processes, a consortium of three members and one user.
// What `concordat up`, the demo, the bench and end-to-end tests start. Not a deployment: on several machines each node is started by its operator.
// The rule to remember: private keys of nodes and of the service exist only inside the node processes.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { UsageError } from '../protocols/errors.ts'
import type { EcCurve } from '../protocols/crypto/crypto.ts'
import { nodeId as asNodeId, type NodeId } from '../protocols/ids.ts'
import { startBroker, type Broker } from './bus/broker/broker.ts'
import { connectNats } from './bus/nats.ts'
import type { Bus } from './bus/bus.ts'
import type { GenesisMember } from '../protocols/governance/genesis.ts'
import { NodeChild } from './node-child.ts'
import {
  createMemberIdentity,
  createUserIdentity,
  generateEncryptionKeys,
  privateKeyPem,
  publicKeyPem,
  type Identity,
} from './identity.ts'
import { askRpc } from './rpc-request.ts'
import { DEFAULT_TIMING, type Timing } from './node-setup.ts'
import { prepareDirectory } from './service-directory.ts'

export interface LocalServiceOptions {
  /** Program to fork for each node: the bundled CLI. */
  readonly program: string
  readonly directory: string
  readonly nodes: number
  readonly service?: string
  /** `nats://…` of a real server; undefined: the embedded broker. */
  readonly nats?: string
  readonly token?: string
  /** Port of the embedded broker; 0: any. */
  readonly port?: number
  /** WebSocket port of the embedded broker for browsers; undefined: none. */
  readonly webSocketPort?: number
  readonly curve?: Extract<EcCurve, 'P-256' | 'P-384'>
  readonly timing?: Partial<Timing>
  readonly flush?: 'commit' | 'interval' | 'never'
  readonly chunkBytes?: number
  /** Transactions between two snapshots; CCF's default if it is left out. */
  readonly snapshotTxCount?: number
  /** Writes a journal (with secrets!) into each node's directory. */
  readonly journal?: boolean
  /** Moves an earlier service's directory aside instead of refusing. */
  readonly fresh?: boolean
  /** Node options of the forked processes, e.g. for GC. */
  readonly execArgv?: readonly string[]
  readonly onNotice?: (notice: string) => void
}

export interface LocalNode {
  readonly nodeId: NodeId
  readonly pid: number
  readonly directory: string
  readonly ledgerDirectory: string
}

const NODE_COUNTS = [1, 3, 5, 7]
const START_TIMEOUT_MS = 60_000
const MEMBERS = 3
const YEAR_DAYS = 365

interface RunningNode extends LocalNode {
  readonly child: NodeChild
}

export class LocalService {
  readonly service: string
  readonly servers: string
  readonly token: string | undefined
  readonly directory: string
  readonly broker: Broker | undefined
  readonly bus: Bus
  readonly user: Identity
  readonly serviceCertificatePem: string
  readonly #nodes: readonly RunningNode[]
  #stopping = false

  private constructor(parts: {
    readonly options: LocalServiceOptions
    readonly broker: Broker | undefined
    readonly bus: Bus
    readonly servers: string
    readonly user: Identity
    readonly serviceCertificatePem: string
    readonly nodes: readonly RunningNode[]
  }) {
    this.service = parts.options.service ?? 'demo'
    this.token = parts.options.token
    this.directory = resolve(parts.options.directory)
    this.broker = parts.broker
    this.bus = parts.bus
    this.servers = parts.servers
    this.user = parts.user
    this.serviceCertificatePem = parts.serviceCertificatePem
    this.#nodes = parts.nodes
  }

  get nodes(): readonly LocalNode[] {
    return this.#nodes
  }

  get running(): readonly LocalNode[] {
    return this.#nodes.filter(({ child }) => !child.hasExited)
  }

  /** Starts everything and resolves once the service is open. Whatever was started is stopped again if that fails. */
  static async start(options: LocalServiceOptions): Promise<LocalService> {
    if (!NODE_COUNTS.includes(options.nodes)) throw new UsageError(`--nodes must be one of ${NODE_COUNTS.join(', ')}`)
    const directory = resolve(options.directory)
    await prepareDirectory(directory, options)
    const cleanUp: (() => Promise<unknown> | void)[] = []
    try {
      const broker = options.nats === undefined ? await startEmbedded(options) : undefined
      if (broker !== undefined) cleanUp.push(() => broker.close())
      const servers = broker?.url ?? options.nats!
      const token = options.token === undefined ? {} : { token: options.token }
      const bus = await connectNats({ servers, ...token, name: 'concordat-up', waitOnFirstConnectMs: 3000 })
      cleanUp.push(() => bus.close())
      const consortium = await createConsortium(directory)
      const children = Array.from({ length: options.nodes }, (_, i) => startNode(options, directory, i, servers))
      cleanUp.push(() => Promise.all(children.map((child) => child.stop())))
      const found = await foundService(children, consortium)
      writeFileSync(join(directory, 'service_cert.pem'), found.serviceCertificatePem)
      const nodes = children.map((child, i) => running(child, found.nodeIds[i]!))
      const service = new LocalService({
        options,
        broker,
        bus,
        servers,
        user: consortium.user,
        serviceCertificatePem: found.serviceCertificatePem,
        nodes,
      })
      await service.#untilOpen()
      writeDescription(service)
      return service
    } catch (error) {
      for (const undo of cleanUp.reverse()) await undo()
      throw error
    }
  }

  /** Kills a node as a crash does. It never comes back: a node does not restart under its old identity. */
  kill(nodeId: NodeId, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): void {
    this.#nodes.find((node) => node.nodeId === nodeId)?.child.kill(signal)
  }

  /** Tells who exits, except after `stop`. */
  onExit(listener: (node: LocalNode, why: string) => void): void {
    for (const node of this.#nodes) {
      node.child.onExit((why) => {
        if (!this.#stopping) listener(node, why)
      })
    }
  }

  /** Stops the nodes cleanly (killing them if they take too long), then the broker. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#nodes.map(({ child }) => child.stop()))
    await this.bus.close()
    await this.broker?.close()
  }

  async #untilOpen(): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS
    for (;;) {
      const dead = this.#nodes.find(({ child }) => child.hasExited)
      if (dead !== undefined) throw new Error(`node ${dead.nodeId.slice(0, 8)} ended while the service was starting`)
      const reply = await askRpc(this.bus, this.service, 'GET /node/network', 500)
      if (reply?.status === 200 && (reply.body as { service_status?: unknown }).service_status === 'Open') return
      if (performance.now() > deadline) throw new Error('the service did not open in time')
      await new Promise((done) => setTimeout(done, 20))
    }
  }
}

const startEmbedded = (options: LocalServiceOptions): Promise<Broker> =>
  startBroker({
    port: options.port ?? 0,
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(options.webSocketPort === undefined ? {} : { webSocketPort: options.webSocketPort }),
  })

function startNode(options: LocalServiceOptions, directory: string, index: number, servers: string): NodeChild {
  const name = `node${index}`
  const nodeDirectory = join(directory, name)
  mkdirSync(nodeDirectory, { mode: 0o700 })
  return new NodeChild({
    program: options.program,
    name,
    execArgv: options.execArgv ?? [],
    onNotice: (notice) => options.onNotice?.(notice),
    preparation: {
      directory: nodeDirectory,
      reuse: false,
      service: options.service ?? 'demo',
      servers,
      token: options.token,
      curve: options.curve ?? 'P-384',
      timing: { ...DEFAULT_TIMING, ...options.timing },
      flush: options.flush ?? 'commit',
      chunkBytes: options.chunkBytes,
      snapshotTxCount: options.snapshotTxCount,
      journal: options.journal ?? false,
      address: `${servers}#${name}`,
    },
  })
}

const running = (child: NodeChild, nodeId: NodeId): RunningNode => ({
  nodeId,
  pid: child.pid,
  directory: child.directory,
  ledgerDirectory: join(child.directory, 'ledger'),
  child,
})

interface Consortium {
  readonly members: readonly GenesisMember[]
  readonly user: Identity
}

/** Member 0 is the operator, as in CCF's sandbox: it may add and remove nodes. */
const OPERATOR = { is_operator: true }

/** Three members and one user; their keys are files of this directory, readable by its owner only. */
async function createConsortium(directory: string): Promise<Consortium> {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const keep = (name: string, text: string, secret: boolean): void => {
    const path = join(directory, name)
    writeFileSync(path, text, { mode: secret ? 0o600 : 0o644 })
    if (secret) chmodSync(path, 0o600)
  }
  const members = await Promise.all(
    Array.from({ length: MEMBERS }, async (_, i) => {
      const identity = await createMemberIdentity({ subject: `CN=member${i}`, nowSeconds, validityDays: YEAR_DAYS })
      const encryption = await generateEncryptionKeys()
      const encryptionPublicKeyPem = publicKeyPem(encryption.spki)
      keep(`member${i}_cert.pem`, identity.certificatePem, false)
      keep(`member${i}_privk.pem`, privateKeyPem(identity.privateKeyPkcs8), true)
      keep(`member${i}_enc_pubk.pem`, encryptionPublicKeyPem, false)
      keep(`member${i}_enc_privk.pem`, privateKeyPem(encryption.privateKeyPkcs8), true)
      const { certificatePem } = identity
      // Active from the start, so that the first recovery shares are theirs: who starts the service holds all their keys anyway.
      return {
        certificatePem,
        encryptionPublicKeyPem,
        status: 'Active' as const,
        ...(i === 0 ? { data: OPERATOR } : {}),
      }
    }),
  )
  const user = await createUserIdentity({ subject: 'CN=user0', nowSeconds, validityDays: YEAR_DAYS })
  keep('user0_cert.pem', user.certificatePem, false)
  keep('user0_privk.pem', privateKeyPem(user.privateKeyPkcs8), true)
  return { members, user }
}

/** The ceremony: every node makes its keys, the first founds the service for all of them, the others join it. */
async function foundService(children: readonly NodeChild[], consortium: Consortium) {
  const prepared = await Promise.all(children.map((child) => child.answer('prepared')))
  const [first, ...others] = children
  const founded = first!.answer('founded')
  first!.tell({
    type: 'found',
    nodes: prepared.map(({ nodeId, spki, encryptionPublicKeyPem, address }) => ({
      nodeId,
      spki,
      encryptionPublicKeyPem,
      address,
    })),
    members: consortium.members,
    users: [{ certificatePem: consortium.user.certificatePem }],
  })
  const { serviceCertificatePem } = await founded
  const nodeIds = prepared.map(({ nodeId }) => asNodeId(nodeId))
  for (const child of others) child.tell({ type: 'join', nodeIds, serviceCertificatePem })
  await Promise.all(others.map((child) => child.answer('joining')))
  return { serviceCertificatePem, nodeIds }
}

/** What `concordat call` and people read: where the service is and with which keys to talk to it. */
function writeDescription(service: LocalService): void {
  const description = {
    service: service.service,
    servers: service.servers,
    ...(service.broker?.webSocketUrl === undefined ? {} : { webSocket: service.broker.webSocketUrl }),
    serviceCertificate: 'service_cert.pem',
    user: { certificate: 'user0_cert.pem', privateKey: 'user0_privk.pem' },
    nodes: service.nodes.map(({ nodeId, pid }) => ({ nodeId, pid })),
  }
  writeFileSync(join(service.directory, 'service.json'), `${JSON.stringify(description, undefined, 2)}\n`)
}

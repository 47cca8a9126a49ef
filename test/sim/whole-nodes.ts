// Whole nodes in simulation, their own node actors included: they found a service, join it, and stop when they were removed. Only channels are left
// out, as always in simulations: what a node sends reaches the other, or is lost, delayed and doubled on the way.
// The rule to remember: a node ends in two ways, by `crash` or by itself; `endedByThemselves` are the latter.
import { erase, unchanged, type ActorDefinition, type Message } from '../../actors/actor.ts'
import type { ExecutorState } from '../../actors/executor/state.ts'
import type { MachineState } from '../../actors/machine.ts'
import type { NodeConfig } from '../../actors/node/state.ts'
import type { ReplicaConfig, ReplicaState } from '../../actors/replica/state.ts'
import type { AppResponse, Caller } from '../../protocols/app.ts'
import { utf8 } from '../../protocols/codec/bytes.ts'
import { formatPem } from '../../protocols/codec/pem.ts'
import { certificateId, nodeIdOf, parseCertificate } from '../../protocols/crypto/certificate.ts'
import { issueCertificate, validityFrom } from '../../protocols/crypto/issue.ts'
import { ecKeyPairFromSeed } from '../../protocols/crypto/noble.ts'
import type { NodeId, TxId } from '../../protocols/ids.ts'
import type { CommitNotice, Execute, Executed } from '../../protocols/requests.ts'
import { Simulation, type SimFaults } from '../../runtime/host/sim.ts'
import { fastCrypto as crypto } from '../../runtime/models/service/crypto.ts'
import { catalogue } from '../../runtime/catalogue.ts'
import { nodeConfig } from '../../runtime/node.ts'
import type { NodeSetup } from '../../runtime/node-setup.ts'
import { sampleApps } from '../../runtime/samples/index.ts'
import { setUpService } from '../../runtime/service-setup.ts'

const CURVE = 'P-256'
const VALID_FROM = Date.UTC(2026, 0, 1) / 1000
/** So few that whoever joins gets the beginning from the ledger's files. */
const LOG_TAIL_BYTES_MAX = 4000
const TIMING = { messageTimeoutMs: 20, electionTimeoutMs: 200, forwardingTimeoutMs: 1000, sessionIdleMs: 60_000 }

const inert = (kind: string): ActorDefinition<unknown, null, Message> => ({
  kind,
  version: 1,
  start: () => unchanged(null),
  step: unchanged,
  describe: () => kind,
  invariants: [],
})

const keyOf = (name: string) => ecKeyPairFromSeed(CURVE, utf8(`whole nodes: ${name}`))

/** The simulated cryptography takes an EC key where others take RSA. */
const encryptionPemOf = (name: string): string => formatPem('PUBLIC KEY', keyOf(name).spki)

function identityOf(name: string): { readonly certificatePem: string; readonly caller: Caller } {
  const { spki, pkcs8 } = keyOf(name)
  const subject = `CN=${name}`
  const fields = { subject, issuer: subject, spki, issuerSpki: spki, isCa: false, signatureHash: 'sha256' as const }
  const certificatePem = formatPem(
    'CERTIFICATE',
    issueCertificate(crypto, { ...fields, ...validityFrom(VALID_FROM, 365) }, pkcs8),
  )
  return {
    certificatePem,
    caller: { kind: 'certificate', id: certificateId(crypto, parseCertificate(certificatePem)) },
  }
}
const operator = identityOf('operator')
const user = identityOf('user')

export interface Written {
  readonly node: NodeId
  readonly txId: TxId
  isCommitted: boolean
}

export class WholeNodes {
  readonly sim: Simulation
  /** Every node there ever was, in the order in which they were started. */
  readonly nodeIds: NodeId[] = []
  readonly endedByThemselves: NodeId[] = []
  readonly written: Written[] = []
  /** Times that entries were read back from a ledger for another node. */
  readBacks = 0
  /** Called when a node is about to end by itself. */
  onEnd: (node: NodeId) => void = () => undefined
  readonly #service: ReturnType<typeof setUpService>
  readonly #answers = new Map<number, AppResponse>()
  #writes = 0
  #token = 0

  constructor(options: { readonly seed: number; readonly nodes: number; readonly faults: SimFaults }) {
    const { seed, nodes, faults } = options
    const actors = catalogue().filter(({ kind }) => kind !== 'channel')
    this.sim = new Simulation({
      seed,
      faults,
      crypto,
      catalogue: [...actors, erase(inert('channel')), erase(inert('client'))],
      tolerant: ['replica', 'node'],
      observe: ({ id }, { to, event }, effects) => {
        if (to === 'client') this.#receive(id as NodeId, event as Executed | CommitNotice)
        this.readBacks += effects.filter(({ type }) => type === 'readEntries').length
        const ends = effects.some((effect) => effect.type === 'lifecycle' && effect.stage === 'retired')
        if (ends) this.#end(id as NodeId)
      },
    })
    const initial = Array.from({ length: nodes }, (_, i) => keyOf(`node ${i}`))
    this.#service = setUpService(crypto, {
      curve: CURVE,
      serviceKey: keyOf('service'),
      nodes: initial.map(({ spki }, i) => ({
        spki,
        encryptionPublicKeyPem: encryptionPemOf(`node ${i}`),
        address: `sim:${i}`,
      })),
      members: [{ certificatePem: operator.certificatePem, data: { is_operator: true } }],
      users: [{ certificatePem: user.certificatePem }],
      apps: sampleApps,
      nowSeconds: VALID_FROM,
      validityDays: 365,
    })
    const ids = initial.map(({ spki }) => nodeIdOf(crypto, spki))
    const { genesis, opening } = this.#service
    ids.forEach((_, i) => {
      const secrets = { servicePrivateKey: keyOf('service').pkcs8, ledgerSecret: new Uint8Array(32).fill(5) }
      this.#start(`node ${i}`, ids, i === 0 ? { ...secrets, genesis, opening } : undefined)
    })
  }

  #start(name: string, peers: readonly NodeId[], founding: NodeSetup['founding']): NodeId {
    const { spki, pkcs8 } = keyOf(name)
    const nodeId = nodeIdOf(crypto, spki)
    const setup: NodeSetup = {
      softwareVersion: 'sim',
      service: 'sim',
      nodeId,
      peers: peers.filter((id) => id !== nodeId),
      serviceCertificatePem: this.#service.serviceCertificatePem,
      serviceCurve: CURVE,
      staticKey: new Uint8Array(32).fill(1),
      encryptionKey: pkcs8,
      channelBinding: new Uint8Array(32),
      channelIdentity: new Uint8Array(1),
      sessionSignature: new Uint8Array(64),
      timing: TIMING,
      snapshotTxCount: 10_000,
      founding,
    }
    this.nodeIds.push(nodeId)
    this.sim.addNode(nodeId)
    this.sim.installKey(nodeId, 'node', pkcs8)
    this.sim.start(nodeId, 'client', 'client', undefined)
    const config = nodeConfig(setup, crypto, sampleApps)
    const replica: NodeConfig['configs']['replica'] = (beginning, viewAtLeast) => ({
      ...(config.configs.replica(beginning, viewAtLeast) as ReplicaConfig),
      logTailBytesMax: LOG_TAIL_BYTES_MAX,
    })
    this.sim.start(nodeId, 'node', 'node', { ...config, configs: { ...config.configs, replica } })
    return nodeId
  }

  #receive(node: NodeId, message: Executed | CommitNotice): void {
    if (message.type === 'executed') {
      const [response] = message.responses
      this.#answers.set(message.token, response!)
      const isWrite = message.token % 2 === 0 && response?.status === 200 && response.txId !== undefined
      if (isWrite) this.written.push({ node, txId: response.txId, isCommitted: false })
      return
    }
    for (const write of this.written) {
      const isCovered = write.txId.view === message.view && write.txId.seqno <= message.seqno
      if (write.node === node && isCovered) write.isCommitted = true
    }
  }

  #end(node: NodeId): void {
    this.onEnd(node)
    this.endedByThemselves.push(node)
    this.sim.crash(node)
  }

  get running(): readonly NodeId[] {
    return this.sim.nodeIds as readonly NodeId[]
  }

  phaseOf(node: NodeId): string {
    return (this.sim.stateOf(node, 'node') as MachineState<unknown>).value
  }

  /** Undefined on a node that has not been let in. */
  executorOf(node: NodeId): ExecutorState | undefined {
    return (this.sim.stateOf(node, 'executor') as MachineState<ExecutorState> | undefined)?.s
  }

  leader(): NodeId | undefined {
    const leading = this.running.flatMap((id) => {
      const replica = this.sim.stateOf(id, 'replica') as MachineState<ReplicaState> | undefined
      return replica?.value === 'leader' ? [{ id, view: replica.s.currentView }] : []
    })
    return leading.sort((a, b) => b.view - a.view)[0]?.id
  }

  /** One request as the operator. Returns its token. */
  operate(node: NodeId, target: string, body?: unknown): number {
    return this.#ask(node, operator.caller, target, body, (this.#token += 1 + (this.#token % 2 === 0 ? 0 : 1)))
  }

  /** One write as the user, at that node. */
  write(node: NodeId): void {
    const id = this.#writes++
    const body = { id, msg: `message ${id}` }
    this.#ask(node, user.caller, 'POST /log/private', body, (this.#token += 2 - (this.#token % 2)))
  }

  #ask(node: NodeId, caller: Caller, target: string, body: unknown, token: number): number {
    const [verb, path] = target.split(' ') as [string, string]
    const bytes = utf8(body === undefined ? '' : JSON.stringify(body))
    const requests = [{ id: 1, verb, path, body: bytes }]
    const execute: Execute = { type: 'execute', token, caller, activeView: 0, publicOnly: false, requests }
    this.sim.post(node, 'client', 'executor', execute)
    return token
  }

  statusOf(token: number): number | undefined {
    return this.#answers.get(token)?.status
  }

  /** Starts a node that knows of `peers`, and has it registered at `at`. */
  join(name: string, peers: readonly NodeId[], at: NodeId): NodeId {
    const node = this.#start(name, peers, undefined)
    this.register(name, at)
    return node
  }

  register(name: string, at: NodeId): void {
    const { spki } = keyOf(name)
    const pem = formatPem('PUBLIC KEY', spki)
    const body = { public_key: pem, encryption_pub_key: encryptionPemOf(name), address: `sim:${name}` }
    this.operate(at, `PUT /node/network/nodes/${nodeIdOf(crypto, spki)}`, body)
  }

  /** Positions of committed entries, on whichever node they are: the same everywhere, or the test has found something. */
  committed(node: NodeId) {
    const { records, committed } = this.sim.ledgerOf(node)
    return records.filter(({ seqno }) => seqno <= committed)
  }

  describe(): string {
    return this.nodeIds
      .map((id) => {
        const { name, running } = this.sim.node(id)
        const { committed } = this.sim.ledgerOf(id)
        return `${name} ${running ? this.phaseOf(id) : 'ended'} ${id === this.leader() ? 'leader ' : ''}commit ${committed}`
      })
      .join('; ')
  }
}

// A whole service in simulation: n nodes with the node, replica, executor and ledger writer of production, and clients that receive.
// Left out: channels, since the host carries messages between nodes itself, and client sessions, in whose place requests come from `client/…`.
// Not here: faults, requests and judgement; those are runtime/sim's, and of the tests that use this class by hand.
import { erase, unchanged, type ActorDefinition, type AnyActorDefinition, type Message } from '../../../actors/actor.ts'
import type { LifecycleStage } from '../../../actors/effects.ts'
import { executor } from '../../../actors/executor/executor.ts'
import type { ExecutorState } from '../../../actors/executor/state.ts'
import type { MachineState } from '../../../actors/machine.ts'
import type { NodeState } from '../../../actors/node/state.ts'
import { replica } from '../../../actors/replica/replica.ts'
import type { App, AppRequest, AppResponse } from '../../../protocols/app.ts'
import { utf8 } from '../../../protocols/codec/bytes.ts'
import { formatPem } from '../../../protocols/codec/pem.ts'
import { nodeIdOf } from '../../../protocols/crypto/certificate.ts'
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import type { CommitNotice, Execute, Executed } from '../../../protocols/requests.ts'
import { catalogue } from '../../catalogue.ts'
import { Simulation, type SimFaults, type SimNode, type SimObserver } from '../../host/sim.ts'
import { USUAL_KNOBS, type Knobs } from '../../sim/plan.ts'
import type { ReplicaSight, Replacements, Service, ServiceMaker, Submission } from '../../sim/service.ts'
import type { ServiceSetup } from '../../service-setup.ts'
import { executorConfig, nodeConfig, replicaConfig, type NodeOptions } from './configs.ts'
import { fastCrypto, realCrypto } from './crypto.ts'
import { encryptionKeyOf, identitiesOf, LEDGER_SECRET, nodeKeyOf, type Identities } from './identities.ts'
import { registerApp } from './register-app.ts'

/** Takes messages and does nothing: a client, whose messages are seen by whoever observes, or an actor that is left out. */
const standIn = (kind: string): ActorDefinition<unknown, undefined, Message> => ({
  kind,
  version: 1,
  start: () => unchanged(undefined),
  step: unchanged,
  describe: () => 'listening',
  invariants: [],
})

export interface SimServiceOptions {
  readonly seed: number
  readonly nodes: number
  readonly faults: SimFaults
  readonly apps: readonly App[]
  readonly crypto?: Crypto
  readonly knobs?: Knobs
  /** Clients of each node, `client/0`, `client/1`, … */
  readonly clients?: number
  readonly observe?: SimObserver
  readonly replacements?: Replacements
}

export class SimService implements Service {
  readonly sim: Simulation
  readonly crypto: Crypto
  readonly ledgerSecret = LEDGER_SECRET
  readonly nodeIds: NodeId[] = []
  readonly #options: SimServiceOptions
  readonly #knobs: Knobs
  readonly #identities: Identities
  readonly #nodes = new Map<string, NodeOptions>()
  readonly #serving = new Set<NodeId>()
  readonly #outrun = new Set<NodeId>()
  readonly #inboxes = new Map<string, (Executed | CommitNotice)[]>()
  #token = 0

  constructor(options: SimServiceOptions) {
    const { seed, nodes, faults, apps, crypto = fastCrypto, knobs = USUAL_KNOBS } = options
    this.#options = options
    this.#knobs = knobs
    this.crypto = crypto
    this.#identities = identitiesOf(crypto, nodes, apps)
    this.sim = new Simulation({
      seed,
      faults,
      crypto,
      catalogue: actorsOf(options.replacements ?? []),
      tolerant: ['replica'],
      onLifecycle: (host, stage) => this.#follow(host.id as NodeId, stage),
      observe: (host, envelope, effects, state) => {
        if (envelope.to.startsWith('client')) this.#receive(host, envelope.event)
        options.observe?.(host, envelope, effects, state)
      },
    })
    const ids = this.setup.nodes.map(({ nodeId }) => nodeId)
    // The founder last, so that everyone is there when it speaks.
    for (const id of ids) this.#create(id, ids, id === ids[0])
    for (const id of [...ids.slice(1), ids[0]!]) this.#begin(id)
  }

  encryptionKeyOf(nodeId: NodeId): Uint8Array {
    return this.#nodes.get(nodeId)!.encryptionKey
  }

  get setup(): ServiceSetup {
    return this.#identities.setup
  }

  get serviceCertificatePem(): string {
    return this.setup.serviceCertificatePem
  }

  get serving(): readonly NodeId[] {
    return this.nodeIds.filter((id) => this.#serving.has(id) && this.sim.node(id).running)
  }

  #create(nodeId: NodeId, peers: readonly NodeId[], isFounder: boolean): void {
    const { apps, clients = 1 } = this.#options
    const others = peers.filter((peer) => peer !== nodeId)
    const { crypto } = this
    const identities = this.#identities
    const encryptionKey = encryptionKeyOf(crypto, this.nodeIds.length).pkcs8
    this.#nodes.set(nodeId, {
      nodeId,
      encryptionKey,
      peers: others,
      isFounder,
      identities,
      crypto,
      apps,
      knobs: this.#knobs,
    })
    this.sim.addNode(nodeId)
    this.sim.installKey(nodeId, 'node', nodeKeyOf(this.nodeIds.length).pkcs8)
    this.nodeIds.push(nodeId)
    for (let c = 0; c < clients; c++) this.sim.start(nodeId, `client/${c}`, 'client', undefined)
  }

  #begin(nodeId: NodeId): void {
    this.sim.start(nodeId, 'node', 'node', nodeConfig(this.#nodes.get(nodeId)!))
  }

  addNode(): NodeId {
    const nodeId = nodeIdOf(this.crypto, nodeKeyOf(this.nodeIds.length).spki)
    this.#create(nodeId, this.serving, false)
    this.#begin(nodeId)
    return nodeId
  }

  /**
   * True if it has given up, or somebody could let it in and nobody of those it knows of: what happens from now on it will not hear. While nobody runs
   * and can write its ledger, another in its place would know of nobody either.
   */
  isStranded(nodeId: NodeId): boolean {
    if (this.#outrun.has(nodeId)) return true
    const { s } = this.sim.stateOf(nodeId, 'node') as MachineState<NodeState>
    const hosts = this.serving.filter((peer) => this.replicaOf(peer).value !== 'halted')
    return hosts.length > 0 && !hosts.some((host) => s.peers.includes(host))
  }

  registration(nodeId: NodeId): Uint8Array {
    const i = this.nodeIds.indexOf(nodeId)
    const publicKey = formatPem('PUBLIC KEY', nodeKeyOf(i).spki)
    const encryptionKey = formatPem('PUBLIC KEY', encryptionKeyOf(this.crypto, i).spki)
    const address = this.sim.node(nodeId).name
    return utf8(JSON.stringify({ public_key: publicKey, encryption_pub_key: encryptionKey, address }))
  }

  #follow(nodeId: NodeId, stage: LifecycleStage): void {
    if (stage === 'serving') this.#serving.add(nodeId)
    else this.#serving.delete(nodeId)
    if (stage === 'outrun') this.#outrun.add(nodeId)
    if (stage === 'retired' || stage === 'outrun') this.sim.stop(nodeId)
  }

  replicaOf(nodeId: string): ReplicaSight {
    const state = this.sim.stateOf(nodeId, 'replica') as ReplicaSight | undefined
    return state ?? replica.start(replicaConfig(this.#nodes.get(nodeId)!)).state
  }

  executorOf(nodeId: string): ExecutorState {
    const state = this.sim.stateOf(nodeId, 'executor') as MachineState<ExecutorState> | undefined
    return (state ?? executor.start(executorConfig(this.#nodes.get(nodeId)!)).state).s
  }

  submit(nodeId: string, from: number, { as, ...execute }: Submission): void {
    const { userId, operatorId } = this.#identities
    const caller = { kind: 'certificate', id: as === 'operator' ? operatorId : userId } as const
    const message: Execute = { type: 'execute', caller, publicOnly: false, ...execute }
    this.sim.post(nodeId, `client/${from}`, 'executor', message)
  }

  #receive({ id }: SimNode, event: Message): void {
    const inbox = this.#inboxes.get(id) ?? []
    this.#inboxes.set(id, inbox)
    inbox.push(event as Executed | CommitNotice)
  }

  /** Sends a batch as the registered user; answers arrive in `messages(node)`. Returns the token. */
  request(
    nodeId: string,
    requests: readonly { readonly target: string; readonly body?: unknown }[],
    activeView = 0,
  ): number {
    const token = ++this.#token
    this.submit(nodeId, 0, {
      as: 'user',
      token,
      activeView,
      requests: requests.map(({ target, body }, id): AppRequest => {
        const [verb, path] = target.split(' ') as [string, string]
        return { id, verb, path, body: body === undefined ? new Uint8Array(0) : utf8(JSON.stringify(body)) }
      }),
    })
    return token
  }

  /** What clients of the node were told. */
  messages(nodeId: string): readonly (Executed | CommitNotice)[] {
    return this.#inboxes.get(nodeId) ?? []
  }

  /** Responses to `token`, in order of request id. */
  responses(nodeId: string, token: number): AppResponse[] {
    return this.messages(nodeId)
      .flatMap((m) => (m.type === 'executed' && m.token === token ? m.responses : []))
      .sort((a, b) => a.id - b.id)
  }

  /** Lets time pass until one running node leads the highest view and the service is open there. Fails after `maxMs`. */
  leader(maxMs = 20_000): NodeId {
    let found: NodeId | undefined
    const ok = this.sim.run(maxMs, () => {
      const running = this.sim.nodeIds as readonly NodeId[]
      found = running.find((id) => {
        if (this.replicaOf(id).value !== 'leader') return false
        const { currentView } = this.replicaOf(id).s
        const newest = running.every((other) => this.replicaOf(other).s.currentView <= currentView)
        const { committed } = this.executorOf(id).summary
        return newest && committed.view === currentView && committed.seqno >= 4
      })
      return found !== undefined
    })
    if (!ok || found === undefined) throw new Error(`no leader after ${maxMs} ms: ${this.describe()}`)
    return found
  }

  describe(): string {
    return this.sim.nodeIds
      .map((id) => {
        const { value, s } = this.replicaOf(id)
        const { name } = this.sim.node(id)
        return `${name} ${value} view ${s.currentView} last ${s.log.end - 1} commit ${s.commitIdx}`
      })
      .join('; ')
  }
}

/** Clients, and what is left out: nodes send each other their messages unsealed, clients speak to executors without a session. */
const STAND_INS: readonly string[] = ['client', 'channel', 'rpc', 'session']

function actorsOf(replacements: Replacements): AnyActorDefinition[] {
  const production = catalogue().filter(({ kind }) => !STAND_INS.includes(kind))
  const all = [...production, ...STAND_INS.map((kind) => erase(standIn(kind)))]
  return all.map((definition) => replacements.find(({ kind }) => kind === definition.kind) ?? definition)
}

/** Makes services for plans. `replacements`: actors to use in place of production's. */
export const serviceMaker =
  (replacements: Replacements = []): ServiceMaker =>
  ({ seed, nodes, crypto, knobs, weather, clients, observe }) =>
    new SimService({
      seed,
      nodes,
      knobs,
      clients,
      observe,
      replacements,
      faults: weather,
      crypto: crypto === 'fast' ? fastCrypto : realCrypto,
      apps: [registerApp],
    })

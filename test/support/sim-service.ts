// A whole service in simulation: n nodes with replica, executor and ledger writer, keys derived from fixed seeds, and a client
// that records what it is told.
import { erase, step, unchanged, type ActorDefinition, type Message } from '../../actors/actor.ts'
import { executor } from '../../actors/executor/executor.ts'
import type { ExecutorConfig, ExecutorState } from '../../actors/executor/state.ts'
import { ledgerWriter } from '../../actors/ledger-writer/ledger-writer.ts'
import type { MachineState } from '../../actors/machine.ts'
import { replica } from '../../actors/replica/replica.ts'
import type { ReplicaConfig, ReplicaState } from '../../actors/replica/state.ts'
import type { App, AppRequest, AppResponse } from '../../protocols/app.ts'
import { toHex, utf8 } from '../../protocols/codec/bytes.ts'
import { formatPem } from '../../protocols/codec/pem.ts'
import { certificateId, parseCertificate } from '../../protocols/crypto/certificate.ts'
import { issueCertificate, validityFrom } from '../../protocols/crypto/issue.ts'
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { ecKeyPairFromSeed, nobleCrypto } from '../../protocols/crypto/noble.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { NodeId } from '../../protocols/ids.ts'
import { APPEND_BYTES_MAX } from '../../protocols/limits.ts'
import type { CommitNotice, Execute, Executed } from '../../protocols/requests.ts'
import { Simulation, type SimFaults, type SimOptions } from '../../runtime/host/sim.ts'
import { sampleApps } from '../../runtime/samples/index.ts'
import { setUpService, type ServiceSetup } from '../../runtime/service-setup.ts'

/** Deterministic signatures (RFC 6979) from noble, everything else native: the same bytes, faster. */
export const simCrypto: Crypto = { ...nativeCrypto, signEcdsa: nobleCrypto.signEcdsa }

const CURVE = 'P-256'
const VALID_FROM = Date.UTC(2026, 0, 1) / 1000
export const LEDGER_SECRET = simCrypto.sha256(utf8('ledger secret of simulations'))

export function selfSigned(name: string) {
  const key = ecKeyPairFromSeed(CURVE, utf8(name))
  const der = issueCertificate(
    simCrypto,
    {
      subject: `CN=${name}`,
      issuer: `CN=${name}`,
      spki: key.spki,
      issuerSpki: key.spki,
      isCa: false,
      signatureHash: 'sha256',
      ...validityFrom(VALID_FROM, 365),
    },
    key.pkcs8,
  )
  return { ...key, certificatePem: formatPem('CERTIFICATE', der) }
}

interface Inbox {
  readonly messages: readonly (Executed | CommitNotice)[]
}

/** Keeps what it is sent. */
const client: ActorDefinition<undefined, Inbox, Message> = {
  kind: 'client',
  version: 1,
  start: () => unchanged({ messages: [] }),
  step: (state, { event }) => step({ messages: [...state.messages, event as Executed | CommitNotice] }),
  describe: ({ messages }) => `${messages.length}`,
  invariants: [],
}

export interface SimServiceOptions {
  readonly seed: number
  readonly nodes: number
  readonly faults: SimFaults
  readonly apps?: readonly App[]
  readonly observe?: SimOptions['observe']
}

export class SimService {
  readonly sim: Simulation
  readonly setup: ServiceSetup
  readonly nodeIds: readonly NodeId[]
  readonly userId: string
  readonly apps: readonly App[]
  #token = 0

  constructor({ seed, nodes, faults, apps = sampleApps, observe }: SimServiceOptions) {
    this.apps = apps
    const catalogue = [erase(replica), erase(executor), erase(ledgerWriter), erase(client)]
    this.sim = new Simulation({
      seed,
      faults,
      catalogue,
      crypto: simCrypto,
      ...(observe === undefined ? {} : { observe }),
    })
    const serviceKey = ecKeyPairFromSeed(CURVE, utf8('service'))
    const nodeKeys = Array.from({ length: nodes }, (_, i) => ecKeyPairFromSeed(CURVE, utf8(`node ${i}`)))
    const user = selfSigned('user0')
    this.userId = certificateId(simCrypto, parseCertificate(user.certificatePem))
    this.setup = setUpService(simCrypto, {
      curve: CURVE,
      serviceKey,
      nodes: nodeKeys.map(({ spki }, i) => ({ spki, encryptionPublicKeyPem: 'none', address: `sim:${i}` })),
      members: [0, 1, 2].map((i) => ({ certificatePem: selfSigned(`member${i}`).certificatePem })),
      users: [{ certificatePem: user.certificatePem }],
      apps,
      nowSeconds: VALID_FROM,
      validityDays: 365,
    })
    this.nodeIds = this.setup.nodes.map(({ nodeId }) => nodeId)
    this.nodeIds.forEach((nodeId, i) => {
      this.sim.addNode(nodeId)
      this.sim.start(nodeId, 'ledger-writer', 'ledger-writer', undefined)
      this.sim.start(nodeId, 'replica', 'replica', this.#replicaConfig(nodeId))
      this.sim.start(nodeId, 'executor', 'executor', this.#executorConfig(i))
      this.sim.start(nodeId, 'client', 'client', undefined)
      this.sim.installKey(nodeId, 'node', nodeKeys[i]!.pkcs8)
      this.sim.installKey(nodeId, 'service', serviceKey.pkcs8)
    })
    this.sim.post(this.nodeIds[0]!, 'host', 'replica', { type: 'forceLeader' })
  }

  #replicaConfig(nodeId: NodeId): ReplicaConfig {
    return {
      nodeId,
      messageTimeoutMs: 20,
      electionTimeoutMs: 200,
      preVoteEnabled: true,
      pacing: 'eager',
      tickingFromStart: false,
      appendBytesMax: APPEND_BYTES_MAX,
      sendAfterBytes: 65_536,
      logTailBytesMax: 1_000_000,
    }
  }

  #executorConfig(i: number): ExecutorConfig {
    const service = parseCertificate(this.setup.serviceCertificatePem)
    return {
      crypto: simCrypto,
      nodeId: this.nodeIds[i]!,
      service: 'sim',
      softwareVersion: 'sim',
      nodeCertificatePem: this.setup.nodes[i]!.certificatePem,
      serviceCertificatePem: this.setup.serviceCertificatePem,
      serviceKid: toHex(simCrypto.sha256(service.spki)),
      serviceCurve: CURVE,
      coseIssuer: '',
      coseSubject: '',
      ledgerSecret: LEDGER_SECRET,
      apps: this.apps,
      genesis: i === 0 ? { writes: this.setup.genesis, nodes: this.nodeIds, opening: this.setup.opening } : undefined,
      forwardingTimeoutMs: 3000,
    }
  }

  replicaOf(nodeId: string): MachineState<ReplicaState> {
    return this.sim.stateOf(nodeId, 'replica') as MachineState<ReplicaState>
  }

  executorOf(nodeId: string): ExecutorState {
    return (this.sim.stateOf(nodeId, 'executor') as MachineState<ExecutorState>).s
  }

  /** Sends a batch as the registered user; answers arrive in `messages(node)`. Returns the token. */
  request(
    nodeId: string,
    requests: readonly { readonly target: string; readonly body?: unknown }[],
    activeView = 0,
  ): number {
    const token = ++this.#token
    const execute: Execute = {
      type: 'execute',
      token,
      caller: { kind: 'certificate', id: this.userId },
      activeView,
      publicOnly: false,
      requests: requests.map(({ target, body }, id): AppRequest => {
        const [verb, path] = target.split(' ') as [string, string]
        return { id, verb, path, body: body === undefined ? new Uint8Array(0) : utf8(JSON.stringify(body)) }
      }),
    }
    this.sim.post(nodeId, 'client', 'executor', execute)
    return token
  }

  messages(nodeId: string): Inbox['messages'] {
    return (this.sim.stateOf(nodeId, 'client') as Inbox).messages
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
      found = this.nodeIds.find((id) => {
        if (!this.sim.nodeIds.includes(id) || this.replicaOf(id).value !== 'leader') return false
        const { currentView } = this.replicaOf(id).s
        const newest = this.sim.nodeIds.every((other) => this.replicaOf(other).s.currentView <= currentView)
        return (
          newest &&
          this.executorOf(id).summary.committed.view === currentView &&
          this.executorOf(id).summary.committed.seqno >= 4
        )
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
        return `${id.slice(0, 4)} ${value} view ${s.currentView} last ${s.log.end - 1} commit ${s.commitIdx}`
      })
      .join('; ')
  }
}

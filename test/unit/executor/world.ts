// Executors of one small service, driven by hand: the tester is their replica and their host. Nothing commits, signs or arrives by itself.
// Keys come from fixed seeds, signatures are deterministic. The rule to remember: `log` is what a replica would have; `commit` says how far it is agreed.
import type { Effect, SignItem } from '../../../actors/effects.ts'
import { executor } from '../../../actors/executor/executor.ts'
import type { ExecutorConfig, ExecutorEvent, ExecutorState } from '../../../actors/executor/state.ts'
import type { MachineState } from '../../../actors/machine.ts'
import type { AppResponse, Caller } from '../../../protocols/app.ts'
import { fromUtf8, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { formatPem } from '../../../protocols/codec/pem.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import type { ConsensusSummary, Replicate } from '../../../protocols/consensus/messages.ts'
import { certificateId, nodeIdOf, parseCertificate } from '../../../protocols/crypto/certificate.ts'
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
import { issueCertificate, validityFrom } from '../../../protocols/crypto/issue.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { ecKeyPairFromSeed, nobleCrypto } from '../../../protocols/crypto/noble.ts'
import { seqno, view, type NodeId } from '../../../protocols/ids.ts'
import type { Executed } from '../../../protocols/requests.ts'
import { rsaKeyOf } from '../../../runtime/models/service/rsa-keys.ts'
import { setUpService } from '../../../runtime/service-setup.ts'

/** RFC 6979 signatures by noble, everything else native. */
export const crypto: Crypto = { ...nativeCrypto, signEcdsa: nobleCrypto.signEcdsa }

const CURVE = 'P-256'
export const NOW_SECONDS = Date.UTC(2026, 0, 1) / 1000

const keyOf = (name: string) => ecKeyPairFromSeed(CURVE, utf8(`executor test: ${name}`))
export const serviceKey = keyOf('service')

function selfSigned(name: string): string {
  const { spki, pkcs8 } = keyOf(name)
  const subject = `CN=${name}`
  const fields = { subject, issuer: subject, spki, issuerSpki: spki, isCa: false, signatureHash: 'sha256' as const }
  return formatPem('CERTIFICATE', issueCertificate(crypto, { ...fields, ...validityFrom(NOW_SECONDS, 365) }, pkcs8))
}

const callerOf = (certificatePem: string): Caller => ({
  kind: 'certificate',
  id: certificateId(crypto, parseCertificate(certificatePem)),
})

const certificates = { operator: selfSigned('operator'), member: selfSigned('member'), user: selfSigned('user') }
export const operator = callerOf(certificates.operator)
export const member = callerOf(certificates.member)
export const user = callerOf(certificates.user)

/** A node that is not one of the service yet, and the body that registers it. */
export function newcomer(name: string) {
  const { spki } = keyOf(name)
  const pem = formatPem('PUBLIC KEY', spki)
  const encryption = formatPem('PUBLIC KEY', rsaKeyOf('newcomers').spki)
  const body = { public_key: pem, encryption_pub_key: encryption, address: `nats://${name}` }
  return { nodeId: nodeIdOf(crypto, spki), spki, body }
}

/** The nodes a service begins with, in the order of their keys' names. */
export const initialNode = (index: number): NodeId => nodeIdOf(crypto, keyOf(`node ${index}`).spki)

export const setup = (nodes: number) =>
  setUpService(crypto, {
    curve: CURVE,
    serviceKey,
    nodes: Array.from({ length: nodes }, (_, i) => ({
      spki: keyOf(`node ${i}`).spki,
      encryptionPublicKeyPem: formatPem('PUBLIC KEY', rsaKeyOf(`node ${i}`).spki),
      address: `nats://node${i}`,
    })),
    members: [
      { certificatePem: certificates.operator, data: { is_operator: true } },
      { certificatePem: certificates.member },
    ],
    users: [{ certificatePem: certificates.user }],
    apps: [],
    nowSeconds: NOW_SECONDS,
    validityDays: 365,
  })

export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly txId: AppResponse['txId']
}

export class Executor {
  readonly nodeId: NodeId
  readonly #index: number
  #state: MachineState<ExecutorState>
  #seq = 0
  #token = 0
  /** What was proposed or received. */
  readonly log: LogRecord[] = []
  /** Everything asked for since `takeEffects`. */
  #effects: Effect[] = []
  #view = 0
  readonly #viewHistory: number[] = []
  #committed = 0
  at = NOW_SECONDS * 1000

  /** `index`: which of the initial nodes; number 0 has the genesis transaction. */
  constructor(service: ReturnType<typeof setup>, index: number) {
    this.#index = index
    this.nodeId = service.nodes[index]!.nodeId
    const certificate = parseCertificate(service.serviceCertificatePem)
    const config: ExecutorConfig = {
      crypto,
      nodeId: this.nodeId,
      encryptionKey: rsaKeyOf(`node ${index}`).pkcs8,
      service: 'test',
      softwareVersion: '0',
      serviceCertificatePem: service.serviceCertificatePem,
      serviceKid: toHex(crypto.sha256(certificate.spki)),
      serviceCurve: CURVE,
      coseIssuer: '',
      coseSubject: '',
      secrets: [{ version: 1, secret: new Uint8Array(32) }],
      apps: [],
      genesis: index === 0 ? { writes: service.genesis, opening: service.opening } : undefined,
      snapshotTxCount: 10_000,
      snapshot: undefined,
      forwardingTimeoutMs: 1000,
    }
    this.#state = executor.start(config).state
  }

  get s(): ExecutorState {
    return this.#state.s
  }

  get committed(): number {
    return this.#committed
  }

  post(event: ExecutorEvent, from = 'replica'): void {
    const next = executor.step(this.#state, { seq: ++this.#seq, at: this.at, from, to: 'executor', event })
    this.#state = next.state
    for (const { name, broken } of executor.invariants) {
      const problem = broken(next.state)
      if (problem !== undefined) throw new Error(`${name}: ${problem}`)
    }
    for (const effect of next.effects) {
      this.#effects.push(effect)
      const proposed = effect.type === 'send' && effect.message.type === 'replicate'
      if (proposed) this.log.push(...(effect.message as Replicate).records)
    }
  }

  takeEffects(): readonly Effect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  /** Messages of that type sent since `takeEffects`. */
  sent<T>(type: string): T[] {
    return this.#effects.flatMap((effect) =>
      effect.type === 'send' && effect.message.type === type ? [effect.message as unknown as T] : [],
    )
  }

  summary(leadership: ConsensusSummary['leadership'], leaderId: NodeId | undefined): ConsensusSummary {
    const of = (no: number) => ({ view: view(this.log[no - 1]?.view ?? 0), seqno: seqno(no) })
    return {
      leadership,
      membership: 'Active',
      view: this.#view,
      leaderId,
      lastSeqno: this.log.length,
      committed: of(this.#committed),
      viewHistory: this.#viewHistory,
      configurations: [],
      peers: {},
    }
  }

  becomePrimary(inView: number): void {
    this.#startView(inView)
    this.post({ type: 'becamePrimary', summary: this.summary('Leader', this.nodeId) })
    this.signAll()
  }

  /** `keep`: entries of the log that stay. */
  becomeBackup(inView: number, leader: NodeId | undefined, keep = this.log.length): void {
    this.log.length = keep
    this.#startView(inView)
    this.post({ type: 'becameBackup', summary: this.summary('Follower', leader) })
  }

  #startView(inView: number): void {
    this.#view = inView
    while (this.#viewHistory.length < inView) this.#viewHistory.push(this.log.length + 1)
  }

  /** Performs the signatures that were asked for, and those that follow from them. */
  signAll(): void {
    for (let due = this.takeSign(); due !== undefined; due = this.takeSign()) this.sign(due)
  }

  /** The oldest signature asked for, not performed; other effects stay. */
  takeSign(): Extract<Effect, { readonly type: 'sign' }> | undefined {
    const at = this.#effects.findIndex(({ type }) => type === 'sign')
    return at < 0 ? undefined : (this.#effects.splice(at, 1)[0] as Extract<Effect, { readonly type: 'sign' }>)
  }

  sign({ token, items }: { readonly token: number; readonly items: readonly SignItem[] }): void {
    const own = keyOf(`node ${this.#index}`).pkcs8
    const signatures = items.map(({ key, hash, message, format }) =>
      crypto.signEcdsa(key === 'node' ? own : serviceKey.pkcs8, hash, message, format),
    )
    this.post({ type: 'signed', token, signatures }, 'host')
  }

  /** Everything up to the last signature is agreed upon. */
  commit(leader = this.nodeId): void {
    const last = this.log.findLast(({ kind }) => kind === 'signature')!.seqno
    if (last === this.#committed) return
    this.#committed = last
    const leadership = leader === this.nodeId ? 'Leader' : 'Follower'
    this.post({ type: 'committed', summary: this.summary(leadership, leader) })
  }

  /** Signs and commits until there is nothing to do. */
  settle(): void {
    for (let before = -1; before !== this.#committed;) {
      before = this.#committed
      this.signAll()
      this.commit()
    }
  }

  /** What a primary has and this backup lacks: received, and committed as far as there. */
  follow(primary: Executor): void {
    const news = primary.log.slice(this.log.length)
    this.log.push(...news)
    if (news.length > 0) this.post({ type: 'appended', records: news })
    if (primary.committed > this.#committed) {
      this.#committed = primary.committed
      this.post({ type: 'committed', summary: this.summary('Follower', primary.nodeId) })
    }
  }

  /** One request of a session; undefined when it is not answered at once. */
  ask(caller: Caller, target: string, body?: unknown, publicOnly = false): Answer | undefined {
    const [verb, path] = target.split(' ') as [string, string]
    const bytes = body instanceof Uint8Array ? body : utf8(body === undefined ? '' : JSON.stringify(body))
    const token = ++this.#token
    const request = { id: 1, verb, path, body: bytes }
    this.post({ type: 'execute', token, caller, activeView: 0, publicOnly, requests: [request] }, 'session/1')
    const executed = this.sent<Executed>('executed').find((answer) => answer.token === token)
    const response = executed?.responses[0]
    if (response === undefined) return undefined
    return { status: response.status, txId: response.txId, body: JSON.parse(fromUtf8(response.body)) as unknown }
  }
}

/** A service of `nodes` whose first node leads view 2 and has opened it. */
export function openService(nodes: number): { readonly primary: Executor; readonly service: ReturnType<typeof setup> } {
  const service = setup(nodes)
  const primary = new Executor(service, 0)
  primary.becomePrimary(2)
  primary.settle()
  primary.takeEffects()
  return { primary, service }
}

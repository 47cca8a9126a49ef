// A node as clients see it: real session actors on a bus, in front of an executor that the test writes.
import { erase } from '../../../actors/actor.ts'
import { session } from '../../../actors/session/session.ts'
import type { SessionConfig } from '../../../actors/session/state.ts'
import type { AppRequest, AppResponse, Caller } from '../../../protocols/app.ts'
import { nodeIdOf } from '../../../protocols/crypto/certificate.ts'
import { seqno, view, type NodeId } from '../../../protocols/ids.ts'
import { jsonResponse, type Execute } from '../../../protocols/requests.ts'
import { admitHello } from '../../../protocols/session/admission.ts'
import { encodeHello } from '../../../protocols/session/hello.ts'
import { nodeSubjects, parseNodeSubject, sessionSubject } from '../../../protocols/subjects.ts'
import type { Bus, BusMessage } from '../../../runtime/bus/bus.ts'
import { crypto, SERVICE, service, sessionPayload, type Identity } from '../actors-session/identities.ts'
import { TinyHost } from '../actors-session/tiny-host.ts'

/** Undefined: no answer. */
export type Handler = (request: AppRequest, caller: Caller) => AppResponse | undefined

export interface FakeNodeOptions {
  readonly bus: Bus
  readonly identity: Identity
  readonly of?: Identity
  readonly handler?: Handler
  readonly primary?: NodeId
  /** The node id it gives in clear, if not its own. */
  readonly claims?: NodeId
  readonly seed?: number
}

/** Echoes path and body, under a new transaction id each. */
export function echo(): Handler {
  let last = 0
  return ({ id, verb, path, body }) =>
    jsonResponse(id, 200, { verb, path, body: Buffer.from(body).toString() }, { view: view(2), seqno: seqno(++last) })
}

export class FakeNode {
  readonly nodeId: NodeId
  readonly host: TinyHost
  readonly executes: Execute[] = []
  readonly framesIn: Uint8Array[] = []
  handler: Handler
  view = 2
  isReady = true
  isSilent = false
  readonly #options: FakeNodeOptions
  #sessions = 0
  readonly #subscriptions: { unsubscribe(): void }[] = []

  constructor(options: FakeNodeOptions) {
    this.#options = options
    const { bus, identity } = options
    this.nodeId = nodeIdOf(crypto, identity.certificate)
    this.host = new TinyHost(options.seed ?? 1)
    this.handler = options.handler ?? echo()
    this.host.onPublish = ({ subject, payload }) => {
      if (!this.isSilent) bus.publish(subject, payload)
    }
    this.host.onSend = (to, message, from) => {
      if (to === 'executor') this.#execute(from, message as Execute)
    }
    const receive = (message: BusMessage): void => this.#receive(message)
    this.#subscriptions.push(
      bus.subscribe(nodeSubjects(SERVICE, this.nodeId), receive),
      bus.subscribe(sessionSubject(SERVICE), receive, { queue: 'nodes' }),
    )
  }

  /** As SIGKILL: nothing is said, nobody listens any more. */
  kill(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
    this.isSilent = true
  }

  /** As if the session had never been: a node that has forgotten it. */
  forgetSessions(): void {
    for (let i = 1; i <= this.#sessions; i++)
      this.host.post(`session/s${i}`, { type: 'closeSession', code: 'InternalError', message: '' } as never)
  }

  closeSessions(code: string, message: string): void {
    for (let i = 1; i <= this.#sessions; i++)
      this.host.post(`session/s${i}`, { type: 'closeSession', code, message } as never)
  }

  commit(committedView: number, committedSeqno: number): void {
    const notice = { type: 'commitNotice', view: committedView, seqno: committedSeqno }
    for (let i = 1; i <= this.#sessions; i++) this.host.post(`session/s${i}`, notice as never, 'executor')
  }

  #receive({ subject, reply, payload }: BusMessage): void {
    if (this.isSilent) return
    const parsed = parseNodeSubject(SERVICE, this.nodeId, subject)
    if (parsed?.kind !== 'sessionFrame') return this.#admit(payload, reply)
    this.framesIn.push(payload)
    const address = `session/${parsed.session}`
    if (this.host.describe(address) !== undefined) this.host.receive(address, payload, reply)
    else if (reply !== undefined) {
      const refused = {
        type: 'sessionRefusal',
        code: 'ResourceNotFound',
        message: 'no such session on this node',
      } as const
      this.#options.bus.publish(reply, encodeHello(refused))
    }
  }

  #admit(payload: Uint8Array, reply: string | undefined): void {
    const admission = admitHello(payload, reply, { sessionsOpen: 0, isReady: this.isReady })
    if (admission.kind === 'refuse') this.#options.bus.publish(admission.replySubject, admission.payload)
    if (admission.kind !== 'admit') return
    const { identity, of = service, primary, claims = this.nodeId } = this.#options
    const sessionId = `s${++this.#sessions}`
    const config: SessionConfig = {
      crypto,
      service: SERVICE,
      serviceCertificate: of.certificate,
      nodeId: claims,
      sessionId,
      staticKey: identity.staticKey,
      identityPayload: sessionPayload('node', identity, of),
      replySubject: admission.replySubject,
      clientNoise: admission.clientNoise,
      primaryHint: primary,
      handshakeTimeoutMs: 5000,
      idleTimeoutMs: 60_000,
    }
    this.host.start(`session/${sessionId}`, erase(session), config)
  }

  #execute(from: string, message: Execute): void {
    this.executes.push(message)
    const responses = message.requests
      .map((request) => this.handler(request, message.caller))
      .filter((response) => response !== undefined)
    if (responses.length === 0) return
    this.host.enqueue(from, { type: 'executed', token: message.token, view: this.view, responses } as never, 'executor')
  }
}

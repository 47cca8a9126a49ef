// One sealed session with one node, from the client's side: handshake, frames, and noticing that the node is gone.
// Not here: requests and their answers (client.ts), what to do when it is lost (client.ts).
// The rule to remember: what does not authenticate is ignored once the session is open; before, anyone's refusal counts, for nothing is at stake.
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { EMPTY } from '../../protocols/codec/bytes.ts'
import type { NodeId } from '../../protocols/ids.ts'
import {
  isRekeyDue,
  isSealedFrame,
  openFrame,
  sealFrame,
  startReceiving,
  startSending,
} from '../../protocols/session/frame.ts'
import type { ReceiveState, SendState } from '../../protocols/session/frame.ts'
import { decodeHello, encodeHello, sessionPrologue, type SessionHello } from '../../protocols/session/hello.ts'
import { serviceIdentity, verifyIdentityPayload } from '../../protocols/session/identity-payload.ts'
import { decodeNodeBatch } from '../../protocols/session/messages-decode.ts'
import { encodeClientBatch } from '../../protocols/session/messages-encode.ts'
import type { ClientBatch, NodeBatch } from '../../protocols/session/messages.ts'
import { initHandshake, readMessage, split, writeMessage, type HandshakeState } from '../../protocols/session/noise.ts'
import { PATTERN_XX } from '../../protocols/session/noise-patterns.ts'
import { sessionFrameSubject } from '../../protocols/subjects.ts'
import type { Bus, BusMessage, Subscription } from '../bus/bus.ts'
import { ConcordatError } from './errors.ts'
import type { Credentials } from './identity.ts'
import { randomBytes } from './platform.ts'

export interface SessionOptions {
  readonly bus: Bus
  readonly crypto: Crypto
  readonly service: string
  readonly credentials: Credentials
  /** Where the hello goes: any node's subject, or one node's. */
  readonly subject: string
  /** Called when the answering node names another primary: true gives this handshake up for one with that node. */
  readonly redirectTo: (primary: NodeId) => boolean
  readonly onBatch: (batch: NodeBatch) => void
  /** At most once, and never after `close`. */
  readonly onLost: (error: ConcordatError) => void
}

/** The handshake's outcome: an open session, or the primary to turn to instead. */
export type Opening = { readonly session: Session } | { readonly redirectTo: NodeId }

const EPHEMERAL_KEY_BYTES = 32
const FIRST_PING = 0

/** Opens a session. Rejects with ConcordatError within `timeoutMs`. */
export function openSession(options: SessionOptions, timeoutMs: number): Promise<Opening> {
  return new Promise((resolve, reject) => {
    const session: Session = new Session(options, (opening) => {
      clearTimeout(timer)
      if (opening instanceof ConcordatError) reject(opening)
      else resolve(opening === 'open' ? { session } : { redirectTo: opening })
    })
    const timer = setTimeout(
      () => session.abandon(unreachable(`no answer to the handshake within ${timeoutMs} ms`)),
      timeoutMs,
    )
  })
}

const unreachable = (message: string): ConcordatError => new ConcordatError('NodeUnreachable', message)

type Phase = 'awaitingAnswer' | 'awaitingPong' | 'open' | 'over'

export class Session {
  nodeId: NodeId | undefined
  readonly #options: SessionOptions
  readonly #inbox: string
  readonly #subscription: Subscription
  readonly #settle: (opening: 'open' | NodeId | ConcordatError) => void
  #phase: Phase = 'awaitingAnswer'
  #handshake: HandshakeState | undefined
  #subject = ''
  #sending: SendState | undefined
  #receiving: ReceiveState | undefined
  /** Watched time, ms, since something was heard, and since a ping that is not answered yet. */
  #silentMs = 0
  #unansweredMs: number | undefined
  #pings = FIRST_PING

  constructor(options: SessionOptions, settle: (opening: 'open' | NodeId | ConcordatError) => void) {
    this.#options = options
    this.#settle = settle
    const { bus, crypto, credentials, service } = options
    this.#inbox = bus.newInbox()
    this.#subscription = bus.subscribe(this.#inbox, (message) => this.#onMessage(message))
    const fresh = initHandshake(crypto, {
      pattern: PATTERN_XX,
      initiator: true,
      prologue: sessionPrologue(service, serviceIdentity(crypto, credentials.serviceCertificate)),
      s: credentials.staticKey,
    })
    const written = writeMessage(crypto, fresh, EMPTY, randomBytes(EPHEMERAL_KEY_BYTES))!
    this.#handshake = written.state
    const hello = encodeHello({ type: 'clientHello', replySubject: this.#inbox, noise: written.message })
    // The NATS reply subject only makes the server say so when nobody listens.
    bus.publish(options.subject, hello, { reply: this.#inbox })
  }

  /** Seals and publishes a batch: one frame, more only if it does not fit. */
  send(batch: ClientBatch): void {
    const { bus, crypto } = this.#options
    for (const content of encodeClientBatch(batch)) {
      if (this.#sending === undefined) return
      const sealed = sealFrame(crypto, this.#sending, content)
      if ('refused' in sealed) return this.abandon(unreachable('the key of the session is spent'))
      this.#sending = sealed.state
      bus.publish(this.#subject, sealed.bytes, { reply: this.#inbox })
    }
    if (this.#sending !== undefined && isRekeyDue(this.#sending))
      this.abandon(unreachable('the key of the session has served its time'))
  }

  ping(): void {
    this.#unansweredMs ??= 0
    this.send({ requests: [], controls: [{ type: 'ping', id: ++this.#pings }] })
  }

  /**
   * Called every `elapsedMs` while answers are due: asks the node for a sign of life, and gives it up when none comes. What counts is time in which the
   * caller was there to listen: after a stall of this process, what the node said meanwhile is still to be read.
   */
  watch(elapsedMs: number, pingAfterMs: number, lostAfterMs: number): void {
    if (this.#phase !== 'open') return
    this.#silentMs += elapsedMs
    if (this.#unansweredMs === undefined) {
      if (this.#silentMs >= pingAfterMs) this.ping()
      return
    }
    const asked = Math.floor(this.#unansweredMs / pingAfterMs)
    this.#unansweredMs += elapsedMs
    // Asked again now and then: a ping may be lost, and NATS may notice only later that nobody listens any more.
    if (Math.floor(this.#unansweredMs / pingAfterMs) > asked) this.ping()
    if (this.#unansweredMs >= lostAfterMs)
      this.abandon(unreachable(`the node has been silent for ${this.#silentMs} ms`))
  }

  /** Ends the session and tells the node. */
  close(): void {
    if (this.#phase === 'open') this.send({ requests: [], controls: [{ type: 'close' }] })
    this.#end()
  }

  /** Ends the session and tells whoever uses it why. */
  abandon(error: ConcordatError): void {
    const phase = this.#phase
    if (phase === 'over') return
    this.#end()
    if (phase === 'open') this.#options.onLost(error)
    else this.#settle(error)
  }

  #end(): void {
    this.#phase = 'over'
    this.#handshake = undefined
    this.#sending = undefined
    this.#receiving = undefined
    this.#subscription.unsubscribe()
  }

  #onMessage({ payload, noResponders }: BusMessage): void {
    if (this.#phase === 'over') return
    if (noResponders) {
      const whom = this.nodeId === undefined ? 'no node of the service listens' : 'the node is gone'
      return this.abandon(unreachable(whom))
    }
    if (isSealedFrame(payload)) return this.#onFrame(payload)
    const hello = decodeHello(payload)
    if (hello?.type === 'nodeAnswer' && this.#phase === 'awaitingAnswer') this.#onAnswer(hello)
    else if (hello?.type === 'sessionRefusal') this.#onRefusal(hello)
  }

  /** A node that does not know an open session says so in clear: forged, it costs no more than a dropped frame would. */
  #onRefusal({ code, message }: Extract<SessionHello, { type: 'sessionRefusal' }>): void {
    const isLost = code === 'ResourceNotFound'
    if (this.#phase === 'open' && !isLost) return
    this.abandon(
      isLost
        ? unreachable('the node has forgotten the session')
        : new ConcordatError(code, `the session was refused: ${message}`),
    )
  }

  #onAnswer(answer: Extract<SessionHello, { type: 'nodeAnswer' }>): void {
    const { crypto, credentials, service, redirectTo } = this.#options
    const { primaryHint } = answer
    if (primaryHint !== undefined && primaryHint !== answer.nodeId && redirectTo(primaryHint)) {
      this.#end()
      return this.#settle(primaryHint)
    }
    const read = this.#handshake && readMessage(crypto, this.#handshake, answer.noise)
    if (read?.state.rs === undefined) {
      return this.abandon(
        notTrusted('it does not hold the service identity of the certificate given as trust, or is another service'),
      )
    }
    const identity = verifyIdentityPayload(crypto, {
      payload: read.payload,
      remoteStatic: read.state.rs,
      serviceCertificate: credentials.serviceCertificate,
      expect: 'node',
    })
    if ('refused' in identity) return this.abandon(notTrusted(`its proof of identity is refused: ${identity.refused}`))
    if (identity.kind !== 'node' || identity.nodeId !== answer.nodeId)
      return this.abandon(notTrusted('it proves another identity than it claims'))
    const written = writeMessage(crypto, read.state, credentials.identityPayload)
    if (written === undefined) return this.abandon(notTrusted('its key is unusable'))
    const { sendKey, receiveKey } = split(crypto, written.state)
    this.#handshake = undefined
    this.#sending = startSending(sendKey)
    this.#receiving = startReceiving(receiveKey)
    this.nodeId = answer.nodeId
    this.#subject = sessionFrameSubject(service, answer.nodeId, answer.session)
    this.#phase = 'awaitingPong'
    this.#options.bus.publish(this.#subject, encodeHello({ type: 'clientFinish', noise: written.message }), {
      reply: this.#inbox,
    })
    // Its answer shows that the node accepted our proof.
    this.send({ requests: [], controls: [{ type: 'ping', id: FIRST_PING }] })
  }

  #onFrame(bytes: Uint8Array): void {
    if (this.#receiving === undefined) return
    const opened = openFrame(this.#options.crypto, this.#receiving, bytes)
    if ('refused' in opened) return
    this.#receiving = opened.state
    this.#silentMs = 0
    this.#unansweredMs = undefined
    const batch = decodeNodeBatch(opened.plaintext)
    if (batch === undefined)
      return this.abandon(new ConcordatError('InternalError', 'the node sent a frame that cannot be read'))
    if (this.#phase === 'awaitingPong') {
      this.#phase = 'open'
      this.#settle('open')
    }
    this.#options.onBatch(batch)
    for (const notice of batch.notices) {
      if (notice.type === 'closed') return this.abandon(new ConcordatError(notice.code, notice.message))
    }
  }
}

const notTrusted = (message: string): ConcordatError =>
  new ConcordatError('ServiceNotTrusted', `the answering node is not trusted: ${message}`)

// The node's side of a session's handshake: Noise XX as responder. Message 1 came with the hello; message 2 carries the node's identity,
// sealed; message 3 proves the client's. Who may do what is decided at execution, not here.
// The rule to remember: what does not authenticate may come from anyone and is ignored; only what authenticates can be refused.
import type { Caller } from '../../protocols/app.ts'
import { encodeHello, decodeHello, sessionPrologue } from '../../protocols/session/hello.ts'
import { startReceiving, startSending } from '../../protocols/session/frame.ts'
import {
  serviceIdentity,
  verifyIdentityPayload,
  type IdentityRefusal,
} from '../../protocols/session/identity-payload.ts'
import { initHandshake, readMessage, split, writeMessage, type HandshakeState } from '../../protocols/session/noise.ts'
import { PATTERN_XX } from '../../protocols/session/noise-patterns.ts'
import type { ErrorCode } from '../../protocols/errors.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { send, trace, type Effect } from '../effects.ts'
import { judgeOnce } from '../machine.ts'
import { end } from './outbox.ts'
import type { SessionConfig, SessionEvent, SessionKeys, SessionOpened, SessionState } from './state.ts'

const EPHEMERAL_KEY_BYTES = 32

/** What starting a session asks for: randomness for the ephemeral key, and a bound on the handshake. */
export const startEffects = ({ handshakeTimeoutMs }: SessionConfig): readonly Effect[] => [
  { type: 'drawBytes', token: 0, count: EPHEMERAL_KEY_BYTES },
  { type: 'setTimer', name: 'handshakeTimeout', afterMs: [handshakeTimeoutMs, handshakeTimeoutMs] },
]

interface Answer {
  readonly state: HandshakeState
  readonly message: Uint8Array
}

/** Noise message 2; undefined when message 1 is not one. */
const judgeHello = judgeOnce<SessionState, SessionEvent, Answer | undefined>((s, envelope) => {
  const { bytes } = envelope.event as Extract<SessionEvent, { type: 'bytesDrawn' }>
  const { crypto, service, serviceCertificate, staticKey, clientNoise, identityPayload } = s.config
  const prologue = sessionPrologue(service, serviceIdentity(crypto, serviceCertificate))
  const fresh = initHandshake(crypto, { pattern: PATTERN_XX, initiator: false, prologue, s: staticKey })
  const read = readMessage(crypto, fresh, clientNoise)
  return read && writeMessage(crypto, read.state, identityPayload, bytes)
})

export const helloIsReadable = (s: SessionState, envelope: Envelope<SessionEvent>): boolean =>
  judgeHello(s, envelope) !== undefined

/** Sends Noise message 2. */
export function answerHello(s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> {
  const answer = judgeHello(s, envelope)
  if (answer === undefined) return unchanged(s)
  const { nodeId, sessionId, primaryHint, replySubject } = s.config
  const payload = encodeHello({ type: 'nodeAnswer', session: sessionId, nodeId, primaryHint, noise: answer.message })
  return step({ ...s, handshake: answer.state }, { type: 'publish', subject: replySubject, payload })
}

export const refuseHello = (s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> =>
  refuse(s, envelope, 'InvalidInput', 'the hello does not carry a usable Noise message')

type FinishVerdict =
  | { readonly kind: 'proven'; readonly keys: SessionKeys; readonly caller: Caller }
  | { readonly kind: 'refused'; readonly reason: IdentityRefusal }
  | { readonly kind: 'ignored' }

/** What a frame is while Noise message 3 is awaited. */
const judgeFinish = judgeOnce<SessionState, SessionEvent, FinishVerdict>((s, envelope) => {
  const { payload } = envelope.event as Extract<SessionEvent, { type: 'received' }>
  const { crypto, serviceCertificate } = s.config
  const hello = decodeHello(payload)
  if (hello?.type !== 'clientFinish' || s.handshake === undefined) return { kind: 'ignored' }
  const read = readMessage(crypto, s.handshake, hello.noise)
  if (read === undefined) return { kind: 'ignored' }
  const { sendKey, receiveKey, remoteStatic } = split(crypto, read.state)
  if (remoteStatic === undefined) return { kind: 'ignored' }
  const identity = verifyIdentityPayload(crypto, {
    payload: read.payload,
    remoteStatic,
    serviceCertificate,
    expect: 'client',
  })
  if ('refused' in identity) return { kind: 'refused', reason: identity.refused }
  if (identity.kind === 'node') return { kind: 'refused', reason: 'wrongRole' }
  return {
    kind: 'proven',
    keys: { send: startSending(sendKey), receive: startReceiving(receiveKey) },
    caller: identity,
  }
})

export const finishProvesIdentity = (s: SessionState, envelope: Envelope<SessionEvent>): boolean =>
  judgeFinish(s, envelope).kind === 'proven'

export const finishIsRefused = (s: SessionState, envelope: Envelope<SessionEvent>): boolean =>
  judgeFinish(s, envelope).kind === 'refused'

/** The handshake is done: from here on everything is sealed. Nothing is said; the client's first ping is answered. */
export function openSession(s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> {
  const verdict = judgeFinish(s, envelope)
  if (verdict.kind !== 'proven') return unchanged(s)
  const { idleTimeoutMs, sessionId } = s.config
  return step(
    { ...s, handshake: undefined, keys: verdict.keys, caller: verdict.caller, lastFrameAt: envelope.at },
    { type: 'cancelTimer', name: 'handshakeTimeout' },
    { type: 'setTimer', name: 'idleTimeout', afterMs: [idleTimeoutMs, idleTimeoutMs] },
    send<SessionOpened>('node', { type: 'sessionOpened', sessionId }),
    trace('sessionOpened', { caller: verdict.caller.kind }),
  )
}

const IDENTITY_PROBLEMS: Readonly<Record<IdentityRefusal, string>> = {
  malformed: 'the proof of identity is malformed',
  wrongRole: 'the proof of identity is not a client’s',
  badCertificate: 'the certificate cannot be read, or its key is not supported',
  badSignature: 'the session key is not signed by the key of the certificate',
  notEndorsed: 'the certificate is not endorsed',
  notValidNow: 'the certificate is not valid now',
}

export function refuseIdentity(s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> {
  const verdict = judgeFinish(s, envelope)
  const reason = verdict.kind === 'refused' ? verdict.reason : 'malformed'
  return refuse(s, envelope, 'InvalidAuthenticationInfo', IDENTITY_PROBLEMS[reason])
}

export const ignoreForgery = (s: SessionState): Step<SessionState> =>
  step(s, trace('frameIgnored', { reason: 'notTheFinish' }))

export const giveUp = (s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> =>
  end(s, envelope, 'handshakeTimeout')

/** In clear: a code and a sentence that any eavesdropper may read. */
function refuse(
  s: SessionState,
  envelope: Envelope<SessionEvent>,
  code: ErrorCode,
  message: string,
): Step<SessionState> {
  const payload = encodeHello({ type: 'sessionRefusal', code, message })
  const ended = end(s, envelope, code)
  return {
    state: ended.state,
    effects: [{ type: 'publish', subject: s.config.replySubject, payload }, ...ended.effects],
  }
}

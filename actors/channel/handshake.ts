// How two nodes agree on keys: Noise XX over at-most-once messages. Either may begin; if both do, the lower node id goes on (CCF facts §11).
// The initiator holds new keys back until the peer's first frame under them: before that it cannot know whether its last message arrived.
// The rule to remember: nothing here takes working keys away; a hello may be forged or replayed by anyone.
import { toHex } from '../../protocols/codec/bytes.ts'
import { channelSubject } from '../../protocols/subjects.ts'
import { startReceiving, startSending } from '../../protocols/session/frame.ts'
import {
  channelPrologue,
  decodeHello,
  encodeHello,
  keepsOwnHandshake,
  type ChannelHello,
} from '../../protocols/session/hello.ts'
import { initHandshake, readMessage, split, writeMessage, type HandshakeState } from '../../protocols/session/noise.ts'
import { PATTERN_XX } from '../../protocols/session/noise-patterns.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { trace, type Effect } from '../effects.ts'
import { judgeOnce } from '../machine.ts'
import { sendQueued, sealContent } from './frames.ts'
import { provesPeer } from './identity.ts'
import type { ChannelConfig, ChannelEvent, ChannelState, Keys } from './state.ts'

const EPHEMERAL_KEY_BYTES = 32
const HANDSHAKE_ID_BYTES = 16
/** Doublings after which the delay grows no more, whatever the configured maximum. */
const DOUBLINGS_MAX = 16

type Received = Extract<ChannelEvent, { type: 'received' }>

/** Peers of a lower node id begin at once; the others give them one attempt's time to. */
export const startEffects = (config: ChannelConfig): readonly Effect[] => {
  const delayMs = keepsOwnHandshake(config.nodeId, config.peer) ? 0 : config.retryMinMs
  return [{ type: 'setTimer', name: 'handshakeTimeout', afterMs: [delayMs, 2 * delayMs] }]
}

const timer = ({ config, failures }: ChannelState): Effect => {
  const afterMs = Math.min(config.retryMaxMs, config.retryMinMs * 2 ** Math.min(failures, DOUBLINGS_MAX))
  return { type: 'setTimer', name: 'handshakeTimeout', afterMs: [afterMs, 1.5 * afterMs] }
}

const publish = (s: ChannelState, hello: ChannelHello): Effect => ({
  type: 'publish',
  subject: channelSubject(s.config.service, s.config.peer, s.config.nodeId),
  payload: encodeHello(hello),
})

function freshHandshake(s: ChannelState, id: string, initiator: boolean): HandshakeState {
  const { crypto, service, binding, nodeId, peer, staticKey } = s.config
  const prologue = channelPrologue({
    service,
    serviceIdentity: binding,
    initiator: initiator ? nodeId : peer,
    responder: initiator ? peer : nodeId,
    handshake: id,
  })
  return initHandshake(crypto, { pattern: PATTERN_XX, initiator, prologue, s: staticKey })
}

// --- The initiator -------------------------------------------------------------------------------------------------------------

/** Asks for an ephemeral key and an id for a new attempt. Keys agreed before stay: a late frame may still confirm them. */
export function begin(s: ChannelState): Step<ChannelState> {
  const token = s.drawToken + 1
  return step(
    { ...s, drawToken: token, attempt: undefined, pendingHello: undefined, forgeries: 0 },
    { type: 'drawBytes', token, count: EPHEMERAL_KEY_BYTES + HANDSHAKE_ID_BYTES },
  )
}

export const drawIsCurrent = (s: ChannelState, envelope: Envelope<ChannelEvent>): boolean =>
  (envelope.event as Extract<ChannelEvent, { type: 'bytesDrawn' }>).token === s.drawToken

export function sendHello(s: ChannelState, envelope: Envelope<ChannelEvent>): Step<ChannelState> {
  const { bytes } = envelope.event as Extract<ChannelEvent, { type: 'bytesDrawn' }>
  const id = toHex(bytes.subarray(EPHEMERAL_KEY_BYTES))
  const ephemeral = bytes.subarray(0, EPHEMERAL_KEY_BYTES)
  const written = writeMessage(s.config.crypto, freshHandshake(s, id, true), new Uint8Array(0), ephemeral)
  if (written === undefined) return unchanged(s)
  const hello = publish(s, { type: 'channelHello', handshake: id, noise: written.message })
  return step({ ...s, attempt: { id, handshake: written.state }, failures: s.failures + 1 }, hello, timer(s))
}

/** The hello of a received message, if it is of that kind and (but for a hello itself) of the attempt under way. */
function helloOf<T extends ChannelHello['type']>(
  s: ChannelState,
  envelope: Envelope<ChannelEvent>,
  type: T,
): Extract<ChannelHello, { type: T }> | undefined {
  const hello = decodeHello((envelope.event as Received).payload)
  if (hello === undefined || hello.type !== type) return undefined
  const found = hello as Extract<ChannelHello, { type: T }>
  return type === 'channelHello' || found.handshake === s.attempt?.id ? found : undefined
}

const provesThePeer = (s: ChannelState, payload: Uint8Array, remoteStatic: Uint8Array | undefined): boolean =>
  remoteStatic !== undefined && provesPeer(s.config.crypto, { ...s.config, payload, remoteStatic })

type Verdict =
  | { readonly kind: 'proven'; readonly keys: Keys; readonly message: Uint8Array }
  /** Authentic, but not the node this channel was made for. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'ignored' }

const IGNORED: Verdict = { kind: 'ignored' }

/** Noise message 2, and with it message 3. */
const judgeAnswer = judgeOnce<ChannelState, ChannelEvent, Verdict>((s, envelope) => {
  const { crypto, identityPayload } = s.config
  const answer = helloOf(s, envelope, 'channelAnswer')
  const read = answer && s.attempt && readMessage(crypto, s.attempt.handshake, answer.noise)
  if (read === undefined) return IGNORED
  if (!provesThePeer(s, read.payload, read.state.rs)) return { kind: 'refused' }
  const written = writeMessage(crypto, read.state, identityPayload)
  if (written === undefined) return IGNORED
  return { kind: 'proven', keys: keysOf(s, written.state), message: written.message }
})

function keysOf(s: ChannelState, finished: HandshakeState): Keys {
  const { sendKey, receiveKey } = split(s.config.crypto, finished)
  return { send: startSending(sendKey), receive: startReceiving(receiveKey) }
}

export const answerIsProven = (s: ChannelState, envelope: Envelope<ChannelEvent>): boolean =>
  judgeAnswer(s, envelope).kind === 'proven'

export const answerIsRefused = (s: ChannelState, envelope: Envelope<ChannelEvent>): boolean =>
  judgeAnswer(s, envelope).kind === 'refused'

/** Sends Noise message 3. The new keys wait in `agreed` until the peer uses them. */
export function sendFinish(s: ChannelState, envelope: Envelope<ChannelEvent>): Step<ChannelState> {
  const verdict = judgeAnswer(s, envelope)
  if (verdict.kind !== 'proven' || s.attempt === undefined) return unchanged(s)
  const finish = publish(s, { type: 'channelFinish', handshake: s.attempt.id, noise: verdict.message })
  return step({ ...s, attempt: undefined, agreed: verdict.keys }, finish, timer(s))
}

// --- The responder -------------------------------------------------------------------------------------------------------------

/** True for a hello to be answered; not for one that crossed ours when ours goes on. */
export const helloArrives = (s: ChannelState, envelope: Envelope<ChannelEvent>): boolean =>
  helloOf(s, envelope, 'channelHello') !== undefined

export const helloWins = (s: ChannelState, envelope: Envelope<ChannelEvent>): boolean =>
  helloArrives(s, envelope) && !keepsOwnHandshake(s.config.nodeId, s.config.peer)

/** Keeps the hello and asks for an ephemeral key to answer it with. */
export function receiveHello(s: ChannelState, envelope: Envelope<ChannelEvent>): Step<ChannelState> {
  const hello = helloOf(s, envelope, 'channelHello')
  if (hello === undefined) return unchanged(s)
  const token = s.drawToken + 1
  return step(
    { ...s, drawToken: token, attempt: undefined, pendingHello: { id: hello.handshake, noise: hello.noise.slice() } },
    { type: 'drawBytes', token, count: EPHEMERAL_KEY_BYTES },
  )
}

/** Sends Noise message 2; a hello that carries no usable key is dropped and the timer goes on. */
export function sendAnswer(s: ChannelState, envelope: Envelope<ChannelEvent>): Step<ChannelState> {
  const { bytes } = envelope.event as Extract<ChannelEvent, { type: 'bytesDrawn' }>
  const { crypto, identityPayload } = s.config
  if (s.pendingHello === undefined) return unchanged(s)
  const { id, noise } = s.pendingHello
  const read = readMessage(crypto, freshHandshake(s, id, false), noise)
  const written = read && writeMessage(crypto, read.state, identityPayload, bytes)
  if (written === undefined) return step({ ...s, pendingHello: undefined }, trace('channelHelloIgnored'), timer(s))
  return step(
    { ...s, pendingHello: undefined, attempt: { id, handshake: written.state } },
    publish(s, { type: 'channelAnswer', handshake: id, noise: written.message }),
    timer(s),
  )
}

/** Noise message 3. */
const judgeFinish = judgeOnce<ChannelState, ChannelEvent, Verdict>((s, envelope) => {
  const finish = helloOf(s, envelope, 'channelFinish')
  const read = finish && s.attempt && readMessage(s.config.crypto, s.attempt.handshake, finish.noise)
  if (read === undefined) return IGNORED
  if (!provesThePeer(s, read.payload, read.state.rs)) return { kind: 'refused' }
  return { kind: 'proven', keys: keysOf(s, read.state), message: new Uint8Array(0) }
})

export const finishIsProven = (s: ChannelState, envelope: Envelope<ChannelEvent>): boolean =>
  judgeFinish(s, envelope).kind === 'proven'

export const finishIsRefused = (s: ChannelState, envelope: Envelope<ChannelEvent>): boolean =>
  judgeFinish(s, envelope).kind === 'refused'

/** Switches to the new keys and says so by an empty frame; frames of the old ones are accepted until the peer has switched too. */
export function acceptFinish(s: ChannelState, envelope: Envelope<ChannelEvent>): Step<ChannelState> {
  const verdict = judgeFinish(s, envelope)
  if (verdict.kind !== 'proven') return unchanged(s)
  // Keys that the peer has not used yet are no better known to it than the new ones: then those before them are what it may still use.
  const receiveBefore = s.receiveBefore ?? s.current?.receive
  const switched = { ...s, attempt: undefined, agreed: undefined, current: verdict.keys, receiveBefore }
  const confirmed = sealContent(established(switched), new Uint8Array(0))
  const queued = sendQueued(confirmed.state)
  return {
    state: queued.state,
    effects: [CANCEL_TIMER, trace('channelEstablished', { initiator: false }), ...confirmed.effects, ...queued.effects],
  }
}

// --- Both ----------------------------------------------------------------------------------------------------------------------

const CANCEL_TIMER: Effect = { type: 'cancelTimer', name: 'handshakeTimeout' }

const established = (s: ChannelState): ChannelState => ({ ...s, failures: 0, forgeries: 0, unansweredSince: undefined })

/** The peer's first frame under the new keys: they are in use on both sides. */
export function confirm(s: ChannelState): Step<ChannelState> {
  const queued = sendQueued(
    established({ ...s, current: s.agreed ?? s.current, agreed: undefined, receiveBefore: undefined }),
  )
  return {
    state: queued.state,
    effects: [CANCEL_TIMER, trace('channelEstablished', { initiator: true }), ...queued.effects],
  }
}

/** Says in clear why the peer's proof was not believed, and lets the timer try again. */
export function refusePeer(s: ChannelState): Step<ChannelState> {
  if (s.attempt === undefined) return unchanged(s)
  const refusal = publish(s, {
    type: 'channelRefusal',
    handshake: s.attempt.id,
    code: 'InvalidAuthenticationInfo',
    message: 'the proof of identity is not that of the node this channel was made for',
  })
  return step({ ...s, attempt: undefined, failures: s.failures + 1 }, refusal, trace('channelPeerRefused'))
}

export const hasKeys = (s: ChannelState): boolean => s.current !== undefined

/** The peer's attempt was not finished in time; the keys in use stay. */
export const forgetAttempt = (s: ChannelState): Step<ChannelState> =>
  step({ ...s, attempt: undefined, pendingHello: undefined })

export const ignoreHello = (s: ChannelState): Step<ChannelState> => step(s, trace('channelHelloIgnored'))

// Traffic of a channel: messages of this node's actors sealed into frames for the peer, the peer's frames opened and delivered in its name.
// Without keys, contents wait in a bounded queue; what is dropped from it is lost as on any network, and consensus copes with that.
// The rule to remember: while keys are being switched a frame may be under any of three; the first that opens it decides.
import { DecodeError } from '../../protocols/codec/bytes.ts'
import {
  decodePeerMessage,
  encodePeerMessage,
  isPeerMessage,
  type PeerEnvelope,
} from '../../protocols/consensus/peer-codec.ts'
import { InvariantViolation } from '../../protocols/errors.ts'
import { CHANNEL_QUEUE_BYTES_MAX } from '../../protocols/limits.ts'
import { isRekeyDue, isSealedFrame, openFrame, sealFrame, type ReceiveState } from '../../protocols/session/frame.ts'
import { channelSubject } from '../../protocols/subjects.ts'
import type { Transmit } from '../../protocols/transmit.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { trace, type Effect } from '../effects.ts'
import { judgeOnce } from '../machine.ts'
import type { ChannelEvent, ChannelState } from './state.ts'

/** Frames in a row that do not open, after which the keys are suspect: the peer may seal with others. */
const FORGERIES_MAX = 8

const payloadOf = (envelope: Envelope<ChannelEvent>): Uint8Array =>
  (envelope.event as Extract<ChannelEvent, { type: 'received' }>).payload

/** Seals one content under the keys in use and publishes it; lost when there are none, or when they are spent. */
export function sealContent(s: ChannelState, content: Uint8Array): Step<ChannelState> {
  if (s.current === undefined) return unchanged(s)
  const { crypto, service, peer, nodeId } = s.config
  const sealed = sealFrame(crypto, s.current.send, content)
  if ('refused' in sealed) return step(s, trace('channelKeySpent'))
  return step(
    { ...s, current: { ...s.current, send: sealed.state } },
    { type: 'publish', subject: channelSubject(service, peer, nodeId), payload: sealed.bytes },
  )
}

/** A message of one of this node's actors: on its way, or into the queue. */
export function transmit(s: ChannelState, envelope: Envelope<ChannelEvent>): Step<ChannelState> {
  const { fromActor, toActor, message } = envelope.event as Transmit
  if (!isPeerMessage(message)) throw new InvariantViolation(`${message.type} does not travel between nodes`)
  const contents = encodePeerMessage({ fromActor, toActor, message })
  let state: ChannelState = { ...s, unansweredSince: s.unansweredSince ?? envelope.at }
  const effects: Effect[] = []
  for (const content of contents) {
    const sent = state.current === undefined ? enqueue(state, content) : sealContent(state, content)
    state = sent.state
    effects.push(...sent.effects)
  }
  return { state, effects }
}

/** Newest last; the oldest make room, for consensus repeats what matters and old messages matter least. */
function enqueue(s: ChannelState, content: Uint8Array): Step<ChannelState> {
  const queue = [...s.queue, content]
  let queuedBytes = s.queuedBytes + content.length
  let dropped = 0
  while (queuedBytes > CHANNEL_QUEUE_BYTES_MAX) queuedBytes -= queue[dropped++]!.length
  const state = { ...s, queue: dropped === 0 ? queue : queue.slice(dropped), queuedBytes }
  return dropped === 0 ? step(state) : step(state, trace('channelQueueOverflow', { dropped }))
}

/** All that waited for keys. */
export function sendQueued(s: ChannelState): Step<ChannelState> {
  let state: ChannelState = { ...s, queue: [], queuedBytes: 0 }
  const effects: Effect[] = []
  for (const content of s.queue) {
    const sent = sealContent(state, content)
    state = sent.state
    effects.push(...sent.effects)
  }
  return { state, effects }
}

type KeyName = 'current' | 'agreed' | 'receiveBefore'

type FrameVerdict =
  | {
      readonly kind: 'opened'
      readonly key: KeyName
      readonly receive: ReceiveState
      /** Undefined for a frame that only shows that the peer has the keys. */
      readonly content: PeerEnvelope | undefined
      readonly malformed: boolean
    }
  | { readonly kind: 'refused'; readonly reason: string }

const judgeFrame = judgeOnce<ChannelState, ChannelEvent, FrameVerdict>((s, envelope) => {
  const payload = payloadOf(envelope)
  const keys: readonly (readonly [KeyName, ReceiveState | undefined])[] = [
    ['current', s.current?.receive],
    ['agreed', s.agreed?.receive],
    ['receiveBefore', s.receiveBefore],
  ]
  let reason = 'noKeys'
  for (const [key, receive] of keys) {
    if (receive === undefined) continue
    const opened = openFrame(s.config.crypto, receive, payload)
    if (!('refused' in opened)) return { kind: 'opened', key, receive: opened.state, ...decode(opened.plaintext) }
    reason = opened.refused
  }
  return { kind: 'refused', reason }
})

function decode(plaintext: Uint8Array): { readonly content: PeerEnvelope | undefined; readonly malformed: boolean } {
  if (plaintext.length === 0) return { content: undefined, malformed: false }
  try {
    return { content: decodePeerMessage(plaintext), malformed: false }
  } catch (error) {
    if (error instanceof DecodeError) return { content: undefined, malformed: true }
    throw error
  }
}

export const isFrame = (_: ChannelState, envelope: Envelope<ChannelEvent>): boolean =>
  isSealedFrame(payloadOf(envelope))

/** True for the peer's first frame under keys we agreed on as initiator: it has them too. */
export function frameConfirms(s: ChannelState, envelope: Envelope<ChannelEvent>): boolean {
  if (s.agreed === undefined || !isFrame(s, envelope)) return false
  const verdict = judgeFrame(s, envelope)
  return verdict.kind === 'opened' && verdict.key === 'agreed'
}

/** True when this frame is one too many that does not open. */
export const keysAreSuspect = (s: ChannelState, envelope: Envelope<ChannelEvent>): boolean =>
  s.forgeries + 1 >= FORGERIES_MAX && isFrame(s, envelope) && judgeFrame(s, envelope).kind === 'refused'

/** True when sending has met silence for too long, or the key nears its limit: time for new keys, while these still work. */
export const newKeysAreDue = (s: ChannelState, envelope: Envelope<ChannelEvent>): boolean =>
  (s.unansweredSince !== undefined && envelope.at - s.unansweredSince >= s.config.silenceMs) ||
  (s.current !== undefined && isRekeyDue(s.current.send))

/** A frame of the peer: delivered to the actor it names, in the name of the peer's actor. */
export function receiveFrame(s: ChannelState, envelope: Envelope<ChannelEvent>): Step<ChannelState> {
  const verdict = judgeFrame(s, envelope)
  if (verdict.kind === 'refused') {
    return step({ ...s, forgeries: s.forgeries + 1 }, trace('channelFrameIgnored', { reason: verdict.reason }))
  }
  const state = { ...withReceived(s, verdict.key, verdict.receive), forgeries: 0, unansweredSince: undefined }
  if (verdict.malformed) return step(state, trace('channelFrameMalformed'))
  if (verdict.content === undefined) return step(state)
  const { fromActor, toActor, message } = verdict.content
  return step(state, { type: 'send', to: toActor, from: `${fromActor}@${s.config.peer}`, message })
}

function withReceived(s: ChannelState, key: KeyName, receive: ReceiveState): ChannelState {
  if (key === 'receiveBefore') return { ...s, receiveBefore: receive }
  if (key === 'agreed') return { ...s, agreed: s.agreed && { ...s.agreed, receive } }
  // The peer uses the keys in use: whatever came before them is over.
  return { ...s, current: s.current && { ...s.current, receive }, receiveBefore: undefined }
}

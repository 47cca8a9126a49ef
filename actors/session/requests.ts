// An open session at work: frames in, `execute` out, responses and notices back. One frame of many requests is one message to the executor.
// The rule to remember: until the session's view is known, one batch at a time is executed; otherwise two batches sent together could
// be executed in different views and neither would notice (CCF facts §2, session rule).
import type { AppRequest, AppResponse } from '../../protocols/app.ts'
import { fromUtf8 } from '../../protocols/codec/bytes.ts'
import { parseJson } from '../../protocols/codec/json.ts'
import { refusal } from '../../protocols/errors.ts'
import { seqno, view } from '../../protocols/ids.ts'
import { SESSION_REQUESTS_PENDING_MAX } from '../../protocols/limits.ts'
import { refusalResponse, type CommitNotice, type Executed } from '../../protocols/requests.ts'
import { isRekeyDue, openFrame, type FrameRefusal, type ReceiveState } from '../../protocols/session/frame.ts'
import { decodeClientBatch } from '../../protocols/session/messages-decode.ts'
import type { DecodedClientBatch, NodeNotice } from '../../protocols/session/messages.ts'
import type { Envelope, Step } from '../actor.ts'
import { step } from '../actor.ts'
import { send, trace, type Effect } from '../effects.ts'
import { judgeOnce } from '../machine.ts'
import { closeWith, flush, post } from './outbox.ts'
import type { SessionEvent, SessionState } from './state.ts'

type FrameVerdict =
  | { readonly kind: 'batch'; readonly receive: ReceiveState; readonly batch: DecodedClientBatch }
  /** Sealed by the client, yet not what a client may say. */
  | { readonly kind: 'malformed' }
  /** From anyone: a copy, a forgery, a frame of another key. */
  | { readonly kind: 'ignored'; readonly reason: FrameRefusal | 'notOpen' }

/** What a frame is, decided once for the chart's guards and its actions. */
export const judgeFrame = judgeOnce<SessionState, SessionEvent, FrameVerdict>((s, envelope) => {
  const { payload } = envelope.event as Extract<SessionEvent, { type: 'received' }>
  if (s.keys === undefined) return { kind: 'ignored', reason: 'notOpen' }
  const opened = openFrame(s.config.crypto, s.keys.receive, payload)
  if ('refused' in opened) return { kind: 'ignored', reason: opened.refused }
  const batch = decodeClientBatch(opened.plaintext)
  return batch === undefined ? { kind: 'malformed' } : { kind: 'batch', receive: opened.state, batch }
})

export const frameIsMalformed = (s: SessionState, envelope: Envelope<SessionEvent>): boolean =>
  judgeFrame(s, envelope).kind === 'malformed'

export function clientCloses(s: SessionState, envelope: Envelope<SessionEvent>): boolean {
  const verdict = judgeFrame(s, envelope)
  return verdict.kind === 'batch' && verdict.batch.controls.some((control) => control.type === 'close')
}

/** A frame: its requests go to the executor in one message; what breaks a limit is refused on the spot; pings are answered. */
export function receiveFrame(s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> {
  const verdict = judgeFrame(s, envelope)
  // Never answered: anyone can publish on this subject, and an answer would tell which frames count.
  if (verdict.kind === 'ignored') return step(s, trace('frameIgnored', { reason: verdict.reason }))
  if (verdict.kind === 'malformed' || s.keys === undefined) return step(s)
  const { requests, refused, controls } = verdict.batch
  const room = Math.max(0, SESSION_REQUESTS_PENDING_MAX - s.pending)
  const accepted = requests.length > room ? requests.slice(0, room) : requests
  const responses = refused.map(({ id, refusal: problem }) => refusalResponse(id, problem))
  for (let i = room; i < requests.length; i++) responses.push(refusalResponse(requests[i]!.id, TOO_MANY_PENDING))
  const notices: NodeNotice[] = []
  for (const control of controls) if (control.type === 'ping') notices.push({ type: 'pong', id: control.id })
  const heard = { ...s, keys: { ...s.keys, receive: verdict.receive }, lastFrameAt: envelope.at }
  const asked = accepted.length === 0 ? step(heard) : execute(heard, accepted)
  const posted = post(asked.state, envelope, responses, notices)
  return { state: posted.state, effects: [...asked.effects, ...posted.effects] }
}

const TOO_MANY_PENDING = refusal(
  503,
  'TooManyPendingTransactions',
  `the session has ${SESSION_REQUESTS_PENDING_MAX} requests waiting`,
)

function execute(s: SessionState, requests: readonly AppRequest[]): Step<SessionState> {
  const pending = s.pending + requests.length
  if (s.activeView === 0 && s.probing > 0) return step({ ...s, pending, waiting: [...s.waiting, ...requests] })
  const asked = ask(s, requests)
  return { state: { ...asked.state, pending }, effects: asked.effects }
}

function ask(s: SessionState, requests: readonly AppRequest[]): Step<SessionState> {
  const { activeView, caller, nextToken } = s
  return step(
    { ...s, nextToken: nextToken + 1, probing: activeView === 0 ? requests.length : 0 },
    send('executor', { type: 'execute', token: nextToken, caller, activeView, publicOnly: false, requests }),
  )
}

/** Responses: into the outbox. The first executed one fixes the session's view, which lets waiting requests go. */
export function answer(s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> {
  const { view: executedView, responses } = envelope.event as Executed
  const activeView = s.activeView === 0 ? executedView : s.activeView
  const probing = Math.max(0, s.probing - responses.length)
  const answered = { ...s, activeView, probing, pending: Math.max(0, s.pending - responses.length) }
  const released: { readonly state: SessionState; readonly effects: readonly Effect[] } =
    answered.waiting.length > 0 && (activeView > 0 || probing === 0)
      ? ask({ ...answered, waiting: [] }, answered.waiting)
      : step(answered)
  const posted = post(released.state, envelope, responses, [])
  return { state: posted.state, effects: [...released.effects, ...posted.effects] }
}

/** True when the session's one view is over: the executor said so, or executed in another one before it could know. */
export function consistencyIsLost(s: SessionState, envelope: Envelope<SessionEvent>): boolean {
  const { view: executedView, responses } = envelope.event as Executed
  if (executedView !== 0 && s.activeView !== 0 && executedView !== s.activeView) return true
  return responses.some(saysConsistencyLost)
}

function saysConsistencyLost(response: AppResponse): boolean {
  if (response.status !== 500 || response.contentType !== 'json') return false
  try {
    const body = parseJson(fromUtf8(response.body)) as { readonly error?: { readonly code?: unknown } } | null
    return body?.error?.code === 'SessionConsistencyLost'
  } catch {
    // Not JSON after all: some application's own 500.
    return false
  }
}

/** The responses are delivered, then the session ends: CCF closes the connection as well. */
export const endInconsistent = (s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> =>
  closeWith(
    s,
    envelope,
    'SessionConsistencyLost',
    'the view has changed since the session began; open a new session and read before you go on',
  )

export function noticeCommit(s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> {
  const notice = envelope.event as CommitNotice
  return post(s, envelope, [], [{ type: 'commitNotice', view: view(notice.view), seqno: seqno(notice.seqno) }])
}

export const refuseMalformed = (s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> =>
  closeWith(s, envelope, 'InvalidInput', 'a frame does not follow the session format')

export const closeOnDemand = (s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> => {
  const { code, message } = envelope.event as Extract<SessionEvent, { type: 'closeSession' }>
  return closeWith(s, envelope, code, message)
}

export const keyIsSpent = (s: SessionState): boolean => s.keys !== undefined && isRekeyDue(s.keys.send)

/** Sends what is due, then ends: a new session has new keys. */
export const endSpent = (s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> =>
  closeWith(
    s,
    envelope,
    'SessionConsistencyLost',
    'the session has sealed all the frames its key is good for; open a new one',
  )

export const isIdle = (s: SessionState, envelope: Envelope<SessionEvent>): boolean =>
  envelope.at - s.lastFrameAt >= s.config.idleTimeoutMs

/** The timer runs through; frames only note when they came, which is cheaper than a timer for each. */
export function watchIdle(s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> {
  const remainingMs = Math.max(1, s.lastFrameAt + s.config.idleTimeoutMs - envelope.at)
  return step(s, { type: 'setTimer', name: 'idleTimeout', afterMs: [remainingMs, remainingMs] })
}

export const endIdle = (s: SessionState, envelope: Envelope<SessionEvent>): Step<SessionState> =>
  closeWith(
    s,
    envelope,
    'SessionConsistencyLost',
    `nothing was heard for ${s.config.idleTimeoutMs} ms; open a new session`,
  )

export { flush }

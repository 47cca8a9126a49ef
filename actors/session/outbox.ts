// What goes out to the client: gathered first, then sealed into one frame for everything a burst of events produced.
// The first thing put into an empty outbox sends `flush` to the session itself: it comes back behind whatever is in the mailbox already, so
// alone an answer leaves at once, and under load frames grow by themselves (DESIGN §15). No timer is involved.
// The rule to remember: one frame costs one AEAD operation and one publish, however much is in it.
import type { AppResponse } from '../../protocols/app.ts'
import type { ErrorCode } from '../../protocols/errors.ts'
import { invariant } from '../../protocols/errors.ts'
import { sealFrame } from '../../protocols/session/frame.ts'
import { encodeNodeBatch } from '../../protocols/session/messages-encode.ts'
import type { NodeNotice } from '../../protocols/session/messages.ts'
import type { Envelope, Step } from '../actor.ts'
import { NO_EFFECTS, unchanged } from '../actor.ts'
import { send, trace, type Effect } from '../effects.ts'
import { EMPTY_OUTBOX, isEmptyOutbox, type SessionEnded, type SessionEvent, type SessionState } from './state.ts'

/** Puts responses and notices into the outbox; a commit notice replaces one of the same view. */
export function post(
  s: SessionState,
  envelope: Envelope<SessionEvent>,
  responses: readonly AppResponse[],
  notices: readonly NodeNotice[],
): Step<SessionState> {
  if (responses.length + notices.length === 0) return unchanged(s)
  const { outbox } = s
  const state: SessionState = {
    ...s,
    outbox: {
      responses: responses.length === 0 ? outbox.responses : [...outbox.responses, responses],
      notices: notices.reduce(withNotice, outbox.notices),
    },
  }
  return { state, effects: isEmptyOutbox(outbox) ? [send(envelope.to, { type: 'flush' })] : NO_EFFECTS }
}

function withNotice(notices: readonly NodeNotice[], notice: NodeNotice): readonly NodeNotice[] {
  const last = notices.at(-1)
  const supersedes = notice.type === 'commitNotice' && last?.type === 'commitNotice' && last.view === notice.view
  return supersedes ? [...notices.slice(0, -1), notice] : [...notices, notice]
}

/** Seals and publishes all that was gathered: one frame, more only if it does not fit. */
export function flush(s: SessionState): Step<SessionState> {
  if (isEmptyOutbox(s.outbox) || s.keys === undefined) return unchanged(s)
  const { crypto, replySubject } = s.config
  const { responses, notices } = s.outbox
  const effects: Effect[] = []
  let sending = s.keys.send
  for (const content of encodeNodeBatch({
    responses: responses.length === 1 ? responses[0]! : responses.flat(),
    notices,
  })) {
    const sealed = sealFrame(crypto, sending, content)
    invariant('bytes' in sealed, 'a session ends long before its key is exhausted')
    sending = sealed.state
    effects.push({ type: 'publish', subject: replySubject, payload: sealed.bytes })
  }
  return { state: { ...s, keys: { ...s.keys, send: sending }, outbox: EMPTY_OUTBOX }, effects }
}

/** Tells the client, sealed, that the session is over, after everything that is still to be said; then ends it. */
export function closeWith(
  s: SessionState,
  envelope: Envelope<SessionEvent>,
  code: ErrorCode,
  message: string,
): Step<SessionState> {
  const posted = post(s, envelope, [], [{ type: 'closed', code, message }])
  const flushed = flush(posted.state)
  const ended = end(flushed.state, envelope, code)
  return { state: ended.state, effects: [...flushed.effects, ...ended.effects] }
}

/** Forgets the keys and has the actor stopped. */
export function end(s: SessionState, envelope: Envelope<SessionEvent>, reason: string): Step<SessionState> {
  const { sessionId } = s.config
  return {
    state: { ...s, handshake: undefined, keys: undefined, waiting: [], outbox: EMPTY_OUTBOX },
    effects: [
      trace('sessionEnded', { reason, unanswered: s.pending }),
      send<SessionEnded>('node', { type: 'sessionEnded', sessionId }),
      { type: 'stopActor', address: envelope.to },
    ],
  }
}

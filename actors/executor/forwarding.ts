// A backup hands writes to the primary and waits a bounded time for the answer (CCF facts §8: forwarding).
// The rule to remember: when the answer does not come, the outcome is unknown, and that is what the client is told.
import { type Executed, type Forward, type Forwarded } from '../../protocols/requests.ts'
import type { Route } from '../../protocols/router.ts'
import type { Envelope, Step } from '../actor.ts'
import { unchanged } from '../actor.ts'
import { send, type Effect } from '../effects.ts'
import { refuse, remember } from './answers.ts'
import type { Batch, ExecutorEvent, ExecutorState, Forwarding, Origin, Served } from './state.ts'

const isWrite = (routed: Route<Served>): boolean => routed.kind === 'found' && routed.endpoint.mode === 'readwrite'

/**
 * Writes go to the primary; so does everything of a sender whose earlier writes this backup has not seen committed, so that
 * it reads what it wrote.
 */
export function mustForward(s: ExecutorState, batch: Batch): boolean {
  if (batch.publicOnly || s.summary.leaderId === undefined) return false
  const routes = batch.requests.map((request) => s.router.route(request.verb, request.path))
  if (routes.some(isWrite)) return true
  const origin = s.origins[batch.origin]
  return origin !== undefined && routes.some((routed) => routed.kind === 'found')
}

export function forwardBatch(s: ExecutorState, batch: Batch, at: number): Step<ExecutorState> {
  const token = s.nextToken
  const forwarding: Forwarding = {
    origin: batch.origin,
    originToken: batch.token,
    requestIds: batch.requests.map(({ id }) => id),
    deadlineAt: at + s.config.forwardingTimeoutMs,
  }
  const message: Forward = {
    type: 'forward',
    token,
    caller: batch.caller,
    activeView: batch.activeView,
    requests: batch.requests,
  }
  const origin = s.origins[batch.origin] ?? { seqno: 0, forwarding: 0 }
  const state: ExecutorState = {
    ...s,
    nextToken: token + 1,
    forwardings: { ...s.forwardings, [token]: forwarding },
    origins: { ...s.origins, [batch.origin]: { ...origin, forwarding: origin.forwarding + 1 } },
  }
  return { state, effects: [send(`executor@${s.summary.leaderId}`, message), timer(s)] }
}

const timer = (s: ExecutorState): Effect => ({
  type: 'setTimer',
  name: 'forwardingTimeout',
  afterMs: [s.config.forwardingTimeoutMs, s.config.forwardingTimeoutMs],
})

/** The primary has answered. */
export function forwarded(s: ExecutorState, envelope: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const { token, view, responses } = envelope.event as Forwarded
  const forwarding = s.forwardings[token]
  if (forwarding === undefined) return unchanged(s)
  // Answers that do not fit one frame arrive in several messages.
  const answered = new Set(responses.map(({ id }) => id))
  const requestIds = forwarding.requestIds.filter((id) => !answered.has(id))
  const left = { ...forwarding, requestIds }
  const after =
    requestIds.length === 0 ? settled(s, token, forwarding) : { ...s, forwardings: { ...s.forwardings, [token]: left } }
  const state = remember(after, forwarding.origin, responses)
  const answer: Executed = { type: 'executed', token: forwarding.originToken, view, responses }
  return { state, effects: [send(forwarding.origin, answer)] }
}

function settled(s: ExecutorState, token: number, { origin }: Forwarding): ExecutorState {
  const { [token]: _, ...forwardings } = s.forwardings
  const known = s.origins[origin]
  if (known === undefined) return { ...s, forwardings }
  const left: Origin = { ...known, forwarding: known.forwarding - 1 }
  const { [origin]: __, ...others } = s.origins
  const origins =
    left.forwarding === 0 && left.seqno <= s.summary.committed.seqno ? others : { ...others, [origin]: left }
  return { ...s, forwardings, origins }
}

/** Answers 504 for whatever has waited too long; `all`: the primary is gone, so nothing will be answered any more. */
export function expireForwardings(s: ExecutorState, at: number, all: boolean): Step<ExecutorState> {
  let state = s
  const effects: Effect[] = []
  for (const [token, forwarding] of Object.entries(s.forwardings)) {
    if (!all && forwarding.deadlineAt > at) continue
    state = settled(state, Number(token), forwarding)
    const responses = forwarding.requestIds.map((id) =>
      refuse({ id }, 504, 'InternalError', 'The primary did not answer in time; the outcome is unknown.'),
    )
    effects.push(
      send<Executed>(forwarding.origin, { type: 'executed', token: forwarding.originToken, view: 0, responses }),
    )
  }
  if (Object.keys(state.forwardings).length > 0) effects.push(timer(state))
  return { state, effects }
}

export const forwardingTimeout = (s: ExecutorState, { at }: Envelope<ExecutorEvent>): Step<ExecutorState> =>
  expireForwardings(s, at, false)

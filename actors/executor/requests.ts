// What happens to a batch of requests: refused, executed here, or forwarded to the primary. Order of checks: CCF facts §8.
// The rule to remember: every request gets exactly one response, and a refused or failed handler leaves no write behind.
import type { AppRequest, AppResponse, Caller, HistoricalEndpoint, PresentEndpoint } from '../../protocols/app.ts'
import { UNCOMMITTED_TX_MAX } from '../../protocols/limits.ts'
import type { Execute, Executed, Forward, Forwarded } from '../../protocols/requests.ts'
import type { IssuePurpose } from '../../protocols/secrets/issuing.ts'
import type { Route } from '../../protocols/router.ts'
import type { Envelope, Step } from '../actor.ts'
import { send, type Effect } from '../effects.ts'
import { refuse, remember } from './answers.ts'
import { builtin } from './builtin.ts'
import { Draft } from './draft.ts'
import { forwardBatch, mustForward } from './forwarding.ts'
import { runHandler } from './handler.ts'
import { askEndpoint, type Asked } from './historical.ts'
import { startIssuing } from './issuing.ts'
import { runNodeChange } from './node-endpoints.ts'
import { isOperator } from './node-table.ts'
import { isAuthorised, serviceStatus } from './service.ts'
import {
  isPrimary,
  type Batch,
  type ExecutorEvent,
  type ExecutorState,
  type NodeEndpoint,
  type Responses,
  type Served,
} from './state.ts'

/** A path outside the three frontends is the application's: `/statements` means `/app/statements`. */
const belowApp = (request: AppRequest): AppRequest =>
  /^\/(?:app|node|gov)\//.test(request.path) ? request : { ...request, path: `/app${request.path}` }

/** `execute` from an actor of this node. */
export function execute(s: ExecutorState, envelope: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const event = envelope.event as Execute
  const batch: Batch = { ...event, requests: event.requests.map(belowApp), origin: envelope.from }
  if (!isPrimary(s) && mustForward(s, batch)) return forwardPresent(s, batch, envelope.at)
  return executeHere(s, batch, envelope.at)
}

function executeHere(s: ExecutorState, batch: Batch, at: number): Step<ExecutorState> {
  const { state, responses, effects, view } = runBatch(s, batch, at)
  if (responses.length === 0) return { state, effects }
  const answer: Executed = { type: 'executed', token: batch.token, view, responses }
  return { state: remember(state, batch.origin, responses), effects: [...effects, send(batch.origin, answer)] }
}

/** The past is answered here, whatever the rest must be forwarded for. */
function forwardPresent(s: ExecutorState, batch: Batch, at: number): Step<ExecutorState> {
  const past = batch.requests.filter((request) => isPast(s, request))
  if (past.length === 0) return forwardBatch(s, batch, at)
  const here = executeHere(s, { ...batch, requests: past }, at)
  const present = batch.requests.filter((request) => !past.includes(request))
  if (present.length === 0) return here
  const forwarded = forwardBatch(here.state, { ...batch, requests: present }, at)
  return { state: forwarded.state, effects: [...here.effects, ...forwarded.effects] }
}

function isPast(s: ExecutorState, request: AppRequest): boolean {
  const routed = s.router.route(request.verb, request.path)
  if (routed.kind === 'found') return routed.endpoint.mode === 'historical'
  return builtin(request, routed)?.later === true
}

/** `forward` from the executor of a backup. A node that is not primary does not forward again. */
export function executeForwarded(s: ExecutorState, envelope: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const event = envelope.event as Forward
  const origin = envelope.from
  if (!isPrimary(s)) {
    const responses = event.requests.map((r) =>
      refuse(r, 503, 'RequestAlreadyForwarded', 'The request was forwarded to a node that is not primary.'),
    )
    return {
      state: s,
      effects: [send<Forwarded>(origin, { type: 'forwarded', token: event.token, view: 0, responses })],
    }
  }
  const batch: Batch = { ...event, publicOnly: false, origin }
  const { state, responses, effects, view } = runBatch(s, batch, envelope.at)
  return {
    state,
    effects: [...effects, send<Forwarded>(origin, { type: 'forwarded', token: event.token, view, responses })],
  }
}

interface BatchResult {
  readonly state: ExecutorState
  readonly responses: Responses
  readonly effects: readonly Effect[]
  /** The view in which handlers ran; 0 if none did: a refusal must not be taken for an execution (session rule). */
  readonly view: number
}

/** Executes a batch in order on this node's state. Answers that need the ledger come later, in a message of their own. */
export function runBatch(s: ExecutorState, batch: Batch, at: number): BatchResult {
  const { view } = s.summary
  const lost = batch.activeView !== 0 && batch.activeView !== view
  const draft = new Draft(s)
  const open = serviceStatus(s.kv) === 'Open'
  const responses: AppResponse[] = []
  const asked: Asked[] = []
  const issues: { readonly request: AppRequest; readonly purpose: IssuePurpose }[] = []
  const authorised = new Map<Served, boolean>()
  let executed = false
  for (const request of batch.requests) {
    const routed = s.router.route(request.verb, request.path)
    const call = builtin(request, routed)
    if (call !== undefined) {
      if (call.later) asked.push(call.ask(s, batch))
      else responses.push(call.answer(s, at))
      continue
    }
    if (routed.kind !== 'found') {
      responses.push(refuseRoute(request, routed))
      continue
    }
    if (isHistorical(routed)) {
      asked.push(askEndpoint(s, batch, request, routed))
      continue
    }
    const refused = refuseBeforeHandler(s, batch, request, routed.endpoint, { lost, open, authorised, draft })
    if (refused === undefined && 'issues' in routed.endpoint) {
      const problem = issuingProblem(s, batch.caller, request)
      if (problem === undefined) issues.push({ request, purpose: routed.endpoint.issues })
      else responses.push(problem)
      continue
    }
    executed ||= refused === undefined
    responses.push(refused ?? run(s, draft, batch.caller, request, routed))
  }
  const finished = draft.finish()
  let { state } = finished
  const queries: Effect[] = []
  for (const { request, purpose } of issues) {
    const started = startIssuing(state, batch, request, purpose)
    if ('response' in started) responses.push(started.response)
    else state = started.state
    queries.push(...started.effects)
  }
  for (const each of asked) {
    if ('effect' in each) queries.push(each.effect)
    else responses.push(each.response)
  }
  return { state, responses, effects: [...finished.effects, ...queries], view: executed ? view : 0 }
}

/** New secrets are begun now and answered when the keeper has done its part; only an operator may ask for them. */
const issuingProblem = (s: ExecutorState, caller: Caller, request: AppRequest): AppResponse | undefined =>
  isOperator(s.kv, caller)
    ? undefined
    : refuse(request, 403, 'AuthorizationFailed', 'Only an operator of the service may renew its secrets.')

type Found<E> = Extract<Route<E>, { readonly kind: 'found' }>

const isHistorical = (found: Found<Served>): found is Found<HistoricalEndpoint> => found.endpoint.mode === 'historical'
const isApplications = (found: Found<Served>): found is Found<PresentEndpoint> => 'handler' in found.endpoint

function run(s: ExecutorState, draft: Draft, caller: Caller, request: AppRequest, found: Found<Served>): AppResponse {
  if (isApplications(found)) return runHandler(s, draft, caller, request, found)
  return runNodeChange(s, draft, caller, request, found as Found<NodeEndpoint>)
}

interface Situation {
  readonly lost: boolean
  readonly open: boolean
  readonly authorised: Map<Served, boolean>
  readonly draft: Draft
}

function refuseBeforeHandler(
  s: ExecutorState,
  batch: Batch,
  request: AppRequest,
  endpoint: Served,
  { lost, open, authorised, draft }: Situation,
): AppResponse | undefined {
  if (batch.publicOnly) {
    return refuse(request, 403, 'AuthorizationFailed', 'This endpoint is served in sealed sessions only.')
  }
  if (endpoint.mode === 'readwrite') {
    if (!isPrimary(s)) return refuse(request, 503, 'PrimaryNotFound', 'The primary of the service is not known.')
    if (draft.lastSeqno - s.summary.committed.seqno >= UNCOMMITTED_TX_MAX) {
      return refuse(request, 503, 'TooManyPendingTransactions', 'Too many transactions wait for commit.')
    }
  }
  // Found by simulation: while no primary is known, a backup must not show a sender a state from before its own writes.
  if (!isPrimary(s) && s.origins[batch.origin] !== undefined) {
    return refuse(request, 503, 'PrimaryNotFound', 'The primary that holds what this session wrote is not known.')
  }
  if (!open) return refuse(request, 404, 'FrontendNotOpen', 'The service is not open.')
  let allowed = authorised.get(endpoint)
  if (allowed === undefined) {
    allowed = isAuthorised(s.kv, endpoint.auth, batch.caller)
    authorised.set(endpoint, allowed)
  }
  if (!allowed)
    return refuse(request, 401, 'InvalidAuthenticationInfo', 'The caller is not registered for this endpoint.')
  if (lost) {
    return refuse(request, 500, 'SessionConsistencyLost', 'The view has changed since this session began.')
  }
  return undefined
}

export function refuseRoute(request: AppRequest, routed: Exclude<Route<Served>, { kind: 'found' }>): AppResponse {
  switch (routed.kind) {
    case 'notFound':
      return refuse(request, 404, 'ResourceNotFound', 'No such endpoint.')
    case 'wrongVerb':
      return refuse(request, 405, 'UnsupportedHttpVerb', `Allowed: ${routed.allow.join(', ')}.`)
    case 'badRequest':
      return refuse(request, 400, 'InvalidResourceName', routed.message)
  }
}

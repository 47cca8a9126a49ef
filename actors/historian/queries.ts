// The life of a query: taken in or refused, tried, given what it misses, tried again, answered; or told 202 when its patience ends.
// The rule to remember: every query is answered once and then forgotten, and everything about it is bounded (protocols/limits.ts).
import { viewAt } from '../../protocols/consensus/view-history.ts'
import { refusal } from '../../protocols/errors.ts'
import type { HistoricalQuery, Patience } from '../../protocols/historical/messages.ts'
import {
  HISTORY_QUERIES_ACTIVE_MAX,
  HISTORY_QUERIES_MAX,
  HISTORY_QUERY_BYTES_MAX,
  HISTORY_ROUNDS_MAX,
} from '../../protocols/limits.ts'
import { responseContent } from '../../protocols/requests.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { trace, type Effect } from '../effects.ts'
import { refused, tell, tellLater, type Outcome } from './answers.ts'
import { attempt } from './attempt.ts'
import { ask } from './lookups.ts'
import { loadedBytes, lookUp } from './cache.ts'
import { readNext } from './reading.ts'
import {
  isLoaded,
  NO_FACTS,
  type Asker,
  type Facts,
  type HistorianEvent,
  type HistorianState,
  type Query,
  type Unavailable,
  type Wanted,
} from './state.ts'
import type { Loaded } from './verification.ts'

const FULL = refusal(
  503,
  'TooManyPendingTransactions',
  `the node has ${HISTORY_QUERIES_MAX} requests about the past waiting`,
)
const TOO_LARGE = refusal(
  400,
  'InvalidInput',
  `the answer needs more than ${HISTORY_QUERY_BYTES_MAX} bytes of the ledger at once; ask for a smaller page`,
)
const TOO_MANY_ROUNDS = refusal(
  500,
  'InternalError',
  `the endpoint asks for one thing after the other; ${HISTORY_ROUNDS_MAX} times are allowed`,
)

/** A client's request. */
export function query(s: HistorianState, { event, at }: Envelope<HistorianEvent>): Step<HistorianState> {
  const { origin, originToken, request, caller, wanted, target, patience } = event as HistoricalQuery
  const asker: Asker = { origin, originToken, requestId: request.id }
  if (wanted === 'strategies') return step(s, tell(asker, { kind: 'content', content: strategies(s) }))
  if (wanted !== 'endpoint') {
    if (target === undefined)
      return step(s, tell(asker, refused(refusal(400, 'InvalidInput', 'no transaction is named'))))
    return takeIn(s, at, asker, { kind: wanted, target }, patience)
  }
  const { committedSeqno } = s
  return takeIn(s, at, asker, { kind: 'endpoint', request, caller, target, committedSeqno }, patience)
}

/** CCF's list of indexes with their watermarks; here there is one. */
function strategies({ index, viewHistory }: HistorianState) {
  const { begin, upTo, broken } = index
  const watermark = upTo === 0 ? null : `${viewAt(viewHistory, upTo)}.${upTo}`
  return responseContent({ body: [{ name: 'WritesByKey', begin, watermark, problem: broken ?? null }] })
}

function takeIn(s: HistorianState, at: number, asker: Asker, wanted: Wanted, patience: Patience): Step<HistorianState> {
  if (s.activeCount + s.queued.length >= HISTORY_QUERIES_MAX) return step(s, tell(asker, refused(FULL)))
  const { briefMs, expiryMs } = s.config
  const expiresAt = at + expiryMs
  const patientUntil = patience === 'untilReady' ? expiresAt : patience === 'briefly' ? at + briefMs : at
  const taken: Query = {
    id: s.nextId,
    asker,
    wanted,
    facts: NO_FACTS,
    missing: new Set(),
    asks: new Map(),
    rounds: 0,
    patientUntil,
    isAnswered: false,
    expiresAt,
  }
  const queued = { ...s, nextId: s.nextId + 1, queued: s.queued.append([taken]) }
  const begun = beginNext(queued)
  const impatient = patience === 'not' ? losePatience(begun.state, taken.id) : unchanged(begun.state)
  const timed = watch(impatient.state, at, patientUntil)
  return step(timed.state, ...begun.effects, ...impatient.effects, ...timed.effects)
}

/** Works on queued queries as long as there is room. */
function beginNext(s: HistorianState): Step<HistorianState> {
  let state = s
  const effects: Effect[] = []
  while (state.queued.length > 0 && state.activeCount < HISTORY_QUERIES_ACTIVE_MAX) {
    const { first } = state.queued
    const next = state.queued.at(first)!
    const active = { ...state.active, [next.id]: next }
    state = { ...state, queued: state.queued.cutStart(first + 1), active, activeCount: state.activeCount + 1 }
    const advanced = advance(state, next)
    state = advanced.state
    effects.push(...advanced.effects)
  }
  const reading = readNext(state)
  return step(reading.state, ...effects, ...reading.effects)
}

/** Tries a query until it is done or waits for something that must be read. */
function advance(s: HistorianState, query: Query): Step<HistorianState> {
  let state = s
  let current = query
  while (current.rounds < HISTORY_ROUNDS_MAX) {
    const tried = attempt(state, current)
    if (tried.kind === 'done') return finish(state, current, tried.outcome)
    current = { ...current, rounds: current.rounds + 1, missing: new Set(tried.entries), asks: tried.lookups }
    for (const seqno of tried.entries) {
      const cached = lookUp(state.cache, seqno)
      if (cached.loaded === undefined) continue
      state = { ...state, cache: cached.cache }
      current = withFact(current, seqno, cached.loaded)
    }
    if (current.facts.bytes > HISTORY_QUERY_BYTES_MAX) return finish(state, current, refused(TOO_LARGE))
    if (!isComplete(current)) return waitFor(state, current)
  }
  return finish(state, current, refused(TOO_MANY_ROUNDS))
}

const isComplete = ({ missing, asks }: Query): boolean => missing.size === 0 && asks.size === 0

function withFact(query: Query, seqno: number, found: Loaded | Unavailable): Query {
  const missing = new Set(query.missing)
  missing.delete(seqno)
  const entries = new Map(query.facts.entries).set(seqno, found)
  const facts: Facts = {
    ...query.facts,
    entries,
    bytes: query.facts.bytes + (isLoaded(found) ? loadedBytes(found) : 0),
  }
  return { ...query, missing, facts }
}

/** What is being read already, for another query, is not read again. */
function waitFor(s: HistorianState, query: Query): Step<HistorianState> {
  const underWay = new Set([...Object.values(s.reads), ...s.toRead.toArray()])
  const wanted = [...query.missing].filter((seqno) => !underWay.has(seqno))
  const state = { ...s, active: { ...s.active, [query.id]: query }, toRead: s.toRead.append(wanted) }
  return ask(state, query)
}

/** Something was read: queries that have all they miss are tried again. */
export const give = (s: HistorianState, seqno: number, found: Loaded | Unavailable): Step<HistorianState> =>
  giveAll(s, (query) => (query.missing.has(seqno) ? withFact(query, seqno, found) : query))

/** `given`: a query with what it waited for, or itself if that was not for it. */
export function giveAll(s: HistorianState, given: (query: Query) => Query): Step<HistorianState> {
  let state = s
  const effects: Effect[] = []
  for (const waiting of Object.values(s.active)) {
    const next = given(waiting)
    if (next === waiting) continue
    state = { ...state, active: { ...state.active, [next.id]: next } }
    const isTooLarge = next.facts.bytes > HISTORY_QUERY_BYTES_MAX
    if (!isComplete(next) && !isTooLarge) continue
    const advanced = isTooLarge ? finish(state, next, refused(TOO_LARGE)) : advance(state, next)
    state = advanced.state
    effects.push(...advanced.effects)
  }
  const begun = beginNext(state)
  return step(begun.state, ...effects, ...begun.effects)
}

function finish(s: HistorianState, query: Query, outcome: Outcome): Step<HistorianState> {
  const { [query.id]: _, ...active } = s.active
  const state = { ...s, active, activeCount: s.activeCount - 1 }
  return query.isAnswered ? unchanged(state) : step(state, tell(query.asker, outcome))
}

/** Told 202; it goes on, so that a retry finds in the cache what it needs. */
function losePatience(s: HistorianState, id: number): Step<HistorianState> {
  const waiting = s.active[id]
  if (waiting === undefined || waiting.isAnswered) return unchanged(s)
  return step({ ...s, active: { ...s.active, [id]: { ...waiting, isAnswered: true } } }, tellLater(waiting.asker))
}

/** The timer: patience that ended, queries that take too long. */
export function expire(s: HistorianState, { at }: Envelope<HistorianEvent>): Step<HistorianState> {
  let state: HistorianState = { ...s, timerAt: undefined }
  const effects: Effect[] = []
  for (const waiting of Object.values(s.active)) {
    if (waiting.patientUntil > at) continue
    const told = losePatience(state, waiting.id)
    state = told.state
    effects.push(...told.effects)
    if (waiting.expiresAt > at) continue
    state = finish(state, state.active[waiting.id]!, refused(FULL)).state
    effects.push(trace('historyExpired', { missing: waiting.missing.size }))
  }
  const tired = state.queued.toArray().filter(({ patientUntil }) => patientUntil <= at)
  if (tired.length > 0) {
    const rest = state.queued.toArray().filter(({ patientUntil }) => patientUntil > at)
    state = { ...state, queued: state.queued.cutStart(state.queued.end).append(rest) }
    effects.push(...tired.map(({ asker }) => tellLater(asker)))
  }
  const next = beginNext(state)
  const waiting = [...Object.values(next.state.active), ...next.state.queued.toArray()]
  const due = waiting.map((query) => (query.isAnswered ? query.expiresAt : query.patientUntil))
  if (due.length === 0) return step(next.state, ...effects, ...next.effects)
  const earliest = due.reduce((a, b) => Math.min(a, b))
  const timed = watch(next.state, at, earliest)
  return step(timed.state, ...effects, ...next.effects, ...timed.effects)
}

/** One timer, for whoever is due first; it may fire for somebody who is gone by then. */
function watch(s: HistorianState, at: number, dueAt: number): Step<HistorianState> {
  if (s.timerAt !== undefined && s.timerAt <= dueAt) return unchanged(s)
  const afterMs = Math.max(1, dueAt - at)
  return step({ ...s, timerAt: dueAt }, { type: 'setTimer', name: 'expire', afterMs: [afterMs, afterMs] })
}

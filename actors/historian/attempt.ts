// Trying a query with what it has been given: an outcome, or what it still misses. Handlers are synchronous and have no effects, so one that
// asks for something that is not there is simply stopped, and run again later.
// The rule to remember: an attempt changes nothing, and the same facts give the same outcome.
import type { HandlerResult } from '../../protocols/app.ts'
import { refusal } from '../../protocols/errors.ts'
import { TRANSACTION_PARAMETER, WAIT_PARAMETER } from '../../protocols/historical/messages.ts'
import { responseContent } from '../../protocols/requests.ts'
import { refuseUnavailable, refused, type Outcome } from './answers.ts'
import { HistoryRefused, HistoryMisuse, Missing, PastOf } from './past.ts'
import { coseReceipt, receiptOf } from './receipts.ts'
import { isLoaded, type HistorianState, type Lookup, type Query, type Wanted, type WantedReceipt } from './state.ts'

export type Attempt =
  | { readonly kind: 'done'; readonly outcome: Outcome }
  | {
      readonly kind: 'missing'
      readonly entries: readonly number[]
      readonly lookups: ReadonlyMap<string, Lookup>
    }

const done = (outcome: Outcome): Attempt => ({ kind: 'done', outcome })
const NO_LOOKUPS: ReadonlyMap<string, Lookup> = new Map()

export const attempt = (s: HistorianState, query: Query): Attempt =>
  query.wanted.kind === 'endpoint' ? tryEndpoint(s, query, query.wanted) : tryReceipt(s, query, query.wanted)

function tryReceipt(s: HistorianState, { facts }: Query, { kind, target }: WantedReceipt): Attempt {
  const { seqno } = target
  const found = facts.entries.get(seqno)
  if (found === undefined) return { kind: 'missing', entries: [seqno], lookups: NO_LOOKUPS }
  if (!isLoaded(found)) return done(refused(refuseUnavailable(seqno, found)))
  return done(kind === 'receipt' ? { kind, receipt: receiptOf(s, found) } : coseReceipt(s, found))
}

/** The query without what belongs to the platform. */
function ownQuery(query: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const own = { ...query }
  delete own[TRANSACTION_PARAMETER]
  delete own[WAIT_PARAMETER]
  return own
}

function tryEndpoint(s: HistorianState, query: Query, wanted: Extract<Wanted, { kind: 'endpoint' }>): Attempt {
  const { request, caller } = wanted
  const routed = s.router.route(request.verb, request.path)
  if (routed.kind !== 'found') return done(refused(refusal(404, 'ResourceNotFound', 'No such endpoint.')))
  const { endpoint, params } = routed
  const input = endpoint.schema({ query: ownQuery(routed.query), body: request.body })
  if (!input.ok) return done(refused(refusal(400, 'InvalidInput', input.message)))
  const past = new PastOf(s, query.facts, wanted)
  try {
    const result = endpoint.handler({
      caller,
      params,
      input: input.value,
      sha256: s.config.crypto.sha256,
      history: past,
      get state() {
        return past.target()
      },
    })
    // A handler that went on without what it asked for has not seen everything.
    return past.isComplete ? done(outcomeOf(result)) : { kind: 'missing', ...past.missing }
  } catch (error) {
    if (error instanceof HistoryRefused) return done(refused(error.refusal))
    if (error instanceof Missing || !past.isComplete) return { kind: 'missing', ...past.missing }
    const message = error instanceof HistoryMisuse ? error.message : 'The endpoint failed.'
    return done(refused(refusal(500, 'InternalError', message)))
  }
}

const outcomeOf = (result: HandlerResult): Outcome =>
  'refused' in result ? refused(result.refused) : { kind: 'content', content: responseContent(result) }

// Questions of queries to the index: asked once it has come far enough, answered to whoever waits for them.
// The rule to remember: an index that lags is waited for; it is never taken for a past in which nothing happened.
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { send, type Effect } from '../effects.ts'
import { type HistorianEvent, type HistorianState, type Lookup, type Query } from './state.ts'

const isAnswerable = ({ index }: HistorianState, { to }: Lookup): boolean =>
  index.unconfirmedView === undefined && to <= index.upTo

/** Asks what can be answered; for the rest the index is told to hurry. */
export function ask(s: HistorianState, { asks }: Query): Step<HistorianState> {
  if (asks.size === 0) return unchanged(s)
  let { nextId } = s
  const reads = { ...s.index.reads }
  const underWay = new Set(Object.values(reads))
  const effects: Effect[] = []
  let waits = false
  for (const [name, lookup] of asks) {
    if (underWay.has(name)) continue
    if (!isAnswerable(s, lookup)) {
      waits = true
      continue
    }
    reads[nextId] = name
    effects.push({ type: 'readIndex', token: nextId, ...lookup })
    nextId++
  }
  if (waits) effects.push(send('historian', { type: 'hurryIndex' }))
  return step({ ...s, nextId, index: { ...s.index, reads } }, ...effects)
}

/** After the index moved: what waited for that. */
export function askAgain(s: HistorianState): Step<HistorianState> {
  let state = s
  const effects: Effect[] = []
  for (const query of Object.values(s.active)) {
    const asked = ask(state, query)
    state = asked.state
    effects.push(...asked.effects)
  }
  return step(state, ...effects)
}

/** True if somebody waits for more of the index. */
export const isAwaited = (s: HistorianState): boolean =>
  Object.values(s.active).some(({ asks }) => [...asks.values()].some((lookup) => !isAnswerable(s, lookup)))

/** The answer, as a change of the queries that wait for it. */
export function answered(
  s: HistorianState,
  { event }: Envelope<HistorianEvent>,
): { readonly state: HistorianState; readonly given: (query: Query) => Query } | undefined {
  const { token, seqnos } = event as Extract<HistorianEvent, { readonly type: 'indexRead' }>
  const { [token]: name, ...reads } = s.index.reads
  if (name === undefined) return undefined
  const given = (query: Query): Query => {
    if (!query.asks.has(name)) return query
    const asks = new Map(query.asks)
    asks.delete(name)
    const lookups = new Map(query.facts.lookups).set(name, seqnos)
    return { ...query, asks, facts: { ...query.facts, lookups } }
  }
  return { state: { ...s, index: { ...s.index, reads } }, given }
}

// The executor and the consensus behind it, reduced to their contract (protocols/requests.ts): one log that may lose what is not committed when
// the view changes, one answer for each request, the session's view compared before anything is executed (CCF facts §2).
// The rule to remember: what was said is written down; whatever a client hears beyond that was invented on the way.
import type { SessionEvent } from '../../../actors/session/state.ts'
import type { AppRequest, AppResponse } from '../../../protocols/app.ts'
import { fromUtf8, utf8 } from '../../../protocols/codec/bytes.ts'
import { refusal, type Refusal } from '../../../protocols/errors.ts'
import { FIRST_VIEW, formatTxId, seqno, view } from '../../../protocols/ids.ts'
import { refusalResponse, type Execute } from '../../../protocols/requests.ts'

export interface ExecutorSide {
  readonly view: number
  /** A write each. */
  readonly log: readonly { readonly id: number; readonly view: number }[]
  readonly committed: number
  readonly queue: readonly Execute[]
  /** Requests whose answers need the ledger: they come in messages of their own (actors/executor/receipts). */
  readonly later: readonly { readonly token: number; readonly request: AppRequest }[]
  /** Requests that the session handed over, in order. */
  readonly handed: readonly number[]
  /** Answers and commits, as `answerKey` and `commitKey` have them. */
  readonly said: readonly string[]
  /** Views in which requests were executed whose answers say so; those whose view was not compared left out. */
  readonly views: readonly number[]
}

export const NEW_EXECUTOR: ExecutorSide = {
  view: FIRST_VIEW,
  log: [],
  committed: 0,
  queue: [],
  later: [],
  handed: [],
  said: [],
  views: [],
}

/**
 * How a batch is dealt with. `split`: as `execute`, with the first answer in a message of its own. `receipt`: as if the last request asked for a
 * receipt, which is no execution, and is answered later.
 */
export const DEALINGS = ['execute', 'split', 'receipt', 'refuse', 'outcomeUnknown', 'executeUnchecked'] as const
export type Dealing = (typeof DEALINGS)[number]

const LOST = refusal(500, 'SessionConsistencyLost', 'modelled')
const REFUSED = refusal(503, 'PrimaryNotFound', 'modelled')
const UNKNOWN = refusal(504, 'InternalError', 'modelled')

export const pathOf = (id: number): string => `/r${id}`
/** `1 200 2.1 /r1`: request, status, transaction, and the body, of which refusals show their code. */
export function answerKey({ id, status, txId, contentType, body }: AppResponse): string {
  const text = fromUtf8(body)
  const said = contentType === 'json' ? (JSON.parse(text) as { error: { code: string } }).error.code : text
  return `${id} ${status} ${txId === undefined ? '-' : formatTxId(txId)} ${said}`
}

export const commitKey = (committed: { readonly view: number; readonly seqno: number }): string =>
  `commit ${committed.view}.${committed.seqno}`

export const handOver = (side: ExecutorSide, batch: Execute): ExecutorSide => ({
  ...side,
  queue: [...side.queue, batch],
  handed: [...side.handed, ...batch.requests.map(({ id }) => id)],
})

/** What may be done with the oldest batch. */
export function dealings({ queue, view: now }: ExecutorSide): Dealing[] {
  const [batch] = queue
  if (batch === undefined) return []
  const isLost = batch.activeView !== 0 && batch.activeView !== now
  return DEALINGS.filter((dealing) => {
    if (dealing === 'split') return batch.requests.length > 1 && !isLost
    if (dealing === 'outcomeUnknown' || dealing === 'receipt') return !isLost
    return dealing !== 'executeUnchecked' || isLost
  })
}

export interface Dealt {
  readonly side: ExecutorSide
  readonly said: readonly SessionEvent[]
}

export function deal(side: ExecutorSide, dealing: Dealing): Dealt {
  const [batch, ...queue] = side.queue
  const { token, activeView, requests } = batch!
  const waiting = { ...side, queue }
  const isLost = activeView !== 0 && activeView !== side.view && dealing !== 'executeUnchecked'
  if (dealing === 'refuse' || isLost) {
    return tell(waiting, token, 0, [refusals(requests, dealing === 'refuse' ? REFUSED : LOST)])
  }
  if (dealing === 'receipt') return dealWithReceipt(waiting, batch!)
  const { log, responses } = write(side, requests)
  // The primary has executed, and its answer is lost on the way (actors/executor/forwarding).
  if (dealing === 'outcomeUnknown') return tell({ ...waiting, log }, token, 0, [refusals(requests, UNKNOWN)])
  const views = dealing === 'executeUnchecked' ? side.views : viewsAfter(side)
  const messages = dealing === 'split' ? [responses.slice(0, 1), responses.slice(1)] : [responses]
  return tell({ ...waiting, log, views }, token, side.view, messages)
}

function dealWithReceipt(side: ExecutorSide, { token, requests }: Execute): Dealt {
  const { log, responses } = write(side, requests.slice(0, -1))
  const later = [...side.later, { token, request: requests.at(-1)! }]
  if (responses.length === 0) return { side: { ...side, later }, said: [] }
  return tell({ ...side, later, log, views: viewsAfter(side) }, token, side.view, [responses])
}

/** The oldest answer that needed the ledger. */
export function answerLater(side: ExecutorSide): Dealt {
  const [first, ...later] = side.later
  const { token, request } = first!
  const response: AppResponse = { ...answerTo(request), txId: undefined }
  return tell({ ...side, later }, token, 0, [[response]])
}

const viewsAfter = ({ views, view: now }: ExecutorSide): readonly number[] =>
  views.includes(now) ? views : [...views, now]

const answerTo = ({ id, path }: AppRequest): Omit<AppResponse, 'txId'> => ({
  id,
  status: 200,
  contentType: 'bytes',
  body: utf8(path),
})

const refusals = (requests: readonly AppRequest[], why: Refusal): AppResponse[] =>
  requests.map(({ id }) => refusalResponse(id, why))

function write(side: ExecutorSide, requests: readonly AppRequest[]) {
  const log = [...side.log, ...requests.map(({ id }) => ({ id, view: side.view }))]
  const responses = requests.map((request, i): AppResponse => ({
    ...answerTo(request),
    txId: { view: view(side.view), seqno: seqno(side.log.length + 1 + i) },
  }))
  return { log, responses }
}

const tell = (side: ExecutorSide, token: number, executedView: number, messages: readonly AppResponse[][]): Dealt => ({
  side: { ...side, said: [...side.said, ...messages.flat().map(answerKey)] },
  said: messages.map((responses) => ({ type: 'executed', token, view: executedView, responses })),
})

/** A new view begins; of what is not committed, the first entries are kept up to seqno `kept`. */
export const elect = (side: ExecutorSide, kept: number): ExecutorSide => ({
  ...side,
  view: side.view + 1,
  log: side.log.slice(0, kept),
})

/** Everything so far is committed, and the session is told. */
export function commit(side: ExecutorSide): Dealt {
  const committed = side.log.length
  const told = { view: side.log.at(-1)!.view, seqno: committed }
  return {
    side: { ...side, committed, said: [...side.said, commitKey(told)] },
    said: [{ type: 'commitNotice', ...told }],
  }
}

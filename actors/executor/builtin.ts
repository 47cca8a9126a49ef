// The endpoints every node has, whatever the application (CCF facts §1.3, §8.1, §8.2). All of them are public: no authentication, also in clear.
// Paths are the same below /app and /node where CCF has both. Bodies are CCF's.
import type { AppRequest, AppResponse } from '../../protocols/app.ts'
import { formatTxId, type TxId, seqno as asSeqno, view as asView } from '../../protocols/ids.ts'
import { txStatus } from '../../protocols/consensus/tx-status.ts'
import { jsonResponse } from '../../protocols/requests.ts'
import { decodeQuery, type Route } from '../../protocols/router.ts'
import { refuse } from './answers.ts'
import { askForReceipt, askForStrategies, badTxId, targetOf, type Asked } from './historical.ts'
import * as nodes from './node-reads.ts'
import { encryptedShare, memberOfSharePath } from './secret-endpoints.ts'
import { serviceInfo } from './service.ts'
import { isPrimary, lastSeqno, type Batch, type ExecutorState, type Served } from './state.ts'

type Query = Readonly<Record<string, string>>

/** A built-in call: answered at once, or (`later`) by the historian, who reads the ledger. */
export type BuiltinCall =
  | { readonly later: false; readonly answer: (s: ExecutorState, at: number) => AppResponse }
  | { readonly later: true; readonly ask: (s: ExecutorState, batch: Batch) => Asked }

type Answer = (s: ExecutorState, request: AppRequest, query: Query, at: number) => AppResponse

const ok = (request: AppRequest, body: unknown): AppResponse => jsonResponse(request.id, 200, body)

/** The built-in that a request addresses; undefined if it is an endpoint's. */
export function builtin(request: AppRequest, routed: Route<Served>): BuiltinCall | undefined {
  if (routed.kind === 'found') return undefined
  const mark = request.path.indexOf('?')
  const name = mark < 0 ? request.path : request.path.slice(0, mark)
  const common = /^\/(?:app|node)\/(tx|commit|receipt)$/.exec(name)?.[1]
  const key = common ?? name
  const answer = ANSWERS[key] ?? answerByPath(name)
  const ask = ASKED[key]
  if (answer === undefined && ask === undefined) return undefined
  if (request.verb !== 'GET') {
    // The same path may be an endpoint's for other verbs.
    const allow = routed.kind === 'wrongVerb' ? [...routed.allow, 'GET'].sort() : ['GET']
    return {
      later: false,
      answer: () => refuse(request, 405, 'UnsupportedHttpVerb', `Allowed: ${allow.join(', ')}.`),
    }
  }
  const query = mark < 0 ? {} : decodeQuery(request.path.slice(mark + 1))
  if (typeof query === 'string') {
    return { later: false, answer: () => refuse(request, 400, 'InvalidQueryParameterValue', query) }
  }
  if (answer !== undefined) return { later: false, answer: (s, at) => answer(s, request, query, at) }
  return { later: true, ask: (s, batch) => ask!(s, batch, request, query) }
}

function answerByPath(path: string): Answer | undefined {
  const name = nodes.nodeOfPath(path)
  if (name !== undefined) return (s, request) => nodes.node(s, request, name)
  const member = memberOfSharePath(path)
  return member === undefined ? undefined : (s, request, query) => encryptedShare(s, request, query, member)
}

const tx: Answer = (s, request, query) => {
  const target = targetOf(query)
  if (target === undefined) return badTxId(request)
  return ok(request, { transaction_id: formatTxId(target), status: localStatus(s, target) })
}

/** On the primary, what was executed after the replica's last notice is pending in the current view. */
function localStatus(s: ExecutorState, target: TxId) {
  const proposed = isPrimary(s) && target.view === s.summary.view
  if (proposed && target.seqno > s.summary.lastSeqno && target.seqno <= lastSeqno(s)) return 'Pending'
  return txStatus(target, s.summary)
}

const commit: Answer = (s, request, query) => {
  const { committed, viewHistory } = s.summary
  const body: Record<string, unknown> = { transaction_id: formatTxId(committed) }
  const since = query['view_history_since']
  if (query['view_history'] !== 'true' && since === undefined) return ok(request, body)
  const first = since === undefined ? 1 : Number(since)
  if (!Number.isInteger(first) || first < 1) {
    return refuse(request, 400, 'InvalidQueryParameterValue', 'view_history_since must be a view above zero.')
  }
  if (first > viewHistory.length) return refuse(request, 404, 'ResourceNotFound', `View ${first} is not known.`)
  const starts = viewHistory.map((start, i) => ({ view: asView(i + 1), seqno: asSeqno(start) }))
  // Views in which nothing was written have the start of the next one and are left out.
  const real = starts.filter(({ view, seqno }, i) => view >= first && seqno > 0 && seqno !== starts[i + 1]?.seqno)
  return ok(request, { ...body, view_history: real.map(formatTxId) })
}

const network: Answer = (s, request) => {
  const info = serviceInfo(s.kv)
  if (info === undefined) return refuse(request, 404, 'ResourceNotFound', 'The service does not exist yet.')
  return ok(request, {
    service_status: info['status'],
    service_certificate: info['cert'],
    current_view: s.summary.view,
    primary_id: s.summary.leaderId ?? null,
    recovery_count: info['recovery_count'] ?? 0,
    service_data: info['service_data'] ?? null,
    current_service_create_txid: info['current_service_create_txid'] ?? null,
  })
}

const state: Answer = (s, request) =>
  ok(request, {
    node_id: s.config.nodeId,
    state: nodes.nodeState(s),
    last_signed_seqno: lastSigned(s),
    startup_seqno: 0,
    stop_notice: false,
  })

function lastSigned(s: ExecutorState): number {
  for (let i = s.pending.end - 1; i >= s.pending.first; i--) if (s.pending.at(i)?.record.kind === 'signature') return i
  return s.summary.committed.seqno
}

const metrics: Answer = (s, request) => {
  const { sessionsActive, sessionsPeak } = s.counters
  return ok(request, { sessions: { active: sessionsActive, peak: sessionsPeak, interfaces: {} } })
}

const version: Answer = (s, request) =>
  ok(request, { ccf_version: `concordat-${s.config.softwareVersion}`, quickjs_version: null, unsafe: false })

/** What the historian answers. */
const ASKED: Readonly<Record<string, typeof askForReceipt>> = {
  receipt: askForReceipt,
  '/node/index/strategies': askForStrategies,
}

const ANSWERS: Readonly<Record<string, Answer>> = {
  tx,
  commit,
  '/node/network': network,
  '/node/network/nodes': nodes.nodes,
  '/node/network/removable_nodes': nodes.removableNodes,
  '/node/consensus': nodes.consensus,
  '/node/state': state,
  '/node/metrics': metrics,
  '/node/version': version,
}

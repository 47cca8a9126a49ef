// The endpoints by which an operator adds and removes nodes and asks for a snapshot. Concordat's own, until members decide by proposals (protocols/README.md §9.6).
// The rule to remember: they write governance tables, so they are no application's endpoints: no handler context, no table but theirs.
import type { AppRequest, AppResponse, Caller } from '../../protocols/app.ts'
import { meaningOf } from '../../protocols/consensus/record.ts'
import { seqno as asSeqno, view as asView } from '../../protocols/ids.ts'
import { jsonResponse, refusalResponse } from '../../protocols/requests.ts'
import type { Parameters } from '../../protocols/router.ts'
import type { Transaction } from '../../store/kv/transaction.ts'
import { refuse } from './answers.ts'
import type { Draft } from './draft.ts'
import { registerNode, retireNode } from './node-changes.ts'
import { isOperator } from './node-table.ts'
import type { ExecutorState, NodeEndpoint } from './state.ts'

const byOperator = { path: '/node/network/nodes/{node_id}', auth: ['member_cert'], mode: 'readwrite' } as const

export const NODE_ENDPOINTS: readonly NodeEndpoint[] = [
  {
    ...byOperator,
    verb: 'PUT',
    change: ({ kv, crypto, params, body }) => registerNode(kv, crypto, params['node_id']!, body),
  },
  { ...byOperator, verb: 'DELETE', change: ({ kv, params }) => retireNode(kv, params['node_id']!) },
  {
    ...byOperator,
    path: '/node/snapshot:create',
    verb: 'POST',
    change: () => ({ wantsSnapshot: true, body: { requested: true } }),
  },
]

/** Runs one of them as one transaction. The caller is known to be a member. */
export function runNodeChange(
  s: ExecutorState,
  draft: Draft,
  caller: Caller,
  request: AppRequest,
  call: { readonly endpoint: NodeEndpoint; readonly params: Parameters },
): AppResponse {
  if (!isOperator(draft.kv, caller)) {
    return refuse(request, 403, 'AuthorizationFailed', 'Only an operator of the service may change its nodes.')
  }
  const { params, endpoint } = call
  const change = endpoint.change({ kv: draft.kv, crypto: s.config.crypto, params, body: request.body })
  if ('refused' in change) return refusalResponse(request.id, change.refused)
  if ('wantsSnapshot' in change) {
    draft.wantsSnapshot = true
    return jsonResponse(request.id, 200, change.body)
  }
  const txId = { view: asView(s.summary.view), seqno: asSeqno(addNodeChange(draft, change.transaction)) }
  return jsonResponse(request.id, 200, change.body, txId)
}

/** Adds a change of nodes to what is being proposed, under the kind that consensus knows it by. @returns its seqno */
export function addNodeChange(draft: Draft, transaction: Transaction): number {
  const seqno = draft.nextSeqno
  const writes = transaction.writeSet()
  draft.add({ writes, claimsDigest: undefined, ...meaningOf(writes) })
  draft.kv = transaction.apply(seqno)
  return seqno
}

// What anyone may read about the service's nodes and its consensus (CCF facts §8.2): paths and bodies are CCF's.
// The rule to remember: a primary answers from the end of its log, a backup from what is committed; `last_written` tells which transaction it was.
import type { AppRequest, AppResponse } from '../../protocols/app.ts'
import type { ConsensusSummary, Leadership, Membership } from '../../protocols/consensus/messages.ts'
import { jsonResponse } from '../../protocols/requests.ts'
import { refuse } from './answers.ts'
import { findNode, knownNodes, type KnownNode } from './node-table.ts'
import type { ExecutorState } from './state.ts'

type Query = Readonly<Record<string, string>>

const describe = (s: ExecutorState, { nodeId, info, version }: KnownNode) => ({
  node_id: nodeId,
  status: info['status'],
  primary: nodeId === s.summary.leaderId,
  rpc_interfaces: info['rpc_interfaces'] ?? {},
  node_data: info['node_data'] ?? null,
  last_written: version,
})

const list = (s: ExecutorState, request: AppRequest, nodes: readonly KnownNode[]): AppResponse =>
  jsonResponse(request.id, 200, { nodes: nodes.map((node) => describe(s, node)) })

export function nodes(s: ExecutorState, request: AppRequest, query: Query): AppResponse {
  const { status } = query
  return list(
    s,
    request,
    knownNodes(s.kv).filter(({ info }) => status === undefined || info['status'] === status),
  )
}

/** Those whose `retired_committed` is committed: they may be switched off. */
export const removableNodes = (s: ExecutorState, request: AppRequest): AppResponse =>
  list(
    s,
    request,
    knownNodes(s.committed.kv).filter(({ standing }) => standing === 'RetiredCommitted'),
  )

const NODE_PATH = /^\/node\/network\/nodes\/([^/]+)$/

/** The id, `self` or `primary` that a path asks for. */
export const nodeOfPath = (path: string): string | undefined => NODE_PATH.exec(path)?.[1]

export function node(s: ExecutorState, request: AppRequest, name: string): AppResponse {
  const nodeId = name === 'self' ? s.config.nodeId : name === 'primary' ? s.summary.leaderId : name
  if (nodeId === undefined) return refuse(request, 503, 'PrimaryNotFound', 'The primary of the service is not known.')
  const found = findNode(s.kv, nodeId)
  if (found === undefined) return refuse(request, 404, 'ResourceNotFound', 'No such node is known to the service.')
  return jsonResponse(request.id, 200, describe(s, found))
}

const CCF_LEADERSHIP: Readonly<Record<Leadership, string | null>> = {
  None: null,
  Follower: 'Follower',
  PreVoteCandidate: 'PreVoteCandidate',
  Candidate: 'Candidate',
  Leader: 'Leader',
}

const CCF_RETIREMENT: Readonly<Record<Exclude<Membership, 'Active'>, string>> = {
  RetirementOrdered: 'Ordered',
  RetirementSigned: 'Signed',
  RetirementCompleted: 'Completed',
  RetiredCommitted: 'RetiredCommitted',
}

const membership = (state: Membership) =>
  state === 'Active'
    ? { membership_state: 'Active' }
    : { membership_state: 'Retired', retirement_phase: CCF_RETIREMENT[state] }

export function consensus(s: ExecutorState, request: AppRequest, _query: Query, at: number): AppResponse {
  const { summary } = s
  return jsonResponse(request.id, 200, {
    details: {
      primary_id: summary.leaderId ?? null,
      current_view: summary.view,
      ticking: summary.leadership !== 'None',
      leadership_state: CCF_LEADERSHIP[summary.leadership],
      ...membership(summary.membership),
      configs: summary.configurations.map(({ idx, nodes: members }) => ({
        idx,
        nodes: Object.fromEntries(members.map((id) => [id, {}])),
        rid: idx,
      })),
      acks: acksOf(summary, at),
    },
  })
}

const acksOf = ({ peers }: ConsensusSummary, at: number) =>
  Object.fromEntries(
    Object.entries(peers).map(([id, { matchIdx, lastAckAt }]) => [
      id,
      { seqno: matchIdx, last_received_ms: Math.max(0, Math.round(at - lastAckAt)) },
    ]),
  )

/** CCF's state of this node: Pending until the service trusts it. */
export const nodeState = (s: ExecutorState): string => {
  const self = findNode(s.kv, s.config.nodeId)
  return self === undefined || self.standing === 'Pending' ? 'Pending' : 'PartOfNetwork'
}

// How requests travel between the actors of a node, and between nodes when a backup forwards to the primary.
// Every message carries a batch: one session frame, one message. The rule to remember: whoever sends `execute` gets exactly one response for each request,
// in one or more `executed` messages, unless its node stops.
import type { AppRequest, AppResponse, Caller, HandlerResult } from './app.ts'
import { EMPTY, utf8 } from './codec/bytes.ts'
import type { Refusal } from './errors.ts'
import type { NodeStanding } from './governance/node-row.ts'
import type { NodeId } from './ids.ts'
import type { LedgerSecret } from './secrets/ledger-secrets.ts'

/** To the executor, from an actor of its node. */
export interface Execute {
  readonly type: 'execute'
  /** Chosen by the sender; comes back in every answer. */
  readonly token: number
  readonly caller: Caller
  /**
   * The view in which this session's first request was executed; 0 if none was yet. Requests are refused with
   * SessionConsistencyLost when the view has changed since (CCF facts §2, session rule).
   */
  readonly activeView: number
  /** Only endpoints without authentication that are public by design (the clear rpc subject). */
  readonly publicOnly: boolean
  readonly requests: readonly AppRequest[]
}

/** From the executor to whoever sent `execute`. */
export interface Executed {
  readonly type: 'executed'
  readonly token: number
  /** The view in which these were executed; 0 if none was (refused before execution). */
  readonly view: number
  readonly responses: readonly AppResponse[]
}

/** To an actor that got responses with transaction ids: everything up to this id is committed. */
export interface CommitNotice {
  readonly type: 'commitNotice'
  readonly view: number
  readonly seqno: number
}

/** Executor of a backup to the executor of the primary: the writes of one `execute`. */
export interface Forward {
  readonly type: 'forward'
  readonly token: number
  readonly caller: Caller
  readonly activeView: number
  readonly requests: readonly AppRequest[]
}

/** The primary's answer to `forward`. */
export interface Forwarded {
  readonly type: 'forwarded'
  readonly token: number
  readonly view: number
  readonly responses: readonly AppResponse[]
}

/** A node asks another for what it needs to take part. Answered by `welcome`, or not at all. */
export interface JoinRequest {
  readonly type: 'joinRequest'
}

/** For a node that the committed ledger lists as Pending or Trusted, from any other. Only ever sent over the sealed channel. */
export interface Welcome {
  readonly type: 'welcome'
  /** PKCS#8 DER. */
  readonly servicePrivateKey: Uint8Array
  /** Every one the sender knows, in ascending order of version; at most LEDGER_SECRETS_MAX. */
  readonly secrets: readonly LedgerSecret[]
}

/** A node that was removed, or hears of no primary, asks another what the ledger says of it. Answered by `retiredCommitted`, or not at all. */
export interface RetirementQuery {
  readonly type: 'retirementQuery'
}

/** The answer: the receiver's `retired_committed` is committed, so it may stop (consensus.md §11). */
export interface RetiredCommitted {
  readonly type: 'retiredCommitted'
}

/** From the executor to its node: what the committed `nodes.info` says. Said whenever that changes, and again after a change of primary. */
export interface NodesChanged {
  readonly type: 'nodesChanged'
  readonly nodes: Readonly<Record<NodeId, NodeStanding>>
  /** This node's own, endorsed by the service; undefined until it is Trusted. */
  readonly certificatePem: string | undefined
}

/** From the executor to its node: every ledger secret of the committed ledger. Said whenever there is another one. SECRET. */
export interface SecretsChanged {
  readonly type: 'secretsChanged'
  readonly secrets: readonly LedgerSecret[]
}

/** From the executor to its node: who leads, as far as it knows. Told to clients, who do best to talk to the primary. */
export interface PrimaryChanged {
  readonly type: 'primaryChanged'
  readonly primary: NodeId | undefined
}

export const jsonResponse = (id: number, status: number, body: unknown, txId?: AppResponse['txId']): AppResponse => ({
  id,
  status,
  contentType: 'json',
  body: new TextEncoder().encode(JSON.stringify(body)),
  txId,
})

export const refusalResponse = (id: number, r: Refusal): AppResponse =>
  jsonResponse(id, r.status, { error: { code: r.code, message: r.message } })

/** What a handler returned, unless it refused, as status and body of a response. */
export function responseContent(
  result: Exclude<HandlerResult, { readonly refused: unknown }>,
): Pick<AppResponse, 'status' | 'contentType' | 'body'> {
  if ('bytes' in result) return { status: result.status ?? 200, contentType: 'bytes', body: result.bytes }
  if (result.body === undefined) return { status: result.status ?? 204, contentType: 'none', body: EMPTY }
  return { status: result.status ?? 200, contentType: 'json', body: utf8(JSON.stringify(result.body)) }
}

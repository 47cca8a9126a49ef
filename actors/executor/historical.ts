// Requests about the past: receipts, and endpoints of mode `historical`. Here it is decided who may ask, and whether there is something to ask
// for; the answer is the historian's, given straight to whoever sent the request.
// The rule to remember: any node answers them from its own ledger, so they are never forwarded.
import type { AppRequest, AppResponse, HistoricalEndpoint } from '../../protocols/app.ts'
import { txStatus } from '../../protocols/consensus/tx-status.ts'
import {
  TRANSACTION_PARAMETER,
  WAIT_PARAMETER,
  type HistoricalQuery,
  type Patience,
} from '../../protocols/historical/messages.ts'
import { formatTxId, parseTxId, type TxId } from '../../protocols/ids.ts'
import { send, type Effect } from '../effects.ts'
import { refuse } from './answers.ts'
import { isAuthorised, serviceStatus } from './service.ts'
import type { Batch, ExecutorState } from './state.ts'

/** Handed to the historian, or refused at once. */
export type Asked = { readonly effect: Effect } | { readonly response: AppResponse }

type Query = Readonly<Record<string, string>>

export const badTxId = (request: AppRequest): AppResponse =>
  refuse(request, 400, 'InvalidQueryParameterValue', 'transaction_id must be <view>.<seqno>, both above zero.')

export const targetOf = (query: Query): TxId | undefined => parseTxId(query[TRANSACTION_PARAMETER] ?? '')

export function askForReceipt(s: ExecutorState, batch: Batch, request: AppRequest, query: Query): Asked {
  const target = targetOf(query)
  if (target === undefined) return { response: badTxId(request) }
  // Requests have no headers to negotiate by.
  const format = query['format'] ?? 'json'
  if (format !== 'json' && format !== 'cose') {
    return { response: refuse(request, 400, 'InvalidQueryParameterValue', 'format must be json or cose.') }
  }
  return askFor(s, batch, request, query, { wanted: format === 'cose' ? 'coseReceipt' : 'receipt', target })
}

/** How far this node's index has come is the historian's to say. */
export const askForStrategies = (s: ExecutorState, batch: Batch, request: AppRequest, query: Query): Asked =>
  askFor(s, batch, request, query, { wanted: 'strategies', target: undefined })

export function askEndpoint(
  s: ExecutorState,
  batch: Batch,
  request: AppRequest,
  found: { readonly endpoint: HistoricalEndpoint; readonly query: Query },
): Asked {
  const { endpoint, query } = found
  const refused = refuseCaller(s, batch, request, endpoint)
  if (refused !== undefined) return { response: refused }
  if (endpoint.transaction === 'none')
    return askFor(s, batch, request, query, { wanted: 'endpoint', target: undefined })
  const target = targetOf(query)
  if (target === undefined) return { response: badTxId(request) }
  return askFor(s, batch, request, query, { wanted: 'endpoint', target })
}

function refuseCaller(s: ExecutorState, batch: Batch, request: AppRequest, { auth }: HistoricalEndpoint) {
  if (batch.publicOnly) {
    return refuse(request, 403, 'AuthorizationFailed', 'This endpoint is served in sealed sessions only.')
  }
  if (serviceStatus(s.kv) !== 'Open') return refuse(request, 404, 'FrontendNotOpen', 'The service is not open.')
  if (isAuthorised(s.kv, auth, batch.caller)) return undefined
  return refuse(request, 401, 'InvalidAuthenticationInfo', 'The caller is not registered for this endpoint.')
}

/** Only what is committed has a past: everything else is refused as CCF does (facts §5.1). */
function askFor(
  s: ExecutorState,
  batch: Batch,
  request: AppRequest,
  query: Query,
  { wanted, target }: Pick<HistoricalQuery, 'wanted' | 'target'>,
): Asked {
  const patience = patienceOf(batch, query)
  if (patience === undefined) {
    return { response: refuse(request, 400, 'InvalidQueryParameterValue', `${WAIT_PARAMETER} must be true or false.`) }
  }
  const status = target === undefined ? 'Committed' : txStatus(target, s.summary)
  if (target !== undefined && status !== 'Committed') {
    const id = formatTxId(target)
    const response =
      status === 'Invalid'
        ? refuse(request, 404, 'TransactionInvalid', `Transaction ${id} was invalidated.`)
        : refuse(request, 404, 'TransactionPendingOrUnknown', `Transaction ${id} is not committed here.`)
    return { response }
  }
  const { origin, token: originToken, caller } = batch
  const message: HistoricalQuery = {
    type: 'historicalQuery',
    origin,
    originToken,
    caller,
    request,
    wanted,
    target,
    patience,
  }
  return { effect: send('historian', message) }
}

/** Whoever has a session may wait as long as it takes; a request in clear is answered soon, since nobody knows whether its sender is there. */
function patienceOf({ publicOnly }: Batch, query: Query): Patience | undefined {
  const wait = query[WAIT_PARAMETER] ?? 'true'
  if (wait === 'false') return 'not'
  if (wait !== 'true') return undefined
  return publicOnly ? 'briefly' : 'untilReady'
}

// Running one application handler as one transaction: input checked, tables guarded, writes kept only on success.
// The rule to remember: whatever a handler throws or returns, the store is either one whole transaction further or unchanged.
import type {
  AppRequest,
  AppResponse,
  Caller,
  HandlerContext,
  HandlerResult,
  PresentEndpoint,
  TableHandle,
} from '../../protocols/app.ts'
import { refusal } from '../../protocols/errors.ts'
import { seqno as asSeqno, view as asView, type TxId } from '../../protocols/ids.ts'
import { isReservedMap } from '../../protocols/ledger/tables.ts'
import { refusalResponse, responseContent } from '../../protocols/requests.ts'
import type { Route } from '../../protocols/router.ts'
import { KvLimitError, Transaction } from '../../store/kv/transaction.ts'
import type { Draft } from './draft.ts'
import { readVersion } from './answers.ts'
import type { ExecutorState } from './state.ts'

type Found = Extract<Route<PresentEndpoint>, { readonly kind: 'found' }>

/** A handler broke a rule of the platform: reserved table, write in a readonly endpoint, claims that are not 32 bytes. */
class HandlerMisuse extends Error {}

export function runHandler(
  s: ExecutorState,
  draft: Draft,
  caller: Caller,
  request: AppRequest,
  found: Found,
): AppResponse {
  const { endpoint, params, query } = found
  const input = endpoint.schema({ query, body: request.body })
  if (!input.ok) return refusalResponse(request.id, refusal(400, 'InvalidInput', input.message))
  const transaction = new Transaction(draft.kv)
  let claimsDigest: Uint8Array | undefined
  const context: HandlerContext<Readonly<Record<string, string>>, unknown> = {
    caller,
    params,
    input: input.value,
    table: (name) => openTable(transaction, name, endpoint.mode),
    setClaimsDigest: (digest) => {
      if (digest.length !== 32) throw new HandlerMisuse('a claims digest has 32 bytes')
      claimsDigest = digest
    },
    sha256: s.config.crypto.sha256,
  }
  let result: HandlerResult
  try {
    result = endpoint.handler(context)
    if ('refused' in result) return refusalResponse(request.id, result.refused)
    return keep(s, draft, transaction, claimsDigest, request, result)
  } catch (error) {
    return refusalResponse(request.id, refusalOf(error))
  }
}

/** A thrown handler is the application's defect, not the node's: the client learns the kind, never the content. */
function refusalOf(error: unknown) {
  if (error instanceof KvLimitError) return refusal(413, 'RequestBodyTooLarge', error.message)
  if (error instanceof HandlerMisuse) return refusal(500, 'InternalError', error.message)
  return refusal(500, 'InternalError', 'The endpoint failed.')
}

function openTable(transaction: Transaction, name: string, mode: PresentEndpoint['mode']): TableHandle {
  if (isReservedMap(name)) throw new HandlerMisuse(`table ${name} is reserved`)
  const handle = transaction.map(name)
  return mode === 'readwrite' ? handle : readOnly(handle)
}

function readOnly(handle: TableHandle): TableHandle {
  const refuse = (): never => {
    throw new HandlerMisuse('a readonly endpoint may not write')
  }
  return {
    get: (key) => handle.get(key),
    has: (key) => handle.has(key),
    versionOfPreviousWrite: (key) => handle.versionOfPreviousWrite(key),
    range: (from, to, visit) => handle.range(from, to, visit),
    get size() {
      return handle.size
    },
    put: refuse,
    delete: refuse,
    clear: refuse,
  }
}

function keep(
  s: ExecutorState,
  draft: Draft,
  transaction: Transaction,
  claimsDigest: Uint8Array | undefined,
  request: AppRequest,
  result: Exclude<HandlerResult, { readonly refused: unknown }>,
): AppResponse {
  // A status outside 2xx drops the writes, as in CCF (facts §8).
  const success = result.status === undefined || (result.status >= 200 && result.status < 300)
  let txId: TxId | undefined
  if (success && transaction.wrote) {
    const seqno = draft.nextSeqno
    draft.add({ writes: transaction.writeSet(), claimsDigest })
    draft.kv = transaction.apply(seqno)
    txId = { view: asView(s.summary.view), seqno: asSeqno(seqno) }
  } else if (transaction.touched) {
    txId = readVersion(s, draft.lastSeqno)
  }
  return { id: request.id, ...responseContent(result), txId }
}

// The two forms of a request in clear, and the one of its answer. Made for people with a NATS client at hand: `nats req ccf.<service>.rpc 'GET /app/commit'`.
//   request   JSON {method, path, body?}, or the text `METHOD /path`
//   answer    JSON {status, txId?, body?}; a body that is not JSON stands in `bodyBase64`
// The rule to remember: it is read by anyone on the way, so nothing but public endpoints answers here (the executor sees to that).
import type { AppRequest, AppResponse } from '../../protocols/app.ts'
import { EMPTY, fromUtf8, toBase64, utf8 } from '../../protocols/codec/bytes.ts'
import { tryDecode } from '../../protocols/codec/der.ts'
import { parseJson } from '../../protocols/codec/json.ts'
import type { Refusal } from '../../protocols/errors.ts'
import { errorBody, refusal } from '../../protocols/errors.ts'
import { formatTxId } from '../../protocols/ids.ts'
import { NATS_PAYLOAD_BYTES_MAX, REQUEST_BODY_BYTES_MAX, REQUEST_PATH_BYTES_MAX } from '../../protocols/limits.ts'
import { checkRequest } from '../../protocols/session/messages.ts'

/** Room for the JSON around path and body. */
const PAYLOAD_BYTES_MAX = REQUEST_BODY_BYTES_MAX + REQUEST_PATH_BYTES_MAX + 1024
const REQUEST_ID = 0

/** The request of a payload, or why it is refused. Total. */
export function parseRpcRequest(payload: Uint8Array): { readonly request: AppRequest } | { readonly refused: Refusal } {
  if (payload.length > PAYLOAD_BYTES_MAX) {
    return { refused: refusal(413, 'RequestBodyTooLarge', `the request exceeds ${PAYLOAD_BYTES_MAX} bytes`) }
  }
  const text = textOf(payload)?.trim()
  if (text === undefined) return malformed('the request is not UTF-8 text')
  const parsed = text.startsWith('{') ? fromJson(text) : fromLine(text)
  if ('refused' in parsed) return parsed
  const problem = checkRequest(parsed.request)
  return problem === undefined ? parsed : { refused: problem }
}

const malformed = (message: string): { readonly refused: Refusal } => ({
  refused: refusal(400, 'InvalidInput', message),
})

function fromLine(text: string): { readonly request: AppRequest } | { readonly refused: Refusal } {
  const match = /^([A-Za-z]+) +(\/\S*)$/.exec(text)
  if (match === null) return malformed('expected JSON {"method", "path", "body"?} or the text METHOD /path')
  return { request: { id: REQUEST_ID, verb: match[1]!.toUpperCase(), path: match[2]!, body: EMPTY } }
}

function fromJson(text: string): { readonly request: AppRequest } | { readonly refused: Refusal } {
  const value = tryDecode(() => parseJson(text))
  if (value === undefined) return malformed('the request is not JSON, or nested too deeply')
  const {
    method = 'GET',
    path,
    body,
  } = value as { readonly method?: unknown; readonly path?: unknown; readonly body?: unknown }
  if (typeof method !== 'string') return malformed('method must be a string')
  if (typeof path !== 'string' || !path.startsWith('/')) return malformed('path must be a string that begins with /')
  const bytes = body === undefined ? EMPTY : utf8(JSON.stringify(body))
  return { request: { id: REQUEST_ID, verb: method.toUpperCase(), path, body: bytes } }
}

const textOf = (bytes: Uint8Array): string | undefined => tryDecode(() => fromUtf8(bytes))

/** The answer as it is published; one too large for NATS becomes 500 InternalError. */
export function encodeRpcResponse(response: AppResponse): Uint8Array {
  const txId = response.txId === undefined ? {} : { txId: formatTxId(response.txId) }
  const bytes = utf8(JSON.stringify({ status: response.status, ...txId, ...bodyOf(response) }))
  if (bytes.length <= NATS_PAYLOAD_BYTES_MAX) return bytes
  return encodeRpcRefusal(refusal(500, 'InternalError', 'the response does not fit one NATS message'))
}

export const encodeRpcRefusal = (problem: Refusal): Uint8Array =>
  utf8(JSON.stringify({ status: problem.status, body: errorBody(problem) }))

function bodyOf({ contentType, body }: AppResponse): { readonly body?: unknown; readonly bodyBase64?: string } {
  if (contentType === 'none') return {}
  if (contentType === 'bytes') return { bodyBase64: toBase64(body) }
  const value = tryDecode(() => parseJson(fromUtf8(body)))
  // A handler may call anything JSON, and nest it as it likes; it is passed on as it is.
  return value === undefined ? { bodyBase64: toBase64(body) } : { body: value }
}

// What a session's frames contain. Client to node: a batch of requests, then controls; node to client: a batch of responses, then notices.
//   client  u8 1 ‖ u16 n ‖ n × (u32 id ‖ u8 verb ‖ u16 path length ‖ u32 body length ‖ path ‖ body) ‖ u8 m ‖ m controls
//   node    u8 2 ‖ u16 n ‖ n × (u32 id ‖ u16 status ‖ u8 flags ‖ [u32 view ‖ u64 seqno] ‖ u32 body length ‖ body) ‖ u8 m ‖ m notices
// Integers are little-endian. Here are the types, limits and codes; messages-encode.ts and messages-decode.ts do the work.
// The rule to remember: a limit that one request breaks refuses that request; a frame that breaks the format is refused whole.
import type { AppRequest, AppResponse } from '../app.ts'
import type { ErrorCode, Refusal } from '../errors.ts'
import { refusal } from '../errors.ts'
import type { Seqno, View } from '../ids.ts'
import { REQUEST_BODY_BYTES_MAX, REQUEST_PATH_BYTES_MAX } from '../limits.ts'
import { FRAME_PLAINTEXT_BYTES_MAX } from './frame.ts'
import { utf8Length } from './text.ts'

export type ClientControl =
  /** Asks for a `pong` with the same id (u32). */
  | { readonly type: 'ping'; readonly id: number }
  /** The client ends the session; nothing answers. */
  | { readonly type: 'close' }

export type NodeNotice =
  | { readonly type: 'pong'; readonly id: number }
  /** The node knows everything up to this transaction id to be committed. */
  | { readonly type: 'commitNotice'; readonly view: View; readonly seqno: Seqno }
  /** The node ended the session; requests not yet answered will not be. */
  | { readonly type: 'closed'; readonly code: ErrorCode; readonly message: string }

/** Controls apply after the requests before them. */
export interface ClientBatch {
  readonly requests: readonly AppRequest[]
  readonly controls: readonly ClientControl[]
}

export interface DecodedClientBatch extends ClientBatch {
  /** Well-formed requests that break a limit: answer each with its refusal. They are not among `requests`. */
  readonly refused: readonly { readonly id: number; readonly refusal: Refusal }[]
}

/** Notices apply after the responses before them. */
export interface NodeBatch {
  readonly responses: readonly AppResponse[]
  readonly notices: readonly NodeNotice[]
}

export const CLIENT_BATCH = 1
export const NODE_BATCH = 2
/** Type byte, u16 count of items, u8 count of controls. */
export const ENVELOPE_BYTES = 4
export const REQUEST_FIXED_BYTES = 11
export const RESPONSE_FIXED_BYTES = 11
export const TX_ID_BYTES = 12
/** Controls or notices in one frame. */
export const FRAME_CONTROLS_MAX = 64
/** Longest message of a `closed` notice; longer ones are cut. */
export const CLOSED_MESSAGE_BYTES_MAX = 512
/** Largest response body. A larger one is replaced by 500 InternalError: its transaction is not undone. */
export const RESPONSE_BODY_BYTES_MAX = FRAME_PLAINTEXT_BYTES_MAX - ENVELOPE_BYTES - RESPONSE_FIXED_BYTES - TX_ID_BYTES

/** Verbs by wire code. Endpoints use the first four; the others travel so that the node can refuse them by name. */
export const VERBS: readonly string[] = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'PATCH', 'OPTIONS']
/** Wire code of a verb; −1 when there is none. */
export const verbCode = (verb: string): number => VERBS.indexOf(verb)
/** Content types by wire code: the two low bits of a response's flags. */
export const CONTENT_TYPES: readonly AppResponse['contentType'][] = ['none', 'json', 'bytes']
/** Flag: a transaction id follows. */
export const FLAG_TX_ID = 4

export const CONTROL_PING = 1
export const CONTROL_CLOSE = 2
export const NOTICE_PONG = 1
export const NOTICE_COMMIT = 2
export const NOTICE_CLOSED = 3

/** Why a request cannot be sent or served, by the limits alone: 405, 400 or 413. The client checks before encoding. */
export function checkRequest(request: AppRequest): Refusal | undefined {
  if (verbCode(request.verb) < 0) return refusal(405, 'UnsupportedHttpVerb', 'the verb is not supported')
  // No text has fewer bytes than characters, so long paths need not be counted.
  if (request.path.length > REQUEST_PATH_BYTES_MAX || utf8Length(request.path) > REQUEST_PATH_BYTES_MAX) {
    return refusal(400, 'InvalidResourceName', `the path exceeds ${REQUEST_PATH_BYTES_MAX} bytes`)
  }
  return checkBodySize(request.body.length)
}

/** 413 when a request body is too long. */
export function checkBodySize(length: number): Refusal | undefined {
  if (length <= REQUEST_BODY_BYTES_MAX) return undefined
  return refusal(413, 'RequestBodyTooLarge', `the request body exceeds ${REQUEST_BODY_BYTES_MAX} bytes`)
}

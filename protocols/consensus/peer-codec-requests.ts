// The part of peer-codec.ts that carries requests to the primary and responses back. The batches have the format of a client session's
// frames (protocols/session/messages.ts), so there is one codec for requests, whoever sends them.
//   forward    u64 token ‖ u8 caller (0 | 1 ‖ 32-byte id) ‖ u32 activeView ‖ client batch
//   forwarded  u64 token ‖ u32 view ‖ node batch
// The rule to remember: a batch that does not fit one frame becomes several messages with the same token.
import type { AppRequest, AppResponse, Caller } from '../app.ts'
import type { ByteReader, ByteWriter } from '../codec/bytes.ts'
import { DecodeError, fromHex, toHex, utf8 } from '../codec/bytes.ts'
import { errorBody, invariant, refusal } from '../errors.ts'
import { FRAME_REQUESTS_MAX } from '../limits.ts'
import type { Forward, Forwarded } from '../requests.ts'
import { FRAME_PLAINTEXT_BYTES_MAX } from '../session/frame.ts'
import { ENVELOPE_BYTES, REQUEST_FIXED_BYTES, RESPONSE_FIXED_BYTES, TX_ID_BYTES } from '../session/messages.ts'
import { decodeClientBatch, decodeNodeBatch } from '../session/messages-decode.ts'
import { encodeClientBatch, encodeNodeBatch } from '../session/messages-encode.ts'
import { utf8Length } from '../session/text.ts'

type Open = (sizeHint: number) => ByteWriter

const CALLER_ID_BYTES = 32
/** Message header, token, caller, view, and the envelope of the batch. */
const OVERHEAD_BYTES = 4 + 8 + 1 + CALLER_ID_BYTES + 4 + ENVELOPE_BYTES
const BATCH_BYTES_MAX = FRAME_PLAINTEXT_BYTES_MAX - OVERHEAD_BYTES

export function writeForward(open: Open, message: Forward): readonly Uint8Array[] {
  const sizeOf = (request: AppRequest): number => REQUEST_FIXED_BYTES + utf8Length(request.path) + request.body.length
  return split(message.requests, sizeOf).map((requests) => {
    const content = only(encodeClientBatch({ requests, controls: [] }))
    const writer = open(content.length).u64le(message.token)
    writeCaller(writer, message.caller)
    return writer.u32le(message.activeView).raw(content).finish()
  })
}

export function readForward(reader: ByteReader): Forward {
  const token = reader.u64le()
  const caller = readCaller(reader)
  const activeView = reader.u32le()
  const batch = decodeClientBatch(reader.take(reader.remaining))
  if (batch === undefined || batch.refused.length + batch.controls.length > 0) {
    throw new DecodeError('malformed batch of requests', reader.offset)
  }
  return { type: 'forward', token, caller, activeView, requests: batch.requests }
}

export function writeForwarded(open: Open, message: Forwarded): readonly Uint8Array[] {
  const responses = message.responses.map(replaceIfTooLarge)
  return split(responses, sizeOfResponse).map((part) => {
    const content = only(encodeNodeBatch({ responses: part, notices: [] }))
    return open(content.length).u64le(message.token).u32le(message.view).raw(content).finish()
  })
}

export function readForwarded(reader: ByteReader): Forwarded {
  const token = reader.u64le()
  const view = reader.u32le()
  const batch = decodeNodeBatch(reader.take(reader.remaining))
  if (batch === undefined || batch.notices.length > 0) {
    throw new DecodeError('malformed batch of responses', reader.offset)
  }
  return { type: 'forwarded', token, view, responses: batch.responses }
}

const sizeOfResponse = (response: AppResponse): number => RESPONSE_FIXED_BYTES + TX_ID_BYTES + response.body.length

/** As in a client's session, only a few bytes earlier: a body that fits no frame is replaced, its transaction is not undone. */
function replaceIfTooLarge(response: AppResponse): AppResponse {
  if (sizeOfResponse(response) <= BATCH_BYTES_MAX) return response
  const problem = refusal(500, 'InternalError', 'the response body does not fit one frame')
  return { ...response, status: problem.status, contentType: 'json', body: utf8(JSON.stringify(errorBody(problem))) }
}

/** Cuts a batch into stretches that fit one frame each; none for an empty batch. */
function split<Item>(items: readonly Item[], sizeOf: (item: Item) => number): readonly (readonly Item[])[] {
  const parts: (readonly Item[])[] = []
  let start = 0
  let size = 0
  for (let i = 0; i < items.length; i++) {
    const next = sizeOf(items[i]!)
    if (i > start && (size + next > BATCH_BYTES_MAX || i - start === FRAME_REQUESTS_MAX)) {
      parts.push(items.slice(start, i))
      start = i
      size = 0
    }
    size += next
  }
  if (start < items.length) parts.push(start === 0 ? items : items.slice(start))
  return parts
}

function only(contents: readonly Uint8Array[]): Uint8Array {
  const [content] = contents
  invariant(content !== undefined && contents.length === 1, 'a part fits one frame')
  return content
}

function writeCaller(writer: ByteWriter, caller: Caller): void {
  if (caller.kind === 'anonymous') {
    writer.u8(0)
    return
  }
  const id = fromHex(caller.id)
  invariant(id.length === CALLER_ID_BYTES, 'a caller id is a SHA-256 digest')
  writer.u8(1).raw(id)
}

function readCaller(reader: ByteReader): Caller {
  const kind = reader.u8()
  if (kind === 0) return { kind: 'anonymous' }
  if (kind === 1) return { kind: 'certificate', id: toHex(reader.take(CALLER_ID_BYTES)) }
  throw new DecodeError('unknown kind of caller', reader.offset - 1)
}

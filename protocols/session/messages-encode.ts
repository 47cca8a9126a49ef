// Encodes what a session's frames contain (the format stands in messages.ts), splitting a batch over several frames when it must.
// Hand-written and sized first, then written once, because it is paid per request (DESIGN §15).
// The rule to remember: what comes in is ours, so what does not fit is a defect; only response bodies, which applications make, may be too large.
import type { AppRequest, AppResponse } from '../app.ts'
import { utf8 } from '../codec/bytes.ts'
import { errorBody, invariant, refusal } from '../errors.ts'
import { FRAME_REQUESTS_MAX, REQUEST_BODY_BYTES_MAX, REQUEST_PATH_BYTES_MAX } from '../limits.ts'
import { FRAME_PLAINTEXT_BYTES_MAX } from './frame.ts'
import { putU16, putU32, putU64 } from './little-endian.ts'
import type { ClientBatch, ClientControl, NodeBatch, NodeNotice } from './messages.ts'
import * as wire from './messages.ts'
import { cutUtf8, utf8Length, writeUtf8 } from './text.ts'

/**
 * Encodes a batch into as few frame contents as FRAME_BYTES_MAX and FRAME_REQUESTS_MAX allow, in order; none for an empty batch.
 * Throws InvariantViolation for a request that `checkRequest` refuses.
 */
export function encodeClientBatch(batch: ClientBatch): readonly Uint8Array[] {
  return pack(wire.CLIENT_BATCH, batch.requests, sizeOfRequest, writeRequest, batch.controls.map(encodeControl))
}

/** Encodes a batch into as few frame contents as FRAME_BYTES_MAX and FRAME_REQUESTS_MAX allow, in order; none for an empty batch. */
export function encodeNodeBatch(batch: NodeBatch): readonly Uint8Array[] {
  const tooLarge = batch.responses.some((response) => response.body.length > wire.RESPONSE_BODY_BYTES_MAX)
  const responses = tooLarge ? batch.responses.map(replaceIfTooLarge) : batch.responses
  return pack(wire.NODE_BATCH, responses, sizeOfResponse, writeResponse, batch.notices.map(encodeNotice))
}

function replaceIfTooLarge(response: AppResponse): AppResponse {
  if (response.body.length <= wire.RESPONSE_BODY_BYTES_MAX) return response
  const problem = refusal(500, 'InternalError', `the response body exceeds ${wire.RESPONSE_BODY_BYTES_MAX} bytes`)
  return { ...response, status: problem.status, contentType: 'json', body: utf8(JSON.stringify(errorBody(problem))) }
}

/** Puts items, then controls, into as many frame contents as needed. */
function pack<Item>(
  type: number,
  items: readonly Item[],
  sizeOf: (item: Item) => number,
  write: (out: Uint8Array, at: number, item: Item, size: number) => void,
  controls: readonly Uint8Array[],
): readonly Uint8Array[] {
  const sizes = items.map(sizeOf)
  const frames: Uint8Array[] = []
  let item = 0
  let control = 0
  while (item < items.length || control < controls.length) {
    const firstItem = item
    let size = wire.ENVELOPE_BYTES
    while (item < items.length && item - firstItem < FRAME_REQUESTS_MAX) {
      if (size + sizes[item]! > FRAME_PLAINTEXT_BYTES_MAX) break
      size += sizes[item++]!
    }
    invariant(item > firstItem || item === items.length, 'an item must fit one frame')
    const firstControl = control
    while (item === items.length && control < controls.length && control - firstControl < wire.FRAME_CONTROLS_MAX) {
      if (size + controls[control]!.length > FRAME_PLAINTEXT_BYTES_MAX) break
      size += controls[control++]!.length
    }
    const out = new Uint8Array(size)
    out[0] = type
    putU16(out, 1, item - firstItem)
    let at = 3
    for (let i = firstItem; i < item; i++) {
      write(out, at, items[i]!, sizes[i]!)
      at += sizes[i]!
    }
    out[at++] = control - firstControl
    for (let i = firstControl; i < control; i++) {
      out.set(controls[i]!, at)
      at += controls[i]!.length
    }
    frames.push(out)
  }
  return frames
}

const sizeOfRequest = (request: AppRequest): number =>
  wire.REQUEST_FIXED_BYTES + utf8Length(request.path) + request.body.length

function writeRequest(out: Uint8Array, at: number, request: AppRequest, size: number): void {
  const { body, path } = request
  const pathLength = size - wire.REQUEST_FIXED_BYTES - body.length
  const verb = wire.verbCode(request.verb)
  invariant(
    verb >= 0 && pathLength <= REQUEST_PATH_BYTES_MAX && body.length <= REQUEST_BODY_BYTES_MAX,
    'a request must pass checkRequest before it is encoded',
  )
  putU32(out, at, request.id)
  out[at + 4] = verb
  putU16(out, at + 5, pathLength)
  putU32(out, at + 7, body.length)
  const bodyAt = writeUtf8(out, at + wire.REQUEST_FIXED_BYTES, path, pathLength)
  out.set(body, bodyAt)
}

const sizeOfResponse = (response: AppResponse): number =>
  wire.RESPONSE_FIXED_BYTES + (response.txId === undefined ? 0 : wire.TX_ID_BYTES) + response.body.length

function writeResponse(out: Uint8Array, start: number, response: AppResponse): void {
  const { body, txId } = response
  let at = start
  putU32(out, at, response.id)
  putU16(out, at + 4, response.status)
  out[at + 6] = wire.CONTENT_TYPES.indexOf(response.contentType) | (txId === undefined ? 0 : wire.FLAG_TX_ID)
  at += 7
  if (txId !== undefined) {
    putU32(out, at, txId.view)
    putU64(out, at + 4, txId.seqno)
    at += wire.TX_ID_BYTES
  }
  putU32(out, at, body.length)
  out.set(body, at + 4)
}

function encodeControl(control: ClientControl): Uint8Array {
  if (control.type === 'close') return Uint8Array.of(wire.CONTROL_CLOSE)
  const out = Uint8Array.of(wire.CONTROL_PING, 0, 0, 0, 0)
  putU32(out, 1, control.id)
  return out
}

function encodeNotice(notice: NodeNotice): Uint8Array {
  if (notice.type === 'pong') {
    const out = Uint8Array.of(wire.NOTICE_PONG, 0, 0, 0, 0)
    putU32(out, 1, notice.id)
    return out
  }
  if (notice.type === 'commitNotice') {
    const out = new Uint8Array(1 + wire.TX_ID_BYTES)
    out[0] = wire.NOTICE_COMMIT
    putU32(out, 1, notice.view)
    putU64(out, 5, notice.seqno)
    return out
  }
  const message = cutUtf8(notice.message, wire.CLOSED_MESSAGE_BYTES_MAX)
  const out = new Uint8Array(4 + notice.code.length + message.length)
  out[0] = wire.NOTICE_CLOSED
  out[1] = notice.code.length
  const at = writeUtf8(out, 2, notice.code, notice.code.length)
  putU16(out, at, message.length)
  out.set(message, at + 2)
  return out
}

// Decodes what a session's frames contain (the format stands in messages.ts). Input is authenticated, yet may come from a hostile client.
// Total: undefined for whatever breaks the format. Bounded: counts and lengths are checked before anything is made from them.
// The rule to remember: bodies are views on the frame's plaintext; whoever keeps one keeps the frame, or copies.
import type { AppRequest, AppResponse } from '../app.ts'
import { DecodeError, EMPTY } from '../codec/bytes.ts'
import type { TxId } from '../ids.ts'
import { seqno, view } from '../ids.ts'
import { FRAME_REQUESTS_MAX, REQUEST_BODY_BYTES_MAX, REQUEST_PATH_BYTES_MAX } from '../limits.ts'
import { toErrorCode } from './error-codes.ts'
import { getU16, getU32, getU64 } from './little-endian.ts'
import type { ClientControl, DecodedClientBatch, NodeBatch, NodeNotice } from './messages.ts'
import * as wire from './messages.ts'
import { readUtf8 } from './text.ts'

/** The requests and controls of one frame; undefined when the bytes do not follow the format. */
export const decodeClientBatch = (bytes: Uint8Array): DecodedClientBatch | undefined =>
  undefinedIfMalformed(() => {
    const cursor = new Cursor(bytes)
    const count = openEnvelope(cursor, wire.CLIENT_BATCH)
    const requests: AppRequest[] = []
    const refused: DecodedClientBatch['refused'][number][] = []
    for (let i = 0; i < count; i++) {
      const request = readRequest(cursor)
      const problem = needsCheck(request) ? wire.checkRequest(request) : undefined
      if (problem === undefined) requests.push(request)
      else refused.push({ id: request.id, refusal: problem })
    }
    return { requests, refused, controls: readControls(cursor, readControl) }
  })

/** The responses and notices of one frame; undefined when the bytes do not follow the format. */
export const decodeNodeBatch = (bytes: Uint8Array): NodeBatch | undefined =>
  undefinedIfMalformed(() => {
    const cursor = new Cursor(bytes)
    const count = openEnvelope(cursor, wire.NODE_BATCH)
    const responses: AppResponse[] = []
    for (let i = 0; i < count; i++) responses.push(readResponse(cursor))
    return { responses, notices: readControls(cursor, readNotice) }
  })

function undefinedIfMalformed<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** A position in the bytes; `claim` is the only way forward, so nothing is read past the end. */
class Cursor {
  readonly bytes: Uint8Array
  at = 0
  #path = ''
  #pathAt = 0
  #pathLength = 0
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
  /** Moves over `length` bytes and returns where they begin. */
  claim(length: number): number {
    const at = this.at
    if (length > this.bytes.length - at) throw new DecodeError(`needs ${length} bytes`, at)
    this.at = at + length
    return at
  }
  u8(): number {
    return this.bytes[this.claim(1)]!
  }
  /** A text that often equals the one before it: then the same string, which costs less to make and to look up. */
  path(length: number): string {
    const at = this.claim(length)
    if (length !== this.#pathLength || !this.#sameAsPath(at)) {
      this.#path = readUtf8(this.bytes, at, length)
      this.#pathAt = at
      this.#pathLength = length
    }
    return this.#path
  }
  #sameAsPath(at: number): boolean {
    for (let i = 0; i < this.#pathLength; i++) if (this.bytes[at + i] !== this.bytes[this.#pathAt + i]) return false
    return true
  }
  view(length: number): Uint8Array {
    if (length === 0) return EMPTY
    const at = this.claim(length)
    return this.bytes.subarray(at, at + length)
  }
}

function openEnvelope(cursor: Cursor, type: number): number {
  const at = cursor.claim(3)
  if (cursor.bytes[at] !== type) throw new DecodeError('batch of another type', at)
  const count = getU16(cursor.bytes, at + 1)
  if (count > FRAME_REQUESTS_MAX) throw new DecodeError(`${count} items exceed ${FRAME_REQUESTS_MAX}`, at + 1)
  return count
}

function readControls<Control>(cursor: Cursor, read: (cursor: Cursor) => Control): readonly Control[] {
  const count = cursor.u8()
  if (count > wire.FRAME_CONTROLS_MAX) throw new DecodeError('too many controls', cursor.at - 1)
  const controls: Control[] = []
  for (let i = 0; i < count; i++) controls.push(read(cursor))
  if (cursor.at !== cursor.bytes.length) throw new DecodeError('bytes left over', cursor.at)
  return controls
}

function readRequest(cursor: Cursor): AppRequest {
  const { bytes } = cursor
  const at = cursor.claim(wire.REQUEST_FIXED_BYTES)
  const verb = wire.VERBS[bytes[at + 4]!]
  if (verb === undefined) throw new DecodeError('unknown verb', at + 4)
  const path = cursor.path(getU16(bytes, at + 5))
  return { id: getU32(bytes, at), verb, path, body: cursor.view(getU32(bytes, at + 7)) }
}

/** Cheap and never wrongly false: a character takes at most three bytes of UTF-8 per UTF-16 unit. */
const needsCheck = (request: AppRequest): boolean =>
  request.body.length > REQUEST_BODY_BYTES_MAX || request.path.length * 3 > REQUEST_PATH_BYTES_MAX

function readResponse(cursor: Cursor): AppResponse {
  const { bytes } = cursor
  const at = cursor.claim(7)
  const flags = bytes[at + 6]!
  const contentType = wire.CONTENT_TYPES[flags & 3]
  if (contentType === undefined || flags > 7) throw new DecodeError('unknown flags', at + 6)
  const txId = flags & wire.FLAG_TX_ID ? readTxId(cursor) : undefined
  const body = cursor.view(getU32(bytes, cursor.claim(4)))
  return { id: getU32(bytes, at), status: getU16(bytes, at + 4), contentType, body, txId }
}

function readTxId(cursor: Cursor): TxId {
  const at = cursor.claim(wire.TX_ID_BYTES)
  const s = getU64(cursor.bytes, at + 4)
  if (!Number.isSafeInteger(s)) throw new DecodeError('seqno too large', at + 4)
  return { view: view(getU32(cursor.bytes, at)), seqno: seqno(s) }
}

function readControl(cursor: Cursor): ClientControl {
  const type = cursor.u8()
  if (type === wire.CONTROL_CLOSE) return { type: 'close' }
  if (type === wire.CONTROL_PING) return { type: 'ping', id: getU32(cursor.bytes, cursor.claim(4)) }
  throw new DecodeError('unknown control', cursor.at - 1)
}

function readNotice(cursor: Cursor): NodeNotice {
  const type = cursor.u8()
  if (type === wire.NOTICE_PONG) return { type: 'pong', id: getU32(cursor.bytes, cursor.claim(4)) }
  if (type === wire.NOTICE_COMMIT) return { type: 'commitNotice', ...readTxId(cursor) }
  if (type !== wire.NOTICE_CLOSED) throw new DecodeError('unknown notice', cursor.at - 1)
  const codeLength = cursor.u8()
  const code = readUtf8(cursor.bytes, cursor.claim(codeLength), codeLength)
  const messageLength = getU16(cursor.bytes, cursor.claim(2))
  if (messageLength > wire.CLOSED_MESSAGE_BYTES_MAX) throw new DecodeError('message too long', cursor.at)
  return {
    type: 'closed',
    code: toErrorCode(code),
    message: readUtf8(cursor.bytes, cursor.claim(messageLength), messageLength),
  }
}

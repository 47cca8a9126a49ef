// The handshake as it travels on NATS subjects, for client sessions and for channels between nodes, and the prologues that tie it to a service.
//   u8 kind ‖ u8 version ‖ fields of the kind        (kinds are below 0x80: sealed frames begin above, so one subject carries both)
// In clear: what stands here outside the Noise messages is public and unauthenticated. Identities are believed only from identity-payload.ts.
// The rule to remember: a node answers only to subjects `isReplySubject` accepts, or a hello could make it publish to other nodes.
import { ByteReader, ByteWriter, DecodeError, fromHex, fromUtf8, toHex } from '../codec/bytes.ts'
import type { ErrorCode } from '../errors.ts'
import { invariant } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { nodeId } from '../ids.ts'
import { isToken } from '../subjects.ts'
import { toErrorCode } from './error-codes.ts'
import { NOISE_MESSAGE_BYTES_MAX } from './noise.ts'
import { cutUtf8 } from './text.ts'

export const HELLO_VERSION = 1
export const REPLY_SUBJECT_CHARS_MAX = 256
export const REFUSAL_MESSAGE_BYTES_MAX = 512
const NODE_ID_BYTES = 32
const HANDSHAKE_ID_BYTES = 16

export type SessionHello =
  /** Client → any node, or one node: opens a session whose answers go to `replySubject`. */
  | { readonly type: 'clientHello'; readonly replySubject: string; readonly noise: Uint8Array }
  /** Node → client. `session` is the last token of the session's subject. `primaryHint`: a node that was primary a moment ago. */
  | {
      readonly type: 'nodeAnswer'
      readonly session: string
      readonly nodeId: NodeId
      readonly primaryHint: NodeId | undefined
      readonly noise: Uint8Array
    }
  /** Node → client, instead of an answer. Anyone could have sent it: a client may try again elsewhere. */
  | { readonly type: 'sessionRefusal'; readonly code: ErrorCode; readonly message: string }
  /** Client → node, on the session's subject. Sealed frames may follow at once. */
  | { readonly type: 'clientFinish'; readonly noise: Uint8Array }

/** `handshake` (32 lower-case hex digits, random) names one attempt, so that crossed and late messages are told apart. */
export type ChannelHello =
  | { readonly type: 'channelHello'; readonly handshake: string; readonly noise: Uint8Array }
  | { readonly type: 'channelAnswer'; readonly handshake: string; readonly noise: Uint8Array }
  | { readonly type: 'channelFinish'; readonly handshake: string; readonly noise: Uint8Array }
  | {
      readonly type: 'channelRefusal'
      readonly handshake: string
      readonly code: ErrorCode
      readonly message: string
    }

export type Hello = SessionHello | ChannelHello

const KINDS: Readonly<Record<Hello['type'], number>> = {
  clientHello: 0x01,
  nodeAnswer: 0x02,
  sessionRefusal: 0x03,
  clientFinish: 0x04,
  channelHello: 0x11,
  channelAnswer: 0x12,
  channelFinish: 0x13,
  channelRefusal: 0x14,
}

/** True for a subject a node may publish answers to: 2 to 16 plain tokens, no wildcard, and none of Concordat's own subjects. */
export function isReplySubject(subject: string): boolean {
  if (subject.length > REPLY_SUBJECT_CHARS_MAX) return false
  const tokens = subject.split('.')
  return tokens.length >= 2 && tokens.length <= 16 && tokens[0] !== 'ccf' && tokens.every(isToken)
}

/** Encodes one handshake message. Throws InvariantViolation for values that would not decode again. */
export function encodeHello(hello: Hello): Uint8Array {
  const writer = new ByteWriter(128).u8(KINDS[hello.type]).u8(HELLO_VERSION)
  switch (hello.type) {
    case 'clientHello':
      invariant(isReplySubject(hello.replySubject), 'not a subject for replies')
      return writer.text(hello.replySubject).blob(hello.noise).finish()
    case 'nodeAnswer':
      invariant(isToken(hello.session), 'a session is named by one token')
      writer.text(hello.session).raw(hexId(hello.nodeId, NODE_ID_BYTES))
      writer.u8(hello.primaryHint === undefined ? 0 : 1)
      if (hello.primaryHint !== undefined) writer.raw(hexId(hello.primaryHint, NODE_ID_BYTES))
      return writer.blob(hello.noise).finish()
    case 'sessionRefusal':
      return writer.text(hello.code).blob(cutUtf8(hello.message, REFUSAL_MESSAGE_BYTES_MAX)).finish()
    case 'clientFinish':
      return writer.blob(hello.noise).finish()
    case 'channelRefusal':
      writer.raw(hexId(hello.handshake, HANDSHAKE_ID_BYTES)).text(hello.code)
      return writer.blob(cutUtf8(hello.message, REFUSAL_MESSAGE_BYTES_MAX)).finish()
    default:
      return writer.raw(hexId(hello.handshake, HANDSHAKE_ID_BYTES)).blob(hello.noise).finish()
  }
}

function hexId(text: string, length: number): Uint8Array {
  invariant(text.length === 2 * length && /^[0-9a-f]+$/.test(text), `an id is ${2 * length} lower-case hex digits`)
  return fromHex(text)
}

/**
 * Decodes one handshake message; its Noise bytes are a view on `bytes`. `unsupportedVersion`: ours in kind, of a version not spoken
 * here, so that a node can say so. Undefined for anything else.
 */
export function decodeHello(
  bytes: Uint8Array,
): Hello | { readonly type: 'unsupportedVersion'; readonly version: number } | undefined {
  const kind = (Object.keys(KINDS) as Hello['type'][]).find((type) => KINDS[type] === bytes[0])
  const version = bytes[1]
  if (kind === undefined || version === undefined) return undefined
  if (version !== HELLO_VERSION) return { type: 'unsupportedVersion', version }
  try {
    const reader = new ByteReader(bytes, 2)
    const hello = readHello(reader, kind)
    reader.end()
    return hello
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

function readHello(reader: ByteReader, type: Hello['type']): Hello {
  switch (type) {
    case 'clientHello': {
      const replySubject = reader.text()
      if (!isReplySubject(replySubject)) throw new DecodeError('not a subject for replies', reader.offset)
      return { type, replySubject, noise: readNoise(reader) }
    }
    case 'nodeAnswer': {
      const session = reader.text()
      if (!isToken(session)) throw new DecodeError('not a session token', reader.offset)
      const answering = readNodeId(reader)
      const hinted = reader.u8()
      if (hinted > 1) throw new DecodeError('not a flag', reader.offset)
      const primaryHint = hinted === 1 ? readNodeId(reader) : undefined
      return { type, session, nodeId: answering, primaryHint, noise: readNoise(reader) }
    }
    case 'sessionRefusal':
      return { type, ...readRefusal(reader) }
    case 'clientFinish':
      return { type, noise: readNoise(reader) }
    case 'channelRefusal':
      return { type, handshake: toHex(reader.take(HANDSHAKE_ID_BYTES)), ...readRefusal(reader) }
    default:
      return { type, handshake: toHex(reader.take(HANDSHAKE_ID_BYTES)), noise: readNoise(reader) }
  }
}

const readNoise = (reader: ByteReader): Uint8Array => reader.blob(NOISE_MESSAGE_BYTES_MAX)
const readNodeId = (reader: ByteReader): NodeId => nodeId(toHex(reader.take(NODE_ID_BYTES)))

function readRefusal(reader: ByteReader): { readonly code: ErrorCode; readonly message: string } {
  const code = toErrorCode(reader.text())
  return { code, message: fromUtf8(reader.blob(REFUSAL_MESSAGE_BYTES_MAX)) }
}

/** What both ends of a client session must agree on. `serviceIdentity`: see identity-payload.ts. */
export function sessionPrologue(service: string, serviceIdentity: Uint8Array): Uint8Array {
  return new ByteWriter().text('concordat-session/1').text(service).blob(serviceIdentity).finish()
}

/** What both ends of a channel must agree on, the attempt and who began it included. */
export function channelPrologue(options: {
  readonly service: string
  readonly serviceIdentity: Uint8Array
  readonly initiator: NodeId
  readonly responder: NodeId
  readonly handshake: string
}): Uint8Array {
  const { service, serviceIdentity, initiator, responder, handshake } = options
  const writer = new ByteWriter().text('concordat-channel/1').text(service).blob(serviceIdentity)
  return writer.text(initiator).text(responder).text(handshake).finish()
}

/** When two nodes open a channel to each other at once, the lower node id goes on as initiator (CCF facts §11). */
export const keepsOwnHandshake = (own: NodeId, peer: NodeId): boolean => own < peer

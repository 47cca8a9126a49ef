// What a session knows: the handshake until it is done, then keys, the caller's proven identity, and what has not been sent yet.
// Whether it is open is the chart's state, not a field. It holds keys: nothing of it belongs into a trace or an error.
// The rule to remember: `activeView` is set once, by the first request that was executed (CCF facts §2, session rule).
import type { AppRequest, AppResponse, Caller } from '../../protocols/app.ts'
import type { Certificate } from '../../protocols/crypto/certificate.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { ErrorCode } from '../../protocols/errors.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type { CommitNotice, Executed } from '../../protocols/requests.ts'
import type { ReceiveState, SendState } from '../../protocols/session/frame.ts'
import type { NodeNotice } from '../../protocols/session/messages.ts'
import type { HandshakeState, NoiseKeyPair } from '../../protocols/session/noise.ts'
import type { HostEvent } from '../effects.ts'

export interface SessionConfig {
  readonly crypto: Crypto
  /** The service's name, as in subjects. */
  readonly service: string
  /** The handshake is bound to its key. */
  readonly serviceCertificate: Certificate
  readonly nodeId: NodeId
  /** One token, unique on this node: the last of the session's subject. The actor's address is `session/<sessionId>`. */
  readonly sessionId: string
  /** The node's static key for sessions, which `identityPayload` proves to be the node's. */
  readonly staticKey: NoiseKeyPair
  /** Encoded once when the node starts; the same for all sessions. */
  readonly identityPayload: Uint8Array
  /** From the client's hello (protocols/session/admission.ts). */
  readonly replySubject: string
  readonly clientNoise: Uint8Array
  /** The primary as far as this node knows; told to the client. */
  readonly primaryHint: NodeId | undefined
  /** A handshake not finished after that is given up, ms. */
  readonly handshakeTimeoutMs: number
  /** A session without any frame from its client for that long is closed, ms. Clients ping. */
  readonly idleTimeoutMs: number
}

export type SessionEvent =
  | Extract<HostEvent, { readonly type: 'bytesDrawn' | 'received' }>
  | Executed
  | CommitNotice
  | { readonly type: 'handshakeTimeout' }
  | { readonly type: 'idleTimeout' }
  /** From itself: everything gathered since goes out in one frame. */
  | { readonly type: 'flush' }
  /** From the node: ends the session, saying why. */
  | { readonly type: 'closeSession'; readonly code: ErrorCode; readonly message: string }

/** To the node, when the client has proven itself: from now on it counts as one of the node's sessions. */
export interface SessionOpened {
  readonly type: 'sessionOpened'
  readonly sessionId: string
}

/** To the node, when the session is over: its subject may be forgotten. */
export interface SessionEnded {
  readonly type: 'sessionEnded'
  readonly sessionId: string
}

export interface SessionState {
  readonly config: SessionConfig
  /** Dropped once finished: it holds the ephemeral key. */
  readonly handshake: HandshakeState | undefined
  readonly keys: SessionKeys | undefined
  readonly caller: Caller
  /** 0 until a request was executed. */
  readonly activeView: number
  readonly nextToken: number
  /** Requests not answered yet, those in `waiting` included. */
  readonly pending: number
  /** While activeView is 0: requests of the one batch that is to determine it. */
  readonly probing: number
  /** Requests that wait until activeView is known. */
  readonly waiting: readonly AppRequest[]
  readonly outbox: Outbox
  /** Host clock, ms. */
  readonly lastFrameAt: number
}

export interface SessionKeys {
  readonly send: SendState
  readonly receive: ReceiveState
}

/** What goes out with the next frame. */
export interface Outbox {
  readonly responses: readonly (readonly AppResponse[])[]
  readonly notices: readonly NodeNotice[]
}

export const EMPTY_OUTBOX: Outbox = { responses: [], notices: [] }

/** True while nothing was put in since the last flush, so none is on its way. */
export const isEmptyOutbox = (outbox: Outbox): boolean => outbox === EMPTY_OUTBOX

export const initialState = (config: SessionConfig): SessionState => ({
  config,
  handshake: undefined,
  keys: undefined,
  caller: { kind: 'anonymous' },
  activeView: 0,
  nextToken: 1,
  pending: 0,
  probing: 0,
  waiting: [],
  outbox: EMPTY_OUTBOX,
  lastFrameAt: 0,
})

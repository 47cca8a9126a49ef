// What a client may be told, and what it takes where it is told nothing.
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { Bus } from '../bus/bus.ts'
import type { ClientIdentity } from './identity.ts'

export interface ConnectOptions {
  /** `nats://host:port` (Node) or `ws://host:port` (browser), one or several. Or give a `bus`. */
  readonly servers?: string | readonly string[]
  /** A network that is there already; the client does not close it. */
  readonly bus?: Bus
  /** NATS' auth token. */
  readonly token?: string
  /** The service's name. */
  readonly service: string
  /** PEM of the service certificate: the only thing the client believes beforehand. */
  readonly trust: string
  /** Who the client is; anonymous without. */
  readonly identity?: ClientIdentity
  /** Default: the platform's own. */
  readonly crypto?: Crypto
  /** `primary` (default): turn to the primary if the first node names one, which spares forwarding. `any`: stay where chance leads. */
  readonly prefer?: 'primary' | 'any'
  /** Until a request, or a commit that is waited for, is given up; default 10 000 ms. */
  readonly requestTimeoutMs?: number
  /** Until `connect` is given up; default 5000 ms. */
  readonly connectTimeoutMs?: number
  /** Until one attempt at a handshake is; default 2000 ms. */
  readonly handshakeTimeoutMs?: number
  /** While answers are due: silence after which the node is asked for a sign of life; default 500 ms. */
  readonly pingAfterMs?: number
  /** Silence after that question, after which the node is given up; default 3000 ms. A node whose connection has ended is given up at the question. */
  readonly lostAfterMs?: number
  /** Between signs of life of an idle client; default 20 000 ms. A node closes sessions it hears nothing of (60 s by default). */
  readonly keepAliveMs?: number
  /** `safe` (default): GETs, and requests flagged idempotent, are sent again on a new session when theirs is lost. `never`: nothing is. */
  readonly retry?: 'safe' | 'never'
}

export interface RequestOptions {
  /** `committed`: resolve only once the transaction is. */
  readonly wait?: 'committed'
  /** Instead of the client's requestTimeoutMs. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** The request may safely be executed twice. */
  readonly idempotent?: boolean
}

export type Settings = Required<
  Pick<
    ConnectOptions,
    | 'service'
    | 'prefer'
    | 'requestTimeoutMs'
    | 'connectTimeoutMs'
    | 'handshakeTimeoutMs'
    | 'pingAfterMs'
    | 'lostAfterMs'
    | 'keepAliveMs'
    | 'retry'
  >
>

export const settingsOf = (options: ConnectOptions): Settings => ({
  service: options.service,
  prefer: options.prefer ?? 'primary',
  requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
  connectTimeoutMs: options.connectTimeoutMs ?? 5000,
  handshakeTimeoutMs: options.handshakeTimeoutMs ?? 2000,
  pingAfterMs: options.pingAfterMs ?? 500,
  lostAfterMs: options.lostAfterMs ?? 3000,
  keepAliveMs: options.keepAliveMs ?? 20_000,
  retry: options.retry ?? 'safe',
})

// The bus over a NATS server, whichever it is: nats-server, a cluster, or the embedded broker.
// No request/reply helpers and no headers: Concordat correlates answers itself (reference/measurements.md §3.1).
// The rule to remember (reference/exemplars.md §4.2): an exception in a callback kills the connection, the data of a
// message is a view on a reused chunk, and what is published during an outage vanishes without a word.
import { connect, createInbox, errors } from 'nats'
import type { Msg, NatsConnection } from 'nats'
import { setTimeout as delay } from 'node:timers/promises'
import { NATS_PAYLOAD_BYTES_MAX } from '../../protocols/limits.ts'
import type { Bus, BusMessage, BusStatus, Subscription } from './bus.ts'
import { throwLater } from './defects.ts'
import { assertPublishable, assertSubscribable } from './subject-rules.ts'

export interface NatsBusOptions {
  /** One or more `nats://host:port`. */
  readonly servers: string | readonly string[]
  /** Sent as `auth_token`. */
  readonly token?: string
  /** Shown by the server's monitoring; names the connection, not the service. */
  readonly name?: string
  /** Keep trying this long until a first connection stands; default 0: one attempt. */
  readonly waitOnFirstConnectMs?: number
  /** Longest single attempt to connect; default 5 s. */
  readonly connectTimeoutMs?: number
  /** Pause between attempts, plus up to as much again at random; default 100. */
  readonly reconnectTimeWaitMs?: number
  /** Longest that `close` waits for what was published to leave; default 1 s. */
  readonly closeTimeoutMs?: number
  /** Told of exceptions in `onMessage`; by default they end the process as uncaught exceptions. */
  readonly onDefect?: (error: unknown) => void
  /** Told of errors the server reports on a standing connection (a refused subject, say). */
  readonly onServerError?: (error: Error) => void
}

const DEFAULTS = { connectTimeoutMs: 5000, reconnectTimeWaitMs: 100, closeTimeoutMs: 1000 }

/**
 * Connects to a NATS server and stays connected: after an outage it reconnects by itself, for ever.
 * Rejects when the first connection does not come about in time, and at once if the token is refused.
 */
export async function connectNats(options: NatsBusOptions): Promise<Bus> {
  const settings = { ...DEFAULTS, ...options }
  const deadlineMs = performance.now() + (options.waitOnFirstConnectMs ?? 0)
  while (true) {
    const remainingMs = deadlineMs - performance.now()
    try {
      const connection = await connectOnce(settings, remainingMs)
      return new NatsBus(connection, settings)
    } catch (error) {
      if (error instanceof errors.AuthorizationError) {
        throw new Error('the NATS server refused the credentials', { cause: error })
      }
      if (remainingMs <= settings.reconnectTimeWaitMs) {
        throw new Error(`no NATS server at ${[settings.servers].flat().join(', ')}: ${reasonOf(error)}`, {
          cause: error,
        })
      }
    }
    await delay(settings.reconnectTimeWaitMs)
  }
}

type Settings = NatsBusOptions & typeof DEFAULTS

const reasonOf = (error: unknown): string => (error instanceof Error && error.message !== '' ? error.message : 'failed')

function connectOnce(settings: Settings, remainingMs: number): Promise<NatsConnection> {
  const { servers, token, name, connectTimeoutMs, reconnectTimeWaitMs } = settings
  return connect({
    servers: [servers].flat(),
    ...(token === undefined ? {} : { token }),
    ...(name === undefined ? {} : { name }),
    timeout: Math.max(1, remainingMs > 0 ? Math.min(connectTimeoutMs, remainingMs) : connectTimeoutMs),
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectTimeWaitMs,
    reconnectJitter: reconnectTimeWaitMs,
    noAsyncTraces: true,
  })
}

class NatsBus implements Bus {
  readonly #connection: NatsConnection
  readonly #settings: Settings
  readonly #onDefect: (error: unknown) => void
  readonly #statusListeners: ((status: BusStatus) => void)[] = []
  readonly #watching: Promise<void>
  #payloadBytesMax = NATS_PAYLOAD_BYTES_MAX
  #isConnected = true
  #isClosed = false

  constructor(connection: NatsConnection, settings: Settings) {
    this.#connection = connection
    this.#settings = settings
    this.#onDefect = settings.onDefect ?? throwLater
    this.#watching = this.#watch()
    void connection.closed().then(() => {
      this.#isClosed = true
      this.#report('closed')
    })
  }

  get payloadBytesMax(): number {
    // undefined while reconnecting: the last server's limit is the best guess then
    return (this.#payloadBytesMax = this.#connection.info?.max_payload ?? this.#payloadBytesMax)
  }

  publish(subject: string, payload: Uint8Array, options?: { readonly reply?: string }): void {
    assertPublishable(subject)
    const reply = options?.reply
    if (reply !== undefined) assertPublishable(reply)
    if (payload.length > this.payloadBytesMax) {
      throw new RangeError(`payload of ${payload.length} bytes exceeds ${this.payloadBytesMax}`)
    }
    if (this.#isClosed) return
    if (reply === undefined) this.#connection.publish(subject, payload)
    else this.#connection.publish(subject, payload, { reply })
  }

  subscribe(
    subject: string,
    onMessage: (message: BusMessage) => void,
    options?: { readonly queue?: string },
  ): Subscription {
    if (this.#isClosed) throw new Error('the bus is closed')
    assertSubscribable(subject, options?.queue)
    let isAlive = true
    const subscription = this.#connection.subscribe(subject, {
      ...(options?.queue === undefined ? {} : { queue: options.queue }),
      callback: (error, message) => {
        if (!isAlive) return
        try {
          if (error !== null) this.#settings.onServerError?.(error)
          else onMessage(ownedMessage(message))
        } catch (defect) {
          this.#onDefect(defect)
        }
      },
    })
    return {
      unsubscribe: () => {
        if (!isAlive) return
        isAlive = false
        subscription.unsubscribe()
      },
    }
  }

  newInbox(): string {
    return createInbox()
  }

  onStatus(listener: (status: BusStatus) => void): void {
    this.#statusListeners.push(listener)
  }

  async flush(): Promise<void> {
    if (this.#isClosed) throw new Error('the bus is closed')
    await this.#connection.flush()
  }

  async close(): Promise<void> {
    if (this.#isClosed) {
      await this.#watching
      return
    }
    this.#isClosed = true
    // the client's own drain may wait for a server that never returns, and its close drops what it has not sent
    if (this.#isConnected) await this.#flushWithin(this.#settings.closeTimeoutMs)
    await this.#connection.close()
    discardTransport(this.#connection)
    await this.#watching
  }

  /** Gives up after `timeoutMs` or when the connection breaks: what is published during an outage is lost anyway. */
  async #flushWithin(timeoutMs: number): Promise<void> {
    const patience = new AbortController()
    const sent = this.#connection.flush().catch(() => undefined)
    const late = delay(timeoutMs, undefined, { signal: patience.signal }).catch(() => undefined)
    await Promise.race([sent, late])
    patience.abort()
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === 'disconnect') this.#setConnected(false)
      else if (status.type === 'reconnect') this.#setConnected(true)
      else if (status.type === 'error') this.#settings.onServerError?.(status.error)
    }
  }

  #setConnected(isConnected: boolean): void {
    this.#isConnected = isConnected
    this.#report(isConnected ? 'connected' : 'disconnected')
  }

  #report(status: BusStatus): void {
    for (const listener of this.#statusListeners) {
      try {
        listener(status)
      } catch (defect) {
        this.#onDefect(defect)
      }
    }
  }
}

/** Copies what the client only lends. */
function ownedMessage(message: Msg): BusMessage {
  const headers = message.headers
  return {
    subject: message.subject,
    reply: message.reply === '' ? undefined : message.reply,
    payload: new Uint8Array(message.data),
    noResponders: headers !== undefined && headers.code === 503 && message.data.length === 0,
  }
}

/** A client closed while it dials leaves its half-open socket behind, which would keep the process alive. */
function discardTransport(connection: NatsConnection): void {
  const { protocol } = connection as { readonly protocol?: { readonly transport?: { readonly discard?: () => void } } }
  protocol?.transport?.discard?.()
}

// The bus over NATS' WebSocket door, for browsers: the same contract as runtime/bus/nats.ts on the part of the client library that needs no Node.
// The rule to remember: data of a message is a view on a reused chunk, and an exception in a callback kills the connection.
import { createInbox, wsconnect, type Msg, type NatsConnection } from '@nats-io/nats-core'
import { NATS_PAYLOAD_BYTES_MAX } from '../../protocols/limits.ts'
import type { Bus, BusMessage, BusStatus, Subscription } from '../bus/bus.ts'

const RECONNECT_WAIT_MS = 100

/** Connects to `ws://` or `wss://` servers and stays connected. Rejects when none can be reached within `timeoutMs`. */
export async function connectWeb(options: {
  readonly servers: string | readonly string[]
  readonly token: string | undefined
  readonly timeoutMs: number
}): Promise<Bus> {
  const { servers, token, timeoutMs } = options
  const connection = await wsconnect({
    servers: [servers].flat(),
    ...(token === undefined ? {} : { token }),
    timeout: timeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    noAsyncTraces: true,
  })
  return new WebBus(connection)
}

class WebBus implements Bus {
  readonly #connection: NatsConnection
  readonly #listeners: ((status: BusStatus) => void)[] = []

  constructor(connection: NatsConnection) {
    this.#connection = connection
    void this.#watch()
    void connection.closed().then(() => this.#report('closed'))
  }

  get payloadBytesMax(): number {
    return this.#connection.info?.max_payload ?? NATS_PAYLOAD_BYTES_MAX
  }

  publish(subject: string, payload: Uint8Array, options?: { readonly reply?: string }): void {
    if (this.#connection.isClosed()) return
    this.#connection.publish(subject, payload, options?.reply === undefined ? {} : { reply: options.reply })
  }

  subscribe(
    subject: string,
    onMessage: (message: BusMessage) => void,
    options?: { readonly queue?: string },
  ): Subscription {
    const subscription = this.#connection.subscribe(subject, {
      ...(options?.queue === undefined ? {} : { queue: options.queue }),
      callback: (error, message) => {
        if (error !== null) return
        try {
          onMessage(owned(message))
        } catch (defect) {
          setTimeout(() => {
            throw defect
          })
        }
      },
    })
    return { unsubscribe: () => subscription.unsubscribe() }
  }

  newInbox(): string {
    return createInbox()
  }

  onStatus(listener: (status: BusStatus) => void): void {
    this.#listeners.push(listener)
  }

  flush(): Promise<void> {
    return this.#connection.flush()
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === 'disconnect') this.#report('disconnected')
      else if (type === 'reconnect') this.#report('connected')
    }
  }

  #report(status: BusStatus): void {
    for (const listener of this.#listeners) listener(status)
  }
}

const owned = ({ subject, reply, data, headers }: Msg): BusMessage => ({
  subject,
  reply: reply === '' ? undefined : reply,
  payload: data.slice(),
  noResponders: headers !== undefined && headers.code === 503 && data.length === 0,
})

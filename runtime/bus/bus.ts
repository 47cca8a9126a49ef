// What a host needs of a network: NATS' core semantics and nothing more. Three implementations pass one contract suite:
// in-process.ts (tests), nats.ts (any NATS server, the embedded broker included).
// The rule to remember: at most once, ordered only per publisher and subscriber; what is published during an outage is lost.

export interface BusMessage {
  readonly subject: string
  /** Where an answer is expected. */
  readonly reply: string | undefined
  /** Owned by the receiver: never a view on a buffer that will be reused. */
  readonly payload: Uint8Array
  /** True for NATS' 503 status: nobody listens on the subject a request was published to. */
  readonly noResponders: boolean
}

export type BusStatus = 'connected' | 'disconnected' | 'closed'

export interface Subscription {
  unsubscribe(): void
}

export interface Bus {
  /**
   * Throws RangeError if the payload exceeds `payloadBytesMax` or a subject is no literal subject. Payload must not be
   * changed afterwards. Does nothing during an outage and after `close`.
   */
  publish(subject: string, payload: Uint8Array, options?: { readonly reply?: string }): void
  /**
   * Throws RangeError for an invalid subject or queue, Error after `close`. Survives outages.
   * `onMessage` must only enqueue; an exception in it is reported through `onDefect`, never thrown into the transport.
   */
  subscribe(
    subject: string,
    onMessage: (message: BusMessage) => void,
    options?: { readonly queue?: string },
  ): Subscription
  /** A fresh subject prefix for replies to this connection. */
  newInbox(): string
  /** Called at every change; not for the status at the time of the call (a new bus is connected). */
  onStatus(listener: (status: BusStatus) => void): void
  readonly payloadBytesMax: number
  /** Resolves when everything published before has reached the server; rejects if the connection breaks before, or is closed. */
  flush(): Promise<void>
  /** Closes within a bounded time, even while the server is away. */
  close(): Promise<void>
}

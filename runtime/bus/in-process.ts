// A network inside one process with NATS' semantics: for tests and for services whose nodes share a process.
// It has no sockets, but hides nothing: subjects, payload limit, no-responders and outages behave as on a server.
// The rule to remember: nothing is delivered inside `publish`; one queue holds all deliveries and is drained in later
// turns of the event loop, so delivery is first in, first out for everyone.
import { NATS_PAYLOAD_BYTES_MAX } from '../../protocols/limits.ts'
import { EMPTY } from '../../protocols/codec/bytes.ts'
import type { Bus, BusMessage, BusStatus, Subscription } from './bus.ts'
import { throwLater } from './defects.ts'
import { assertPublishable, assertSubscribable } from './subject-rules.ts'
import { Sublist } from './sublist.ts'
import type { Filter } from './sublist.ts'

export interface InProcessBusHubOptions {
  /** Told of exceptions in `onMessage`; by default they end the process as uncaught exceptions. */
  readonly onDefect?: (error: unknown) => void
  readonly payloadBytesMax?: number
  /** Deliveries that may wait; what comes on top is dropped and counted (a server would cut the consumer off). */
  readonly deliveriesMax?: number
}

export interface InProcessBusHub {
  connect(): Bus
  /** An outage: connections report `disconnected`; what is published or still waits is lost; subscriptions stay. */
  interrupt(): void
  /** The end of an outage: connections report `connected`. */
  restore(): void
  /** Deliveries waiting, and deliveries dropped because too many waited. */
  stats(): { readonly waiting: number; readonly dropped: number }
}

interface Listener extends Filter {
  readonly connection: InProcessBus
  readonly onMessage: (message: BusMessage) => void
  isAlive: boolean
}

type Task = { readonly listener: Listener; readonly message: BusMessage } | { readonly done: () => void }

/** Creates a network without connections. */
export function createInProcessBusHub(options: InProcessBusHubOptions = {}): InProcessBusHub {
  const exchange = new Exchange(options)
  return {
    connect: () => new InProcessBus(exchange, exchange.newConnectionId()),
    interrupt: () => exchange.setOnline(false),
    restore: () => exchange.setOnline(true),
    stats: () => ({ waiting: exchange.waiting, dropped: exchange.dropped }),
  }
}

class Exchange {
  readonly sublist = new Sublist<Listener>()
  readonly connections = new Set<InProcessBus>()
  readonly payloadBytesMax: number
  isOnline = true
  dropped = 0
  readonly #deliveriesMax: number
  readonly #onDefect: (error: unknown) => void
  #queue: Task[] = []
  #connectionIds = 0

  constructor(options: InProcessBusHubOptions) {
    this.payloadBytesMax = options.payloadBytesMax ?? NATS_PAYLOAD_BYTES_MAX
    this.#deliveriesMax = options.deliveriesMax ?? 1_000_000
    this.#onDefect = options.onDefect ?? throwLater
  }

  get waiting(): number {
    return this.#queue.length
  }

  newConnectionId(): number {
    return ++this.#connectionIds
  }

  publish(from: InProcessBus, subject: string, payload: Uint8Array, reply: string | undefined): void {
    const { plain, groups } = this.sublist.match(subject)
    let isHeard = false
    // each receiver owns its payload
    const send = (listener: Listener): void => {
      isHeard = true
      this.#enqueue({ listener, message: { subject, reply, payload: new Uint8Array(payload), noResponders: false } })
    }
    for (const listener of plain) send(listener)
    for (const { members, rotation } of groups) send(members[rotation.next++ % members.length]!)
    if (isHeard || reply === undefined) return
    const own = this.sublist.match(reply).plain.find((listener) => listener.connection === from)
    if (own === undefined) return
    const message = { subject: reply, reply: undefined, payload: EMPTY, noResponders: true }
    this.#enqueue({ listener: own, message })
  }

  whenDrained(): Promise<void> {
    return new Promise((resolve) => this.#push({ done: resolve }))
  }

  setOnline(isOnline: boolean): void {
    if (this.isOnline === isOnline) return
    this.isOnline = isOnline
    if (!isOnline) this.#queue = this.#queue.filter((task) => 'done' in task)
    for (const connection of this.connections) connection.report(isOnline ? 'connected' : 'disconnected')
  }

  #enqueue(task: Task): void {
    if (this.#queue.length >= this.#deliveriesMax) this.dropped++
    else this.#push(task)
  }

  #push(task: Task): void {
    if (this.#queue.push(task) === 1) setImmediate(() => this.#drain())
  }

  /** Delivers what waits now; what is published meanwhile waits for the next turn, so that nobody starves the loop. */
  #drain(): void {
    const tasks = this.#queue
    this.#queue = []
    for (const task of tasks) {
      if ('done' in task) task.done()
      else if (task.listener.isAlive && this.isOnline) this.#deliver(task.listener, task.message)
    }
  }

  #deliver(listener: Listener, message: BusMessage): void {
    try {
      listener.onMessage(message)
    } catch (error) {
      this.#onDefect(error)
    }
  }
}

class InProcessBus implements Bus {
  readonly payloadBytesMax: number
  readonly #exchange: Exchange
  readonly #id: number
  readonly #listeners = new Set<Listener>()
  readonly #statusListeners: ((status: BusStatus) => void)[] = []
  #inboxes = 0
  #isClosed = false

  constructor(exchange: Exchange, id: number) {
    this.#exchange = exchange
    this.#id = id
    this.payloadBytesMax = exchange.payloadBytesMax
    exchange.connections.add(this)
  }

  publish(subject: string, payload: Uint8Array, options?: { readonly reply?: string }): void {
    assertPublishable(subject)
    if (options?.reply !== undefined) assertPublishable(options.reply)
    if (payload.length > this.payloadBytesMax) {
      throw new RangeError(`payload of ${payload.length} bytes exceeds ${this.payloadBytesMax}`)
    }
    if (!this.#isClosed && this.#exchange.isOnline) this.#exchange.publish(this, subject, payload, options?.reply)
  }

  subscribe(
    subject: string,
    onMessage: (message: BusMessage) => void,
    options?: { readonly queue?: string },
  ): Subscription {
    if (this.#isClosed) throw new Error('the bus is closed')
    assertSubscribable(subject, options?.queue)
    const listener: Listener = { connection: this, subject, queue: options?.queue, onMessage, isAlive: true }
    this.#listeners.add(listener)
    this.#exchange.sublist.insert(listener)
    return { unsubscribe: () => this.#end(listener) }
  }

  newInbox(): string {
    return `_INBOX.${this.#id}-${++this.#inboxes}`
  }

  onStatus(listener: (status: BusStatus) => void): void {
    this.#statusListeners.push(listener)
  }

  report(status: BusStatus): void {
    for (const listener of this.#statusListeners) listener(status)
  }

  flush(): Promise<void> {
    if (this.#isClosed) return Promise.reject(new Error('the bus is closed'))
    if (!this.#exchange.isOnline) return Promise.reject(new Error('the bus is disconnected'))
    return this.#exchange.whenDrained()
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    this.#isClosed = true
    for (const listener of [...this.#listeners]) this.#end(listener)
    this.#exchange.connections.delete(this)
    this.report('closed')
    return Promise.resolve()
  }

  #end(listener: Listener): void {
    if (!listener.isAlive) return
    listener.isAlive = false
    this.#listeners.delete(listener)
    this.#exchange.sublist.remove(listener)
  }
}

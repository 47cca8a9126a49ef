// One client of the broker: what it negotiated, what it subscribed to, what it is owed.
// Routing is not here (host.ts). The rule to remember: a connection that is closed delivers nothing and owns nothing;
// `close` is the only way out and may be called any number of times.
import { isValidFilter } from '../subject-rules.ts'
import type { Filter, Sublist } from '../sublist.ts'
import { CONNECT_DEFAULTS, infoLine, parseConnect, tokenMatches } from './greeting.ts'
import type { ConnectOptions, ServerFacts } from './greeting.ts'
import type { BrokerLimits } from './limits.ts'
import { FAULT_TEXT } from './operations.ts'
import type { Fault } from './operations.ts'
import { BLOCK_BYTES, Outbox } from './outbox.ts'
import type { BlockPool } from './outbox.ts'
import { ProtocolParser } from './parser.ts'
import type { ProtocolSink, Publication } from './parser.ts'
import { SubjectMemo } from './subject-memo.ts'
import type { Transport } from './transport.ts'

/** Why a connection ended. */
export type CloseReason =
  | Fault
  | 'clientClosed'
  | 'slowConsumer'
  | 'staleConnection'
  | 'authenticationTimeout'
  | 'tooManyConnections'
  | 'noRespondersWithoutHeaders'
  | 'shutdown'

const REASON_TEXT: Readonly<Partial<Record<CloseReason, string>>> = {
  ...FAULT_TEXT,
  slowConsumer: 'Slow Consumer',
  staleConnection: 'Stale Connection',
  authenticationTimeout: 'Authentication Timeout',
  tooManyConnections: 'maximum connections exceeded',
  noRespondersWithoutHeaders: 'no responders requires headers support',
}

const PINGS_OUT_MAX = 2
/** A publisher that overwhelms a subscriber is not read for this long (nats-server stalls it 2–10 ms likewise). */
const STALL_MS = 5

/** What a connection needs of its broker. */
export interface ConnectionHost {
  readonly limits: BrokerLimits
  readonly facts: ServerFacts
  readonly pool: BlockPool
  readonly sublist: Sublist<BrokerSubscription>
  /** Has the connection write at the end of this turn of the event loop. */
  schedule(connection: Connection): void
  publish(from: Connection, publication: Publication): void
  closed(connection: Connection, reason: CloseReason): void
}

export class BrokerSubscription implements Filter {
  readonly connection: Connection
  readonly subject: string
  readonly queue: string | undefined
  readonly sid: string
  /** ` sid `, as it stands between subject and tail of every MSG line. */
  readonly sidField: Buffer
  delivered = 0
  /** Ends by itself after this many deliveries; 0 means never. */
  max = 0
  isAlive = true

  constructor(connection: Connection, subject: string, queue: string | undefined, sid: string) {
    this.connection = connection
    this.subject = subject
    this.queue = queue
    this.sid = sid
    this.sidField = Buffer.from(` ${sid} `, 'latin1')
  }
}

export class Connection implements ProtocolSink {
  readonly id: number
  readonly outbox: Outbox
  readonly memo = new SubjectMemo<BrokerSubscription>()
  options: ConnectOptions = CONNECT_DEFAULTS
  isOpen = true
  /** In the host's list of connections with something to write. */
  isDirty = false

  readonly #host: ConnectionHost
  readonly #transport: Transport
  readonly #parser: ProtocolParser
  readonly #subscriptions = new Map<string, BrokerSubscription>()
  #pingsOut = 0
  #wasHeard = false
  #isStalled = false
  #authTimer: NodeJS.Timeout | undefined

  constructor(id: number, host: ConnectionHost, transport: Transport) {
    this.id = id
    this.#host = host
    this.#transport = transport
    this.outbox = new Outbox(host.pool, transport.write)
    this.#parser = new ProtocolParser(this, host.limits)
  }

  get address(): string {
    return this.#transport.address
  }

  /** Greets the client and begins to read. */
  start(): void {
    const { token, authTimeoutMs } = this.#host.limits
    this.#transport.start(
      (chunk) => {
        this.#wasHeard = true
        this.#parser.feed(chunk)
      },
      () => this.close('clientClosed'),
    )
    this.send(infoLine(this.#host.facts, this.id, this.address))
    if (token === undefined) return
    this.#parser.awaitingConnect = true
    this.#authTimer = setTimeout(() => this.close('authenticationTimeout'), authTimeoutMs)
  }

  /** Queues protocol text for this client. */
  send(text: string): void {
    this.outbox.appendText(text)
    this.wrote()
  }

  /** To be called after appending to the outbox: has it written this turn, or cuts the client off if it owes too much. */
  wrote(): void {
    const pending = this.outbox.pendingBytes
    if (pending > this.#host.limits.pendingBytesMax) {
      this.close('slowConsumer')
      return
    }
    if (this.outbox.isWriting) return
    if (pending >= BLOCK_BYTES) this.outbox.flush()
    else this.#host.schedule(this)
  }

  /** Stops reading from this client for a moment, so that a subscriber can catch up. */
  stall(): void {
    if (this.#isStalled || !this.isOpen) return
    this.#isStalled = true
    this.#transport.pause()
    setTimeout(() => {
      this.#isStalled = false
      if (this.isOpen) this.#transport.resume()
    }, STALL_MS)
  }

  /** Called once per ping interval. A client that was heard of needs no ping (as in nats-server). */
  checkAlive(): void {
    if (this.#wasHeard) {
      this.#wasHeard = false
      this.#pingsOut = 0
    } else if (this.#pingsOut >= PINGS_OUT_MAX) {
      this.close('staleConnection')
    } else {
      this.#pingsOut++
      this.send('PING\r\n')
    }
  }

  /** The subscription of this client that a reply to `reply` would reach, if any. */
  ownSubscription(reply: string): BrokerSubscription | undefined {
    return this.#host.sublist.match(reply).plain.find((s) => s.connection === this)
  }

  end(subscription: BrokerSubscription): void {
    if (!subscription.isAlive) return
    subscription.isAlive = false
    this.#subscriptions.delete(subscription.sid)
    this.#host.sublist.remove(subscription)
  }

  close(reason: CloseReason): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.#parser.stop()
    clearTimeout(this.#authTimer)
    for (const subscription of [...this.#subscriptions.values()]) this.end(subscription)
    const text = REASON_TEXT[reason]
    if (reason === 'slowConsumer' || reason === 'clientClosed') {
      // its buffers are full or it is gone: a farewell would never arrive
      this.#transport.destroy()
    } else {
      if (text !== undefined) this.outbox.appendText(`-ERR '${text}'\r\n`)
      this.outbox.flush()
      this.#transport.end()
    }
    this.#host.closed(this, reason)
  }

  onConnect(json: string): void {
    const options = parseConnect(json, this.options)
    if (options === undefined) {
      this.close('parser')
      return
    }
    const { token } = this.#host.limits
    if (token !== undefined && !tokenMatches(options.token, token)) {
      this.close('authorization')
      return
    }
    if (options.wantsNoResponders && !options.hasHeaders) {
      this.close('noRespondersWithoutHeaders')
      return
    }
    this.options = options
    this.#parser.awaitingConnect = false
    clearTimeout(this.#authTimer)
    this.acknowledge()
  }

  onPing(): void {
    this.send('PONG\r\n')
  }

  onPong(): void {
    this.#pingsOut = 0
  }

  onPublish(publication: Publication): void {
    if (publication.headerBytes >= 0 && !this.options.hasHeaders) this.close('parser')
    else this.#host.publish(this, publication)
  }

  onSubscribe(subject: string, queue: string | undefined, sid: string): void {
    if (!isValidFilter(subject)) {
      this.send("-ERR 'Invalid Subject'\r\n")
      return
    }
    // a client that subscribes while reconnecting may send the same subscription twice
    if (!this.#subscriptions.has(sid)) {
      if (this.#subscriptions.size >= this.#host.limits.subscriptionsMax) {
        this.send("-ERR 'maximum subscriptions exceeded'\r\n")
        return
      }
      const subscription = new BrokerSubscription(this, subject, queue, sid)
      this.#subscriptions.set(sid, subscription)
      this.#host.sublist.insert(subscription)
    }
    this.acknowledge()
  }

  onUnsubscribe(sid: string, max: number): void {
    const subscription = this.#subscriptions.get(sid)
    if (subscription !== undefined) {
      if (max > subscription.delivered) subscription.max = max
      else this.end(subscription)
    }
    this.acknowledge()
  }

  onFault(fault: Fault): void {
    this.close(fault)
  }

  acknowledge(): void {
    if (this.options.isVerbose) this.send('+OK\r\n')
  }
}

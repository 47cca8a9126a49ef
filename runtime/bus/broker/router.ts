// Takes each publication to everyone who listens, counts it, and shows it to taps.
// It opens no sockets (broker.ts does) and parses nothing. The rule to remember: nothing is written while messages are
// being routed; every connection with something to say is flushed once per turn of the event loop.
import { isValidLiteral } from '../subject-rules.ts'
import { Sublist } from '../sublist.ts'
import type { QueueGroup } from '../sublist.ts'
import type { BrokerSubscription, CloseReason, Connection, ConnectionHost } from './connection.ts'
import type { ServerFacts } from './greeting.ts'
import type { BrokerLimits } from './limits.ts'
import { BlockPool } from './outbox.ts'
import type { Publication } from './parser.ts'

export interface BrokerStats {
  readonly connections: number
  readonly subscriptions: number
  readonly inMsgs: number
  readonly outMsgs: number
  /** Payload bytes, headers included. */
  readonly inBytes: number
  readonly outBytes: number
  readonly slowConsumers: number
}

export interface TappedMessage {
  readonly subject: string
  readonly reply: string | undefined
  /** The header block as sent, empty if there is none. */
  readonly headers: Uint8Array
  readonly payload: Uint8Array
}

export type BrokerEvent =
  | { readonly type: 'connected'; readonly clientId: number; readonly address: string }
  | { readonly type: 'closed'; readonly clientId: number; readonly address: string; readonly reason: CloseReason }
  | { readonly type: 'listenerError'; readonly error: Error }

const MSG = Buffer.from('MSG ')
const HMSG = Buffer.from('HMSG ')
/** Beyond this share of `pendingBytesMax` whoever publishes to the client is stalled. */
const STALL_SHARE = 0.75

export class Router implements ConnectionHost {
  readonly sublist = new Sublist<BrokerSubscription>()
  readonly pool = new BlockPool()
  readonly limits: BrokerLimits
  /** Set once the port is known. */
  facts: ServerFacts
  readonly connections = new Set<Connection>()
  readonly taps = new Set<(message: TappedMessage) => void>()

  readonly #onEvent: (event: BrokerEvent) => void
  #dirty: Connection[] = []
  #inMsgs = 0
  #outMsgs = 0
  #inBytes = 0
  #outBytes = 0
  #slowConsumers = 0

  constructor(limits: BrokerLimits, facts: ServerFacts, onEvent: (event: BrokerEvent) => void) {
    this.limits = limits
    this.facts = facts
    this.#onEvent = onEvent
  }

  stats(): BrokerStats {
    return {
      connections: this.connections.size,
      subscriptions: this.sublist.size,
      inMsgs: this.#inMsgs,
      outMsgs: this.#outMsgs,
      inBytes: this.#inBytes,
      outBytes: this.#outBytes,
      slowConsumers: this.#slowConsumers,
    }
  }

  admit(connection: Connection): void {
    const isFull = this.connections.size >= this.limits.connectionsMax
    this.connections.add(connection)
    this.#onEvent({ type: 'connected', clientId: connection.id, address: connection.address })
    connection.start()
    if (isFull) connection.close('tooManyConnections')
  }

  closed(connection: Connection, reason: CloseReason): void {
    if (!this.connections.delete(connection)) return
    if (reason === 'slowConsumer') this.#slowConsumers++
    this.#onEvent({ type: 'closed', clientId: connection.id, address: connection.address, reason })
  }

  listenerFailed(error: Error): void {
    this.#onEvent({ type: 'listenerError', error })
  }

  /** Has the connection written at the end of this turn of the event loop. */
  schedule(connection: Connection): void {
    if (connection.isDirty) return
    connection.isDirty = true
    if (this.#dirty.push(connection) === 1) setImmediate(() => this.#flush())
  }

  publish(from: Connection, publication: Publication): void {
    this.#inMsgs++
    this.#inBytes += publication.sizeBytes
    const { subject, match } = from.memo.resolve(publication, this.sublist)
    if (from.options.isPedantic && !isValidLiteral(subject)) from.send("-ERR 'Invalid Publish Subject'\r\n")
    from.acknowledge()
    const { plain, groups } = match
    let isDelivered = false
    for (let i = 0; i < plain.length; i++) if (this.#deliver(plain[i]!, from, publication)) isDelivered = true
    for (let i = 0; i < groups.length; i++) if (this.#deliverToOne(groups[i]!, from, publication)) isDelivered = true
    if (!isDelivered && publication.replyEnd > publication.replyStart && from.options.wantsNoResponders) {
      this.#sayNoResponders(from, publication)
    }
    if (this.taps.size > 0) this.#tap(publication)
  }

  #deliverToOne(group: QueueGroup<BrokerSubscription>, from: Connection, publication: Publication): boolean {
    const { members, rotation } = group
    const start = rotation.next++
    for (let i = 0; i < members.length; i++) {
      if (this.#deliver(members[(start + i) % members.length]!, from, publication)) return true
    }
    return false
  }

  #deliver(subscription: BrokerSubscription, from: Connection, publication: Publication): boolean {
    const to = subscription.connection
    if (!subscription.isAlive || (to === from && !from.options.hasEcho)) return false
    const { bytes, subjectStart, subjectEnd, payloadStart, sizeBytes, headerBytes, tailStart } = publication
    // an empty header block is none (as in nats-server)
    const withHeaders = headerBytes > 0 && to.options.hasHeaders
    const { outbox } = to
    const { sidField } = subscription
    const verb = withHeaders ? HMSG : MSG
    if (tailStart >= 0 && withHeaders === headerBytes >= 0) {
      const tailEnd = payloadStart + sizeBytes + 2
      outbox.appendMessage(verb, bytes, subjectStart, subjectEnd, sidField, bytes, tailStart, tailEnd)
    } else {
      const tail = rewriteTail(publication, withHeaders)
      outbox.appendMessage(verb, bytes, subjectStart, subjectEnd, sidField, tail, 0, tail.length)
    }
    this.#outMsgs++
    this.#outBytes += sizeBytes
    if (++subscription.delivered === subscription.max) to.end(subscription)
    to.wrote()
    if (outbox.pendingBytes > this.limits.pendingBytesMax * STALL_SHARE) from.stall()
    return true
  }

  #sayNoResponders(from: Connection, publication: Publication): void {
    const reply = publication.bytes.toString('latin1', publication.replyStart, publication.replyEnd)
    const subscription = from.ownSubscription(reply)
    if (subscription === undefined) return
    if (++subscription.delivered === subscription.max) from.end(subscription)
    from.send(`HMSG ${reply} ${subscription.sid} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n`)
  }

  #tap(publication: Publication): void {
    const { bytes, headerBytes, payloadStart, sizeBytes } = publication
    const bodyStart = payloadStart + Math.max(0, headerBytes)
    const message: TappedMessage = {
      subject: bytes.toString('utf8', publication.subjectStart, publication.subjectEnd),
      reply:
        publication.replyEnd > publication.replyStart
          ? bytes.toString('utf8', publication.replyStart, publication.replyEnd)
          : undefined,
      headers: new Uint8Array(bytes.subarray(payloadStart, bodyStart)),
      payload: new Uint8Array(bytes.subarray(bodyStart, payloadStart + sizeBytes)),
    }
    for (const tap of this.taps) tap(message)
  }

  #flush(): void {
    const dirty = this.#dirty
    this.#dirty = []
    for (const connection of dirty) {
      connection.isDirty = false
      connection.outbox.flush()
    }
  }
}

/** The part of a MSG or HMSG after the subscription id, written anew: canonical spacing, headers dropped if unwanted. */
function rewriteTail(publication: Publication, withHeaders: boolean): Buffer {
  const { bytes, replyStart, replyEnd, headerBytes, payloadStart, sizeBytes } = publication
  const reply = replyEnd > replyStart ? `${bytes.toString('latin1', replyStart, replyEnd)} ` : ''
  const bodyStart = payloadStart + (withHeaders ? 0 : Math.max(0, headerBytes))
  const bodyEnd = payloadStart + sizeBytes
  const sizes = withHeaders ? `${headerBytes} ${sizeBytes}` : `${bodyEnd - bodyStart}`
  const line = Buffer.from(`${reply}${sizes}\r\n`, 'latin1')
  return Buffer.concat([line, bytes.subarray(bodyStart, bodyEnd + 2)])
}

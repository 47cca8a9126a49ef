// What every bus must do, whatever carries it. Each implementation runs this suite (contract.test.ts).
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../../protocols/codec/bytes.ts'
import type { Bus, BusMessage, BusStatus } from '../../../runtime/bus/bus.ts'

/** A network with as many connections as wanted. */
export interface BusWorld {
  connect(options?: { readonly onDefect?: (error: unknown) => void }): Promise<Bus>
  /** An outage begins: every connection is cut. */
  interrupt(): Promise<void>
  /** The outage ends. */
  restore(): Promise<void>
  close(): Promise<void>
}

export interface Recorder {
  readonly messages: BusMessage[]
  readonly texts: () => string[]
  /** Resolves once `count` messages have arrived. */
  received(count: number): Promise<void>
  readonly onMessage: (message: BusMessage) => void
}

export function recorder(): Recorder {
  const messages: BusMessage[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  return {
    messages,
    texts: () => messages.map((message) => fromUtf8(message.payload)),
    received: (count) =>
      messages.length >= count ? Promise.resolve() : new Promise((resolve) => waiting.push({ count, resolve })),
    onMessage: (message) => {
      messages.push(message)
      for (const waiter of waiting) if (messages.length >= waiter.count) waiter.resolve()
    },
  }
}

/** Afterwards all that was published before on any of the buses has arrived on all of them. */
export async function settle(...buses: readonly Bus[]): Promise<void> {
  for (let round = 0; round < 2; round++) for (const bus of buses) await bus.flush()
}

export function nextStatus(bus: Bus, wanted: BusStatus): Promise<void> {
  return new Promise((resolve) => bus.onStatus((status) => status === wanted && resolve()))
}

/** Runs the suite on the worlds that `makeWorld` creates, one per test. */
export function busContract(name: string, makeWorld: () => Promise<BusWorld>): void {
  describe(`bus contract: ${name}`, () => {
    let world: BusWorld
    let a: Bus
    let b: Bus
    beforeEach(async () => {
      world = await makeWorld()
      a = await world.connect()
      b = await world.connect()
    })
    afterEach(() => world.close())
    const both = (): readonly [Bus, Bus] => [a, b]
    deliveryTests(both)
    wildcardTests(both)
    queueTests(both, () => world.connect())
    replyTests(both)
    refusalTests(both)
    lifeTests(both, () => world)
  })
}

type Both = () => readonly [Bus, Bus]

function deliveryTests(both: Both): void {
  it('delivers to every subscriber, the publisher included, and to nobody else', async () => {
    const [a, b] = both()
    const [own, other, elsewhere] = [recorder(), recorder(), recorder()]
    a.subscribe('news.local', own.onMessage)
    b.subscribe('news.local', other.onMessage)
    b.subscribe('news.world', elsewhere.onMessage)
    await settle(a, b)
    a.publish('news.local', utf8('hello'))
    a.publish('news.local', new Uint8Array(0))
    await settle(a, b)
    for (const r of [own, other]) {
      expect(r.texts()).toEqual(['hello', ''])
      expect(r.messages[0]).toMatchObject({ subject: 'news.local', reply: undefined, noResponders: false })
    }
    expect(elsewhere.messages).toEqual([])
  })

  it('delivers outside of publish', async () => {
    const [a] = both()
    const r = recorder()
    a.subscribe('x', r.onMessage)
    a.publish('x', utf8('1'))
    expect(r.messages).toEqual([])
    await settle(a)
    expect(r.texts()).toEqual(['1'])
  })

  it('keeps the order of 10,000 messages', async () => {
    const [a, b] = both()
    const r = recorder()
    b.subscribe('order.>', r.onMessage)
    await settle(a, b)
    for (let i = 0; i < 10_000; i++) a.publish(`order.${i % 7}`, utf8(String(i)))
    await r.received(10_000)
    expect(r.texts()).toEqual(Array.from({ length: 10_000 }, (_, i) => String(i)))
  })

  it('gives each receiver a payload of its own', async () => {
    const [a, b] = both()
    const [first, second] = [recorder(), recorder()]
    b.subscribe('own', (message) => {
      first.onMessage(message)
      message.payload.fill(0)
    })
    b.subscribe('own', second.onMessage)
    await settle(a, b)
    const sent = Buffer.from('abc')
    a.publish('own', sent)
    await settle(a, b)
    expect(second.texts()).toEqual(['abc'])
    expect(fromUtf8(sent)).toBe('abc')
    expect(second.messages[0]!.payload.buffer.byteLength).toBe(3)
    expect(second.messages[0]!.payload.constructor).toBe(Uint8Array)
  })

  it('carries a payload of exactly the maximum, intact', async () => {
    const [a, b] = both()
    const r = recorder()
    b.subscribe('large', r.onMessage)
    await settle(a, b)
    const payload = new Uint8Array(a.payloadBytesMax)
    for (let i = 0; i < payload.length; i++) payload[i] = (i * 31 + (i >> 8)) & 255
    a.publish('large', payload)
    await r.received(1)
    expect(Buffer.compare(r.messages[0]!.payload, payload)).toBe(0)
  })
}

function wildcardTests(both: Both): void {
  it('matches * to one token and > to one or more', async () => {
    const [a, b] = both()
    const filters = ['a.*', 'a.>', '*.b', '>', '*', 'a.*.c', 'a.b.c', 'a.b*']
    const seen = new Map(filters.map((filter) => [filter, recorder()]))
    for (const [filter, r] of seen) b.subscribe(filter, r.onMessage)
    await settle(a, b)
    for (const subject of ['a', 'a.b', 'a.b.c', 'a.b.c.d', 'x.b', 'a.b*']) a.publish(subject, utf8(subject))
    await settle(a, b)
    expect(Object.fromEntries([...seen].map(([filter, r]) => [filter, r.texts()]))).toEqual({
      'a.*': ['a.b', 'a.b*'],
      'a.>': ['a.b', 'a.b.c', 'a.b.c.d', 'a.b*'],
      '*.b': ['a.b', 'x.b'],
      '>': ['a', 'a.b', 'a.b.c', 'a.b.c.d', 'x.b', 'a.b*'],
      '*': ['a'],
      'a.*.c': ['a.b.c'],
      'a.b.c': ['a.b.c'],
      'a.b*': ['a.b*'],
    })
  })
}

function queueTests(both: Both, connect: () => Promise<Bus>): void {
  it('gives each message to exactly one member of each queue group', async () => {
    const [a, b] = both()
    const c = await connect()
    const [m1, m2, m3, other, plain] = [recorder(), recorder(), recorder(), recorder(), recorder()]
    a.subscribe('work', m1.onMessage, { queue: 'q' })
    b.subscribe('work', m2.onMessage, { queue: 'q' })
    b.subscribe('*', m3.onMessage, { queue: 'q' })
    c.subscribe('work', other.onMessage, { queue: 'r' })
    c.subscribe('work', plain.onMessage)
    await settle(a, b, c)
    const sent = Array.from({ length: 300 }, (_, i) => String(i))
    for (const text of sent) c.publish('work', utf8(text))
    await settle(c, a, b)
    const shared = [...m1.texts(), ...m2.texts(), ...m3.texts()]
    expect(shared.sort((x, y) => Number(x) - Number(y))).toEqual(sent)
    for (const member of [m1, m2, m3]) expect(member.messages.length).toBeGreaterThan(0)
    expect(other.texts()).toEqual(sent)
    expect(plain.texts()).toEqual(sent)
  })
}

function replyTests(both: Both): void {
  it('carries a request and its answer over an inbox', async () => {
    const [a, b] = both()
    b.subscribe('service.add', (request) => {
      const sum = fromUtf8(request.payload)
        .split('+')
        .reduce((total, term) => total + Number(term), 0)
      b.publish(request.reply!, utf8(String(sum)))
    })
    const inbox = a.newInbox()
    const r = recorder()
    a.subscribe(`${inbox}.*`, r.onMessage)
    await settle(a, b)
    a.publish('service.add', utf8('1+2'), { reply: `${inbox}.first` })
    a.publish('service.add', utf8('3+4'), { reply: `${inbox}.second` })
    await r.received(2)
    expect(r.messages.map((m) => [m.subject, fromUtf8(m.payload), m.noResponders])).toEqual([
      [`${inbox}.first`, '3', false],
      [`${inbox}.second`, '7', false],
    ])
  })

  it('never gives the same inbox twice', () => {
    const [a, b] = both()
    const inboxes = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? a : b).newInbox())
    expect(new Set(inboxes).size).toBe(100)
  })

  it('says when nobody listens to a request', async () => {
    const [a, b] = both()
    const inbox = a.newInbox()
    const r = recorder()
    a.subscribe(`${inbox}.>`, r.onMessage)
    const subscription = b.subscribe('there', () => {}, { queue: 'q' })
    await settle(a, b)
    a.publish('there', utf8('?'), { reply: `${inbox}.1` })
    a.publish('nowhere', utf8('?'), { reply: `${inbox}.2` })
    a.publish('nowhere', utf8('no reply wanted'))
    await r.received(1)
    subscription.unsubscribe()
    await settle(b, a)
    a.publish('there', utf8('?'), { reply: `${inbox}.3` })
    await r.received(2)
    expect(r.messages.map((m) => [m.subject, m.noResponders, m.payload.length])).toEqual([
      [`${inbox}.2`, true, 0],
      [`${inbox}.3`, true, 0],
    ])
  })
}

function refusalTests(both: Both): void {
  it('refuses a payload above the maximum and goes on', async () => {
    const [a, b] = both()
    const r = recorder()
    b.subscribe('large', r.onMessage)
    await settle(a, b)
    expect(() => a.publish('large', new Uint8Array(a.payloadBytesMax + 1))).toThrow(RangeError)
    a.publish('large', utf8('small'))
    await settle(a, b)
    expect(r.texts()).toEqual(['small'])
  })

  it.each(['', ' ', 'a b', 'a..b', '.a', 'a.', 'a\r\nPUB x 0', 'a\u0000b', 'a\tb'])('refuses the subject %j', (bad) => {
    const [a] = both()
    expect(() => a.publish(bad, utf8('x'))).toThrow(RangeError)
    expect(() => a.publish('good', utf8('x'), { reply: bad })).toThrow(RangeError)
    expect(() => a.subscribe(bad, () => {})).toThrow(RangeError)
  })

  it.each(['*', '>', 'a.*', 'a.>'])('refuses to publish to the wildcard %j', (wildcard) => {
    expect(() => both()[0].publish(wildcard, utf8('x'))).toThrow(RangeError)
  })

  it.each([
    ['a.>.b', undefined],
    ['a', ''],
    ['a', 'two words'],
  ])('refuses to subscribe to %j in group %j', (subject, queue) => {
    expect(() => both()[0].subscribe(subject, () => {}, queue === undefined ? {} : { queue })).toThrow(RangeError)
  })
}

function lifeTests(both: Both, world: () => BusWorld): void {
  it('delivers nothing after unsubscribe', async () => {
    const [a, b] = both()
    const [gone, stays] = [recorder(), recorder()]
    const subscription = b.subscribe('s', gone.onMessage)
    b.subscribe('s', stays.onMessage)
    await settle(a, b)
    a.publish('s', utf8('1'))
    await settle(a, b)
    subscription.unsubscribe()
    subscription.unsubscribe()
    a.publish('s', utf8('2'))
    await settle(a, b)
    expect(gone.texts()).toEqual(['1'])
    expect(stays.texts()).toEqual(['1', '2'])
  })

  it('survives an exception in a callback, and reports it', async () => {
    const [a] = both()
    const defects: unknown[] = []
    const c = await world().connect({ onDefect: (error) => defects.push(error) })
    const r = recorder()
    c.subscribe('s', () => {
      throw new Error('callback failed')
    })
    c.subscribe('s', r.onMessage)
    await settle(c, a)
    a.publish('s', utf8('1'))
    a.publish('s', utf8('2'))
    await settle(a, c)
    expect(r.texts()).toEqual(['1', '2'])
    expect(defects).toEqual([new Error('callback failed'), new Error('callback failed')])
  })

  it('loses what is published during an outage, and serves the old subscriptions afterwards', async () => {
    const [a, b] = both()
    const statuses: string[] = []
    a.onStatus((status) => statuses.push(status))
    const r = recorder()
    b.subscribe('s.*', r.onMessage)
    b.subscribe('s.*', r.onMessage, { queue: 'q' })
    await settle(a, b)
    const cut = [nextStatus(a, 'disconnected'), nextStatus(b, 'disconnected')]
    await world().interrupt()
    await Promise.all(cut)
    a.publish('s.lost', utf8('lost'))
    const later = recorder()
    b.subscribe('late', later.onMessage)
    const back = [nextStatus(a, 'connected'), nextStatus(b, 'connected')]
    await world().restore()
    await Promise.all(back)
    await settle(b, a)
    a.publish('s.kept', utf8('kept'))
    a.publish('late', utf8('late'))
    await settle(a, b)
    expect(r.texts().filter((text) => text !== 'lost')).toEqual(['kept', 'kept'])
    expect(later.texts()).toEqual(['late'])
    expect(statuses).toEqual(['disconnected', 'connected'])
  })

  it('closes: nothing arrives, publishing does nothing, subscribing and flushing fail', async () => {
    const [a, b] = both()
    const r = recorder()
    const statuses: string[] = []
    b.onStatus((status) => statuses.push(status))
    b.subscribe('s', r.onMessage)
    const echo = recorder()
    a.subscribe('s', echo.onMessage)
    await settle(a, b)
    b.publish('s', utf8('sent before close'))
    await b.close()
    await b.close()
    b.publish('s', utf8('sent after close'))
    a.publish('s', utf8('1'))
    await settle(a)
    expect(statuses).toEqual(['closed'])
    expect(r.texts().filter((text) => text !== 'sent before close')).toEqual([])
    expect(echo.texts()).toEqual(['sent before close', '1'])
    expect(() => b.subscribe('s', r.onMessage)).toThrow('closed')
    await expect(b.flush()).rejects.toThrow('closed')
  })

  it('closes in bounded time during an outage', async () => {
    const [a] = both()
    const cut = nextStatus(a, 'disconnected')
    await world().interrupt()
    await cut
    a.publish('s', utf8('lost'))
    await a.close()
    await world().restore()
    await expect(a.flush()).rejects.toThrow('closed')
  })
}

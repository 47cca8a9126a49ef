// Goal: the embedded broker guards itself (slow, stale and silent clients, too many of them, ports in use), counts what it
// does, shows it to a tap, and speaks over WebSockets too.
import { connect as connectTcp } from 'nats'
import { wsconnect } from '@nats-io/nats-core'
import type { WsSocketFactory } from '@nats-io/nats-core'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { afterEach, describe, expect, it } from 'vitest'
import { startBroker } from '../../../runtime/bus/broker/broker.ts'
import type { Broker, BrokerEvent, BrokerOptions, TappedMessage } from '../../../runtime/bus/broker/broker.ts'
import { connectNats } from '../../../runtime/bus/nats.ts'
import { utf8 } from '../../../protocols/codec/bytes.ts'
import { afterInfo, connectRaw } from '../../support/raw-client.ts'
import type { RawClient } from '../../support/raw-client.ts'

const CONNECT = 'CONNECT {"verbose":false,"pedantic":false}\r\n'
const cleanUps: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function serve(options: BrokerOptions = {}): Promise<Broker & { readonly events: BrokerEvent[] }> {
  const events: BrokerEvent[] = []
  const broker = await startBroker({ ...options, onEvent: (event) => events.push(event) })
  cleanUps.push(() => broker.close())
  return { ...broker, events }
}

async function raw(broker: Broker): Promise<RawClient> {
  const client = await connectRaw(broker.port)
  cleanUps.push(() => client.close())
  return client
}

const publication = (payload: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`PUB flood ${payload.length}\r\n`), payload, Buffer.from('\r\n')])

describe('clients that misbehave', () => {
  it('cuts off a slow consumer, and only that one', async () => {
    const broker = await serve({ pendingBytesMax: 4 * 1024 * 1024 })
    const [slow, fast, publisher] = [await raw(broker), await raw(broker), await raw(broker)]
    for (const client of [slow, fast]) {
      client.send(`${CONNECT}SUB flood 1\r\nPING\r\n`)
      await client.until('PONG')
    }
    slow.socket.pause()
    // enough for the limit and whatever the operating system buffers on the way
    const block = publication(randomBytes(256 * 1024))
    while (broker.stats().slowConsumers === 0) {
      publisher.send(block)
      publisher.send('PING\r\n')
      fast.socket.resume()
      await new Promise((resolve) => setImmediate(resolve))
    }
    slow.socket.resume()
    await slow.untilClosed()
    expect(broker.stats()).toMatchObject({ slowConsumers: 1, connections: 2, subscriptions: 1 })
    expect(broker.events.filter((event) => event.type === 'closed')).toMatchObject([{ reason: 'slowConsumer' }])
    fast.send('PUB flood 4\r\nlast\r\n')
    await fast.until('last\r\n')
  })

  it('delivers everything, intact and in order, to a client that did not read for a while', async () => {
    const broker = await serve({ pendingBytesMax: 64 * 1024 * 1024 })
    const [slow, publisher] = [await raw(broker), await raw(broker)]
    slow.send(`${CONNECT}SUB flood 1\r\nPING\r\n`)
    await slow.until('PONG')
    slow.socket.pause()
    publisher.send(CONNECT)
    const digest = createHash('sha256')
    const payload = Buffer.alloc(20_000, 1)
    for (let i = 0; i < 800; i++) {
      payload.writeUInt32LE(i)
      digest.update(payload)
      publisher.send(publication(payload))
    }
    publisher.send('PUB flood 3\r\nend\r\nPING\r\n')
    await publisher.until('PONG')
    slow.socket.resume()
    const received = Buffer.from(afterInfo(await slow.until('end\r\n')), 'latin1')
    const seen = createHash('sha256')
    let at = received.indexOf('MSG flood')
    for (let i = 0; i < 800; i++) {
      at = received.indexOf('\r\n', at) + 2
      seen.update(received.subarray(at, at + 20_000))
      at += 20_002
    }
    expect(seen.digest('hex')).toBe(digest.digest('hex'))
    expect(broker.stats().slowConsumers).toBe(0)
  })

  it('pings a silent client and gives it up after two pings', async () => {
    const broker = await serve({ pingIntervalMs: 15 })
    const client = await raw(broker)
    client.send(CONNECT)
    expect(afterInfo(await client.untilClosed())).toBe("PING\r\nPING\r\n-ERR 'Stale Connection'\r\n")
    expect(broker.events.at(-1)).toMatchObject({ type: 'closed', reason: 'staleConnection' })
  })

  it('keeps a client that answers pings', async () => {
    const broker = await serve({ pingIntervalMs: 10 })
    const client = await raw(broker)
    client.send(CONNECT)
    for (let pings = 1; pings <= 5; pings++) {
      await client.until('PING\r\n'.repeat(pings))
      client.send('PONG\r\n')
    }
    expect(broker.stats().connections).toBe(1)
  })

  it('refuses more connections than it may have', async () => {
    const broker = await serve({ connectionsMax: 1 })
    const first = await raw(broker)
    await first.until('INFO')
    const second = await raw(broker)
    expect(afterInfo(await second.untilClosed())).toBe("-ERR 'maximum connections exceeded'\r\n")
    first.send('PING\r\n')
    await first.until('PONG')
  })

  it('refuses more subscriptions than a client may have', async () => {
    const broker = await serve({ subscriptionsMax: 2 })
    const client = await raw(broker)
    client.send(`${CONNECT}SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nUNSUB 1\r\nSUB d 4\r\nPUB c 1\r\nx\r\nPUB d 1\r\nx\r\n`)
    expect(afterInfo(await client.until('MSG d'))).toContain("-ERR 'maximum subscriptions exceeded'\r\nMSG d 4 1\r\n")
  })

  it('forgets a client that vanishes in the middle of a message', async () => {
    const broker = await serve()
    const client = await raw(broker)
    client.send(`${CONNECT}SUB a 1\r\nPING\r\n`)
    await client.until('PONG')
    client.send('PUB a 100\r\nhalf')
    client.socket.resetAndDestroy()
    const other = await raw(broker)
    other.send(`${CONNECT}SUB a 1\r\nPUB a 1\r\nx\r\n`)
    expect(afterInfo(await other.until('x\r\n'))).toBe('MSG a 1 1\r\nx\r\n')
    while (broker.stats().connections > 1) await new Promise((resolve) => setImmediate(resolve))
    expect(broker.stats().subscriptions).toBe(1)
  })

  it('understands operations cut at every byte', async () => {
    const broker = await serve()
    const client = await raw(broker)
    const stream = `${CONNECT}SUB a.* 7\r\nPUB a.b r 5\r\nhello\r\nPING\r\n`
    for (const byte of stream) {
      client.send(byte)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(afterInfo(await client.until('PONG\r\n'))).toBe('MSG a.b 7 r 5\r\nhello\r\nPONG\r\n')
  })
})

describe('the broker itself', () => {
  it('counts', async () => {
    const broker = await serve()
    const client = await raw(broker)
    client.send(`${CONNECT}SUB a 1\r\nSUB a 2\r\nPUB a 3\r\nabc\r\nPUB nobody 4\r\nabcd\r\nPING\r\n`)
    await client.until('PONG')
    expect(broker.stats()).toEqual({
      connections: 1,
      subscriptions: 2,
      inMsgs: 2,
      outMsgs: 2,
      inBytes: 7,
      outBytes: 6,
      slowConsumers: 0,
    })
  })

  it('shows every message to a tap, as owned copies', async () => {
    const broker = await serve()
    const seen: TappedMessage[] = []
    const stop = broker.tap((message) => seen.push(message))
    const client = await raw(broker)
    client.send(
      'CONNECT {"verbose":false,"headers":true}\r\nPUB a r 3\r\nabc\r\nHPUB b 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\n',
    )
    await client.until('PONG')
    stop()
    client.send('PUB a 5\r\nafter\r\nPING\r\n')
    await client.until('PONG\r\nPONG')
    expect(seen).toEqual([
      { subject: 'a', reply: 'r', headers: new Uint8Array(0), payload: utf8('abc') },
      { subject: 'b', reply: undefined, headers: utf8('NATS/1.0\r\n\r\n'), payload: utf8('hi') },
    ])
    expect(seen[0]!.payload.buffer.byteLength).toBe(3)
  })

  it('refuses a port in use', async () => {
    const broker = await serve()
    await expect(startBroker({ port: broker.port })).rejects.toThrow('EADDRINUSE')
    await expect(startBroker({ webSocketPort: broker.port })).rejects.toThrow('EADDRINUSE')
  })

  it('frees its port when closed, even while clients are connected', async () => {
    const broker = await serve()
    const client = await raw(broker)
    await client.until('INFO')
    await Promise.all([broker.close(), broker.close()])
    await client.untilClosed()
    const again = await serve({ port: broker.port })
    expect(again.url).toBe(broker.url)
  })
})

describe('over WebSockets', () => {
  it('carries traffic between a WebSocket client and a TCP client', async () => {
    const broker = await serve({ webSocketPort: 0, token: 'secret' })
    // Node 20 has no WebSocket of its own; a browser has
    const wsFactory: WsSocketFactory = (url) =>
      Promise.resolve({ socket: new WebSocket(url) as unknown as globalThis.WebSocket, encrypted: false })
    const web = await wsconnect({ servers: broker.webSocketUrl!, token: 'secret', wsFactory })
    cleanUps.push(() => web.close())
    const tcp = await connectTcp({ servers: broker.url, token: 'secret' })
    cleanUps.push(() => tcp.close())
    web.subscribe('double', { callback: (_error, m) => void m.respond(Buffer.concat([m.data, m.data])) })
    await web.flush()
    const large = randomBytes(300_000)
    const answer = await tcp.request('double', large, { timeout: 10_000 })
    expect(Buffer.compare(answer.data, Buffer.concat([large, large]))).toBe(0)
    await expect(web.request('nobody', '', { timeout: 10_000 })).rejects.toThrow('no responders')
  })

  it('refuses garbage and oversize frames', async () => {
    const broker = await serve({ webSocketPort: 0 })
    for (const [data, reason] of [
      [Buffer.from('FOO\r\n'), 'unknownOperation'],
      [Buffer.alloc(17 * 1024 * 1024), 'clientClosed'],
    ] as const) {
      const socket = new WebSocket(broker.webSocketUrl!)
      await once(socket, 'open')
      socket.on('error', () => undefined)
      const closed = once(socket, 'close')
      socket.send(data)
      await closed
      while (broker.stats().connections > 0) await new Promise((resolve) => setImmediate(resolve))
      expect(broker.events.at(-1)).toMatchObject({ type: 'closed', reason })
    }
  })
})

describe('the NATS client', () => {
  it('closes in bounded time when the server has gone deaf', async () => {
    const broker = await serve({ pendingBytesMax: 1024 * 1024 * 1024 })
    const bus = await connectNats({ servers: broker.url, closeTimeoutMs: 30, reconnectTimeWaitMs: 10 })
    const deaf = await import('node:net').then(({ createServer }) => createServer(() => undefined))
    const cut = new Promise<void>((resolve) => bus.onStatus((status) => status === 'disconnected' && resolve()))
    await broker.close()
    await cut
    // a server that accepts and never speaks takes the port: the client hangs in its dial
    const dialled = once(deaf, 'connection')
    deaf.listen(broker.port, '127.0.0.1')
    const [socket] = (await dialled) as [import('node:net').Socket]
    const gone = once(socket.resume(), 'close')
    await bus.close()
    await gone
    deaf.close()
  })
})

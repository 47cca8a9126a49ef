// Goal: what goes beyond the Bus interface (headers, tokens, limits, restarts) works alike on the embedded broker and on
// nats-server, with the official client used directly.
import { connect, errors, headers } from 'nats'
import type { NatsConnection } from 'nats'
import { afterEach, describe, expect, it } from 'vitest'
import { connectNats } from '../../../runtime/bus/nats.ts'
import { startEmbeddedServer } from '../../support/embedded-broker.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import type { TestServer, TestServerOptions } from '../../support/nats-server.ts'

const SERVERS: readonly (readonly [string, (options?: TestServerOptions) => Promise<TestServer>])[] = [
  ['embedded broker', startEmbeddedServer],
  ['nats-server', startNatsServer],
]

describe.each(SERVERS)('server contract: %s', (_name, startServer) => {
  const cleanUps: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  })

  async function serve(options?: TestServerOptions): Promise<TestServer> {
    const server = await startServer(options)
    cleanUps.push(() => server.stop())
    return server
  }

  async function client(server: TestServer): Promise<NatsConnection> {
    const connection = await connect({ servers: server.url, noAsyncTraces: true })
    cleanUps.push(() => connection.close())
    return connection
  }

  it('describes itself in INFO', async () => {
    const connection = await client(await serve())
    expect(connection.info).toMatchObject({ headers: true, max_payload: 1024 * 1024, proto: 1 })
    expect(connection.info!.server_id).toMatch(/^N[A-Z2-7]{55}$/)
    expect(connection.info!.auth_required ?? false).toBe(false)
  })

  it('passes headers through, and answers with headers', async () => {
    const server = await serve()
    const [a, b] = [await client(server), await client(server)]
    b.subscribe('echo', {
      callback: (_error, request) => {
        const answer = headers()
        answer.set('Seen', request.headers!.values('Colour').join('+'))
        request.respond(request.data, { headers: answer })
      },
    })
    await b.flush()
    const sent = headers()
    sent.append('Colour', 'red')
    sent.append('Colour', 'grün')
    const answer = await a.request('echo', 'body', { headers: sent, timeout: 5000 })
    expect(answer.string()).toBe('body')
    expect(answer.headers!.get('Seen')).toBe('red+grün')
  })

  it('rejects a request to nobody at once', async () => {
    const connection = await client(await serve())
    const failure: unknown = await connection.request('nobody', '', { timeout: 5000 }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(errors.RequestError)
    expect((failure as InstanceType<typeof errors.RequestError>).isNoResponders()).toBe(true)
  })

  it('ends a subscription after its maximum', async () => {
    const server = await serve()
    const [a, b] = [await client(server), await client(server)]
    const seen: string[] = []
    b.subscribe('s', { max: 2, callback: (_error, message) => void seen.push(message.string()) })
    await b.flush()
    for (const text of ['1', '2', '3']) a.publish('s', text)
    await a.flush()
    await b.flush()
    expect(seen).toEqual(['1', '2'])
    // the server knows too: nobody is left to answer
    await expect(a.request('s', '4', { timeout: 5000 })).rejects.toThrow('no responders')
  })

  it('does not echo to a client that asked not to', async () => {
    const server = await serve()
    const quiet = await connect({ servers: server.url, noEcho: true })
    cleanUps.push(() => quiet.close())
    const other = await client(server)
    const seen: string[] = []
    quiet.subscribe('s', { callback: (_error, message) => void seen.push(message.string()) })
    await quiet.flush()
    quiet.publish('s', 'own')
    await quiet.flush()
    other.publish('s', 'foreign')
    await other.flush()
    await quiet.flush()
    expect(seen).toEqual(['foreign'])
  })

  it('admits who has the token and refuses who has not', async () => {
    const server = await serve({ token: 'correct horse' })
    for (const token of [undefined, '', 'wrong', 'correct hors', 'correct horse ']) {
      const attempt = connectNats({ servers: server.url, ...(token === undefined ? {} : { token }) })
      await expect(attempt).rejects.toThrow('refused the credentials')
    }
    const bus = await connectNats({ servers: server.url, token: 'correct horse' })
    await bus.flush()
    await bus.close()
  })

  it('refuses a wrong token at once even when told to wait for the server', async () => {
    const server = await serve({ token: 'right' })
    const attempt = connectNats({ servers: server.url, token: 'wrong', waitOnFirstConnectMs: 600_000 })
    await expect(attempt).rejects.toThrow('refused the credentials')
  })

  it('is waited for until it starts', async () => {
    const server = await serve()
    await server.stop()
    await expect(connectNats({ servers: server.url })).rejects.toThrow('no NATS server at nats://127.0.0.1')
    const waiting = connectNats({ servers: server.url, waitOnFirstConnectMs: 60_000, reconnectTimeWaitMs: 20 })
    await expect(
      connectNats({ servers: server.url, waitOnFirstConnectMs: 50, reconnectTimeWaitMs: 20 }),
    ).rejects.toThrow('no NATS server')
    await server.start()
    const bus = await waiting
    await bus.flush()
    await bus.close()
  })

  it('serves its clients again after each of several restarts', async () => {
    const server = await serve()
    const bus = await connectNats({ servers: server.url, reconnectTimeWaitMs: 20 })
    cleanUps.push(() => bus.close())
    const arrivals: (() => void)[] = []
    bus.subscribe('s', () => arrivals.shift()?.())
    for (let round = 0; round < 3; round++) {
      const back = new Promise<void>((resolve) => bus.onStatus((status) => status === 'connected' && resolve()))
      await server.stop()
      await server.start()
      await back
      const arrived = new Promise<void>((resolve) => arrivals.push(resolve))
      bus.publish('s', new Uint8Array(1))
      await arrived
    }
  })
})

// Goal: nothing that anyone can publish on the broker harms the service: malformed, oversize, forged and replayed messages are refused with CCF's
// codes or ignored, no node ends, no session is left behind, and what was sent once is executed once.
import { connect as connectNatsClient, headers, type NatsConnection } from 'nats'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../protocols/codec/bytes.ts'
import { REQUEST_BODY_BYTES_MAX, SESSIONS_MAX } from '../../protocols/limits.ts'
import { decodeHello, encodeHello } from '../../protocols/session/hello.ts'
import {
  channelSubject,
  nodeSessionSubject,
  rpcSubject,
  sessionFrameSubject,
  sessionSubject,
} from '../../protocols/subjects.ts'
import { startBroker, type Broker, type TappedMessage } from '../../runtime/bus/broker/broker.ts'
import { connectNats } from '../../runtime/bus/nats.ts'
import { ConcordatError, type Client } from '../../runtime/client/index.ts'
import { createUserIdentity } from '../../runtime/identity.ts'
import type { LocalService } from '../../runtime/local-service.ts'
import { Prng } from '../../runtime/prng.ts'
import {
  connectClient,
  startTestService,
  TEST_TIMING,
  until,
  untilPrimary,
  type TestService,
} from '../support/local-service.ts'
import { connectRaw } from '../support/raw-client.ts'

const SESSION_IDLE_MS = 2000
/** Long: here no node dies, and a flood that delays heartbeats on a busy machine must not pass for one that does. */
const ELECTION_TIMEOUT_MS = 8000
/** A handshake that is not finished is given up by the node after 10 s. */
const SESSIONS_GONE_MS = 25_000
const NOW_SECONDS = Math.floor(Date.now() / 1000)

describe('bad input', () => {
  let broker: Broker
  let test: TestService
  let service: LocalService
  let client: Client
  let nats: NatsConnection
  const traffic: TappedMessage[] = []

  beforeAll(async () => {
    broker = await startBroker()
    broker.tap((message) => traffic.push(message))
    test = await startTestService({
      nats: broker.url,
      timing: { ...TEST_TIMING, electionTimeoutMs: ELECTION_TIMEOUT_MS, sessionIdleMs: SESSION_IDLE_MS },
    })
    service = test.service
    client = await connectClient(service, { keepAliveMs: 500 })
    nats = await connectNatsClient({ servers: service.servers, noAsyncTraces: true })
  })
  afterAll(async () => {
    await nats?.close()
    await client?.close()
    await test?.dispose()
    await broker?.close()
  })
  /** Whatever a test did: three nodes, none of which has complained, and they still serve. */
  afterEach(async () => {
    expect(test.notices).toEqual([])
    expect(service.running).toHaveLength(3)
    const written = await client.request('POST /log/private', { id: 1, msg: 'still here' }, { wait: 'committed' })
    expect(written.status).toBe(200)
  })

  interface RpcAnswer {
    readonly status: number
    readonly body: { readonly error?: { readonly code: string } }
  }
  const ask = async (payload: string | Uint8Array): Promise<RpcAnswer> =>
    JSON.parse(
      new TextDecoder().decode((await nats.request(rpcSubject('test'), payload, { timeout: 5000 })).data),
    ) as RpcAnswer

  const sessionsOn = async (on: Client): Promise<number> =>
    ((await on.request('GET /node/metrics')).body as { readonly sessions: { readonly active: number } }).sessions.active

  it('random bytes on every subject of every node change nothing', async () => {
    const prng = new Prng(1)
    const [first, second] = service.nodes.map(({ nodeId }) => nodeId)
    const subjects = [
      rpcSubject('test'),
      sessionSubject('test'),
      ...service.nodes.flatMap(({ nodeId }) => [
        nodeSessionSubject('test', nodeId),
        sessionFrameSubject('test', nodeId, 'no-such-session'),
        channelSubject('test', nodeId, nodeId === first ? second! : first!),
        channelSubject('test', nodeId, nodeId),
        channelSubject('test', nodeId, 'f'.repeat(64) as typeof nodeId),
        `ccf.test.${nodeId}.unknown.thing`,
        `ccf.test.${nodeId}.session.a.b`,
        `ccf.test.${nodeId}.x`,
      ]),
    ]
    for (const subject of subjects) {
      for (let kind = 0; kind < 12; kind++) {
        const length = [0, 1, 2, 17, 60, 300, 5000][prng.integer(0, 6)]!
        const bytes = prng.bytes(length)
        // Beginnings that get further than noise: kinds and version of hellos and frames.
        if (length > 2 && kind < 8) bytes.set([kind, 1])
        nats.publish(subject, bytes, prng.chance(1, 2) ? { reply: `_INBOX.nobody.${kind}` } : {})
      }
      nats.publish(subject, prng.bytes(1024 * 1024))
    }
    await nats.flush()
  })

  it('live sessions and channels survive forged frames on their own subjects', async () => {
    const prng = new Prng(2)
    const used = new Set(
      traffic.map(({ subject }) => subject).filter((subject) => /\.(session|channel)\./.test(subject)),
    )
    expect(used.size).toBeGreaterThan(6)
    const opened = client.status().sessionsOpened
    for (const subject of used) for (const length of [0, 1, 9, 40, 2000]) nats.publish(subject, prng.bytes(length))
    await nats.flush()
    await client.request('GET /app/commit')
    expect(client.status().sessionsOpened).toBe(opened)
  })

  it('reply subjects that nobody can publish to do not end a node', async () => {
    const raw = await connectRaw(broker.port)
    raw.send('CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n')
    const targets = service.nodes.flatMap(({ nodeId }) => [
      sessionFrameSubject('test', nodeId, 'no-such-session'),
      nodeSessionSubject('test', nodeId),
    ])
    const replies = ['a..b', '*', 'a.>', '>', 'ccf.test.commit', `_INBOX.${'x'.repeat(1500)}`]
    for (const subject of [...targets, rpcSubject('test'), '$SRV.PING', '$SRV.INFO'])
      for (const reply of replies) raw.send(`PUB ${subject} ${reply} 2\r\nhi\r\n`)
    raw.send('PING\r\n')
    await raw.until('PONG')
    raw.close()
  })

  it('malformed and oversize requests in clear are refused with the codes of CCF', async () => {
    expect(await ask('')).toMatchObject({ status: 400, body: { error: { code: 'InvalidInput' } } })
    expect(await ask('{"method": "GET"')).toMatchObject({ status: 400, body: { error: { code: 'InvalidInput' } } })
    expect(await ask('{"method": 5, "path": "/app/commit"}')).toMatchObject({ status: 400 })
    expect(await ask('GET app/commit')).toMatchObject({ status: 400 })
    expect(await ask(new Uint8Array([0xff, 0xfe]))).toMatchObject({ status: 400 })
    expect(await ask(`GET /app/tx?transaction_id=${'9'.repeat(9000)}.1`)).toMatchObject({
      status: expect.toBeOneOf([400, 414]),
    })
    expect(await ask('GET /app/tx?transaction_id=nonsense')).toMatchObject({
      status: 400,
      body: { error: { code: 'InvalidQueryParameterValue' } },
    })
    expect(await ask('POST /app/commit')).toMatchObject({
      status: 405,
      body: { error: { code: 'UnsupportedHttpVerb' } },
    })
    const large = JSON.stringify({ method: 'POST', path: '/log/private', body: 'x'.repeat(1_000_000) })
    expect(await ask(large)).toMatchObject({ status: 413, body: { error: { code: 'RequestBodyTooLarge' } } })
  })

  it('requests with headers, and on subjects nobody serves, are answered as NATS does', async () => {
    const withHeaders = headers()
    withHeaders.set('X-Anything', 'at all')
    const { data } = await nats.request(rpcSubject('test'), 'GET /node/version', {
      timeout: 5000,
      headers: withHeaders,
    })
    expect(JSON.parse(new TextDecoder().decode(data))).toMatchObject({ status: 200 })
    await expect(nats.request('ccf.test.nothing', '', { timeout: 2000 })).rejects.toThrow(/responders/i)
    await expect(nats.request('ccf.other.rpc', '', { timeout: 2000 })).rejects.toThrow(/responders/i)
  })

  it('more hellos than a node takes sessions, and nothing after them, keep no client out', async () => {
    const prng = new Prng(3)
    const dead = '_INBOX.says-hello-only'
    for (let i = 0; i < 1.5 * SESSIONS_MAX; i++) {
      const hello = encodeHello({ type: 'clientHello', replySubject: dead, noise: prng.bytes(32) })
      for (const { nodeId } of service.nodes) nats.publish(nodeSessionSubject('test', nodeId), hello)
    }
    await nats.flush()
    const late = await connectClient(service)
    expect((await late.request('GET /log/private?id=1')).status).toBeOneOf([200, 404])
    await late.close()
  })

  it('a frame for a session that does not exist is answered with a refusal', async () => {
    for (const { nodeId } of service.nodes) {
      const { data } = await nats.request(sessionFrameSubject('test', nodeId, 'f'.repeat(32)), 'hello', {
        timeout: 5000,
      })
      expect(decodeHello(new Uint8Array(data))).toMatchObject({ type: 'sessionRefusal', code: 'ResourceNotFound' })
    }
  })

  it('bad input to the application is refused, and the session goes on', async () => {
    const opened = client.status().sessionsOpened
    const refusals = [
      [await client.request('POST /log/private', { id: -1, msg: 'x' }), 400, 'InvalidInput'],
      [await client.request('POST /log/private', { id: 1 }), 400, 'InvalidInput'],
      [await client.request('POST /log/private', utf8('not json')), 400, 'InvalidInput'],
      [await client.request('POST /log/private', { id: 1, msg: 'x'.repeat(70_000) }), 400, 'InvalidInput'],
      [await client.request('GET /log/private?id=x'), 400, 'InvalidInput'],
      [await client.request('GET /log/nowhere'), 404, 'ResourceNotFound'],
      [await client.request('PUT /log/private', { id: 1, msg: 'x' }), 405, 'UnsupportedHttpVerb'],
    ] as const
    for (const [response, status, code] of refusals) {
      expect(response.status).toBe(status)
      expect(response.error?.code).toBe(code)
    }
    const tooLarge = new Uint8Array(REQUEST_BODY_BYTES_MAX + 1)
    await expect(client.request('POST /log/private/raw/1', tooLarge)).rejects.toMatchObject({
      code: 'RequestBodyTooLarge',
    })
    const largest = new Uint8Array(REQUEST_BODY_BYTES_MAX).fill(7)
    const kept = await client.request('POST /log/private/raw/7', largest, { wait: 'committed' })
    expect(kept.status).toBe(204)
    const read = (await client.request('GET /log/private/raw/7')).body as Uint8Array
    expect(Buffer.compare(read, largest)).toBe(0)
    expect(client.status().sessionsOpened).toBe(opened)
  })

  it('a user who is not registered gets 401; so does nobody at all', async () => {
    const stranger = await createUserIdentity({ subject: 'CN=stranger', nowSeconds: NOW_SECONDS, validityDays: 1 })
    for (const identity of [stranger, undefined]) {
      const options = identity === undefined ? { identity: undefined } : { identity }
      const other = await connectClient(service, options as Parameters<typeof connectClient>[1])
      const refused = await other.request('POST /log/private', { id: 1, msg: 'x' })
      expect(refused.status).toBe(401)
      expect(refused.error?.code).toBe('InvalidAuthenticationInfo')
      expect((await other.request('GET /log/private?id=1')).status).toBe(401)
      expect((await other.request('GET /app/commit')).status).toBe(200)
      await other.close()
    }
  })

  it('a client that trusts another service does not talk to this one', async () => {
    const other = await createUserIdentity({ subject: 'CN=CCF Service', nowSeconds: NOW_SECONDS, validityDays: 1 })
    const attempt = connectClient(service, { trust: other.certificatePem })
    await expect(attempt).rejects.toMatchObject({ code: 'ServiceNotTrusted' })
    await expect(connectClient(service, { trust: 'no certificate' })).rejects.toMatchObject({ code: 'InvalidInput' })
  })

  it('replayed session frames, handshakes and channel frames are executed once', async () => {
    await client.request('POST /bank/accounts', { customer: 'alice', checking: 100, savings: 0 }, { wait: 'committed' })
    const from = traffic.length
    await client.request('POST /bank/deposit-checking', { customer: 'alice', amount: 5 }, { wait: 'committed' })
    const forwarding = await connectClient(service, { prefer: 'any' })
    await forwarding.request('POST /bank/deposit-checking', { customer: 'alice', amount: 5 }, { wait: 'committed' })
    await forwarding.close()
    const recorded = traffic
      .slice(from)
      .filter(({ subject }) => subject.startsWith('ccf.test.') && !subject.endsWith('.commit'))
    expect(recorded.some(({ subject }) => subject.includes('.session.'))).toBe(true)
    expect(recorded.some(({ subject }) => subject.includes('.channel.'))).toBe(true)
    const opened = client.status().sessionsOpened
    for (let round = 0; round < 3; round++) {
      for (const { subject, payload, reply } of round === 1 ? recorded.toReversed() : recorded)
        nats.publish(subject, payload, reply === undefined ? {} : { reply })
      await nats.flush()
      const { body } = await client.request('GET /bank/balance?customer=alice')
      expect(body).toMatchObject({ checking: 110 })
    }
    expect(client.status().sessionsOpened).toBe(opened)
  })

  it(
    'clients that vanish leave no session behind, nor do handshakes that nobody finishes',
    async () => {
      const { primary } = await untilPrimary(service)
      expect(client.status().nodeId).toBe(primary)
      // What earlier tests left goes by itself.
      await until('only the one session', async () => (await sessionsOn(client)) === 1, SESSIONS_GONE_MS)
      const buses = await Promise.all(Array.from({ length: 5 }, () => connectNats({ servers: service.servers })))
      const vanishing = await Promise.all(buses.map((bus) => connectClient(service, { bus, keepAliveMs: 500 })))
      await Promise.all(vanishing.map((one) => one.request('GET /app/commit')))
      expect(await sessionsOn(client)).toBe(6)
      // Requests on their way, and gone without a word.
      for (const one of vanishing) one.request('POST /log/private', { id: 50, msg: 'last words' }).catch(swallowLost)
      await Promise.all(buses.map((bus) => bus.close()))
      await Promise.all(vanishing.map((one) => one.close()))
      await until(
        'the vanished sessions to be given up',
        async () => (await sessionsOn(client)) === 1,
        SESSIONS_GONE_MS,
      )
    },
    2 * SESSIONS_GONE_MS + 10_000,
  )
})

/** Requests of a client that is made to vanish fail; with anything else the test would fail. */
function swallowLost(error: unknown): void {
  if (!(error instanceof ConcordatError)) throw error
}

// Goal: the client SDK against real session actors over the in-process bus: batching, identity, commits, receipts, failover, and clear errors for everything
// that goes wrong; and no plaintext on the wire.
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { AppRequest } from '../../../protocols/app.ts'
import { toByteString } from '../../../protocols/codec/bytes.ts'
import { formatPem } from '../../../protocols/codec/pem.ts'
import { certificateId, nodeIdOf } from '../../../protocols/crypto/certificate.ts'
import { refusal } from '../../../protocols/errors.ts'
import { seqno, view } from '../../../protocols/ids.ts'
import { REQUEST_BODY_BYTES_MAX } from '../../../protocols/limits.ts'
import { jsonResponse, refusalResponse } from '../../../protocols/requests.ts'
import { createInProcessBusHub, type InProcessBusHub } from '../../../runtime/bus/in-process.ts'
import {
  connect,
  ConcordatError,
  type Client,
  type ConnectOptions,
  type Response,
} from '../../../runtime/client/index.ts'
import { crypto, identity, node, otherService, SERVICE, service, user } from '../actors-session/identities.ts'
import { FakeNode, type FakeNodeOptions } from './fake-node.ts'

const trust = formatPem('CERTIFICATE', service.der)
const asUser = { certificatePem: formatPem('CERTIFICATE', user.der), privateKeyPkcs8: user.pkcs8 }
const secondNode = identity('CCF Node 2', { issuer: service })

let clients: Client[] = []
afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()))
  clients = []
})

function network(options: Partial<FakeNodeOptions> = {}): {
  readonly hub: InProcessBusHub
  readonly first: FakeNode
  readonly wire: Uint8Array[]
} {
  const hub = createInProcessBusHub()
  const wire: Uint8Array[] = []
  hub.connect().subscribe('>', ({ payload }) => void wire.push(payload))
  const first = new FakeNode({ bus: hub.connect(), identity: node, ...options })
  return { hub, first, wire }
}

async function connected(hub: InProcessBusHub, options: Partial<ConnectOptions> = {}): Promise<Client> {
  const client = await connect({
    bus: hub.connect(),
    service: SERVICE,
    trust,
    identity: asUser,
    handshakeTimeoutMs: 500,
    pingAfterMs: 50,
    ...options,
  })
  clients.push(client)
  return client
}

const failureOf = async (promise: Promise<unknown>): Promise<ConcordatError> => {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(outcome).toBeInstanceOf(ConcordatError)
  return outcome as ConcordatError
}

describe('requests', () => {
  it('are answered, sealed, and carry the identity', async () => {
    const { hub, first, wire } = network()
    const client = await connected(hub)
    const response = await client.request('POST /statements', { name: 'very-secret-name' })
    expect(response).toMatchObject({ status: 200, ok: true, txId: '2.1', error: undefined })
    expect(response.body).toEqual({ verb: 'POST', path: '/app/statements', body: '{"name":"very-secret-name"}' })
    expect(first.executes[0]!.caller).toEqual({ kind: 'certificate', id: certificateId(crypto, user.der) })
    const seen = wire.map(toByteString).join('\n')
    expect(wire.length).toBeGreaterThan(4)
    for (const secret of ['very-secret', 'statements', 'POST', 'GET', 'user0']) expect(seen).not.toContain(secret)
  })

  it('of one turn share a frame, and each gets its own answer', async () => {
    const { hub, first } = network()
    const client = await connected(hub)
    const before = first.framesIn.length
    const responses = await Promise.all(Array.from({ length: 100 }, (_, i) => client.request(`GET /app/x?i=${i}`)))
    expect(responses.map(({ body }) => (body as { readonly path: string }).path)).toEqual(
      Array.from({ length: 100 }, (_, i) => `/app/x?i=${i}`),
    )
    expect(first.framesIn.length - before).toBe(1)
    expect(first.executes).toHaveLength(1)
  })

  it('may carry bytes and get bytes, and go without promises', async () => {
    const { hub } = network({
      handler: ({ id, body }) => ({ id, status: 200, contentType: 'bytes', body, txId: undefined }),
    })
    const client = await connected(hub, { identity: undefined as never })
    const outcome = await new Promise<Response | ConcordatError>((resolve) =>
      client.send('PUT /x', Uint8Array.of(1, 2, 3), resolve),
    )
    expect((outcome as Response).body).toEqual(Uint8Array.of(1, 2, 3))
    expect((outcome as Response).txId).toBeUndefined()
    await (outcome as Response).committed()
    expect((await failureOf((outcome as Response).receipt())).code).toBe('TransactionNotFound')
  })

  it('get refusals as responses', async () => {
    const { hub } = network({
      handler: ({ id }) => refusalResponse(id, refusal(401, 'InvalidAuthenticationInfo', 'not a user')),
    })
    const response = await (await connected(hub)).request('GET /x')
    expect(response).toMatchObject({
      status: 401,
      ok: false,
      error: { code: 'InvalidAuthenticationInfo', message: 'not a user' },
    })
  })

  it('that cannot be sent fail at once, with CCF’s code', async () => {
    const client = await connected(network().hub)
    expect((await failureOf(client.request('statements'))).code).toBe('InvalidInput')
    expect((await failureOf(client.request('BREW /x'))).code).toBe('UnsupportedHttpVerb')
    expect((await failureOf(client.request('POST /x', new Uint8Array(REQUEST_BODY_BYTES_MAX + 1)))).status).toBe(413)
    expect(client.status()).toMatchObject({ unsent: 0, inFlight: 0 })
  })

  it('end in time, or when aborted', async () => {
    const { hub } = network({ handler: () => undefined })
    const client = await connected(hub, { pingAfterMs: 60_000 })
    const late = await failureOf(client.request('GET /x', undefined, { timeoutMs: 60 }))
    expect(late).toMatchObject({ code: 'RequestTimeout', outcomeUnknown: true })
    const controller = new AbortController()
    const aborted = failureOf(client.request('POST /x', {}, { signal: controller.signal }))
    controller.abort()
    expect(await aborted).toMatchObject({ code: 'RequestAborted', outcomeUnknown: false })
    expect((await failureOf(client.request('POST /x', {}, { signal: controller.signal }))).code).toBe('RequestAborted')
  })

  it('beyond one frame or one window go in several', async () => {
    const { hub, first } = network()
    const client = await connected(hub)
    const body = new Uint8Array(REQUEST_BODY_BYTES_MAX).fill(0x61)
    const big = await Promise.all([1, 2, 3].map(() => client.request('POST /big', body)))
    expect(big.map(({ status }) => status)).toEqual([200, 200, 200])
    const many = await Promise.all(Array.from({ length: 10_000 }, () => client.request('GET /x')))
    expect(many.every(({ ok }) => ok)).toBe(true)
    expect(first.executes.flatMap(({ requests }) => requests)).toHaveLength(10_003)
  })
})

describe('commits', () => {
  it('resolve by the node’s notice, also when it came first', async () => {
    const { hub, first } = network()
    const client = await connected(hub)
    const [a, b] = await Promise.all([client.request('POST /x'), client.request('POST /x')])
    let isCommitted = false
    const waiting = b.committed().then(() => (isCommitted = true))
    first.commit(2, 1)
    await a.committed()
    expect(isCommitted).toBe(false)
    first.commit(2, 2)
    await waiting
    await b.committed()
    expect(client.status().awaitingCommit).toBe(0)
  })

  it('hold a response back when asked to', async () => {
    const { hub, first } = network()
    const client = await connected(hub)
    let isAnswered = false
    const held = client.request('POST /x', {}, { wait: 'committed' }).then((response) => {
      isAnswered = true
      return response
    })
    await client.request('POST /y')
    expect(isAnswered).toBe(false)
    first.commit(2, 5)
    expect((await held).txId).toBe('2.1')
  })

  it.each([
    ['Committed', undefined],
    ['Invalid', 'TransactionInvalid'],
    ['Pending', 'RequestTimeout'],
  ])('are asked for when no notice comes: %s', async (status, code) => {
    const asked: string[] = []
    const { hub } = network({
      handler: ({ id, path }) => {
        if (!path.startsWith('/app/tx?')) return jsonResponse(id, 200, {}, { view: view(2), seqno: seqno(7) })
        asked.push(path)
        return jsonResponse(id, 200, { transaction_id: '2.7', status })
      },
    })
    const client = await connected(hub, { requestTimeoutMs: 900 })
    const response = await client.request('POST /x')
    const outcome = await response.committed().catch((error: unknown) => error)
    expect(asked[0]).toBe('/app/tx?transaction_id=2.7')
    if (code === undefined) expect(outcome).toBeUndefined()
    else expect(outcome).toMatchObject({ code })
  })

  it('are asked for at once when a newer view commits', async () => {
    const asked: string[] = []
    const { hub, first } = network({
      handler: ({ id, path }) => {
        if (path.startsWith('/app/tx?')) asked.push(path)
        const answer = { transaction_id: '2.9', status: 'Invalid' }
        return jsonResponse(id, 200, answer, path === '/app/x' ? { view: view(2), seqno: seqno(9) } : undefined)
      },
    })
    const client = await connected(hub)
    const response = await client.request('POST /x')
    const failure = failureOf(response.committed())
    first.commit(3, 4)
    expect((await failure).code).toBe('TransactionInvalid')
    expect(asked).toEqual(['/app/tx?transaction_id=2.9'])
  })

  it('come with a receipt', async () => {
    let calls = 0
    const receipt = { cert: 'x', node_id: 'y', proof: [], signature: 'z' }
    const { hub, first } = network({
      handler: ({ id, path }) => {
        if (!path.startsWith('/app/receipt?transaction_id=2.7'))
          return jsonResponse(id, 200, {}, { view: view(2), seqno: seqno(7) })
        return ++calls === 1
          ? { id, status: 202, contentType: 'none', body: new Uint8Array(0), txId: undefined }
          : jsonResponse(id, 200, receipt)
      },
    })
    const client = await connected(hub)
    const response = await client.request('POST /x')
    const pending = response.receipt()
    first.commit(2, 7)
    expect(await pending).toEqual(receipt)
    expect(calls).toBe(2)
  })
})

describe('failover', () => {
  it('fails writes whose outcome is unknown, repeats reads, and goes on with another node', async () => {
    const { hub, first } = network({ handler: () => undefined })
    const client = await connected(hub, { lostAfterMs: 100 })
    const lost: string[] = []
    client.onSessionLost(({ code }) => lost.push(code))
    const write = failureOf(client.request('POST /x'))
    const read = client.request('GET /x')
    const flagged = client.request('PUT /x', 1, { idempotent: true })
    await vi.waitFor(() => expect(client.status()).toMatchObject({ inFlight: 3 }))
    const second = new FakeNode({ bus: hub.connect(), identity: secondNode, seed: 9 })
    first.kill()
    expect(await write).toMatchObject({ code: 'NodeUnreachable', outcomeUnknown: true })
    expect([(await read).status, (await flagged).status]).toEqual([200, 200])
    expect(lost).toEqual(['NodeUnreachable'])
    expect(client.status()).toMatchObject({ connected: true, nodeId: second.nodeId, sessionsOpened: 2 })
    expect((await client.request('POST /x')).status).toBe(200)
  })

  it('learns at once from NATS that nobody listens', async () => {
    // No tap on the wire here: it would count as somebody who listens.
    const hub = createInProcessBusHub()
    const first = new FakeNode({ bus: hub.connect(), identity: node })
    const client = await connected(hub, { pingAfterMs: 60_000, retry: 'never' })
    first.kill()
    new FakeNode({ bus: hub.connect(), identity: secondNode, seed: 9 })
    expect(await failureOf(client.request('GET /x'))).toMatchObject({ code: 'NodeUnreachable', outcomeUnknown: true })
    expect((await client.request('POST /x')).status).toBe(200)
  })

  it('follows CCF’s session rule: the dropped request fails or is repeated, the next one gets a new session', async () => {
    let isFirst = true
    const { hub, first } = network({
      handler: ({ id, path }) => {
        if (path === '/app/warm' || !isFirst) return jsonResponse(id, 200, {})
        isFirst = false
        return refusalResponse(id, refusal(500, 'SessionConsistencyLost', 'the view changed'))
      },
    })
    const client = await connected(hub)
    expect((await client.request('GET /warm')).status).toBe(200)
    expect(await failureOf(client.request('POST /x'))).toMatchObject({
      code: 'SessionConsistencyLost',
      status: 500,
      outcomeUnknown: false,
    })
    expect((await client.request('POST /x')).status).toBe(200)
    isFirst = true
    expect((await client.request('GET /x')).status).toBe(200)
    expect(client.status().sessionsOpened).toBe(3)
    expect(first.executes.map(({ requests }) => requests.map(({ path }: AppRequest) => path)).flat()).toEqual([
      '/app/warm',
      '/app/x',
      '/app/x',
      '/app/x',
      '/app/x',
    ])
  })

  it('opens a new session when the node closes or forgets the old one', async () => {
    const { hub, first } = network()
    const client = await connected(hub)
    const reasons: string[] = []
    client.onSessionLost(({ code, message }) => reasons.push(`${code}: ${message}`))
    first.closeSessions('InvalidNodeState', 'the node is stopping')
    expect((await client.request('GET /x')).status).toBe(200)
    expect(reasons).toEqual(['InvalidNodeState: the node is stopping'])
    first.isSilent = true
    first.forgetSessions()
    first.isSilent = false
    expect((await client.request('GET /x')).status).toBe(200)
    expect(reasons[1]).toContain('forgotten')
  })

  it('survives an outage of the network', async () => {
    const { hub } = network()
    const client = await connected(hub)
    hub.interrupt()
    const during = client.request('GET /x')
    hub.restore()
    expect((await during).status).toBe(200)
    expect(client.status().sessionsOpened).toBe(2)
  })

  it('turns to the primary when one is named, and makes do without when it is not there', async () => {
    const hub = createInProcessBusHub()
    const second = new FakeNode({ bus: hub.connect(), identity: secondNode, seed: 9 })
    // Only the first node takes hellos for any node.
    const busOfFirst = hub.connect()
    const first = new FakeNode({ bus: busOfFirst, identity: node, primary: second.nodeId })
    const at = async (prefer: 'primary' | 'any') => (await connected(hub, { prefer })).status().nodeId
    expect([await at('primary'), await at('primary')]).toEqual([second.nodeId, second.nodeId])
    expect(new Set([await at('any'), await at('any')])).toEqual(new Set([first.nodeId, second.nodeId]))
    second.kill()
    expect(await at('primary')).toBe(first.nodeId)
  })
})

describe('what goes wrong is said clearly', () => {
  const attempt = (hub: InProcessBusHub, options: Partial<ConnectOptions> = {}) =>
    failureOf(connected(hub, { connectTimeoutMs: 150, ...options }))

  it('another service, a node of another service, a node with another name', async () => {
    expect((await attempt(network({ of: otherService }).hub)).code).toBe('ServiceNotTrusted')
    // It speaks for the right service, but its certificate is not endorsed by it.
    const impostor = identity('impostor')
    const error = await attempt(network({ identity: impostor }).hub)
    expect(error).toMatchObject({ code: 'ServiceNotTrusted', outcomeUnknown: false })
    expect(error.message).toContain('notEndorsed')
    const liar = await attempt(network({ claims: nodeIdOf(crypto, secondNode.certificate) }).hub)
    expect(liar).toMatchObject({ code: 'ServiceNotTrusted', message: expect.stringContaining('another identity') })
  })

  it('nobody there, and a node that is not ready', async () => {
    expect((await attempt(createInProcessBusHub())).code).toBe('NodeUnreachable')
    const { hub, first } = network()
    first.isReady = false
    expect((await attempt(hub)).code).toBe('FrontendNotOpen')
  })

  it('a key that is not the certificate’s, and things that are no certificates', async () => {
    const { hub } = network()
    const wrongKey = { ...asUser, privateKeyPkcs8: identity('somebody else').pkcs8 }
    expect(await attempt(hub, { identity: wrongKey })).toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining('does not belong'),
    })
    expect((await attempt(hub, { trust: 'nonsense' })).message).toContain('trust')
    expect((await attempt(hub, { identity: { ...asUser, certificatePem: '' } })).message).toContain('identity')
    expect((await attempt(hub, { identity: { ...asUser, privateKeyPkcs8: Uint8Array.of(1) } })).message).toContain(
      'PKCS#8',
    )
  })

  it('no NATS server', async () => {
    const error = await failureOf(
      connect({ servers: 'nats://127.0.0.1:1', service: SERVICE, trust, connectTimeoutMs: 50 }),
    )
    expect(error.code).toBe('ConnectionFailed')
    expect((await failureOf(connect({ service: SERVICE, trust }))).code).toBe('InvalidInput')
  })

  it('a client that is closed', async () => {
    const { hub } = network({ handler: () => undefined })
    const client = await connected(hub)
    const open = failureOf(client.request('GET /x'))
    await client.close()
    await client.close()
    expect((await open).code).toBe('ClientClosed')
    expect((await failureOf(client.request('GET /x'))).code).toBe('ClientClosed')
  })

  it('junk on the inbox is ignored, replays too', async () => {
    const { hub, wire } = network()
    const client = await connected(hub)
    await client.request('GET /x')
    const bus = hub.connect()
    // Inboxes of this bus are `_INBOX.<connection>-<n>`: everything ever sent, again, to the client.
    for (const payload of [...wire, new Uint8Array(0), new Uint8Array(40).fill(0x81)]) {
      for (let connection = 1; connection < 8; connection++) bus.publish(`_INBOX.${connection}-1`, payload)
    }
    await bus.flush()
    expect((await client.request('GET /x')).status).toBe(200)
    expect(client.status().sessionsOpened).toBe(1)
  })
})

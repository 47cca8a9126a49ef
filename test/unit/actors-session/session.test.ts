// Goal: one session actor, driven message by message: handshake with and without identity, refusals, sealed batches, replays and forgeries,
// CCF's session rule, limits, idleness. Nothing an eavesdropper sees may reveal a request or a response.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { erase } from '../../../actors/actor.ts'
import { admitHello } from '../../../protocols/session/admission.ts'
import { session } from '../../../actors/session/session.ts'
import type { SessionConfig } from '../../../actors/session/state.ts'
import type { AppRequest, AppResponse } from '../../../protocols/app.ts'
import { EMPTY, fromUtf8, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { certificateId } from '../../../protocols/crypto/certificate.ts'
import { refusal } from '../../../protocols/errors.ts'
import { seqno, view } from '../../../protocols/ids.ts'
import {
  FRAME_REQUESTS_MAX,
  REQUEST_BODY_BYTES_MAX,
  SESSION_REQUESTS_PENDING_MAX,
  SESSIONS_MAX,
} from '../../../protocols/limits.ts'
import { refusalResponse, type Execute } from '../../../protocols/requests.ts'
import { decodeHello, encodeHello } from '../../../protocols/session/hello.ts'
import { verifyIdentityPayload } from '../../../protocols/session/identity-payload.ts'
import {
  crypto,
  node,
  nodeId,
  otherService,
  service,
  SERVICE,
  sessionPayload,
  user,
  type Identity,
} from './identities.ts'
import { RawClient, REPLY } from './raw-client.ts'
import { seeded, TinyHost } from './tiny-host.ts'

const ADDRESS = 'session/s1'
const HANDSHAKE_TIMEOUT_MS = 5000
const IDLE_TIMEOUT_MS = 60_000

const config = (clientNoise: Uint8Array, of: Identity = service): SessionConfig => ({
  crypto,
  service: SERVICE,
  serviceCertificate: of.certificate,
  nodeId,
  sessionId: 's1',
  staticKey: node.staticKey,
  identityPayload: sessionPayload('node', node, of),
  replySubject: REPLY,
  clientNoise,
  primaryHint: nodeId,
  handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
  idleTimeoutMs: IDLE_TIMEOUT_MS,
})

const request = (id: number, path = '/app/statements', body: Uint8Array = utf8(`body ${id}`)): AppRequest => ({
  id,
  verb: 'POST',
  path,
  body,
})
const response = (id: number, seq = id): AppResponse => ({
  id,
  status: 200,
  contentType: 'json',
  body: utf8(JSON.stringify({ value: `answer ${id}` })),
  txId: { view: view(2), seqno: seqno(seq) },
})

/** A host with a session that is open, and its client. */
function opened(who: Identity | 'anonymous' = user) {
  const host = new TinyHost()
  const client = new RawClient(who)
  host.start(ADDRESS, erase(session), config(client.noise))
  const finish = client.finish(host.published.at(-1)!.payload)!
  host.receive(ADDRESS, finish.bytes)
  return { host, client, nodePayload: finish.nodePayload }
}

const executes = (host: TinyHost): readonly Execute[] =>
  host.sent.filter(({ to }) => to === 'executor').map(({ message }) => message as Execute)

const executed = (host: TinyHost, token: number, responses: readonly AppResponse[], executedView = 2): void =>
  host.post(ADDRESS, { type: 'executed', token, view: executedView, responses } as never, 'executor')

describe('handshake', () => {
  it('opens a session whose caller is the certificate, and proves the node', () => {
    const { host, client, nodePayload } = opened()
    expect(host.describe(ADDRESS)).toBe('open')
    expect(host.sent).toContainEqual(
      expect.objectContaining({ to: 'node', message: { type: 'sessionOpened', sessionId: 's1' } }),
    )
    expect(decodeHello(host.published[0]!.payload)).toMatchObject({
      type: 'nodeAnswer',
      session: 's1',
      nodeId,
      primaryHint: nodeId,
    })
    expect(
      verifyIdentityPayload(crypto, {
        payload: nodePayload,
        remoteStatic: node.staticKey.publicKey,
        serviceCertificate: service.certificate,
        expect: 'node',
      }),
    ).toEqual({ kind: 'node', nodeId })
    host.receive(ADDRESS, client.seal([request(1)]))
    expect(executes(host)).toMatchObject([
      { caller: { kind: 'certificate', id: certificateId(crypto, user.der) }, publicOnly: false },
    ])
  })

  it('opens an anonymous session', () => {
    const { host, client } = opened('anonymous')
    host.receive(ADDRESS, client.seal([request(1)]))
    expect(executes(host)).toMatchObject([{ caller: { kind: 'anonymous' } }])
  })

  it('refuses a client whose proof is not its own, in clear and without secrets', () => {
    const host = new TinyHost()
    const client = new RawClient()
    host.start(ADDRESS, erase(session), config(client.noise))
    // Another service's proof: signed by the right key over the wrong statement.
    const finish = client.finish(host.published.at(-1)!.payload, sessionPayload('client', user, otherService))!
    host.receive(ADDRESS, finish.bytes)
    expect(decodeHello(host.published.at(-1)!.payload)).toMatchObject({
      type: 'sessionRefusal',
      code: 'InvalidAuthenticationInfo',
    })
    expect(host.stopped).toEqual([ADDRESS])
    expect(host.sent).toContainEqual(
      expect.objectContaining({ to: 'node', message: { type: 'sessionEnded', sessionId: 's1' } }),
    )
  })

  it('is bound to the service: a client that trusts another one cannot read the answer', () => {
    const host = new TinyHost()
    const client = new RawClient(user, otherService)
    host.start(ADDRESS, erase(session), config(client.noise))
    expect(client.finish(host.published.at(-1)!.payload)).toBeUndefined()
  })

  it('refuses a hello without a key, and ignores forged finishes until time is up', () => {
    const truncated = new TinyHost()
    truncated.start(ADDRESS, erase(session), config(new Uint8Array(31)))
    expect(decodeHello(truncated.published[0]!.payload)).toMatchObject({ type: 'sessionRefusal', code: 'InvalidInput' })
    expect(truncated.stopped).toEqual([ADDRESS])

    const host = new TinyHost()
    const client = new RawClient()
    host.start(ADDRESS, erase(session), config(client.noise))
    const genuine = client.finish(host.published.at(-1)!.payload)!.bytes
    const forged = genuine.slice()
    forged[forged.length - 1]! ^= 1
    for (const junk of [EMPTY, utf8('junk'), forged, encodeHello({ type: 'clientFinish', noise: EMPTY })])
      host.receive(ADDRESS, junk)
    expect(host.tracesOf('frameIgnored')).toBe(4)
    expect(host.published).toHaveLength(1)
    host.receive(ADDRESS, genuine)
    expect(host.describe(ADDRESS)).toBe('open')
    expect(host.timerIsSet(ADDRESS, 'handshakeTimeout')).toBe(false)
  })

  it('gives a handshake up that is not finished in time', () => {
    const host = new TinyHost()
    host.start(ADDRESS, erase(session), config(new RawClient().noise))
    host.advance(HANDSHAKE_TIMEOUT_MS)
    expect(host.stopped).toEqual([ADDRESS])
    expect(host.published).toHaveLength(1)
  })
})

describe('requests', () => {
  it('makes one message to the executor of a frame, and one frame of the answers of a burst', () => {
    const { host, client } = opened()
    host.receive(ADDRESS, client.seal([request(1), request(2)], [{ type: 'ping', id: 7 }]))
    expect(executes(host)).toMatchObject([
      { token: 1, activeView: 0, requests: [{ id: 1, path: '/app/statements' }, { id: 2 }] },
    ])
    expect(client.open(host.published.at(-1)!.payload)).toEqual({ responses: [], notices: [{ type: 'pong', id: 7 }] })

    const before = host.published.length
    host.enqueue(ADDRESS, { type: 'executed', token: 1, view: 2, responses: [response(1)] } as never, 'executor')
    host.enqueue(ADDRESS, { type: 'executed', token: 1, view: 2, responses: [response(2)] } as never, 'executor')
    host.enqueue(ADDRESS, { type: 'commitNotice', view: 2, seqno: 1 } as never, 'executor')
    host.enqueue(ADDRESS, { type: 'commitNotice', view: 2, seqno: 2 } as never, 'executor')
    host.drain()
    expect(host.published).toHaveLength(before + 1)
    const batch = client.open(host.published.at(-1)!.payload)
    expect(batch.responses.map(({ id, body }) => [id, fromUtf8(body)])).toEqual([
      [1, '{"value":"answer 1"}'],
      [2, '{"value":"answer 2"}'],
    ])
    expect(batch.notices).toEqual([{ type: 'commitNotice', view: 2, seqno: 2 }])
  })

  it('reveals nothing in clear', () => {
    const { host, client } = opened()
    const frame = client.seal([request(1, '/app/very-secret-path', utf8('very-secret-body'))])
    host.receive(ADDRESS, frame)
    executed(host, 1, [response(1)])
    const wire = [frame, ...host.published.map(({ payload }) => payload)].map(toHex).join(' ')
    for (const secret of ['very-secret', 'statements', 'answer', toHex(user.der).slice(20, 60)]) {
      expect(wire).not.toContain(/^[0-9a-f]{40}$/.test(secret) ? secret : toHex(utf8(secret)))
    }
  })

  it('ignores replays, forgeries and garbage, accepts frames out of order, and survives lost ones', () => {
    const { host, client } = opened()
    const frames = [1, 2, 3, 4, 5].map((id) => client.seal([request(id)]))
    const forged = frames[3]!.slice()
    forged[20]! ^= 1
    const inOrder = [
      frames[2]!,
      frames[2]!,
      frames[0]!,
      forged,
      frames[0]!,
      EMPTY,
      Uint8Array.of(0x81),
      utf8('hello'),
      frames[4]!,
    ]
    for (const frame of inOrder) host.receive(ADDRESS, frame)
    // Frame 3 fixes the view first; the rest waits for it and goes in one message.
    executed(host, 1, [response(3)])
    expect(executes(host).map(({ requests }) => requests.map(({ id }) => id))).toEqual([[3], [1, 5]])
    expect(
      host.traces.filter(({ point }) => point === 'frameIgnored').map(({ fields }) => fields.fields['reason']),
    ).toEqual(['replayed', 'notAuthentic', 'replayed', 'malformed', 'malformed', 'malformed'])
    expect(host.describe(ADDRESS)).toBe('open')
  })

  it('refuses what breaks a limit, request by request', () => {
    const { host, client } = opened()
    const oversize = new Uint8Array(4 + 11 + 4 + REQUEST_BODY_BYTES_MAX + 1)
    const view32 = new DataView(oversize.buffer)
    oversize[0] = 1
    view32.setUint16(1, 1, true)
    view32.setUint32(3, 9, true)
    oversize[7] = 1
    view32.setUint16(8, 4, true)
    view32.setUint32(10, REQUEST_BODY_BYTES_MAX + 1, true)
    oversize.set(utf8('/app'), 14)
    host.receive(ADDRESS, client.sealBytes(oversize))
    const [answer] = client.open(host.published.at(-1)!.payload).responses
    expect(answer).toMatchObject({ id: 9, status: 413 })
    expect(fromUtf8(answer!.body)).toContain('RequestBodyTooLarge')
    expect(host.describe(ADDRESS)).toBe('open')
  })

  it('refuses more pending requests than it may have', () => {
    const { host, client } = opened()
    const frame = (start: number) =>
      client.seal(Array.from({ length: FRAME_REQUESTS_MAX }, (_, i) => request(start + i, '/app/x', EMPTY)))
    for (let sent = 0; sent < SESSION_REQUESTS_PENDING_MAX; sent += FRAME_REQUESTS_MAX)
      host.receive(ADDRESS, frame(sent))
    const before = host.published.length
    host.receive(ADDRESS, client.seal([request(900_001), request(900_002)]))
    const refused = client.open(host.published[before]!.payload).responses
    expect(refused.map(({ id, status }) => [id, status])).toEqual([
      [900_001, 503],
      [900_002, 503],
    ])
    expect(fromUtf8(refused[0]!.body)).toContain('TooManyPendingTransactions')
    executed(
      host,
      1,
      Array.from({ length: FRAME_REQUESTS_MAX }, (_, i) => response(i)),
    )
    host.receive(ADDRESS, client.seal([request(900_003)]))
    expect(
      executes(host)
        .at(-1)!
        .requests.map(({ id }) => id),
    ).toEqual([900_003])
  })

  it('closes on a frame that its client sealed but that is not one', () => {
    const { host, client } = opened()
    host.receive(ADDRESS, client.sealBytes(utf8('not a batch')))
    expect(client.open(host.published.at(-1)!.payload).notices).toMatchObject([
      { type: 'closed', code: 'InvalidInput' },
    ])
    expect(host.stopped).toEqual([ADDRESS])
  })
})

describe('any network', () => {
  it('executes no request twice or changed, whatever is lost, copied, reordered or forged', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 60 }), (seed, count) => {
        const random = seeded(seed)
        const { host, client } = opened()
        const frames = Array.from({ length: count }, (_, i) => client.seal([request(i + 1)]))
        const sent: Uint8Array[] = []
        for (const frame of frames) {
          const fate = random()
          if (fate < 0.2) continue
          const forged = frame.slice()
          forged[Math.floor(random() * forged.length)]! ^= 1 + Math.floor(random() * 255)
          if (fate < 0.4) sent.splice(Math.floor(random() * sent.length), 0, forged)
          sent.splice(Math.floor(random() * (sent.length + 1)), 0, ...(fate < 0.7 ? [frame, frame] : [frame]))
        }
        for (const frame of sent) host.receive(ADDRESS, frame)
        if (executes(host).length > 0)
          executed(
            host,
            1,
            executes(host)[0]!.requests.map(({ id }) => response(id)),
          )
        const seen = executes(host).flatMap(({ requests }) => requests)
        const delivered = frames.filter((frame) => sent.includes(frame)).length
        expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length)
        expect(seen.length).toBe(delivered)
        for (const { id, body } of seen) expect(fromUtf8(body)).toBe(`body ${id}`)
      }),
      { seed: 1, numRuns: 60 },
    )
  })
})

describe('the session rule', () => {
  it('executes one batch at a time until the view is known, then carries it', () => {
    const { host, client } = opened()
    host.receive(ADDRESS, client.seal([request(1), request(2)]))
    host.receive(ADDRESS, client.seal([request(3)]))
    expect(executes(host)).toHaveLength(1)
    executed(host, 1, [response(1)], 4)
    expect(executes(host)[1]).toMatchObject({ token: 2, activeView: 4, requests: [{ id: 3 }] })
    host.receive(ADDRESS, client.seal([request(4)]))
    expect(executes(host)[2]).toMatchObject({ token: 3, activeView: 4 })
  })

  it('goes on when the first batch was refused before execution', () => {
    const { host, client } = opened()
    host.receive(ADDRESS, client.seal([request(1)]))
    host.receive(ADDRESS, client.seal([request(2)]))
    executed(host, 1, [refusalResponse(1, refusal(404, 'ResourceNotFound', 'no'))], 0)
    expect(executes(host)[1]).toMatchObject({ activeView: 0, requests: [{ id: 2 }] })
  })

  it.each([
    ['the executor says so', [refusalResponse(2, refusal(500, 'SessionConsistencyLost', 'view changed'))], 0],
    ['a batch was executed in another view', [response(2)], 3],
  ])('delivers the responses, then ends the session: %s', (_, responses, executedView) => {
    const { host, client } = opened()
    host.receive(ADDRESS, client.seal([request(1)]))
    executed(host, 1, [response(1)])
    client.open(host.published.at(-1)!.payload)
    host.receive(ADDRESS, client.seal([request(2)]))
    const before = host.published.length
    executed(host, 2, responses, executedView)
    expect(host.published).toHaveLength(before + 1)
    const batch = client.open(host.published.at(-1)!.payload)
    expect(batch.responses.map(({ id }) => id)).toEqual([2])
    expect(batch.notices).toMatchObject([{ type: 'closed', code: 'SessionConsistencyLost' }])
    expect(host.stopped).toEqual([ADDRESS])
  })

  it('is not impressed by other errors', () => {
    const { host, client } = opened()
    host.receive(ADDRESS, client.seal([request(1)]))
    executed(host, 1, [{ ...response(1), status: 500, body: utf8('not { json') }])
    expect(host.describe(ADDRESS)).toBe('open')
  })
})

describe('the end', () => {
  it('comes by the client, executing what came before', () => {
    const { host, client } = opened()
    host.receive(ADDRESS, client.seal([request(1)], [{ type: 'close' }]))
    expect(executes(host)).toHaveLength(1)
    expect(host.stopped).toEqual([ADDRESS])
  })

  it('comes by silence, which pings prevent', () => {
    const { host, client } = opened()
    host.advance(IDLE_TIMEOUT_MS - 1)
    host.receive(ADDRESS, client.seal([], [{ type: 'ping', id: 1 }]))
    client.open(host.published.at(-1)!.payload)
    host.advance(IDLE_TIMEOUT_MS - 1)
    expect(host.describe(ADDRESS)).toBe('open')
    host.advance(1)
    expect(host.stopped).toEqual([ADDRESS])
    expect(client.open(host.published.at(-1)!.payload).notices).toMatchObject([{ type: 'closed' }])
  })

  it('comes by the node, with a reason', () => {
    const { host, client } = opened()
    host.post(
      ADDRESS,
      { type: 'closeSession', code: 'InvalidNodeState', message: 'the node is stopping' } as never,
      'node',
    )
    expect(client.open(host.published.at(-1)!.payload).notices).toEqual([
      { type: 'closed', code: 'InvalidNodeState', message: 'the node is stopping' },
    ])
  })
})

describe('admission', () => {
  const ready = { sessionsOpen: 0, isReady: true }
  const { hello } = new RawClient()

  it('admits a hello', () => {
    expect(admitHello(hello, undefined, ready)).toMatchObject({ kind: 'admit', replySubject: REPLY })
  })

  it('refuses with a reason when it may not be', () => {
    const codeOf = (node: typeof ready) => {
      const verdict = admitHello(hello, undefined, node)
      return verdict.kind === 'refuse' ? decodeHello(verdict.payload) : undefined
    }
    expect(codeOf({ sessionsOpen: SESSIONS_MAX, isReady: true })).toMatchObject({ code: 'SessionCapExhausted' })
    expect(codeOf({ sessionsOpen: 0, isReady: false })).toMatchObject({ code: 'FrontendNotOpen' })
  })

  it('names a version it does not speak, where an answer is expected, and ignores the rest', () => {
    const future = hello.slice()
    future[1] = 9
    const verdict = admitHello(future, REPLY, ready)
    expect(verdict).toMatchObject({ kind: 'refuse', replySubject: REPLY })
    expect(verdict.kind === 'refuse' && decodeHello(verdict.payload)).toMatchObject({ code: 'NotImplemented' })
    for (const reply of [undefined, 'ccf.test.rpc'])
      expect(admitHello(future, reply, ready)).toEqual({ kind: 'ignore' })
    for (const junk of [EMPTY, utf8('junk'), hello.subarray(0, 20)])
      expect(admitHello(junk, REPLY, ready)).toEqual({ kind: 'ignore' })
  })
})

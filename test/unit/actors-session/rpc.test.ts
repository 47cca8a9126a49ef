// Goal: the public door answers every request exactly once, refuses everything malformed with CCF's error object, and stays bounded.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { erase } from '../../../actors/actor.ts'
import { rpc } from '../../../actors/rpc/rpc.ts'
import type { AppResponse } from '../../../protocols/app.ts'
import { EMPTY, fromUtf8, utf8 } from '../../../protocols/codec/bytes.ts'
import { seqno, view } from '../../../protocols/ids.ts'
import {
  FRAME_BYTES_MAX,
  NATS_PAYLOAD_BYTES_MAX,
  REQUEST_BODY_BYTES_MAX,
  REQUEST_PATH_BYTES_MAX,
} from '../../../protocols/limits.ts'
import type { Execute } from '../../../protocols/requests.ts'
import { TinyHost } from './tiny-host.ts'

const REPLY = '_INBOX.abc.1'

function started(pendingMax = 4): TinyHost {
  const host = new TinyHost()
  host.start('rpc', erase(rpc), { pendingMax })
  return host
}
const executes = (host: TinyHost): readonly Execute[] => host.sent.map(({ message }) => message as Execute)
interface Answer {
  readonly status: number
  readonly body?: { readonly error?: { readonly code: string } }
}
const answers = (host: TinyHost): readonly Answer[] =>
  host.published.map(({ payload }) => JSON.parse(fromUtf8(payload)) as Answer)
const answer = (host: TinyHost, token: number, response: Partial<AppResponse>): void => {
  const full: AppResponse = { id: 0, status: 200, contentType: 'none', body: EMPTY, txId: undefined, ...response }
  host.post('rpc', { type: 'executed', token, view: 2, responses: [full] } as never, 'executor')
}

describe('requests', () => {
  it.each([
    ['GET /app/commit', 'GET', '/app/commit', ''],
    ['  get   /app/tx?transaction_id=2.3\n', 'GET', '/app/tx?transaction_id=2.3', ''],
    ['{"path":"/node/network"}', 'GET', '/node/network', ''],
    ['{"method":"post","path":"/app/x","body":{"a":[1,null]}}', 'POST', '/app/x', '{"a":[1,null]}'],
  ])('%j', (text, verb, path, body) => {
    const host = started()
    host.receive('rpc', utf8(text), REPLY)
    expect(executes(host)).toEqual([
      {
        type: 'execute',
        token: 1,
        caller: { kind: 'anonymous' },
        activeView: 0,
        publicOnly: true,
        requests: [{ id: 0, verb, path, body: utf8(body) }],
      },
    ])
    answer(host, 1, { contentType: 'json', body: utf8('{"ok":true}'), txId: { view: view(2), seqno: seqno(7) } })
    expect(host.published).toMatchObject([{ subject: REPLY }])
    expect(answers(host)).toEqual([{ status: 200, txId: '2.7', body: { ok: true } }])
    answer(host, 1, {})
    expect(host.published).toHaveLength(1)
  })

  it('encodes what is not JSON as base64, and refuses what NATS would not carry', () => {
    const host = started()
    for (let i = 0; i < 4; i++) host.receive('rpc', utf8('GET /app/x'), REPLY)
    answer(host, 1, { contentType: 'bytes', body: Uint8Array.of(1, 2, 255) })
    answer(host, 2, { contentType: 'json', body: Uint8Array.of(0xff) })
    answer(host, 3, { status: 204 })
    answer(host, 4, { contentType: 'bytes', body: new Uint8Array(FRAME_BYTES_MAX) })
    expect(answers(host).slice(0, 3)).toEqual([
      { status: 200, bodyBase64: 'AQL/' },
      { status: 200, bodyBase64: '/w==' },
      { status: 204 },
    ])
    expect(answers(host)[3]).toMatchObject({ status: 500, body: { error: { code: 'InternalError' } } })
    for (const { payload } of host.published) expect(payload.length).toBeLessThanOrEqual(NATS_PAYLOAD_BYTES_MAX)
  })
})

describe('refusals', () => {
  it.each([
    [EMPTY, 400, 'InvalidInput'],
    [Uint8Array.of(0xff, 0xfe), 400, 'InvalidInput'],
    [utf8('hello'), 400, 'InvalidInput'],
    [utf8('GET app'), 400, 'InvalidInput'],
    [utf8('GET /a b'), 400, 'InvalidInput'],
    [utf8('{'), 400, 'InvalidInput'],
    [utf8('{}'), 400, 'InvalidInput'],
    [utf8('{"method":1,"path":"/x"}'), 400, 'InvalidInput'],
    [utf8('{"path":"x"}'), 400, 'InvalidInput'],
    [utf8('[1]'), 400, 'InvalidInput'],
    [utf8('BREW /app/coffee'), 405, 'UnsupportedHttpVerb'],
    [utf8(`GET /${'a'.repeat(REQUEST_PATH_BYTES_MAX)}`), 400, 'InvalidResourceName'],
    [utf8(JSON.stringify({ path: '/x', body: 'a'.repeat(REQUEST_BODY_BYTES_MAX) })), 413, 'RequestBodyTooLarge'],
    [new Uint8Array(2 * REQUEST_BODY_BYTES_MAX), 413, 'RequestBodyTooLarge'],
  ])('%#', (payload, status, code) => {
    const host = started()
    host.receive('rpc', payload, REPLY)
    expect(answers(host)).toMatchObject([{ status, body: { error: { code } } }])
    expect(executes(host)).toEqual([])
  })

  it('answers nowhere but to reply subjects', () => {
    const host = started()
    for (const reply of [undefined, '', 'ccf.test.rpc', 'a.*', '_INBOX.>', '$JS.ACK.x'])
      host.receive('rpc', utf8('GET /app/commit'), reply)
    expect([host.published, host.sent]).toEqual([[], []])
    expect(host.tracesOf('rpcIgnored')).toBe(6)
  })

  it('is bounded', () => {
    const host = started(2)
    for (let i = 0; i < 3; i++) host.receive('rpc', utf8('GET /app/commit'), REPLY)
    expect(answers(host)).toMatchObject([{ status: 503, body: { error: { code: 'TooManyPendingTransactions' } } }])
    answer(host, 1, {})
    host.receive('rpc', utf8('GET /app/commit'), REPLY)
    expect(executes(host).map(({ token }) => token)).toEqual([1, 2, 3])
  })

  it('is total: anything is answered once or asked once', () => {
    const nearly = fc
      .tuple(fc.constantFrom('{"path":', '{"method":"GET",', 'GET /', '{'), fc.string())
      .map(([start, end]) => utf8(start + end))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), nearly, fc.json().map(utf8)), (payload) => {
        const host = started()
        host.receive('rpc', payload, REPLY)
        expect(host.published.length + host.sent.length).toBe(1)
      }),
      { seed: 1, numRuns: 500 },
    )
  })
})

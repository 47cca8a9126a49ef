// Goal: a service of three real processes does its main job on both brokers: sealed requests, commit, receipts that verify offline, and the
// public endpoints in clear for any NATS client, in JavaScript or not. Application endpoints are never served in clear.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { connect as connectNatsClient, createInbox, type NatsConnection } from 'nats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../protocols/codec/bytes.ts'
import { verifyCoseReceipt, verifyReceipt, type Client } from '../../runtime/client/index.ts'
import type { LocalService } from '../../runtime/local-service.ts'
import { statementBytes } from '../../runtime/samples/statement.ts'
import { connectClient, startTestService, until, untilPrimary, type TestService } from '../support/local-service.ts'
import { startNatsServer, type TestServer } from '../support/nats-server.ts'
import { ensurePythonPackages } from '../support/python.ts'
import { concordat } from '../unit/cli/harness.ts'

const PYTHON_CLIENT = fileURLToPath(new URL('../interop/clients/rpc.py', import.meta.url))
const PYTHON_TIMEOUT_MS = 300_000
const HEX_ID = /^[0-9a-f]{64}$/

interface RpcAnswer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

async function ask(nats: NatsConnection, request: string, service = 'test'): Promise<RpcAnswer> {
  const { data } = await nats.request(`ccf.${service}.rpc`, request, { timeout: 5000 })
  return JSON.parse(new TextDecoder().decode(data)) as RpcAnswer
}

describe.each([
  ['the embedded broker', undefined],
  ['a real nats-server', startNatsServer],
] as const)('a service on %s', (_name, startServer) => {
  let server: TestServer | undefined
  let test: TestService
  let service: LocalService
  let client: Client
  let nats: NatsConnection

  beforeAll(async () => {
    server = await startServer?.()
    test = await startTestService(server === undefined ? {} : { nats: server.url })
    service = test.service
    client = await connectClient(service)
    nats = await connectNatsClient({ servers: service.servers, noAsyncTraces: true })
  })
  afterAll(async () => {
    await nats?.close()
    await client?.close()
    await test?.dispose()
    await server?.stop()
  })

  it('writes, commits and reads, privately and publicly', async () => {
    const written = await client.request('POST /log/private', { id: 1, msg: 'one' }, { wait: 'committed' })
    expect(written.status).toBe(200)
    expect(written.txId).toMatch(/^\d+\.\d+$/)
    const read = await client.request('GET /log/private?id=1')
    expect(read.body).toEqual({ id: 1, msg: 'one' })
    await client.request('POST /log/public', { id: 2, msg: 'two' }, { wait: 'committed' })
    expect((await client.request('GET /log/public?id=2')).body).toEqual({ id: 2, msg: 'two' })
    expect((await client.request('GET /log/private?id=77')).error?.code).toBe('ResourceNotFound')
    const status = await client.request(`GET /app/tx?transaction_id=${written.txId}`)
    expect(status.body).toEqual({ transaction_id: written.txId, status: 'Committed' })
  })

  it('gives receipts that verify offline, for the claims made and no others', async () => {
    const statement = { subject: 'npm:left-pad@1.3.0', payload: 'the statement' }
    const response = await client.request('POST /statements', statement)
    expect(response.status).toBe(200)
    const receipt = await response.receipt()
    const serviceCertificate = service.serviceCertificatePem
    const verified = verifyReceipt(receipt, { serviceCertificate, claims: statementBytes(statement) })
    expect(verified).toMatchObject({ ok: true, txId: response.transaction })
    const other = { ...statement, payload: 'another statement' }
    expect(verifyReceipt(receipt, { serviceCertificate, claims: statementBytes(other) })).toMatchObject({ ok: false })
    const cose = await response.coseReceipt()
    const proven = verifyCoseReceipt(cose, { serviceCertificate, claims: statementBytes(statement) })
    expect(proven).toMatchObject({ ok: true, inclusions: [{ txId: response.transaction }] })
    expect(verifyCoseReceipt(cose, { serviceCertificate, claims: statementBytes(other) })).toMatchObject({ ok: false })
    const odd = await client.request(`GET /app/receipt?transaction_id=${response.txId}&format=xml`)
    expect(odd).toMatchObject({ status: 400, error: { code: 'InvalidQueryParameterValue' } })
    expect((await client.request('POST /statements', other)).status).toBe(409)
  })

  it('gives both kinds of receipt to the command line, also of signature transactions', async () => {
    const written = await client.request('POST /log/private', { id: 90, msg: 'ninety' }, { wait: 'committed' })
    const committed = await client.request('GET /app/commit')
    const signature = (committed.body as { readonly transaction_id: string }).transaction_id
    // The service key signs a signature transaction under the next one.
    await client.request('POST /log/private', { id: 91, msg: 'ninety-one' }, { wait: 'committed' })
    const data = service.directory
    const certificate = join(data, 'service_cert.pem')
    const reach = ['--servers', service.servers, '--service', 'test', '--service-cert', certificate]
    for (const txId of [written.txId!, signature]) {
      for (const kind of [[], ['--cose']]) {
        const file = join(data, 'a.receipt')
        const got = await concordat('receipt', 'get', txId, ...kind, ...reach, '--out', file)
        expect(got).toMatchObject({ code: 0, stdout: '' })
        const checked = await concordat('receipt', 'verify', file, '--service-cert', certificate, '--json')
        expect(checked.code).toBe(0)
        const isBareLeaf = txId === signature && kind.length === 0
        expect(JSON.parse(checked.stdout)).toMatchObject({ ok: true, ...(!isBareLeaf && { txId }) })
      }
    }
  })

  it('is written and read through a backup as through the primary', async () => {
    const { primary } = await untilPrimary(service)
    const backup = await until('a session on a backup', async () => {
      const candidate = await connectClient(service, { prefer: 'any' })
      if (candidate.status().nodeId !== primary) return candidate
      await candidate.close()
      return undefined
    })
    try {
      const written = await backup.request('POST /log/private', { id: 3, msg: 'via backup' }, { wait: 'committed' })
      expect(written.status).toBe(200)
      expect((await backup.request('GET /log/private?id=3')).body).toEqual({ id: 3, msg: 'via backup' })
      expect(backup.status().nodeId).not.toBe(primary)
    } finally {
      await backup.close()
    }
  })

  it('answers the public endpoints in clear, with bodies of the shape of CCF', async () => {
    const { primary } = await untilPrimary(service)
    const written = await client.request('POST /log/public', { id: 9, msg: 'nine' }, { wait: 'committed' })
    const get = (path: string): Promise<RpcAnswer> => ask(nats, `GET ${path}`)
    const nodeIds = service.nodes.map(({ nodeId }) => nodeId).sort()

    expect(await get('/node/network')).toMatchObject({
      status: 200,
      body: {
        service_status: 'Open',
        service_certificate: service.serviceCertificatePem,
        primary_id: primary,
        recovery_count: 0,
      },
    })
    const { body: network } = await get('/node/network/nodes')
    const nodes = network['nodes'] as readonly { node_id: string; status: string; primary: boolean }[]
    expect(nodes.map(({ node_id }) => node_id).sort()).toEqual(nodeIds)
    expect(nodes.every(({ status }) => status === 'Trusted')).toBe(true)
    expect(nodes.filter((node) => node.primary).map(({ node_id }) => node_id)).toEqual([primary])
    const { body: consensus } = await get('/node/consensus')
    expect(consensus['details']).toMatchObject({ primary_id: primary, membership_state: 'Active', ticking: true })
    const { body: state } = await get('/node/state')
    expect(state).toMatchObject({ state: 'PartOfNetwork', node_id: expect.stringMatching(HEX_ID) })
    expect(nodeIds).toContain(state['node_id'])
    expect((await get('/node/version')).body).toMatchObject({ ccf_version: expect.any(String), unsafe: false })
    expect((await get('/node/metrics')).body).toMatchObject({ sessions: { active: expect.any(Number) } })
    // Any node may answer; one that has not heard of the commit yet says so, as CCF's does.
    await until('every node knows the commit', async () => {
      const answers = await Promise.all(Array.from({ length: 12 }, () => get(`/app/tx?transaction_id=${written.txId}`)))
      return answers.every(({ body }) => body['status'] === 'Committed')
    })
    const commit = await get('/app/commit?view_history=true')
    expect(commit.body).toMatchObject({
      transaction_id: expect.stringMatching(/^\d+\.\d+$/),
      view_history: expect.arrayContaining([expect.stringMatching(/^\d+\.\d+$/)]),
    })
    const receipt = await get(`/app/receipt?transaction_id=${written.txId}`)
    const serviceCertificate = service.serviceCertificatePem
    expect(verifyReceipt(receipt.body, { serviceCertificate })).toMatchObject({ ok: true, txId: written.transaction })
    // The other form of a request.
    expect((await ask(nats, JSON.stringify({ method: 'GET', path: '/node/version' }))).status).toBe(200)
  })

  it('serves nothing of the application in clear', async () => {
    for (const request of ['GET /app/log/private?id=1', 'GET /log/public?id=2', 'GET /statements']) {
      expect(await ask(nats, request)).toMatchObject({ status: 403, body: { error: { code: 'AuthorizationFailed' } } })
    }
    const body = JSON.stringify({ method: 'POST', path: '/app/log/public', body: { id: 5, msg: 'in clear' } })
    expect(await ask(nats, body)).toMatchObject({ status: 403, body: { error: { code: 'AuthorizationFailed' } } })
    expect(await ask(nats, 'GET /nowhere')).toMatchObject({
      status: 404,
      body: { error: { code: 'ResourceNotFound' } },
    })
  })

  it('broadcasts each commit: root, transaction id and signature, and nothing else', async () => {
    const seen: Record<string, unknown>[] = []
    const subscription = nats.subscribe('ccf.test.commit', {
      callback: (_error, { data }) =>
        void seen.push(JSON.parse(new TextDecoder().decode(data)) as (typeof seen)[number]),
    })
    await nats.flush()
    const written = await client.request('POST /log/private', { id: 4, msg: 'four' }, { wait: 'committed' })
    const covers = ({ transaction_id }: Record<string, unknown>): boolean =>
      Number(String(transaction_id).split('.')[1]) > written.transaction!.seqno
    const notice = await until('the broadcast of that commit', () => seen.find(covers))
    subscription.unsubscribe()
    for (const each of seen) expect(Object.keys(each).sort()).toEqual(['cose_sign1', 'root', 'transaction_id'])
    expect(notice['root']).toMatch(HEX_ID)
    expect(String(notice['cose_sign1']).length).toBeGreaterThan(100)
  })

  it('is discovered by the tools of NATS: every node answers PING, INFO and STATS', async () => {
    const nodeIds = service.nodes.map(({ nodeId }) => nodeId).sort()
    for (const verb of ['PING', 'INFO', 'STATS']) {
      const answers: { type: string; name: string; id: string }[] = []
      const inbox = createInbox()
      const subscription = nats.subscribe(inbox, {
        callback: (_error, { data }) =>
          void answers.push(JSON.parse(new TextDecoder().decode(data)) as (typeof answers)[0]),
      })
      nats.publish(`$SRV.${verb}.concordat-test`, '', { reply: inbox })
      await until(`three answers to ${verb}`, () => answers.length >= nodeIds.length)
      subscription.unsubscribe()
      expect(answers.map(({ id }) => id).sort()).toEqual(nodeIds)
      for (const { type, name } of answers) {
        expect(type).toBe(`io.nats.micro.v1.${verb.toLowerCase()}_response`)
        expect(name).toBe('concordat-test')
      }
    }
  })

  it(
    'answers a client in another language (nats-py)',
    async () => {
      const python = await ensurePythonPackages(['nats-py==2.16.0'])
      const { stdout } = await promisify(execFile)(python, [PYTHON_CLIENT, service.servers, 'test'])
      const { network, commit, refused } = JSON.parse(stdout) as Record<string, RpcAnswer>
      expect(network).toMatchObject({ status: 200, body: { service_status: 'Open' } })
      expect(network!.body['service_certificate']).toBe(service.serviceCertificatePem)
      expect(commit).toMatchObject({ status: 200, body: { transaction_id: expect.stringMatching(/^\d+\.\d+$/) } })
      expect(refused).toMatchObject({ status: 403, body: { error: { code: 'AuthorizationFailed' } } })
    },
    PYTHON_TIMEOUT_MS,
  )

  it('no node has complained', () => expect(test.notices).toEqual([]))

  it('carries bytes unchanged', async () => {
    const bytes = utf8('not JSON at all \u0000 \ud7ff')
    expect((await client.request('POST /log/private/raw/6', bytes, { wait: 'committed' })).status).toBe(204)
    expect((await client.request('GET /log/private/raw/6')).body).toEqual(bytes)
  })
})

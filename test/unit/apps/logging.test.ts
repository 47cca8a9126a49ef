// Goal: the logging app keeps what it is given, in the right table, lists it in numeric order page by page, and refuses
// bad input.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { REQUEST_BODY_BYTES_MAX } from '../../../protocols/limits.ts'
import { logging, MESSAGE_BYTES_MAX } from '../../../runtime/samples/logging.ts'
import { PAGE_BYTES_MAX } from '../../../runtime/samples/page.ts'
import { TestService } from './harness.ts'

interface Page {
  readonly items: readonly { readonly id: number; readonly msg: string }[]
  readonly next?: number
}

describe.each(['private', 'public'])('%s messages', (where) => {
  const path = `/log/${where}`
  const table = where === 'public' ? 'public:records' : 'records'

  it('are written, read, replaced and deleted', () => {
    const service = new TestService(logging)
    const posted = service.call('POST', path, { id: 7, msg: 'hello' })
    expect(posted).toMatchObject({ status: 200, body: true })
    expect(posted.writes.map((map) => map.name)).toEqual([table])
    expect(service.call('GET', `${path}?id=7`).body).toEqual({ id: 7, msg: 'hello' })
    service.call('POST', path, { id: 7, msg: 'Grüße €' })
    expect(service.call('GET', `${path}?id=7`).body).toEqual({ id: 7, msg: 'Grüße €' })
    expect(service.call('DELETE', `${path}?id=7`).body).toBe(true)
    expect(service.call('DELETE', `${path}?id=7`).body).toBe(false)
    expect(service.call('GET', `${path}?id=7`)).toMatchObject({ status: 404, code: 'ResourceNotFound' })
  })

  it('may be raw bytes, kept apart from text', () => {
    const service = new TestService(logging)
    const value = new Uint8Array([0, 255, 128])
    const posted = service.call('POST', `${path}/raw/7`, value)
    expect(posted.status).toBe(204)
    expect(posted.writes.map((map) => map.name)).toEqual([`${table}.raw`])
    expect(service.call('GET', `${path}/raw/7`).bytes).toEqual(value)
    expect(service.call('GET', `${path}/raw/8`).code).toBe('ResourceNotFound')
    expect(service.call('GET', `${path}?id=7`).code).toBe('ResourceNotFound')
    expect(service.call('POST', `${path}/raw/9`, new Uint8Array(REQUEST_BODY_BYTES_MAX)).status).toBe(204)
    expect(service.call('POST', `${path}/raw/9`, new Uint8Array(REQUEST_BODY_BYTES_MAX + 1)).code).toBe('InvalidInput')
  })

  it.each([
    [{ id: -1, msg: 'x' }, 'body.id: expected an integer from 0 to 9007199254740991'],
    [{ id: 1.5, msg: 'x' }, 'body.id: expected an integer from 0 to 9007199254740991'],
    [{ id: 2 ** 53, msg: 'x' }, 'body.id: expected an integer from 0 to 9007199254740991'],
    [{ id: '1', msg: 'x' }, 'body.id: expected number'],
    [{ id: 1 }, 'body.msg: is missing'],
    [{ id: 1, msg: '' }, 'body.msg: is empty'],
    [{ id: 1, msg: 'x'.repeat(MESSAGE_BYTES_MAX + 1) }, `body.msg: is longer than ${MESSAGE_BYTES_MAX} bytes`],
    [{ id: 1, msg: '\udc00' }, 'body.msg: is not well-formed Unicode'],
    [{ id: 1, msg: 'x', more: 1 }, 'body: has a field that is not expected'],
  ])('refuses %#', (body, message) => {
    const service = new TestService(logging)
    expect(service.call('POST', path, body)).toMatchObject({ status: 400, code: 'InvalidInput', message })
    expect(service.seqno).toBe(0)
  })

  it.each([
    '',
    '?id=',
    '?id=x',
    '?id=-1',
    '?id=1e3',
    '?id=1&more=1',
    '/range?limit=0',
    '/range?limit=1001',
    '/range?from=2&to=1',
    '/raw/x',
  ])('refuses to read %s', (query) => {
    expect(new TestService(logging).call('GET', `${path}${query}`)).toMatchObject({ status: 400, code: 'InvalidInput' })
  })

  it('are listed in numeric order, every one once, in pages', () => {
    const id = fc.oneof(fc.nat(300), fc.maxSafeNat())
    const bounds = fc.record({ from: fc.option(id), to: fc.option(id), limit: fc.integer({ min: 1, max: 7 }) })
    fc.assert(
      fc.property(fc.uniqueArray(id, { maxLength: 30 }), bounds, (ids, { from, to, limit }) => {
        fc.pre(from === null || to === null || from <= to)
        const service = new TestService(logging)
        for (const id of ids) service.call('POST', path, { id, msg: `m${id}` })
        const listed: number[] = []
        let next: number | undefined = from ?? 0
        while (next !== undefined) {
          const page = service.call('GET', `${path}/range?from=${next}&limit=${limit}${to === null ? '' : `&to=${to}`}`)
            .body as Page
          expect(page.items.length).toBeLessThanOrEqual(limit)
          for (const { id, msg } of page.items) expect(msg).toBe(`m${id}`)
          listed.push(...page.items.map((item) => item.id))
          next = page.next
        }
        const expected = ids.filter((id) => id >= (from ?? 0) && (to === null || id < to)).sort((a, b) => a - b)
        expect(listed).toEqual(expected)
      }),
      { seed: 1, numRuns: 100 },
    )
  })

  it('are listed in pages bounded in bytes', () => {
    const service = new TestService(logging)
    for (let id = 0; id < 8; id++) service.call('POST', path, { id, msg: '\u0001'.repeat(MESSAGE_BYTES_MAX) })
    const page = service.call('GET', `${path}/range`).body as Page
    expect(page).toMatchObject({ next: 1, items: [{ id: 0 }] })
    for (let id = 0; id < 8; id++) service.call('POST', path, { id, msg: 'é'.repeat(MESSAGE_BYTES_MAX / 2) })
    const second = service.call('GET', `${path}/range?from=1`).body as Page
    expect(second.items.map((item) => item.id)).toEqual([1, 2])
    expect(new TextEncoder().encode(JSON.stringify(second)).length).toBeLessThan(PAGE_BYTES_MAX + 100)
  })
})

it('lets anyone read public messages, and only users do the rest', () => {
  const open = logging.endpoints.filter((endpoint) => endpoint.auth.includes('no_auth'))
  expect(open.map(({ verb, path }) => `${verb} ${path}`)).toEqual([
    'GET /log/public',
    'GET /log/public/range',
    'GET /log/public/raw/{id}',
    'GET /log/public/historical',
    'GET /log/public/historical_receipt',
    'GET /log/public/history',
  ])
  for (const endpoint of logging.endpoints) if (!open.includes(endpoint)) expect(endpoint.auth).toEqual(['user_cert'])
})

// Goal: handlers see only checked, typed input; a refusal names the field and what was expected, never what was sent.
import fc from 'fast-check'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { compareBytes, utf8 } from '../../../protocols/codec/bytes.ts'
import { REQUEST_BODY_BYTES_MAX } from '../../../protocols/limits.ts'
import { defineApp, endpoint, rawBody, refuse } from '../../../runtime/samples/define-app.ts'
import { boundedText, decimal, utf8Length, wholeNumber } from '../../../runtime/samples/fields.ts'
import { json, prefixEnd, text, typedTable, u64 } from '../../../runtime/samples/typed-table.ts'
import { TestService } from './harness.ts'

const numbers = typedTable('numbers', u64, json<{ n: number }>())

const app = defineApp({
  name: 'test',
  endpoints: {
    nested: endpoint({
      verb: 'POST',
      path: '/nested/{scope}/{id}',
      auth: ['user_cert'],
      mode: 'readwrite',
      params: v.strictObject({ scope: v.picklist(['a', 'b']), id: decimal(0) }),
      query: v.strictObject({ flag: v.optional(v.string()) }),
      body: v.strictObject({
        name: v.pipe(v.string(), v.maxLength(5)),
        list: v.array(v.strictObject({ n: wholeNumber(0, 9) })),
        extra: v.optional(v.nullable(v.number())),
        open: v.optional(v.record(v.string(), v.number())),
      }),
      handler({ params, input }) {
        expectTypeOf(params).toEqualTypeOf<{ scope: 'a' | 'b'; id: number }>()
        expectTypeOf(input.query).toEqualTypeOf<{ flag?: string | undefined }>()
        expectTypeOf(input.body.list).toEqualTypeOf<{ n: number }[]>()
        return { body: { id: params.id + 1, count: input.body.list.length } }
      },
    }),
    plain: endpoint({
      verb: 'GET',
      path: '/plain/{x}/{y}',
      auth: ['no_auth'],
      mode: 'readonly',
      handler({ params, input }) {
        expectTypeOf(params).toEqualTypeOf<{ readonly x: string; readonly y: string }>()
        expectTypeOf(input.body).toEqualTypeOf<undefined>()
        return { body: { x: params.x, y: params.y, input } }
      },
    }),
    raw: endpoint({
      verb: 'PUT',
      path: '/raw',
      auth: ['any_cert'],
      mode: 'readwrite',
      body: rawBody(4),
      handler({ input }) {
        expectTypeOf(input.body).toEqualTypeOf<Uint8Array>()
        return { bytes: input.body }
      },
    }),
    dropped: endpoint({
      verb: 'POST',
      path: '/dropped',
      auth: ['no_auth'],
      mode: 'readwrite',
      handler(context) {
        numbers(context).put(1, { n: 1 })
        return refuse(409, 'PreconditionFailed', 'no')
      },
    }),
  },
})
const service = new TestService(app)
const good = { name: 'n', list: [{ n: 1 }, { n: 2 }] }
const post = (body: unknown, path = '/nested/a/1') => service.call('POST', path, body)

describe('endpoint', () => {
  it('hands over typed parameters, query and body', () => {
    expect(post(good, '/nested/a/41?flag=x').body).toEqual({ id: 42, count: 2 })
    expect(service.call('GET', '/plain/1/b%2F').body).toEqual({ x: '1', y: 'b/', input: {} })
    expect(service.call('PUT', '/raw', new Uint8Array([0, 255, 7])).bytes).toEqual(new Uint8Array([0, 255, 7]))
  })

  it.each([
    [{ ...good, name: 'SECRET' }, 'body.name: expected <=5'],
    [{ ...good, name: 7 }, 'body.name: expected string'],
    [{ list: [] }, 'body.name: is missing'],
    [{ ...good, list: [{ n: 1 }, { n: 'SECRET' }] }, 'body.list[1].n: expected number'],
    [{ ...good, list: [{ n: 10 }] }, 'body.list[0].n: expected an integer from 0 to 9'],
    [{ ...good, list: 'SECRET' }, 'body.list: expected Array'],
    [{ ...good, extra: 'SECRET' }, 'body.extra: expected number'],
    [{ ...good, SECRET: 1 }, 'body: has a field that is not expected'],
    [{ ...good, list: [{ n: 1, SECRET: 1 }] }, 'body.list[0]: has a field that is not expected'],
    [{ ...good, open: { SECRET: 'SECRET' } }, 'body.open: expected number'],
    ['SECRET', 'body: expected Object'],
    [null, 'body: expected Object'],
    [[], 'body.name: is missing'],
    [undefined, 'body: is missing'],
    [utf8('{"name":SECRET'), 'body: expected JSON'],
    [utf8('\uFEFF{}'), 'body: expected JSON'],
    [new Uint8Array([0x22, 0xff, 0x22]), 'body: expected UTF-8'],
    [utf8('['.repeat(REQUEST_BODY_BYTES_MAX)), 'body: expected JSON'],
    [new Uint8Array(REQUEST_BODY_BYTES_MAX + 1), `body: larger than ${REQUEST_BODY_BYTES_MAX} bytes`],
    [utf8('{"__proto__":{"name":"n"},"list":[]}'), 'body.name: is missing'],
  ])('refuses body %#', (body, message) => {
    expect(post(body)).toMatchObject({ status: 400, code: 'InvalidInput', message })
  })

  it.each([
    ['/nested/c/1', 'path.scope: expected ("a" | "b")'],
    ['/nested/a/01', 'path.id: expected an integer from 0 to 9007199254740991'],
    ['/nested/a/9007199254740992', 'path.id: expected an integer from 0 to 9007199254740991'],
    ['/nested/a/1?SECRET=1', 'query: has a field that is not expected'],
  ])('refuses %s', (path, message) => {
    expect(post(good, path)).toMatchObject({ status: 400, code: 'InvalidInput', message })
  })

  it('refuses what was not declared, and a raw body beyond its bound', () => {
    expect(service.call('GET', '/plain/1/2?a=1').message).toBe('query: this endpoint takes none')
    expect(service.call('GET', '/plain/1/2', {}).message).toBe('body: this endpoint takes none')
    expect(service.call('PUT', '/raw', new Uint8Array(5)).message).toBe('body: larger than 4 bytes')
  })

  it('never repeats input, whatever it is', () => {
    const secret = fc.string({ minLength: 12, maxLength: 20 }).map((it) => `SECRET${it}`)
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        secret,
        fc.integer(),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.oneof(secret, fc.constantFrom('name', 'list', 'n', 'extra', 'open')), tie('value'), {
          maxKeys: 4,
        }),
      ),
    }))
    let refused = 0
    fc.assert(
      fc.property(value, (body) => {
        const answer = post(body)
        if (answer.code === undefined) return
        refused++
        expect(answer.message).toMatch(/^body/)
        expect(answer.message).not.toContain('SECRET')
      }),
      { seed: 1, numRuns: 1000 },
    )
    expect(refused).toBeGreaterThan(900)
  })

  it('drops the writes of a refusal', () => {
    expect(service.call('POST', '/dropped').status).toBe(409)
    expect(service.seqno).toBe(0)
  })
})

describe('defineApp', () => {
  const plain = app.endpoints[1]!
  it('refuses endpoints that collide or accept nobody', () => {
    expect(() => defineApp({ name: 'x', endpoints: { a: plain, b: plain } })).toThrow('matches what')
    expect(() => defineApp({ name: 'x', endpoints: { a: { ...plain, auth: [] } } })).toThrow('authentication')
  })
})

describe('codecs and fields', () => {
  it('orders numeric keys as numbers', () => {
    const n = fc.oneof(fc.maxSafeNat(), fc.nat(300))
    fc.assert(
      fc.property(n, n, (a, b) => {
        expect(Math.sign(compareBytes(u64.encode(a), u64.encode(b)))).toBe(Math.sign(a - b))
        expect(u64.decode(u64.encode(a))).toBe(a)
      }),
      { seed: 1, numRuns: 500 },
    )
    for (const bad of [-1, 1.5, Number.NaN, 2 ** 53]) expect(() => u64.encode(bad)).toThrow(RangeError)
    expect(() => u64.decode(new Uint8Array(7))).toThrow('needs 8 bytes')
    expect(() => u64.decode(new Uint8Array(8).fill(255))).toThrow('too large')
  })

  it('bounds every key with a prefix', () => {
    const key = fc.uint8Array({ maxLength: 4 })
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 2 }), key, (prefix, other) => {
        const end = prefixEnd(prefix)
        const inRange = compareBytes(other, prefix) >= 0 && (end === undefined || compareBytes(other, end) < 0)
        expect(inRange).toBe(compareBytes(other.slice(0, prefix.length), prefix) === 0)
      }),
      { seed: 1, numRuns: 2000, examples: [[new Uint8Array([255]), new Uint8Array([255, 1])]] },
    )
    expect(prefixEnd(new Uint8Array([1, 255]))).toEqual(new Uint8Array([2]))
    expect(prefixEnd(new Uint8Array([255, 255]))).toBeUndefined()
  })

  it('counts UTF-8 bytes and refuses ill-formed text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (it) => {
        expect(utf8Length(it)).toBe(text.encode(it).length)
      }),
      { seed: 1, numRuns: 500 },
    )
    expect(v.is(boundedText(4), '€a')).toBe(true)
    expect(v.is(boundedText(3), '€a')).toBe(false)
    expect(v.is(boundedText(9), '')).toBe(false)
    expect(v.is(boundedText(9), 'a\ud800')).toBe(false)
  })
})

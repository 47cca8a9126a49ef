// Goal: every request finds the one endpoint that declared it, or a refusal; no text crashes the router; what would be
// ambiguous is refused when the router is built.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { REQUEST_PATH_BYTES_MAX } from '../../../protocols/limits.ts'
import { buildRouter, decodeQuery, QUERY_PARAMETERS_MAX, type Routable } from '../../../protocols/router.ts'

const declared = [
  { verb: 'GET', path: '/log/private' },
  { verb: 'POST', path: '/log/private' },
  { verb: 'GET', path: '/log/private/range' },
  { verb: 'POST', path: '/log/private/raw/{id}' },
  { verb: 'GET', path: '/log/{scope}/raw/{id}' },
  { verb: 'GET', path: '/statements/{digest}' },
  { verb: 'POST', path: '/statements/newest' },
  { verb: 'POST', path: '/proposals/{id}:withdraw' },
  { verb: 'POST', path: '/proposals/{id}/ballots/{member}:submit' },
  { verb: 'GET', path: '/range/{from}-{to}' },
] as const satisfies readonly Routable[]
const router = buildRouter(declared)

function found(verb: string, path: string) {
  const route = router.route(verb, path)
  if (route.kind !== 'found') throw new Error(`${verb} ${path}: ${route.kind}`)
  return { path: route.endpoint.path, params: { ...route.params }, query: { ...route.query } }
}

describe('route', () => {
  it('finds literal paths without allocating', () => {
    expect(found('GET', '/log/private')).toEqual({ path: '/log/private', params: {}, query: {} })
    expect(router.route('GET', '/log/private')).toBe(router.route('GET', '/log/private'))
  })

  it('decodes parameters and the query', () => {
    expect(found('GET', '/statements/a%2Fb%20%C3%A9?x=1&y=a%3Db&z&w=p+q%2B')).toEqual({
      path: '/statements/{digest}',
      params: { digest: 'a/b é' },
      query: { x: '1', y: 'a=b', z: '', w: 'p q+' },
    })
    expect(found('GET', '/log/private?').query).toEqual({})
  })

  it('ends a parameter at the literal that follows it', () => {
    expect(found('POST', '/proposals/17:withdraw').params).toEqual({ id: '17' })
    expect(found('POST', '/proposals/17/ballots/m1:submit').params).toEqual({ id: '17', member: 'm1' })
    expect(found('GET', '/range/1-9').params).toEqual({ from: '1', to: '9' })
    expect(router.route('POST', '/proposals/a:b:withdraw').kind).toBe('notFound')
  })

  it('prefers an exact path, verb by verb', () => {
    expect(found('POST', '/statements/newest').path).toBe('/statements/newest')
    expect(found('GET', '/statements/newest').path).toBe('/statements/{digest}')
  })

  it('names the verbs of a path when the verb is wrong', () => {
    expect(router.route('PUT', '/log/private?id=1')).toEqual({ kind: 'wrongVerb', allow: ['GET', 'POST'] })
    expect(router.route('DELETE', '/statements/newest')).toEqual({ kind: 'wrongVerb', allow: ['GET', 'POST'] })
    expect(router.route('PUT', '/log/private/raw/1')).toEqual({ kind: 'wrongVerb', allow: ['GET', 'POST'] })
    expect(router.route('get', '/log/private').kind).toBe('wrongVerb')
  })

  it.each([
    '',
    '/',
    'log/private',
    '/log/private/',
    '/log//raw/1',
    '/log/private/raw/',
    '/lo%67/private',
    '//',
    '?a=1',
  ])('does not find %j', (path) => {
    expect(router.route('GET', path)).toEqual({ kind: 'notFound' })
  })

  it.each([
    '/statements/%',
    '/statements/%zz',
    '/statements/%ff',
    '/statements/%C3',
    '/log/private?a=%',
    '/log/private?%80=1',
  ])('refuses the malformed escape in %j', (path) => {
    expect(router.route('GET', path).kind).toBe('badRequest')
  })

  it('bounds the path and the query', () => {
    const path = (length: number) => `/statements/${'a'.repeat(length - '/statements/'.length)}`
    expect(router.route('GET', path(REQUEST_PATH_BYTES_MAX)).kind).toBe('found')
    expect(router.route('GET', path(REQUEST_PATH_BYTES_MAX + 1)).kind).toBe('badRequest')
    const query = (count: number) => Array.from({ length: count }, (_, i) => `p${i}=1`).join('&')
    expect(router.route('GET', `/log/private?${query(QUERY_PARAMETERS_MAX)}`).kind).toBe('found')
    expect(router.route('GET', `/log/private?${query(QUERY_PARAMETERS_MAX + 1)}`).kind).toBe('badRequest')
    expect(router.route('GET', '/log/private?a=1&a=1').kind).toBe('badRequest')
  })

  it('treats names of Object.prototype as ordinary names', () => {
    const { query } = found('GET', '/log/private?constructor=1')
    expect(Object.entries(query)).toEqual([['constructor', '1']])
    const own = router.route('GET', '/log/private?__proto__=x&toString=y')
    expect(own.kind === 'found' && Object.keys(own.query)).toEqual(['__proto__', 'toString'])
    expect(router.route('__proto__', '/log/private').kind).toBe('wrongVerb')
    expect(router.route('GET', '__proto__').kind).toBe('notFound')
  })

  it('answers any two texts', () => {
    const piece = fc.constantFrom(
      '/',
      '/log',
      '/private',
      '/raw',
      '/statements',
      '?',
      '&',
      '=',
      '%',
      '%41',
      ':withdraw',
      '-',
      'é',
    )
    const path = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(piece, fc.string({ maxLength: 3 }))).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(fc.constantFrom('GET', 'POST', 'x'), path, (verb, text) => {
        expect(['found', 'notFound', 'wrongVerb', 'badRequest']).toContain(router.route(verb, text).kind)
      }),
      { seed: 1, numRuns: 2000 },
    )
  })

  it('gives back any parameter and query that was percent-encoded', () => {
    const value = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(value, fc.dictionary(value, value, { maxKeys: 10 }), (id, query) => {
        const text = Object.entries(query)
          .map(([name, it]) => `${encodeURIComponent(name)}=${encodeURIComponent(it)}`)
          .join('&')
        const route = router.route('GET', `/log/private/raw/${encodeURIComponent(id)}?${text}`)
        expect(route).toMatchObject({ kind: 'found', params: { id, scope: 'private' } })
        expect(route.kind === 'found' && Object.entries(route.query)).toEqual(Object.entries(query))
      }),
      { seed: 1, numRuns: 500 },
    )
  })
})

describe('decodeQuery', () => {
  it('agrees with URLSearchParams', () => {
    const pairs = fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), fc.string()), {
      selector: ([name]) => name,
      maxLength: 9,
    })
    fc.assert(
      fc.property(pairs, (entries) => {
        const decoded = decodeQuery(new URLSearchParams(entries).toString())
        expect(typeof decoded === 'string' ? decoded : Object.fromEntries(Object.entries(decoded))).toEqual(
          Object.fromEntries(entries),
        )
      }),
      { seed: 1, numRuns: 500 },
    )
  })
})

describe('buildRouter', () => {
  const build =
    (...paths: string[]) =>
    () =>
      buildRouter(paths.map((path) => ({ verb: 'GET', path }) as const))

  it.each([
    ['/a', '/a'],
    ['/a/{x}', '/a/{y}'],
    ['/a/{x}/c', '/{y}/b/c'],
    ['/p/{id}', '/p/{id}:withdraw'],
    ['/p/a{id}', '/p/{id}b'],
  ])('refuses %s beside %s', (a, b) => {
    expect(build(a, b)).toThrow(RangeError)
    expect(() =>
      buildRouter([
        { verb: 'GET', path: a },
        { verb: 'POST', path: b },
      ]),
    ).not.toThrow()
  })

  it.each([
    ['/a', '/{x}'],
    ['/a/{x}', '/b/{x}'],
    ['/p/{id}:ack', '/p/{id}:withdraw'],
    ['/a/{x}', '/a/{x}/b'],
  ])('accepts %s beside %s', (a, b) => {
    expect(build(a, b)).not.toThrow()
  })

  it.each(['a', '', '/{}', '/{a', '/a}', '/{a}{b}', '/{a}/{a}', '/{1a}', '/a?b', '/a b', '/a%20', '/{a b}', '/{{a}}'])(
    'refuses the template %j',
    (path) => {
      expect(build(path)).toThrow(RangeError)
    },
  )

  it('takes literal text literally', () => {
    const dotted = buildRouter([{ verb: 'GET', path: '/a.b/{x}.(js)' }])
    expect(dotted.route('GET', '/a.b/m.(js)')).toMatchObject({ kind: 'found', params: { x: 'm' } })
    expect(dotted.route('GET', '/aXb/m.(js)').kind).toBe('notFound')
  })
})

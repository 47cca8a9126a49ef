// Goal: a registered statement can be recomputed from its claims digest by anyone, a subject never gets a second
// statement, and the list is complete and in order.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { sampleApps } from '../../../runtime/samples/index.ts'
import { statementBytes, statementDigest, statementId } from '../../../runtime/samples/statement.ts'
import { PAYLOAD_BYTES_MAX, transparency } from '../../../runtime/samples/transparency.ts'
import { alice, sha256, TestService } from './harness.ts'

const leftPad = { subject: 'npm:left-pad@1.0.0', payload: 'sha512-abc' }

describe('registering', () => {
  it('binds SHA-256 of the canonical bytes as claims digest', () => {
    const service = new TestService(transparency)
    const answer = service.call('POST', '/statements', leftPad)
    const canonical = utf8('{"payload":"sha512-abc","subject":"npm:left-pad@1.0.0"}')
    expect(statementBytes(leftPad)).toEqual(canonical)
    expect(answer.claims).toEqual(sha256(canonical))
    expect(answer.claims).toEqual(statementDigest(sha256, leftPad))
    expect(answer).toMatchObject({ status: 200, body: { digest: statementId(sha256, leftPad) } })
    expect(answer.writes.map((map) => map.name)).toEqual([
      'public:transparency.statements',
      'public:transparency.subjects',
    ])
  })

  it('again changes nothing and tells where the first is', () => {
    const service = new TestService(transparency)
    service.call('POST', '/statements', { subject: 'other', payload: 'x' })
    service.call('POST', '/statements', leftPad)
    service.call('POST', '/statements', { subject: 'another', payload: 'x' })
    const again = service.call('POST', '/statements', { payload: leftPad.payload, subject: leftPad.subject })
    expect(again).toMatchObject({ status: 200, body: { digest: statementId(sha256, leftPad), registeredAt: 2 } })
    expect(again.writes).toEqual([])
    expect(again.claims).toBeUndefined()
  })

  it.each([
    { ...leftPad, payload: 'sha512-abd' },
    { ...leftPad, issuer: 'someone' },
    { subject: leftPad.subject, digest: '0'.repeat(64) },
  ])('refuses a different statement for the same subject (%#)', (other) => {
    const service = new TestService(transparency)
    service.call('POST', '/statements', leftPad)
    const refused = service.call('POST', '/statements', other)
    expect(refused).toMatchObject({ status: 409, code: 'PreconditionFailed' })
    expect(service.seqno).toBe(1)
    expect(service.call('GET', `/statements/${statementId(sha256, other)}`).status).toBe(404)
  })

  it.each([
    [{ subject: 's' }, 'body: expected exactly one of payload and digest'],
    [{ subject: 's', payload: 'p', digest: '0'.repeat(64) }, 'body: expected exactly one of payload and digest'],
    [{ subject: 's', digest: '0'.repeat(63) }, 'body.digest: expected 64, 96 or 128 lower-case hex digits'],
    [{ subject: 's', digest: 'A'.repeat(64) }, 'body.digest: expected 64, 96 or 128 lower-case hex digits'],
    [{ subject: '', payload: 'p' }, 'body.subject: is empty'],
    [{ subject: 'a\u0000', payload: 'p' }, 'body.subject: has a control character'],
    [{ subject: 's'.repeat(513), payload: 'p' }, 'body.subject: is longer than 512 bytes'],
    [{ subject: 's', payload: 'p'.repeat(PAYLOAD_BYTES_MAX + 1) }, 'body.payload: is longer than 65536 bytes'],
    [{ subject: 's', payload: '\ud800' }, 'body.payload: is not well-formed Unicode'],
    [{ subject: 's', payload: 'p', issuer: 1 }, 'body.issuer: expected string'],
    [{ payload: 'p' }, 'body.subject: is missing'],
  ])('refuses bad input %#', (body, message) => {
    expect(new TestService(transparency).call('POST', '/statements', body)).toMatchObject({
      status: 400,
      code: 'InvalidInput',
      message,
    })
  })

  it('accepts the largest statement', () => {
    const largest = { subject: 's'.repeat(512), issuer: 'i'.repeat(512), payload: '\u0001'.repeat(PAYLOAD_BYTES_MAX) }
    expect(new TestService(transparency).call('POST', '/statements', largest).status).toBe(200)
  })
})

describe('reading', () => {
  it('gives back what recomputes the digest', () => {
    const field = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
      .filter((it) => !/\p{Cc}|\p{Surrogate}/u.test(it))
    fc.assert(
      fc.property(
        fc.record({ subject: field, issuer: fc.option(field, { nil: undefined }), payload: field }),
        (statement) => {
          const service = new TestService(transparency)
          const { digest } = service.call('POST', '/statements', statement).body as { digest: string }
          const answer = service.call('GET', `/statements/${digest}`).body as { statement: typeof statement }
          expect(answer).toEqual({
            statement,
            registeredAt: 1,
            registeredBy: alice.kind === 'certificate' ? alice.id : '',
          })
          expect(toHex(sha256(statementBytes(answer.statement)))).toBe(digest)
        },
      ),
      { seed: 1, numRuns: 200 },
    )
  })

  it('refuses unknown and malformed digests', () => {
    const service = new TestService(transparency)
    expect(service.call('GET', `/statements/${'0'.repeat(64)}`).code).toBe('ResourceNotFound')
    expect(service.call('GET', '/statements/xyz').message).toBe('path.digest: expected 64 lower-case hex digits')
  })

  it('lists every subject with the prefix once, in byte order', () => {
    const subject = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\u{10ffff}'), minLength: 1, maxLength: 4 })
    const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
    fc.assert(
      fc.property(
        fc.uniqueArray(subject, { maxLength: 20 }),
        fc.string({ unit: fc.constantFrom('a', 'é'), maxLength: 2 }),
        (subjects, prefix) => {
          const service = new TestService(transparency)
          for (const subject of subjects) service.call('POST', '/statements', { subject, payload: 'p' })
          const listed: string[] = []
          let cursor = ''
          for (;;) {
            const page = service.call('GET', `/statements?subject=${encodeURIComponent(prefix)}&limit=3${cursor}`)
              .body as {
              items: { subject: string; digest: string }[]
              next?: string
            }
            for (const item of page.items) {
              expect(item.digest).toBe(statementId(sha256, { subject: item.subject, payload: 'p' }))
              listed.push(item.subject)
            }
            if (page.next === undefined) break
            cursor = `&from=${encodeURIComponent(page.next)}`
          }
          expect(listed).toEqual(subjects.filter((it) => it.startsWith(prefix)).sort(byBytes))
        },
      ),
      { seed: 1, numRuns: 100 },
    )
  })

  it('does not leave the prefix by way of the cursor', () => {
    const service = new TestService(transparency)
    for (const subject of ['a1', 'b1', 'c1']) service.call('POST', '/statements', { subject, payload: 'p' })
    expect(service.call('GET', '/statements?subject=b&from=a').body).toMatchObject({ items: [{ subject: 'b1' }] })
    expect(service.call('GET', '/statements?subject=b&from=c').body).toEqual({ items: [] })
  })
})

it('is one of the sample apps, whose paths do not collide', () => {
  expect(sampleApps.map((app) => app.name)).toEqual(['logging', 'transparency', 'bank'])
  const paths = sampleApps.flatMap((app) => app.endpoints.map(({ verb, path }) => `${verb} ${path}`))
  expect(new Set(paths).size).toBe(paths.length)
})

// Goal: the broker's parser finds the same operations and the same fault however the stream is cut, for good input and for
// garbage, and holds no more memory than its limits allow.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProtocolParser } from '../../../runtime/bus/broker/parser.ts'
import type { ParserLimits, ProtocolSink, Publication } from '../../../runtime/bus/broker/parser.ts'

const LIMITS: ParserLimits = { controlLineBytesMax: 64, payloadBytesMax: 200 }

/** Writes down everything found, publications with their canonical tail. */
function recordingSink(found: unknown[]): ProtocolSink {
  const part = (p: Publication, from: number, to: number): string => p.bytes.toString('latin1', from, to)
  return {
    onConnect: (json) => void found.push(['connect', json]),
    onPing: () => void found.push(['ping']),
    onPong: () => void found.push(['pong']),
    onPublish: (p) =>
      void found.push([
        'publish',
        part(p, p.subjectStart, p.subjectEnd),
        part(p, p.replyStart, p.replyEnd),
        p.headerBytes,
        part(p, p.payloadStart, p.payloadStart + p.sizeBytes),
        p.tailStart < 0 ? 'unusual' : part(p, p.tailStart, p.payloadStart + p.sizeBytes + 2),
      ]),
    onSubscribe: (subject, queue, sid) => void found.push(['subscribe', subject, queue, sid]),
    onUnsubscribe: (sid, max) => void found.push(['unsubscribe', sid, max]),
    onFault: (fault) => void found.push(['fault', fault]),
  }
}

function parse(chunks: readonly Buffer[], awaitingConnect = false): unknown[] {
  const found: unknown[] = []
  const parser = new ProtocolParser(recordingSink(found), LIMITS)
  parser.awaitingConnect = awaitingConnect
  for (const chunk of chunks) parser.feed(chunk)
  return found
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const cuts = [...new Set([0, ...at.map((n) => n % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b)
  return cuts.slice(1).map((end, i) => Buffer.from(bytes.subarray(cuts[i], end)))
}

const word = fc.stringMatching(/^[A-Za-z0-9.*>_-]{1,12}$/)
const body = fc.oneof(
  fc.uint8Array({ maxLength: 205 }),
  fc.constantFrom('PING\r\n', '\r\n', '').map((s) => Buffer.from(s)),
)
const space = fc.constantFrom(' ', ' ', ' ', '  ', '\t', ' \t ')
const eol = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', ' \r\n')

const operation: fc.Arbitrary<Buffer> = fc.oneof(
  fc.constantFrom('PING\r\n', 'pong\r\n', '+OK\r\n', 'CONNECT {"verbose":false}\r\n').map((s) => Buffer.from(s)),
  fc.tuple(word, fc.option(word), body, space, eol).map(([subject, reply, payload, s, end]) => {
    const fields = reply === null ? [subject, payload.length] : [subject, reply, payload.length]
    return Buffer.concat([Buffer.from(`PUB ${fields.join(s)}${end}`), payload, Buffer.from('\r\n')])
  }),
  fc.tuple(word, body, fc.nat(30), space, eol).map(([subject, payload, headerBytes, s, end]) => {
    const line = `HPUB ${[subject, headerBytes, payload.length].join(s)}${end}`
    return Buffer.concat([Buffer.from(line), payload, Buffer.from('\r\n')])
  }),
  fc.tuple(word, fc.option(word), word, space, eol).map(([subject, queue, sid, s, end]) => {
    return Buffer.from(`SUB ${[subject, ...(queue === null ? [] : [queue]), sid].join(s)}${end}`)
  }),
  fc.tuple(word, fc.option(fc.nat(99)), eol).map(([sid, max, end]) => Buffer.from(`UNSUB ${sid} ${max ?? ''}${end}`)),
)
const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 90 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom('PUBX a 1\r\n', 'PU', 'CONN', 'HPUB', 'SUB\r\n', '-ERR', 'INFOX').map((s) => Buffer.from(s)),
  fc.nat(90).map((n) => Buffer.from(`SUB ${'x'.repeat(n)}`)),
)
const stream = fc
  .array(fc.oneof({ weight: 8, arbitrary: operation }, { weight: 1, arbitrary: garbage }), { maxLength: 12 })
  .map((parts) => Buffer.concat(parts))

describe('the protocol parser', () => {
  it('finds the same however the stream is cut', () => {
    const property = fc.property(
      stream,
      fc.array(fc.nat(2000), { maxLength: 20 }),
      fc.boolean(),
      (bytes, cuts, awaiting) => {
        expect(parse(cut(bytes, cuts), awaiting)).toEqual(parse([bytes], awaiting))
      },
    )
    fc.assert(property, { seed: 1, numRuns: 1500 })
  })

  it('finds the same when every byte arrives alone', () => {
    const property = fc.property(stream, fc.boolean(), (bytes, awaiting) => {
      const single = Array.from(bytes, (byte) => Buffer.from([byte]))
      expect(parse(single, awaiting)).toEqual(parse([bytes], awaiting))
    })
    fc.assert(property, { seed: 2, numRuns: 500 })
  })

  it('finds the same when cut in two at any byte', () => {
    const bytes = Buffer.from(
      'CONNECT {"a":1}\r\nSUB a.* q 7\r\nPUB a.b r 5\r\nhello\r\nHPUB a.b 12 14\r\nNATS/1.0\r\n\r\nhi\r\nUNSUB 7 3\r\nPING\r\n',
    )
    const whole = parse([bytes])
    expect(whole).toEqual([
      ['connect', '{"a":1}\r'],
      ['subscribe', 'a.*', 'q', '7'],
      ['publish', 'a.b', 'r', -1, 'hello', 'r 5\r\nhello\r\n'],
      ['publish', 'a.b', '', 12, 'NATS/1.0\r\n\r\nhi', '12 14\r\nNATS/1.0\r\n\r\nhi\r\n'],
      ['unsubscribe', '7', 3],
      ['ping'],
    ])
    for (let at = 0; at <= bytes.length; at++) {
      expect(parse([Buffer.from(bytes.subarray(0, at)), Buffer.from(bytes.subarray(at))])).toEqual(whole)
    }
  })

  it('survives garbage', () => {
    const property = fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(fc.nat(300), { maxLength: 5 }),
      (raw, cuts) => {
        const bytes = Buffer.from(raw)
        const faults = parse(cut(bytes, cuts)).filter((entry) => Array.isArray(entry) && entry[0] === 'fault')
        expect(faults.length).toBeLessThanOrEqual(1)
      },
    )
    fc.assert(property, { seed: 3, numRuns: 2000 })
  })

  it('accepts a line of exactly the maximum and no longer', () => {
    const line = (length: number): Buffer => Buffer.from(`SUB ${'x'.repeat(length - 8)} 1\r\n`)
    expect(parse([line(64)])).toEqual([['subscribe', 'x'.repeat(56), undefined, '1']])
    expect(parse([line(65)])).toEqual([['fault', 'controlLineTooLong']])
  })

  it('accepts a payload of exactly the maximum and no longer', () => {
    const publication = (length: number): Buffer => Buffer.from(`PUB a ${length}\r\n${'x'.repeat(length)}\r\n`)
    expect(parse([publication(200)])).toHaveLength(1)
    expect(parse([publication(201)])).toEqual([['fault', 'payloadTooLarge']])
  })

  it('reads nothing after it was stopped from inside', () => {
    const found: unknown[] = []
    const parser: ProtocolParser = new ProtocolParser({ ...recordingSink(found), onPing: () => parser.stop() }, LIMITS)
    parser.feed(Buffer.from('PONG\r\nPING\r\nPONG\r\n'))
    parser.feed(Buffer.from('PONG\r\n'))
    expect(found).toEqual([['pong']])
  })
})

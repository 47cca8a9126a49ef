// Goal: handshake messages survive their codec, decode only to values that are safe to act on (subjects above all), and hostile bytes never throw;
// prologues differ whenever anything they bind differs.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, EMPTY, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { InvariantViolation } from '../../../protocols/errors.ts'
import { nodeId } from '../../../protocols/ids.ts'
import { SEALED_FRAME_TYPE } from '../../../protocols/session/frame.ts'
import { errorCodes } from '../../../protocols/session/error-codes.ts'
import type { Hello } from '../../../protocols/session/hello.ts'
import {
  channelPrologue,
  decodeHello,
  encodeHello,
  isReplySubject,
  keepsOwnHandshake,
  REFUSAL_MESSAGE_BYTES_MAX,
  sessionPrologue,
} from '../../../protocols/session/hello.ts'

const NODE_A = nodeId('0a'.repeat(32))
const NODE_B = nodeId('0b'.repeat(32))
const HANDSHAKE = '0123456789abcdef'.repeat(2)

const noise = fc.uint8Array({ maxLength: 200 })
const hex = (bytes: number): fc.Arbitrary<string> => fc.uint8Array({ minLength: bytes, maxLength: bytes }).map(toHex)
const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/)
const code = fc.constantFrom(...errorCodes())
const message = fc.string({ unit: 'grapheme', maxLength: 30 })
const hello: fc.Arbitrary<Hello> = fc.oneof(
  fc.record({
    type: fc.constant('clientHello' as const),
    replySubject: fc.tuple(token, token).map(([a, b]) => `_INBOX.${a}.${b}`),
    noise,
  }),
  fc.record({
    type: fc.constant('nodeAnswer' as const),
    session: token,
    nodeId: hex(32).map(nodeId),
    primaryHint: fc.option(hex(32).map(nodeId), { nil: undefined }),
    noise,
  }),
  fc.record({ type: fc.constant('sessionRefusal' as const), code, message }),
  fc.record({ type: fc.constant('clientFinish' as const), noise }),
  fc.record({
    type: fc.constantFrom('channelHello' as const, 'channelAnswer' as const, 'channelFinish' as const),
    handshake: hex(16),
    noise,
  }),
  fc.record({ type: fc.constant('channelRefusal' as const), handshake: hex(16), code, message }),
)

const EXAMPLES: readonly Hello[] = [
  { type: 'clientHello', replySubject: '_INBOX.abc.1', noise: utf8('noise') },
  { type: 'nodeAnswer', session: 's1', nodeId: NODE_A, primaryHint: NODE_B, noise: utf8('noise') },
  { type: 'nodeAnswer', session: 's1', nodeId: NODE_A, primaryHint: undefined, noise: EMPTY },
  { type: 'sessionRefusal', code: 'SessionCapExhausted', message: 'too many sessions' },
  { type: 'clientFinish', noise: utf8('noise') },
  { type: 'channelHello', handshake: HANDSHAKE, noise: utf8('noise') },
  { type: 'channelAnswer', handshake: HANDSHAKE, noise: utf8('noise') },
  { type: 'channelFinish', handshake: HANDSHAKE, noise: utf8('noise') },
  { type: 'channelRefusal', handshake: HANDSHAKE, code: 'InvalidNodeState', message: 'retired' },
]

describe('handshake messages', () => {
  it('survive the codec', () => {
    fc.assert(
      fc.property(hello, (given) => {
        expect(decodeHello(encodeHello(given))).toEqual(given)
      }),
      { seed: 1, numRuns: 500 },
    )
    for (const example of EXAMPLES) expect(decodeHello(encodeHello(example))).toEqual(example)
  })

  it('have the documented beginning, distinct from each other and from sealed frames', () => {
    const first = new Set(EXAMPLES.map((example) => encodeHello(example)[0]))
    expect(first.size).toBe(8)
    expect(first.has(SEALED_FRAME_TYPE)).toBe(false)
    expect(toHex(encodeHello({ type: 'clientFinish', noise: Uint8Array.of(0xaa) }))).toBe('0401' + '01000000' + 'aa')
  })

  it('are refused when cut or lengthened anywhere', () => {
    for (const example of EXAMPLES) {
      const bytes = encodeHello(example)
      for (let length = 0; length < bytes.length; length++)
        expect(decodeHello(bytes.subarray(0, length))).toBeUndefined()
      expect(decodeHello(concat(bytes, Uint8Array.of(0)))).toBeUndefined()
    }
  })

  it('say when their version is not spoken here', () => {
    const bytes = encodeHello(EXAMPLES[0]!)
    expect(decodeHello(concat(bytes.subarray(0, 1), Uint8Array.of(2)))).toEqual({
      type: 'unsupportedVersion',
      version: 2,
    })
    expect(decodeHello(Uint8Array.of(0x7f, 2))).toBeUndefined()
    expect(decodeHello(EMPTY)).toBeUndefined()
  })

  it('never make the decoder throw, and decode only to what encodes again', () => {
    const mutated = fc
      .tuple(fc.constantFrom(...EXAMPLES), fc.array(fc.tuple(fc.nat(150), fc.nat(255)), { maxLength: 5 }))
      .map(([example, changes]) => {
        const copy = encodeHello(example).slice()
        for (const [at, value] of changes) copy[at % copy.length] = value
        return copy
      })
    const random = fc
      .tuple(fc.constantFrom(1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14), fc.uint8Array({ maxLength: 120 }))
      .map(([kind, bytes]) => concat(Uint8Array.of(kind, 1), bytes))
    fc.assert(
      fc.property(fc.oneof(mutated, random, fc.uint8Array({ maxLength: 40 })), (bytes) => {
        const decoded = decodeHello(bytes)
        if (decoded === undefined || decoded.type === 'unsupportedVersion') return
        expect(decodeHello(encodeHello(decoded))).toEqual(decoded)
      }),
      { seed: 2, numRuns: 5000 },
    )
  })

  it('cut long refusals, and name unknown codes InternalError', () => {
    const long = encodeHello({ type: 'sessionRefusal', code: 'InvalidInput', message: 'm'.repeat(1000) })
    expect(decodeHello(long)).toMatchObject({ message: 'm'.repeat(REFUSAL_MESSAGE_BYTES_MAX) })
    const later = concat(Uint8Array.of(3, 1, 5, 0), utf8('Later'), Uint8Array.of(0, 0, 0, 0))
    expect(decodeHello(later)).toEqual({ type: 'sessionRefusal', code: 'InternalError', message: '' })
  })

  it('are not encoded from values that would not decode', () => {
    const bad: readonly Hello[] = [
      { type: 'clientHello', replySubject: 'ccf.service.commit', noise: EMPTY },
      { type: 'nodeAnswer', session: 'a.b', nodeId: NODE_A, primaryHint: undefined, noise: EMPTY },
      { type: 'nodeAnswer', session: 'a', nodeId: nodeId('0A'.repeat(32)), primaryHint: undefined, noise: EMPTY },
      { type: 'channelHello', handshake: 'xyz', noise: EMPTY },
    ]
    for (const value of bad) expect(() => encodeHello(value)).toThrow(InvariantViolation)
  })
})

describe('reply subjects', () => {
  it('are plain inboxes only', () => {
    for (const good of ['_INBOX.a', '_INBOX.a.b.c', 'inbox.x-1_Z'])
      expect([good, isReplySubject(good)]).toEqual([good, true])
    const bad = [
      '',
      'one',
      'ccf.service.rpc',
      `ccf.service.${NODE_A}.channel.${NODE_B}`,
      '$SYS.REQ',
      '_INBOX.*',
      '_INBOX.>',
      '_INBOX..a',
      '_INBOX.a.',
      '_INBOX.a b',
      '_INBOX.a\r\nPUB x 0',
      '_INBOX.é',
      `_INBOX.${'a'.repeat(300)}`,
      Array.from({ length: 17 }, () => 'a').join('.'),
    ]
    for (const subject of bad) expect([subject, isReplySubject(subject)]).toEqual([subject, false])
  })
})

describe('prologues', () => {
  it('differ whenever anything they bind differs', () => {
    const identity = utf8('i'.repeat(32))
    const base = { service: 's', serviceIdentity: identity, initiator: NODE_A, responder: NODE_B, handshake: HANDSHAKE }
    const prologues = [
      sessionPrologue('s', identity),
      sessionPrologue('t', identity),
      sessionPrologue('s', utf8('j'.repeat(32))),
      channelPrologue(base),
      channelPrologue({ ...base, service: 't' }),
      channelPrologue({ ...base, serviceIdentity: utf8('j'.repeat(32)) }),
      channelPrologue({ ...base, initiator: NODE_B, responder: NODE_A }),
      channelPrologue({ ...base, initiator: NODE_B }),
      channelPrologue({ ...base, responder: NODE_A }),
      channelPrologue({ ...base, handshake: 'f'.repeat(32) }),
    ].map(toHex)
    expect(new Set(prologues).size).toBe(prologues.length)
    expect(toHex(sessionPrologue('s', identity))).toBe(prologues[0])
  })

  it('of crossed channel handshakes belong to the lower node id', () => {
    expect([keepsOwnHandshake(NODE_A, NODE_B), keepsOwnHandshake(NODE_B, NODE_A)]).toEqual([true, false])
  })
})

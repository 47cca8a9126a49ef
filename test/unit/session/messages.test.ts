// Goal: what a session's frames contain survives the codec exactly, is split so that every frame stays within its limits and order is kept, and
// hostile content is refused whole or, where one request breaks a limit, by that request's own refusal. Decoders never throw.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AppRequest, AppResponse } from '../../../protocols/app.ts'
import { concat, EMPTY, fromHex, fromUtf8, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { InvariantViolation } from '../../../protocols/errors.ts'
import { seqno, view } from '../../../protocols/ids.ts'
import { FRAME_REQUESTS_MAX, REQUEST_BODY_BYTES_MAX, REQUEST_PATH_BYTES_MAX } from '../../../protocols/limits.ts'
import { errorCodes } from '../../../protocols/session/error-codes.ts'
import { FRAME_PLAINTEXT_BYTES_MAX } from '../../../protocols/session/frame.ts'
import { decodeClientBatch, decodeNodeBatch } from '../../../protocols/session/messages-decode.ts'
import { encodeClientBatch, encodeNodeBatch } from '../../../protocols/session/messages-encode.ts'
import type { ClientBatch, ClientControl, NodeBatch, NodeNotice } from '../../../protocols/session/messages.ts'
import {
  checkRequest,
  CLOSED_MESSAGE_BYTES_MAX,
  FRAME_CONTROLS_MAX,
  RESPONSE_BODY_BYTES_MAX,
  VERBS,
} from '../../../protocols/session/messages.ts'

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const text = fc.oneof(
  fc.string({ maxLength: 90 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constant('/app/log?id=1'),
)
const body = fc.oneof(fc.constant(EMPTY), fc.uint8Array({ maxLength: 60 }))
const request: fc.Arbitrary<AppRequest> = fc.record({ id: u32, verb: fc.constantFrom(...VERBS), path: text, body })
const control: fc.Arbitrary<ClientControl> = fc.oneof(
  u32.map((id) => ({ type: 'ping', id }) as const),
  fc.constant({ type: 'close' } as const),
)
const txId = fc.tuple(u32, fc.maxSafeNat()).map(([v, s]) => ({ view: view(v), seqno: seqno(s) }))
const response: fc.Arbitrary<AppResponse> = fc.record({
  id: u32,
  status: fc.integer({ min: 0, max: 65535 }),
  contentType: fc.constantFrom('json', 'bytes', 'none'),
  body,
  txId: fc.option(txId, { nil: undefined }),
})
const notice: fc.Arbitrary<NodeNotice> = fc.oneof(
  u32.map((id) => ({ type: 'pong', id }) as const),
  txId.map((id) => ({ type: 'commitNotice', ...id }) as const),
  fc.record({ type: fc.constant('closed' as const), code: fc.constantFrom(...errorCodes()), message: text }),
)

const get = (id: number, size: number): AppRequest => ({ id, verb: 'POST', path: '/log', body: new Uint8Array(size) })
const answer = (id: number, size: number): AppResponse => ({
  id,
  status: 200,
  contentType: 'bytes',
  body: new Uint8Array(size),
  txId: undefined,
})

/** Decodes what the encoder made, as one batch again. */
function joinClient(frames: readonly Uint8Array[]): ClientBatch {
  const batches = frames.map((frame) => decodeClientBatch(frame)!)
  expect(batches.every((batch) => batch.refused.length === 0)).toBe(true)
  return {
    requests: batches.flatMap((batch) => batch.requests),
    controls: batches.flatMap((batch) => batch.controls),
  }
}

function joinNode(frames: readonly Uint8Array[]): NodeBatch {
  const batches = frames.map((frame) => decodeNodeBatch(frame)!)
  return {
    responses: batches.flatMap((batch) => batch.responses),
    notices: batches.flatMap((batch) => batch.notices),
  }
}

describe('round trip', () => {
  it('keeps requests and controls', () => {
    const batch = fc.record({
      requests: fc.array(request, { maxLength: 12 }),
      controls: fc.array(control, { maxLength: 5 }),
    })
    fc.assert(
      fc.property(batch, (given) => {
        expect(joinClient(encodeClientBatch(given))).toEqual(given)
      }),
      { seed: 1, numRuns: 400 },
    )
  })

  it('keeps responses and notices', () => {
    const batch = fc.record({
      responses: fc.array(response, { maxLength: 12 }),
      notices: fc.array(notice, { maxLength: 5 }),
    })
    fc.assert(
      fc.property(batch, (given) => {
        expect(joinNode(encodeNodeBatch(given))).toEqual(given)
      }),
      { seed: 2, numRuns: 400 },
    )
  })

  it('has the documented bytes', () => {
    const client = encodeClientBatch({
      requests: [{ id: 0x01020304, verb: 'POST', path: '/é', body: utf8('ab') }],
      controls: [{ type: 'ping', id: 9 }, { type: 'close' }],
    })
    expect(client.map(toHex)).toEqual([
      '01' + '0100' + '04030201' + '01' + '0300' + '02000000' + '2fc3a9' + '6162' + '02' + '0109000000' + '02',
    ])
    const node = encodeNodeBatch({
      responses: [
        {
          id: 1,
          status: 200,
          contentType: 'json',
          body: utf8('{}'),
          txId: { view: view(2), seqno: seqno(2 ** 32 + 5) },
        },
        { id: 2, status: 204, contentType: 'none', body: EMPTY, txId: undefined },
      ],
      notices: [{ type: 'commitNotice', view: view(2), seqno: seqno(7) }],
    })
    expect(node.map(toHex)).toEqual([
      '02' +
        '0200' +
        '01000000' +
        'c800' +
        '05' +
        '02000000' +
        '0500000001000000' +
        '02000000' +
        '7b7d' +
        '02000000' +
        'cc00' +
        '00' +
        '00000000' +
        '01' +
        '02' +
        '02000000' +
        '0700000000000000',
    ])
  })

  it('of nothing is no frame at all', () => {
    expect(encodeClientBatch({ requests: [], controls: [] })).toEqual([])
    expect(encodeNodeBatch({ responses: [], notices: [] })).toEqual([])
  })
})

describe('splitting', () => {
  it('keeps every frame within its limits, and the order', () => {
    const sizes = fc.array(
      fc.oneof({ weight: 5, arbitrary: fc.nat(2000) }, fc.integer({ min: 100_000, max: REQUEST_BODY_BYTES_MAX })),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(sizes, fc.nat(3 * FRAME_CONTROLS_MAX), (bodies, pings) => {
        const requests = bodies.map((size, id) => get(id, size))
        const controls = Array.from({ length: pings }, (_, id): ClientControl => ({ type: 'ping', id }))
        const frames = encodeClientBatch({ requests, controls })
        expect(frames.every((frame) => frame.length <= FRAME_PLAINTEXT_BYTES_MAX)).toBe(true)
        const joined = joinClient(frames)
        expect(joined.requests.map(({ id, body: { length } }) => [id, length])).toEqual([...bodies.entries()])
        expect(joined.controls).toEqual(controls)
        // As few as a greedy packing allows: two neighbours never fit one frame.
        for (let i = 1; i < frames.length; i++) {
          const [left, right] = [decodeClientBatch(frames[i - 1]!)!, decodeClientBatch(frames[i]!)!]
          const fits = frames[i - 1]!.length + (right.requests[0]?.body.length ?? 5) + 15 <= FRAME_PLAINTEXT_BYTES_MAX
          expect(fits && left.controls.length < FRAME_CONTROLS_MAX).toBe(false)
        }
      }),
      { seed: 3, numRuns: 40 },
    )
  })

  it('counts requests as well as bytes', () => {
    const requests = Array.from({ length: 2 * FRAME_REQUESTS_MAX + 1 }, (_, id) => get(id, 20))
    const frames = encodeClientBatch({ requests, controls: [{ type: 'close' }] })
    expect(frames.map((frame) => decodeClientBatch(frame)!.requests.length)).toEqual([1024, 1024, 1])
    expect(frames.map((frame) => decodeClientBatch(frame)!.controls.length)).toEqual([0, 0, 1])
  })

  it('carries a response of the largest size alone, and replaces a larger one', () => {
    const largest = { ...answer(2, RESPONSE_BODY_BYTES_MAX), txId: { view: view(2), seqno: seqno(3) } }
    const frames = encodeNodeBatch({ responses: [answer(1, 1), largest, answer(3, 1)], notices: [] })
    expect(frames.map((frame) => decodeNodeBatch(frame)!.responses.map(({ id }) => id))).toEqual([[1], [2], [3]])
    expect(frames[1]!.length).toBe(FRAME_PLAINTEXT_BYTES_MAX)
    const tooLarge = { ...largest, body: new Uint8Array(RESPONSE_BODY_BYTES_MAX + 1) }
    const [replaced] = joinNode(encodeNodeBatch({ responses: [tooLarge], notices: [] })).responses
    expect(replaced).toMatchObject({ id: 2, status: 500, contentType: 'json', txId: { view: 2, seqno: 3 } })
    expect(JSON.parse(fromUtf8(replaced!.body))).toMatchObject({ error: { code: 'InternalError' } })
  })

  it('gives notices a frame of their own when the last response leaves no room', () => {
    const full = { ...answer(1, RESPONSE_BODY_BYTES_MAX), txId: { view: view(2), seqno: seqno(3) } }
    const notices: readonly NodeNotice[] = [{ type: 'pong', id: 4 }]
    const frames = encodeNodeBatch({ responses: [full], notices })
    expect(frames.every((frame) => frame.length <= FRAME_PLAINTEXT_BYTES_MAX)).toBe(true)
    expect(frames.map((frame) => decodeNodeBatch(frame)!.notices)).toEqual([[], notices])
  })

  it('cuts long messages of `closed` between characters', () => {
    const frames = encodeNodeBatch({
      responses: [],
      notices: [{ type: 'closed', code: 'InvalidInput', message: 'x' + 'é'.repeat(400) }],
    })
    const [closed] = decodeNodeBatch(frames[0]!)!.notices
    expect(closed).toEqual({ type: 'closed', code: 'InvalidInput', message: 'x' + 'é'.repeat(255) })
    expect(utf8('x' + 'é'.repeat(255)).length).toBe(CLOSED_MESSAGE_BYTES_MAX - 1)
  })
})

describe('limits of one request', () => {
  const long = '/' + 'p'.repeat(REQUEST_PATH_BYTES_MAX)

  it('are checked before sending', () => {
    expect(checkRequest(get(1, REQUEST_BODY_BYTES_MAX))).toBeUndefined()
    expect(checkRequest(get(1, REQUEST_BODY_BYTES_MAX + 1))).toMatchObject({ status: 413, code: 'RequestBodyTooLarge' })
    expect(checkRequest({ ...get(1, 0), path: long.slice(1) })).toBeUndefined()
    expect(checkRequest({ ...get(1, 0), path: long })).toMatchObject({ status: 400, code: 'InvalidResourceName' })
    expect(checkRequest({ ...get(1, 0), path: 'é'.repeat(REQUEST_PATH_BYTES_MAX / 2 + 1) })).toMatchObject({
      status: 400,
    })
    expect(checkRequest({ ...get(1, 0), verb: 'BREW' })).toMatchObject({ status: 405, code: 'UnsupportedHttpVerb' })
    for (const bad of [
      get(1, REQUEST_BODY_BYTES_MAX + 1),
      { ...get(1, 0), path: long },
      { ...get(1, 0), verb: 'BREW' },
    ]) {
      expect(() => encodeClientBatch({ requests: [bad], controls: [] })).toThrow(InvariantViolation)
    }
  })

  it('are refused one by one when a foreign client breaks them', () => {
    const frame = (path: Uint8Array, bodyLength: number): Uint8Array => {
      const head = fromHex('01' + '0100' + '2a000000' + '01' + '0000' + '00000000')
      const fields = new DataView(head.buffer)
      fields.setUint16(8, path.length, true)
      fields.setUint32(10, bodyLength, true)
      return concat(head, path, new Uint8Array(bodyLength), Uint8Array.of(0))
    }
    const refused = (bytes: Uint8Array): unknown => decodeClientBatch(bytes)?.refused
    expect(refused(frame(utf8('/log'), REQUEST_BODY_BYTES_MAX))).toEqual([])
    expect(refused(frame(utf8('/log'), REQUEST_BODY_BYTES_MAX + 1))).toMatchObject([
      { id: 42, refusal: { status: 413, code: 'RequestBodyTooLarge' } },
    ])
    expect(refused(frame(utf8(long.slice(1)), 0))).toEqual([])
    expect(refused(frame(utf8(long), 0))).toMatchObject([{ id: 42, refusal: { status: 400 } }])
    expect(refused(frame(utf8('é'.repeat(REQUEST_PATH_BYTES_MAX / 2 + 1)), 0))).toMatchObject([{ id: 42 }])
  })
})

describe('hostile content', () => {
  const client = encodeClientBatch({
    requests: [{ id: 1, verb: 'PUT', path: '/é', body: utf8('ab') }, get(2, 3)],
    controls: [{ type: 'ping', id: 9 }],
  })[0]!
  const node = encodeNodeBatch({
    responses: [
      { id: 1, status: 200, contentType: 'json', body: utf8('{}'), txId: { view: view(2), seqno: seqno(5) } },
      answer(2, 4),
    ],
    notices: [
      { type: 'closed', code: 'SessionConsistencyLost', message: 'view changed' },
      { type: 'pong', id: 3 },
    ],
  })[0]!

  it('is refused when cut or lengthened anywhere', () => {
    for (const [bytes, decode] of [
      [client, decodeClientBatch],
      [node, decodeNodeBatch],
    ] as const) {
      expect(decode(bytes)).toBeDefined()
      for (let length = 0; length < bytes.length; length++) expect(decode(bytes.subarray(0, length))).toBeUndefined()
      expect(decode(concat(bytes, Uint8Array.of(0)))).toBeUndefined()
    }
    expect(decodeClientBatch(node)).toBeUndefined()
    expect(decodeNodeBatch(client)).toBeUndefined()
  })

  it('is refused when a count, verb, flag, kind or text is none', () => {
    const refuse = (decode: (bytes: Uint8Array) => unknown, hex: string): void => {
      expect([hex, decode(fromHex(hex))]).toEqual([hex, undefined])
    }
    refuse(decodeClientBatch, '010104' + '00')
    refuse(decodeClientBatch, '010100' + '01000000' + '07' + '0000' + '00000000' + '00')
    refuse(decodeClientBatch, '010100' + '01000000' + '00' + '0100' + '00000000' + 'ff' + '00')
    refuse(decodeClientBatch, '010100' + '01000000' + '00' + '0000' + 'ffffffff' + '00')
    refuse(decodeClientBatch, '010000' + '01' + '03')
    refuse(decodeClientBatch, '010000' + '41' + '02'.repeat(65))
    refuse(decodeNodeBatch, '020100' + '01000000' + 'c800' + '03' + '00000000' + '00')
    refuse(decodeNodeBatch, '020100' + '01000000' + 'c800' + '08' + '00000000' + '00')
    refuse(decodeNodeBatch, '020100' + '01000000' + 'c800' + '04' + '02000000' + '0000000000002000' + '00000000' + '00')
    refuse(decodeNodeBatch, '020000' + '01' + '04')
    refuse(decodeNodeBatch, '020000' + '01' + '0300' + '0102' + '78'.repeat(513))
    expect(decodeClientBatch(fromHex('010000' + '40' + '02'.repeat(64)))?.controls).toHaveLength(64)
  })

  it('is refused when it holds more requests than one frame may', () => {
    const one = fromHex('2a000000' + '00' + '0000' + '00000000')
    const many = (count: number): Uint8Array => {
      const items = Array.from({ length: count }, () => one)
      return concat(Uint8Array.of(1, count & 255, count >> 8), ...items, Uint8Array.of(0))
    }
    expect(decodeClientBatch(many(FRAME_REQUESTS_MAX))?.requests).toHaveLength(FRAME_REQUESTS_MAX)
    expect(decodeClientBatch(many(FRAME_REQUESTS_MAX + 1))).toBeUndefined()
  })

  it('names a code of a later version InternalError, so that the end of a session always arrives', () => {
    const later = concat(fromHex('020000' + '01' + '03' + '05'), utf8('Later'), fromHex('0200'), utf8('no'))
    expect(decodeNodeBatch(later)?.notices).toEqual([{ type: 'closed', code: 'InternalError', message: 'no' }])
  })

  it('never makes a decoder throw', () => {
    const mutated = fc
      .tuple(fc.constantFrom(client, node), fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }))
      .map(([bytes, changes]) => {
        const copy = bytes.slice()
        for (const [at, value] of changes) copy[at % copy.length] = value
        return copy
      })
    const random = fc
      .tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 200 }))
      .map(([type, bytes]) => concat(Uint8Array.of(type), bytes))
    fc.assert(
      fc.property(fc.oneof(mutated, random, fc.uint8Array({ maxLength: 64 })), (bytes) => {
        const fromClient = decodeClientBatch(bytes)
        // What is accepted is exactly what its fields encode to, so nothing hides in a frame.
        if (fromClient?.refused.length === 0)
          expect(joinClient(encodeClientBatch(fromClient))).toEqual({
            requests: fromClient.requests,
            controls: fromClient.controls,
          })
        const fromNode = decodeNodeBatch(bytes)
        if (fromNode !== undefined) expect(joinNode(encodeNodeBatch(fromNode))).toEqual(fromNode)
      }),
      { seed: 4, numRuns: 5000 },
    )
  })
})

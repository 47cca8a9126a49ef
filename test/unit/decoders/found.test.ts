// Goal: what the hunt has found once stays found: each of these inputs crashed a decoder, passed one that should refuse it, or cost too much.
import { describe, expect, it } from 'vitest'
import { encodeRpcResponse, parseRpcRequest } from '../../../actors/rpc/request.ts'
import { concat, DecodeError, toByteString, utf8 } from '../../../protocols/codec/bytes.ts'
import { isCborDeeperThan } from '../../../protocols/codec/cbor-depth.ts'
import { JSON_DEPTH_MAX, parseJson } from '../../../protocols/codec/json.ts'
import { decodeCbor, encodeSign1, parseSign1 } from '../../../protocols/crypto/cose.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { decodeJson } from '../../../protocols/ledger/tables.ts'
import { deserialiseTree } from '../../../protocols/merkle/tree.ts'
import { parseSnapshotFileName } from '../../../protocols/snapshot/format.ts'
import { Response } from '../../../runtime/client/response.ts'
import { parseRpcReply } from '../../../runtime/rpc-request.ts'

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
const DEEP = nested(100_000)

describe('deeply nested JSON', () => {
  it('is refused by every decoder, since V8 parses what it cannot write', () => {
    expect(() => decodeJson(utf8(DEEP))).toThrow(DecodeError)
    expect(() => parseJson(nested(JSON_DEPTH_MAX + 1) + ' '.repeat(9))).toThrow('nested deeper')
    expect(parseJson(nested(JSON_DEPTH_MAX))).toBeInstanceOf(Array)
  })

  it('is what stands between brackets, not in strings', () => {
    const text = JSON.stringify({ '[[{"': '['.repeat(500) + '\\"{'.repeat(500) })
    expect(parseJson(text)).toEqual(JSON.parse(text))
  })

  it('in a request in clear is refused: anyone could stop a node with it', () => {
    expect(parseRpcRequest(utf8(`{"path":"/app/x","body":${DEEP}}`))).toMatchObject({ refused: { status: 400 } })
  })

  it('in a response goes out as bytes', () => {
    const body = utf8(nested(30_000))
    const sent = encodeRpcResponse({ id: 0, status: 200, contentType: 'json', body, txId: undefined })
    expect(JSON.parse(new TextDecoder().decode(sent))).toMatchObject({ status: 200, bodyBase64: expect.any(String) })
  })
})

describe('CBOR', () => {
  it('is refused at one depth, whoever calls', () => {
    const deep = (depth: number): Uint8Array => concat(new Uint8Array(depth).fill(0x81), Uint8Array.of(0))
    expect(() => decodeCbor(deep(33), 1000)).toThrow('nested deeper')
    expect(decodeCbor(deep(32), 1000)).toBeInstanceOf(Array)
    expect(isCborDeeperThan(concat(Uint8Array.of(0x82, 0x81, 0x80, 0x80), deep(3)), 2)).toBe(false)
    expect(isCborDeeperThan(Uint8Array.of(0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 1)).toBe(false)
  })

  it('of a COSE_Sign1 has its tag once, and nowhere inside', () => {
    const sign1 = encodeSign1(new Uint8Array(0), new Map(), undefined, new Uint8Array(4))
    expect(parseSign1(sign1).signature).toHaveLength(4)
    expect(() => parseSign1(concat(Uint8Array.of(0xd2), sign1))).toThrow(DecodeError)
    const taggedHeader = concat(sign1.subarray(0, 3), Uint8Array.of(0xd2), sign1.subarray(3))
    expect(() => parseSign1(taggedHeader)).toThrow(DecodeError)
  })
})

describe('numbers beyond 2^53', () => {
  it('name no snapshot', () => {
    expect(parseSnapshotFileName('snapshot_9_9007199254740999')).toBeUndefined()
    expect(parseSnapshotFileName('snapshot_9007199254740999_9007199254740999')).toBeUndefined()
  })

  it('count no leaves of a tree, though each of the two counts is smaller', () => {
    const bytes = new Uint8Array(16 + 54 * 32)
    const view = new DataView(bytes.buffer)
    view.setBigUint64(0, 1n)
    view.setBigUint64(8, 2n ** 53n - 1n)
    expect(() => deserialiseTree(nativeCrypto, bytes)).toThrow('more leaves than can be numbered')
  })
})

describe('a response to the client', () => {
  const none = () => Promise.reject(new Error('none'))
  const actions = { committed: () => Promise.resolve(), receipt: none, coseReceipt: none }
  const errorOf = (body: string): unknown =>
    new Response({ id: 1, status: 400, contentType: 'json', body: utf8(body), txId: undefined }, actions).error

  it.each(['{"error":null}', '{"error":7}', '[]', 'null', '"text"'])('%s is no refusal in form', (body) => {
    expect(errorOf(body)).toBeUndefined()
  })

  it('may hold what cannot be turned into text', () => {
    expect(errorOf('{"error":{"code":{"toString":1},"message":[]}}')).toEqual({ code: 'InternalError', message: '' })
    expect(errorOf('{"error":{"code":"KeyNotFound","message":"no"}}')).toEqual({ code: 'KeyNotFound', message: 'no' })
  })

  it.each(['', '{', 'null', '7', '{"status":"200"}', DEEP])('is no reply in clear when it is %.20s', (payload) => {
    expect(parseRpcReply(utf8(payload))).toBeUndefined()
  })
})

describe('long byte strings', () => {
  it('cost about as much as they are long', () => {
    const bytes = new Uint8Array(20_000).map((_, i) => i & 0xff)
    expect([...toByteString(bytes)].map((c) => c.charCodeAt(0))).toEqual([...bytes])
  })
})

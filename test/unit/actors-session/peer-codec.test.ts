// Goal: every message between nodes survives the wire, and no bytes whatsoever make the decoder crash, over-allocate or reach a wrong actor.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AppRequest, AppResponse, Caller } from '../../../protocols/app.ts'
import { concat, DecodeError, EMPTY, fromUtf8 } from '../../../protocols/codec/bytes.ts'
import { namesNodes, RECORD_KINDS, type LogRecord } from '../../../protocols/consensus/log.ts'
import {
  decodePeerMessage,
  encodePeerMessage,
  isPeerMessage,
  type PeerEnvelope,
  type PeerMessage,
} from '../../../protocols/consensus/peer-codec.ts'
import { InvariantViolation } from '../../../protocols/errors.ts'
import { nodeId, seqno, view, type NodeId } from '../../../protocols/ids.ts'
import { ENTRY_BYTES_MAX, NODES_MAX, REQUEST_BODY_BYTES_MAX } from '../../../protocols/limits.ts'
import { FRAME_PLAINTEXT_BYTES_MAX } from '../../../protocols/session/frame.ts'
import { RESPONSE_BODY_BYTES_MAX, VERBS } from '../../../protocols/session/messages.ts'
import { snapshotFileName } from '../../../protocols/snapshot/format.ts'

const SEED = { seed: 1, numRuns: 300 }

const u31 = fc.nat(2 ** 31 - 1)
const index = fc.nat(2 ** 48)
const bytes = fc.uint8Array({ maxLength: 200 })
const electionType = fc.constantFrom('PreVote' as const, 'RegularVote' as const)
const hex64 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b).toString('hex'))
const caller: fc.Arbitrary<Caller> = fc.oneof(
  fc.constant({ kind: 'anonymous' as const }),
  hex64.map((id) => ({ kind: 'certificate' as const, id })),
)
const request: fc.Arbitrary<AppRequest> = fc.record({
  id: fc.nat(2 ** 32 - 1),
  verb: fc.constantFrom(...VERBS),
  path: fc
    .string({ maxLength: 40, unit: 'binary' })
    .filter((text) => fromUtf8(new TextEncoder().encode(text)) === text),
  body: bytes,
})
const response: fc.Arbitrary<AppResponse> = fc.record({
  id: fc.nat(2 ** 32 - 1),
  status: fc.nat(999),
  contentType: fc.constantFrom('json' as const, 'bytes' as const, 'none' as const),
  body: bytes,
  txId: fc.option(fc.record({ view: u31.map(view), seqno: index.map(seqno) }), { nil: undefined }),
})

const record = fc.record({
  kind: fc.constantFrom(...RECORD_KINDS),
  bytes,
  nodes: fc.array(hex64.map(nodeId), { maxLength: 5 }),
})
const appendEntries: fc.Arbitrary<PeerMessage> = fc
  .record({
    view: u31,
    prevIdx: index,
    prevView: u31,
    viewOfIdx: u31,
    leaderCommitIdx: index,
    drafts: fc.array(record, { maxLength: 20 }),
  })
  .map(({ drafts, ...header }) => ({
    type: 'AppendEntries',
    ...header,
    idx: header.prevIdx + drafts.length,
    records: drafts.map(({ kind, bytes: entry, nodes }, i): LogRecord => {
      const common = { seqno: header.prevIdx + 1 + i, view: header.viewOfIdx, kind, bytes: entry }
      return namesNodes(kind) ? { ...common, nodes } : common
    }),
  }))

const ledgerSecrets = fc
  .uniqueArray(
    fc.record(
      {
        version: index.filter((version) => version > 0),
        secret: fc.uint8Array({ minLength: 32, maxLength: 32 }),
        previousSecretStoredVersion: index.filter((seqno) => seqno > 0),
      },
      { requiredKeys: ['version', 'secret'] },
    ),
    { minLength: 1, maxLength: 5, selector: ({ version }) => version },
  )
  .map((secrets) => secrets.sort((a, b) => a.version - b.version))

const snapshotName = fc
  .tuple(fc.integer({ min: 1, max: 1e15 }), fc.integer({ min: 1, max: 1e15 }))
  .map(([at, evidence]) => snapshotFileName(at, evidence))

const messages: Readonly<Record<PeerMessage['type'], fc.Arbitrary<PeerMessage>>> = {
  AppendEntries: appendEntries,
  AppendEntriesResponse: fc.record({
    type: fc.constant('AppendEntriesResponse' as const),
    view: u31,
    lastLogIdx: index,
    success: fc.boolean(),
  }),
  RequestVote: fc.record({
    type: fc.constant('RequestVote' as const),
    view: u31,
    lastCommittableIdx: index,
    viewOfLastCommittableIdx: u31,
    electionType,
  }),
  RequestVoteResponse: fc.record({
    type: fc.constant('RequestVoteResponse' as const),
    view: u31,
    voteGranted: fc.boolean(),
    electionType,
  }),
  ProposeRequestVote: fc.record({ type: fc.constant('ProposeRequestVote' as const), view: u31 }),
  LogBeginsLater: fc.record({ type: fc.constant('LogBeginsLater' as const), view: u31, firstIdx: index }),
  forward: fc.record({
    type: fc.constant('forward' as const),
    token: index,
    caller,
    activeView: u31,
    requests: fc.array(request, { minLength: 1, maxLength: 10 }),
  }),
  forwarded: fc.record({
    type: fc.constant('forwarded' as const),
    token: index,
    view: u31,
    responses: fc.array(response, { minLength: 1, maxLength: 10 }),
  }),
  joinRequest: fc.constant({ type: 'joinRequest' as const }),
  retirementQuery: fc.constant({ type: 'retirementQuery' as const }),
  retiredCommitted: fc.constant({ type: 'retiredCommitted' as const }),
  welcome: fc.record({
    type: fc.constant('welcome' as const),
    servicePrivateKey: bytes,
    secrets: ledgerSecrets,
  }),
  findSnapshots: fc.constant({ type: 'findSnapshots' as const }),
  snapshotsOffered: fc.record({
    type: fc.constant('snapshotsOffered' as const),
    snapshots: fc.array(fc.record({ fileName: snapshotName, sizeBytes: index }), { maxLength: 16 }),
  }),
  fetchPiece: fc.record({ type: fc.constant('fetchPiece' as const), fileName: snapshotName, offset: index }),
  snapshotPiece: fc.record({
    type: fc.constant('snapshotPiece' as const),
    fileName: snapshotName,
    offset: index,
    bytes,
  }),
}
const anyMessage = fc.oneof(...Object.values(messages))

const TO_NODE: readonly PeerMessage['type'][] = ['joinRequest', 'welcome', 'retirementQuery', 'retiredCommitted']
const TO_SNAPSHOTTER: readonly PeerMessage['type'][] = ['findSnapshots', 'fetchPiece']
const TO_FETCHER: readonly PeerMessage['type'][] = ['snapshotsOffered', 'snapshotPiece']
const actorOf = (message: PeerMessage): string => {
  if (TO_SNAPSHOTTER.includes(message.type)) return 'snapshotter'
  if (TO_FETCHER.includes(message.type)) return 'snapshot-fetcher'
  if (message.type === 'forward' || message.type === 'forwarded') return 'executor'
  return TO_NODE.includes(message.type) ? 'node' : 'replica'
}
const envelope = (message: PeerMessage): PeerEnvelope => ({
  fromActor: actorOf(message),
  toActor: actorOf(message),
  message,
})
const encodeOne = (message: PeerMessage): Uint8Array => {
  const [first, ...rest] = encodePeerMessage(envelope(message))
  expect(rest).toEqual([])
  return first!
}

describe('round trip', () => {
  it.each(Object.keys(messages) as PeerMessage['type'][])('%s', (type) => {
    fc.assert(
      fc.property(messages[type], (message) => {
        expect(isPeerMessage(message)).toBe(true)
        expect(decodePeerMessage(encodeOne(message))).toEqual(envelope(message))
      }),
      SEED,
    )
  })

  it('splits batches that do not fit one frame, under one token', () => {
    const body = new Uint8Array(REQUEST_BODY_BYTES_MAX)
    const requests = [1, 2, 3].map((id): AppRequest => ({ id, verb: 'POST', path: '/app/x', body }))
    const frames = encodePeerMessage(
      envelope({ type: 'forward', token: 7, caller: { kind: 'anonymous' }, activeView: 2, requests }),
    )
    expect(frames.length).toBe(3)
    const decoded = frames.map((frame) => decodePeerMessage(frame).message)
    expect(
      decoded.flatMap((message) => (message.type === 'forward' ? message.requests.map(({ id }) => id) : [])),
    ).toEqual([1, 2, 3])
    expect(decoded.map((message) => message.type === 'forward' && message.token)).toEqual([7, 7, 7])
  })

  it('carries the largest entry, and replaces the largest response of a session, which is a little too large', () => {
    const records: LogRecord[] = [{ seqno: 1, view: 2, kind: 'transaction', bytes: new Uint8Array(ENTRY_BYTES_MAX) }]
    const frame = encodeOne({
      type: 'AppendEntries',
      view: 2,
      prevIdx: 0,
      prevView: 0,
      idx: 1,
      viewOfIdx: 2,
      leaderCommitIdx: 0,
      records,
    })
    expect(frame.length).toBeLessThanOrEqual(FRAME_PLAINTEXT_BYTES_MAX)
    const large: AppResponse = {
      id: 1,
      status: 200,
      contentType: 'bytes',
      body: new Uint8Array(RESPONSE_BODY_BYTES_MAX),
      txId: undefined,
    }
    const { message } = decodePeerMessage(encodeOne({ type: 'forwarded', token: 1, view: 2, responses: [large] }))
    expect(message).toMatchObject({ responses: [{ id: 1, status: 500 }] })
  })
})

describe('refusals', () => {
  it('refuses to send what nodes do not say', () => {
    const vote: PeerMessage = { type: 'ProposeRequestVote', view: 2 }
    expect(() => encodePeerMessage({ fromActor: 'session/1', toActor: 'replica', message: vote })).toThrow(
      InvariantViolation,
    )
    expect(() => encodePeerMessage({ fromActor: 'replica', toActor: 'executor', message: vote })).toThrow(
      InvariantViolation,
    )
    const gap: LogRecord[] = [{ seqno: 9, view: 2, kind: 'transaction', bytes: EMPTY }]
    expect(() =>
      encodeOne({
        type: 'AppendEntries',
        view: 2,
        prevIdx: 0,
        prevView: 0,
        idx: 1,
        viewOfIdx: 2,
        leaderCommitIdx: 0,
        records: gap,
      }),
    ).toThrow(InvariantViolation)
    expect(isPeerMessage({ type: 'execute' })).toBe(false)
    expect(isPeerMessage({ type: 'toString' })).toBe(false)
  })

  it('reaches no actor but the one a message is meant for', () => {
    const wire = encodeOne({ type: 'ProposeRequestVote', view: 2 })
    for (const [offset, value] of [
      [0, 1],
      [0, 2],
      [1, 99],
      [1, 16],
      [2, 9],
      [3, 1],
      [3, 200],
    ] as const) {
      const changed = wire.slice()
      changed[offset] = value
      expect(() => decodePeerMessage(changed)).toThrow(DecodeError)
    }
  })

  it('does not believe a count', () => {
    const wire = encodeOne({
      type: 'AppendEntries',
      view: 2,
      prevIdx: 0,
      prevView: 0,
      idx: 0,
      viewOfIdx: 2,
      leaderCommitIdx: 0,
      records: [],
    })
    wire.set([0xff, 0xff, 0xff, 0xff], wire.length - 4)
    expect(() => decodePeerMessage(wire)).toThrow(DecodeError)
  })

  it('names as many nodes as a service may have, and no more', () => {
    const nodes = Array.from({ length: NODES_MAX }, (_, i) => nodeId(`${i}`))
    const append = (named: readonly NodeId[]): PeerMessage => ({
      type: 'AppendEntries',
      view: 2,
      prevIdx: 0,
      prevView: 0,
      idx: 1,
      viewOfIdx: 2,
      leaderCommitIdx: 0,
      records: [{ seqno: 1, view: 2, kind: 'retiredCommitted', bytes: EMPTY, nodes: named }],
    })
    const wire = encodeOne(append(nodes))
    expect(decodePeerMessage(wire).message).toEqual(append(nodes))
    expect(() => encodeOne(append([...nodes, nodeId('x')]))).toThrow(InvariantViolation)
    // The same with one more, and the count to match.
    const more = concat(wire, Uint8Array.of(1, 0, 0x78))
    const countAt = wire.length - nodes.reduce((sum, node) => sum + 2 + node.length, 2)
    expect([more[countAt], more[countAt + 1]]).toEqual([NODES_MAX & 0xff, NODES_MAX >> 8])
    more[countAt] = (NODES_MAX + 1) & 0xff
    expect(() => decodePeerMessage(more)).toThrow(/exceed/)
  })

  it('is total: any bytes, and any message cut or changed, decode or are refused', () => {
    const decodes = (input: Uint8Array): void => {
      try {
        decodePeerMessage(input)
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), decodes), SEED)
    fc.assert(
      fc.property(anyMessage, fc.nat(), fc.nat(255), fc.nat(), (message, at, value, cut) => {
        const wire = encodeOne(message).slice()
        wire[at % wire.length] = value
        decodes(wire)
        decodes(wire.subarray(0, cut % wire.length))
      }),
      SEED,
    )
  })
})

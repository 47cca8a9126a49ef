// The decoders of what arrives from other processes: handshakes, frames, requests, what nodes say to one another.
import { parseRpcRequest } from '../../../actors/rpc/request.ts'
import { utf8 } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { nobleCrypto } from '../../../protocols/crypto/noble.ts'
import { decodePeerMessage, encodePeerMessage, type PeerEnvelope } from '../../../protocols/consensus/peer-codec.ts'
import { parseCertificate } from '../../../protocols/crypto/certificate.ts'
import { type NodeId, seqno, view } from '../../../protocols/ids.ts'
import { buildRouter, decodeQuery } from '../../../protocols/router.ts'
import { openFrame, sealFrame, startReceiving, startSending } from '../../../protocols/session/frame.ts'
import { decodeHello, encodeHello } from '../../../protocols/session/hello.ts'
import {
  decodeIdentityPayload,
  encodeIdentityPayload,
  identityHash,
  serviceIdentity,
  staticKeyStatement,
  verifyIdentityPayload,
} from '../../../protocols/session/identity-payload.ts'
import { readUtf8 } from '../../../protocols/session/text.ts'
import { decodeClientBatch, decodeNodeBatch } from '../../../protocols/session/messages-decode.ts'
import { encodeClientBatch, encodeNodeBatch } from '../../../protocols/session/messages-encode.ts'
import { initHandshake, noiseKeyPair, readMessage, writeMessage } from '../../../protocols/session/noise.ts'
import { PATTERN_XX } from '../../../protocols/session/noise-patterns.ts'
import { parseNodeSubject } from '../../../protocols/subjects.ts'
import { type Decoder, ofBytes, ofText } from './decoder.ts'
import { certificates, entries, json, key, lazy, madeLedger, texts } from './seeds.ts'

const NODE = 'ab'.repeat(32) as NodeId
const HANDSHAKE = 'cd'.repeat(16)
const noise = new Uint8Array(48).fill(9)
const DECODE = 'protocols/session/messages-decode.ts'
const IDENTITY = 'protocols/session/identity-payload.ts'

const requests = [
  { id: 1, verb: 'GET', path: '/app/log?id=1&x=%41', body: new Uint8Array(0) },
  { id: 2, verb: 'POST', path: '/app/é', body: utf8('{"a":1}') },
  { id: 2, verb: 'POST', path: '/app/é', body: utf8('{"a":1}') },
]
const responses = [
  { id: 1, status: 200, contentType: 'json', body: utf8('{}'), txId: { view: view(2), seqno: seqno(9) } },
  { id: 2, status: 404, contentType: 'none', body: new Uint8Array(0), txId: undefined },
] as const
const clientBatches = () => [
  ...encodeClientBatch({ requests, controls: [{ type: 'ping', id: 7 }, { type: 'close' }] }),
  ...encodeClientBatch({ requests: [], controls: [{ type: 'ping', id: 1 }] }),
]
const nodeBatches = () =>
  encodeNodeBatch({
    responses,
    notices: [
      { type: 'pong', id: 1 },
      { type: 'commitNotice', view: view(2), seqno: seqno(8) },
      { type: 'closed', code: 'InvalidInput', message: 'é' },
    ],
  })

function peerMessages(): Uint8Array[] {
  const records = entries()
    .slice(0, 2)
    .map((bytes, i) => ({ seqno: 6 + i, view: 2, kind: 'transaction' as const, bytes }))
  const naming = { seqno: 8, view: 2, kind: 'reconfiguration' as const, bytes: utf8('entry'), nodes: [NODE, NODE] }
  const caller = { kind: 'certificate', id: NODE } as const
  const replica = (message: PeerEnvelope['message']): PeerEnvelope => ({
    fromActor: 'replica',
    toActor: 'replica',
    message,
  })
  const executor = (message: PeerEnvelope['message']): PeerEnvelope => ({
    fromActor: 'executor',
    toActor: 'executor',
    message,
  })
  const node = (message: PeerEnvelope['message']): PeerEnvelope => ({ fromActor: 'node', toActor: 'node', message })
  const appended = { view: 2, prevIdx: 5, prevView: 2, idx: 8, viewOfIdx: 2, leaderCommitIdx: 5 }
  return [
    replica({ type: 'AppendEntries', ...appended, records: [...records, naming] }),
    replica({ type: 'AppendEntriesResponse', view: 2, lastLogIdx: 8, success: true }),
    replica({
      type: 'RequestVote',
      view: 3,
      lastCommittableIdx: 8,
      viewOfLastCommittableIdx: 2,
      electionType: 'PreVote',
    }),
    replica({ type: 'RequestVoteResponse', view: 3, voteGranted: true, electionType: 'RegularVote' }),
    replica({ type: 'ProposeRequestVote', view: 3 }),
    executor({ type: 'forward', token: 4, caller, activeView: 2, requests }),
    executor({ type: 'forwarded', token: 4, view: 2, responses }),
    node({ type: 'joinRequest' }),
    node({
      type: 'welcome',
      servicePrivateKey: key().pkcs8,
      secrets: [
        { version: 1, secret: new Uint8Array(32) },
        { version: 9, secret: new Uint8Array(32).fill(1), previousSecretStoredVersion: 1 },
      ],
    }),
    node({ type: 'retirementQuery' }),
  ].flatMap((envelope) => [...encodePeerMessage(envelope)])
}

const prologue = utf8('fuzz')
const initiator = () =>
  initHandshake(nativeCrypto, {
    pattern: PATTERN_XX,
    initiator: true,
    prologue,
    s: noiseKeyPair(nativeCrypto, new Uint8Array(32).fill(1)),
  })
const responder = () =>
  initHandshake(nativeCrypto, {
    pattern: PATTERN_XX,
    initiator: false,
    prologue,
    s: noiseKeyPair(nativeCrypto, new Uint8Array(32).fill(2)),
  })
const firstMessage = () => writeMessage(nativeCrypto, initiator(), new Uint8Array(4), new Uint8Array(32).fill(3))!

const waiting = lazy(() => firstMessage().state)
const fresh = lazy(responder)

function secondMessage(): Uint8Array {
  const read = readMessage(nativeCrypto, responder(), firstMessage().message)!
  return writeMessage(nativeCrypto, read.state, new Uint8Array(9), new Uint8Array(32).fill(4))!.message
}

const frameKey = new Uint8Array(32).fill(7)
function frames(): Uint8Array[] {
  const sealed = sealFrame(nativeCrypto, startSending(frameKey), clientBatches()[0]!)
  return 'bytes' in sealed ? [sealed.bytes] : []
}

const service = lazy(() => parseCertificate(madeLedger().service.pem))
const identity = lazy(() => {
  const statement = staticKeyStatement('client', serviceIdentity(nativeCrypto, service()), frameKey)
  const signature = nobleCrypto.signEcdsa(key().pkcs8, identityHash('P-256'), statement, 'der')
  return { certificate: certificates()[0]!, signature }
})
const router = buildRouter([
  { verb: 'GET', path: '/app/log' },
  { verb: 'GET', path: '/app/{name}/rows/{id}' },
  { verb: 'POST', path: '/app/log' },
])

export const messageDecoders: readonly Decoder[] = [
  ofBytes({
    name: 'client-batch',
    of: [`${DECODE}#decodeClientBatch`],
    seeds: clientBatches,
    decode: decodeClientBatch,
    bytesPerByte: 48,
  }),
  ofBytes({
    name: 'node-batch',
    of: [`${DECODE}#decodeNodeBatch`],
    seeds: nodeBatches,
    decode: decodeNodeBatch,
    bytesPerByte: 48,
  }),
  ofBytes({
    name: 'hello',
    of: ['protocols/session/hello.ts#decodeHello'],
    seeds: () =>
      (
        [
          { type: 'clientHello', replySubject: '_INBOX.abc.1', noise },
          { type: 'nodeAnswer', session: 's1', nodeId: NODE, primaryHint: NODE, noise },
          { type: 'sessionRefusal', code: 'SessionCapExhausted', message: 'é' },
          { type: 'clientFinish', noise },
          { type: 'channelHello', handshake: HANDSHAKE, noise },
          { type: 'channelRefusal', handshake: HANDSHAKE, code: 'InternalError', message: 'no' },
        ] as const
      ).map(encodeHello),
    decode: decodeHello,
    encode: (hello) => (hello.type === 'unsupportedVersion' ? Uint8Array.of(1, hello.version) : encodeHello(hello)),
  }),
  ofBytes({
    name: 'noise-first',
    of: ['protocols/session/noise.ts#readMessage'],
    seeds: () => [firstMessage().message],
    decode: (bytes) => readMessage(nativeCrypto, fresh(), bytes),
  }),
  ofBytes({
    name: 'noise-second',
    of: ['protocols/session/noise.ts#readMessage'],
    seeds: () => [secondMessage()],
    decode: (bytes) => readMessage(nativeCrypto, waiting(), bytes),
  }),
  ofBytes({
    name: 'frame',
    of: ['protocols/session/frame.ts#openFrame'],
    seeds: frames,
    decode: (bytes) => openFrame(nativeCrypto, startReceiving(frameKey), bytes),
  }),
  ofBytes({
    name: 'short-utf8',
    of: ['protocols/session/text.ts#readUtf8'],
    seeds: texts('/app/log', 'aé漢😀', 'x'.repeat(100)),
    decode: (bytes) => readUtf8(bytes, 0, bytes.length),
    encode: utf8,
    oneSpelling: true,
    bytesPerByte: 64,
  }),
  ofBytes({
    name: 'identity',
    of: [`${IDENTITY}#decodeIdentityPayload`],
    seeds: () => [
      encodeIdentityPayload({ role: 'node', proof: identity() }),
      encodeIdentityPayload({ role: 'client', proof: undefined }),
    ],
    decode: decodeIdentityPayload,
    encode: encodeIdentityPayload,
    oneSpelling: true,
  }),
  ofBytes({
    name: 'identity-verification',
    of: [`${IDENTITY}#verifyIdentityPayload`],
    seeds: () => [encodeIdentityPayload({ role: 'client', proof: identity() })],
    decode: (payload) =>
      verifyIdentityPayload(nativeCrypto, {
        payload,
        remoteStatic: frameKey,
        serviceCertificate: service(),
        expect: 'client',
      }),
    bytesPerByte: 200,
    fixedBytes: 256 * 1024,
  }),
  ofBytes({
    name: 'peer-message',
    of: ['protocols/consensus/peer-codec.ts#decodePeerMessage'],
    seeds: peerMessages,
    decode: decodePeerMessage,
    encode: (envelope) => encodePeerMessage(envelope)[0]!,
    bytesPerByte: 64,
  }),
  ofBytes({
    name: 'rpc-request',
    of: ['actors/rpc/request.ts#parseRpcRequest'],
    format: 'json',
    seeds: () => [
      ...json({ method: 'POST', path: '/app/log', body: { id: 1, msg: ['a', {}] } }, { path: '/node/state' }),
      utf8('GET /app/log?id=1'),
    ],
    decode: parseRpcRequest,
    bytesPerByte: 80,
  }),
  ofText({
    name: 'query',
    of: ['protocols/router.ts#decodeQuery'],
    seeds: texts('a=1&b=%C3%A9+c&d', 'id=7'),
    decode: decodeQuery,
    bytesPerByte: 200,
  }),
  ofText({
    name: 'route',
    of: ['protocols/router.ts#buildRouter'],
    seeds: texts('/app/log?a=1', '/app/x%20y/rows/7', '/app/none'),
    decode: (path) => router.route('GET', path),
    bytesPerByte: 200,
  }),
  ofText({
    name: 'node-subject',
    of: ['protocols/subjects.ts#parseNodeSubject'],
    seeds: texts(`ccf.svc.${NODE}.session`, `ccf.svc.${NODE}.session.s1`, `ccf.svc.${NODE}.channel.${NODE}`),
    decode: (subject) => parseNodeSubject('svc', NODE, subject),
    bytesPerByte: 64,
  }),
]

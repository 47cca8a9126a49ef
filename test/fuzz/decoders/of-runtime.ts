// The decoders of what programs of ours are given: NATS protocol, replies, files that users write, journals.
import { serialize } from 'node:v8'
import * as greeting from '../../../runtime/bus/broker/greeting.ts'
import { type ParserLimits, ProtocolParser, type ProtocolSink } from '../../../runtime/bus/broker/parser.ts'
import { parseDiscoverySubject } from '../../../runtime/bus/discovery.ts'
import { parseJson } from '../../../runtime/cli/input.ts'
import { parseServiceFile } from '../../../runtime/cli/service-file.ts'
import { ConcordatError } from '../../../runtime/client/errors.ts'
import { Response } from '../../../runtime/client/response.ts'
import { parseTarget } from '../../../runtime/client/target.ts'
import { decodeJournal } from '../../../runtime/host/journal.ts'
import { parseRpcReply } from '../../../runtime/rpc-request.ts'
import { parseScenario, ScenarioSyntaxError } from '../../../runtime/scenario/parse.ts'
import { formatPlan, parsePlan } from '../../../runtime/sim/plan-file.ts'
import { drawPlan } from '../../../runtime/sim/swarm.ts'
import { concat, utf8 } from '../../../protocols/codec/bytes.ts'
import { CorruptDataError, UsageError } from '../../../protocols/errors.ts'
import { type Decoder, ofBytes, ofText } from './decoder.ts'
import { json, texts } from './seeds.ts'

const LIMITS: ParserLimits = { controlLineBytesMax: 4096, payloadBytesMax: 1024 * 1024 }

/** What a broker hears when the stream arrives in pieces of `size` bytes. */
function heard(stream: Uint8Array, size: number, awaitingConnect: boolean): string[] {
  const said: string[] = []
  const sink: ProtocolSink = {
    onConnect: (options) => said.push(`CONNECT ${options}`),
    onPing: () => said.push('PING'),
    onPong: () => said.push('PONG'),
    onPublish: (p) => {
      const text = (from: number, to: number): string => p.bytes.toString('latin1', from, to)
      const reply = text(p.replyStart, p.replyEnd)
      const payload = text(p.payloadStart, p.payloadStart + p.sizeBytes)
      said.push(`PUB ${text(p.subjectStart, p.subjectEnd)} ${reply} ${p.headerBytes} ${p.sizeBytes} ${payload}`)
    },
    onSubscribe: (subject, queue, sid) => said.push(`SUB ${subject} ${queue ?? ''} ${sid}`),
    onUnsubscribe: (sid, max) => said.push(`UNSUB ${sid} ${max}`),
    onFault: (fault) => said.push(`fault ${fault}`),
  }
  const parser = new ProtocolParser(sink, LIMITS)
  parser.awaitingConnect = awaitingConnect
  for (let at = 0; at < stream.length; at += size) parser.feed(Buffer.from(stream.slice(at, at + size)))
  return said
}

/** However the network cuts the stream, the broker must hear the same. */
function heardAlike(stream: Uint8Array): string[] {
  const whole = heard(stream, Math.max(1, stream.length), false)
  for (const size of [1, 3, 700]) {
    // A byte at a time costs a buffer each: only for short streams.
    if (stream.length / size > 4000) continue
    if (heard(stream, size, false).join('\n') !== whole.join('\n')) throw new Error(`pieces of ${size} bytes differ`)
  }
  heard(stream, Math.max(1, stream.length), true)
  return whole
}

const actions = {
  committed: () => Promise.resolve(),
  receipt: () => Promise.reject(new Error('none')),
  coseReceipt: () => Promise.reject(new Error('none')),
}
const responseOf = (body: Uint8Array): Response =>
  new Response({ id: 1, status: 400, contentType: 'json', body, txId: undefined }, actions)

function journal(): Uint8Array {
  const setup = { service: 'fuzz' }
  const step = { envelope: { seq: 1, at: 5, from: 'a', to: 'b', event: { type: 'tick' } }, effects: 'ab' }
  const records = [{ setup, kinds: [{ kind: 'node', version: 1 }] }, step, step].map((value) => {
    const bytes = new Uint8Array(serialize(value))
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, bytes.length, true)
    return concat(length, bytes)
  })
  return concat(utf8('CCDJRNL1'), ...records)
}

const plan = (): Uint8Array =>
  utf8(formatPlan(drawPlan({ seed: 7, steps: 100, nodes: 3, faults: ['crash', 'partition'] as never })))

const serviceFile = {
  service: 'svc',
  servers: ['nats://127.0.0.1:4222'],
  serviceCertificate: 'service.pem',
  user: { certificate: 'user.pem', privateKey: 'user.key' },
}

export const runtimeDecoders: readonly Decoder[] = [
  ofBytes({
    name: 'nats-protocol',
    of: ['runtime/bus/broker/parser.ts#ProtocolParser'],
    seeds: texts(
      'CONNECT {"verbose":false}\r\nPING\r\nPUB a.b 5\r\nhello\r\nSUB a.* q 1\r\nUNSUB 1 3\r\n',
      'HPUB a r 12 17\r\nNATS/1.0\r\n\r\nhello\r\nPONG\r\npub\ta \t r\t0\r\n\r\n',
      '+OK\r\nINFO {}\r\n-ERR x\r\n',
    ),
    decode: heardAlike,
    // Five parsers, of which one gets a buffer for every byte.
    bytesPerByte: 4096,
    fixedBytes: 4 * 1024 * 1024,
  }),
  ofText({
    name: 'nats-connect',
    of: ['runtime/bus/broker/greeting.ts#parseConnect'],
    format: 'json',
    seeds: () => json({ verbose: false, echo: true, auth_token: 't', name: 'n', headers: true, no_responders: true }),
    decode: (text) => greeting.parseConnect(text, greeting.CONNECT_DEFAULTS),
    bytesPerByte: 80,
  }),
  ofText({
    name: 'discovery-subject',
    of: ['runtime/bus/discovery.ts#parseDiscoverySubject'],
    seeds: texts('$SRV.PING', '$SRV.INFO.svc', '$SRV.STATS.svc.id'),
    decode: (subject) => parseDiscoverySubject(subject, { name: 'svc', id: 'id' }),
    bytesPerByte: 64,
  }),
  ofBytes({
    name: 'client-response',
    of: ['runtime/client/response.ts#Response'],
    format: 'json',
    refuses: [ConcordatError],
    seeds: () => json({ error: { code: 'KeyNotFound', message: 'no' } }, { a: 1 }),
    decode: (bytes) => ({ body: responseOf(bytes).body ?? null, error: responseOf(bytes).error }),
    bytesPerByte: 160,
  }),
  ofBytes({
    name: 'rpc-reply',
    of: ['runtime/rpc-request.ts#parseRpcReply'],
    format: 'json',
    seeds: () => json({ status: 200, txId: '2.3', body: { a: 1 } }),
    decode: parseRpcReply,
    bytesPerByte: 80,
  }),
  ofText({
    name: 'client-target',
    of: ['runtime/client/target.ts#parseTarget'],
    refuses: [ConcordatError],
    seeds: texts('POST /statements', 'GET /app/commit'),
    decode: parseTarget,
    bytesPerByte: 64,
  }),
  ofText({
    name: 'scenario',
    of: ['runtime/scenario/parse.ts#parseScenario'],
    refuses: [ScenarioSyntaxError],
    seeds: texts(
      'start_node,0\nemit_signature,2\ntrust_nodes,2,1,2\nperiodic_all,10\ndispatch_all\nassert_commit_idx,0,3 # note\n====\nx',
      'replicate,latest,hello\ndisconnect,0,1\nassert_state_sync\nstate_all\n',
    ),
    decode: parseScenario,
    bytesPerByte: 160,
  }),
  ofText({
    name: 'simulation-plan',
    of: ['runtime/sim/plan-file.ts#parsePlan'],
    format: 'json',
    refuses: [UsageError],
    seeds: () => [plan()],
    decode: (text) => parsePlan(text, 'plan'),
    bytesPerByte: 400,
    fixedBytes: 256 * 1024,
  }),
  ofText({
    name: 'service-file',
    of: ['runtime/cli/service-file.ts#parseServiceFile', 'runtime/cli/input.ts#parseJson'],
    format: 'json',
    refuses: [UsageError],
    seeds: () => json(serviceFile, { ...serviceFile, servers: 'nats://x' }),
    decode: (text) => parseServiceFile(parseJson(text, 'file'), '/data'),
    bytesPerByte: 400,
    fixedBytes: 256 * 1024,
  }),
  ofBytes({
    name: 'journal',
    of: ['runtime/host/journal.ts#decodeJournal'],
    refuses: [CorruptDataError],
    seeds: () => [journal()],
    decode: (bytes) => decodeJournal(bytes, 'journal'),
    bytesPerByte: 400,
  }),
]

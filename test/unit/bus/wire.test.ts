// Goal: byte for byte, the embedded broker answers as nats-server does; where it says more than nats-server (which closes
// without a word) the table says so. Each case runs on both servers.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEmbeddedServer } from '../../support/embedded-broker.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import type { TestServer } from '../../support/nats-server.ts'
import { afterInfo, connectRaw } from '../../support/raw-client.ts'

const CONNECT = 'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n'
const LONG = 'a'.repeat(5000)
const UNKNOWN = "-ERR 'Unknown Protocol Operation'\r\n"
const HEADERS = 'NATS/1.0\r\n\r\n'

interface Case {
  readonly send: string
  /** Everything the server says after INFO. */
  readonly expect: string
  /** The server closes the connection afterwards. */
  readonly closes?: true
  /** Said by the embedded broker in addition, where nats-server closes in silence. */
  readonly embeddedSays?: string
}

const PARSER_ERROR = { expect: '', closes: true, embeddedSays: "-ERR 'Parser Error'\r\n" } as const

const CASES: Readonly<Record<string, Case>> = {
  ping: { send: 'PING\r\n', expect: 'PONG\r\n' },
  'lower case and bare line feed': { send: 'ping\n', expect: 'PONG\r\n' },
  'unknown operation': { send: 'FOO\r\n', expect: UNKNOWN, closes: true },
  'unknown operation without end of line': { send: 'FOO', expect: UNKNOWN, closes: true },
  HTTP: { send: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', expect: UNKNOWN, closes: true },
  'TLS hello': { send: '\x16\x03\x01\x02\x00\x01\x00', expect: UNKNOWN, closes: true },
  'empty line': { send: `${CONNECT}\r\nPING\r\n`, expect: UNKNOWN, closes: true },
  'a server operation': { send: `${CONNECT}MSG a 1 1\r\nx\r\n`, expect: UNKNOWN, closes: true },
  'PUB without arguments': { send: 'PUB\r\n', expect: UNKNOWN, closes: true },
  'UNSUB without arguments': { send: `${CONNECT}UNSUB\r\n`, expect: UNKNOWN, closes: true },
  'PUB without size': { send: `${CONNECT}PUB a\r\n`, ...PARSER_ERROR },
  'PUB with a word for size': { send: `${CONNECT}PUB a x\r\n`, ...PARSER_ERROR },
  'PUB with negative size': { send: `${CONNECT}PUB a -1\r\n`, ...PARSER_ERROR },
  'PUB with an endless size': { send: `${CONNECT}PUB a 99999999999999999999\r\n`, ...PARSER_ERROR },
  'PUB with too many arguments': { send: `${CONNECT}PUB a b c d 5\r\nhello\r\n`, ...PARSER_ERROR },
  'SUB without sid': { send: `${CONNECT}SUB a\r\n`, ...PARSER_ERROR },
  'SUB with too many arguments': { send: `${CONNECT}SUB a q 1 2\r\n`, ...PARSER_ERROR },
  'HPUB with more headers than bytes': { send: `${CONNECT}HPUB a 15 14\r\n${HEADERS}hi\r\n`, ...PARSER_ERROR },
  'HPUB without having asked for headers': {
    send: `CONNECT {"verbose":false}\r\nHPUB a 12 12\r\n${HEADERS}\r\nPING\r\n`,
    ...PARSER_ERROR,
  },
  'CONNECT with broken JSON': { send: 'CONNECT {bad\r\n', ...PARSER_ERROR },
  'CONNECT with an array': { send: 'CONNECT []\r\n', ...PARSER_ERROR },
  'CONNECT with a number for a boolean': { send: 'CONNECT {"verbose":1}\r\n', ...PARSER_ERROR },
  'no_responders without headers': {
    send: 'CONNECT {"headers":false,"no_responders":true}\r\nPING\r\n',
    expect: "-ERR 'no responders requires headers support'\r\n",
    closes: true,
  },
  'payload longer than announced': { send: `${CONNECT}PUB a 5\r\nhelloXX\r\nPING\r\n`, expect: UNKNOWN, closes: true },
  'payload ended by line feeds': { send: `${CONNECT}PUB a 3\r\nabc\n\nPING\r\n`, expect: UNKNOWN, closes: true },
  'payload above the maximum': {
    send: `${CONNECT}PUB a 1048577\r\n`,
    expect: "-ERR 'Maximum Payload Violation'\r\n",
    closes: true,
  },
  'control line too long': {
    send: `${CONNECT}SUB ${LONG} 1\r\n`,
    expect: "-ERR 'maximum control line exceeded'\r\n",
    closes: true,
  },
  'control line too long and never ended': {
    send: `${CONNECT}SUB ${LONG}`,
    expect: "-ERR 'maximum control line exceeded'\r\n",
    closes: true,
  },
  'an error from the client': { send: `${CONNECT}-ERR 'x'\r\nPING\r\n`, ...PARSER_ERROR },
  'things a client need not say': { send: `${CONNECT}+OK\r\nPONG\r\nINFO {}\r\nPING\r\n`, expect: 'PONG\r\n' },
  'invalid subjects to subscribe to': {
    send: `${CONNECT}SUB a..b 1\r\nSUB a.>.b 2\r\nSUB .a 3\r\nSUB a. 4\r\nPING\r\n`,
    expect: `${"-ERR 'Invalid Subject'\r\n".repeat(4)}PONG\r\n`,
  },
  'invalid subjects to publish to reach nobody': {
    send: `${CONNECT}SUB > 1\r\nPUB a..b 1\r\nx\r\nPUB .a 1\r\nx\r\nPUB a. 1\r\nx\r\nPING\r\n`,
    expect: 'PONG\r\n',
  },
  'invalid subjects to publish to, pedantic': {
    send: 'CONNECT {"verbose":false}\r\nSUB a.* 1\r\nPUB a.* 1\r\nx\r\nPUB a..b 1\r\nx\r\nPING\r\n',
    expect: "-ERR 'Invalid Publish Subject'\r\nMSG a.* 1 1\r\nx\r\n-ERR 'Invalid Publish Subject'\r\nPONG\r\n",
  },
  'verbose unless told otherwise': {
    send: 'SUB a 1\r\nPUB a 1\r\nx\r\nCONNECT {}\r\nUNSUB 1\r\nPING\r\n',
    expect: '+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\n+OK\r\n+OK\r\nPONG\r\n',
  },
  'empty payload': { send: `${CONNECT}SUB > 1\r\nPUB a 0\r\n\r\n`, expect: 'MSG a 1 0\r\n\r\n' },
  'payload that looks like protocol': {
    send: `${CONNECT}SUB a 1\r\nPUB a 12\r\nPUB a 1\r\nx\r\n\r\nPING\r\n`,
    expect: 'MSG a 1 12\r\nPUB a 1\r\nx\r\n\r\nPONG\r\n',
  },
  'bytes that are no UTF-8': {
    send: `${CONNECT}SUB \xff\xfe.* \xfc\r\nPUB \xff\xfe.\x80 3\r\n\x00\xff\x80\r\n`,
    expect: 'MSG \xff\xfe.\x80 \xfc 3\r\n\x00\xff\x80\r\n',
  },
  'unusual spacing': {
    send: `${CONNECT}SUB  a\t 1  \r\nPUB  a\t 1  \r\nx\r\nPUB a  r\t1\n1\r\nPING\r\n`,
    expect: 'MSG a 1 1\r\nx\r\nMSG a 1 r 1\r\n1\r\nPONG\r\n',
  },
  'the same sid twice is one subscription': {
    send: `${CONNECT}SUB a 1\r\nSUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n`,
    expect: 'MSG a 1 1\r\nx\r\nPONG\r\n',
  },
  unsubscribe: {
    send: `${CONNECT}SUB a 1\r\nSUB a 2\r\nUNSUB 1\r\nUNSUB 99\r\nPUB a 1\r\nx\r\nPING\r\n`,
    expect: 'MSG a 2 1\r\nx\r\nPONG\r\n',
  },
  'unsubscribe after two': {
    send: `${CONNECT}SUB a 1\r\nUNSUB 1 2\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\nPING\r\n`,
    expect: 'MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\nPONG\r\n',
  },
  'unsubscribe after fewer than delivered': {
    send: `${CONNECT}SUB a 1\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nUNSUB 1 1\r\nPUB a 1\r\n3\r\nPING\r\n`,
    expect: 'MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\nPONG\r\n',
  },
  'unsubscribe with a bad number': {
    send: `${CONNECT}SUB a 1\r\nUNSUB 1 -5\r\nPUB a 1\r\nx\r\nPING\r\n`,
    expect: 'PONG\r\n',
  },
  'no echo': {
    send: 'CONNECT {"verbose":false,"echo":false}\r\nSUB a 1\r\nSUB a q 2\r\nPUB a 1\r\nx\r\nPING\r\n',
    expect: 'PONG\r\n',
  },
  headers: {
    send: `${CONNECT}SUB a 1\r\nHPUB a r 12 14\r\n${HEADERS}hi\r\nHPUB a 12 12\r\n${HEADERS}\r\nPING\r\n`,
    expect: `HMSG a 1 r 12 14\r\n${HEADERS}hi\r\nHMSG a 1 12 12\r\n${HEADERS}\r\nPONG\r\n`,
  },
  'headers are passed on unread': {
    send: `${CONNECT}SUB a 1\r\nHPUB a 1 2\r\nhi\r\nHPUB a 0 0\r\n\r\nPING\r\n`,
    expect: 'HMSG a 1 1 2\r\nhi\r\nMSG a 1 0\r\n\r\nPONG\r\n',
  },
  'nobody listens': {
    send: `${CONNECT}SUB r.* 8\r\nPUB nobody r.x 1\r\nx\r\nPUB nobody foreign 1\r\nx\r\nPUB nobody 1\r\nx\r\nPING\r\n`,
    expect: 'HMSG r.x 8 16 16\r\nNATS/1.0 503\r\n\r\n\r\nPONG\r\n',
  },
  'nobody listens, but the client did not ask to be told': {
    send: 'CONNECT {"verbose":false,"headers":true}\r\nSUB r 1\r\nPUB nobody r 1\r\nx\r\nPING\r\n',
    expect: 'PONG\r\n',
  },
  'CONNECT twice': { send: `${CONNECT}${CONNECT}PING\r\n`, expect: 'PONG\r\n' },
}

const SERVERS = [
  ['embedded broker', startEmbeddedServer],
  ['nats-server', startNatsServer],
] as const

describe.each(SERVERS)('the wire: %s', (name, startServer) => {
  let server: TestServer
  beforeAll(async () => void (server = await startServer()))
  afterAll(() => server.stop())

  it.each(Object.entries(CASES))('%s', async (_case, { send, expect: answer, closes, embeddedSays }) => {
    const client = await connectRaw(server.port)
    const expected = name === 'embedded broker' ? answer + (embeddedSays ?? '') : answer
    client.send(send)
    const received = closes === true ? await client.untilClosed() : await client.until(`\r\n${expected}`)
    expect(afterInfo(received)).toBe(expected)
    client.close()
  })

  it('strips headers for a client that does not know them', async () => {
    const [old, modern] = [await connectRaw(server.port), await connectRaw(server.port)]
    old.send('CONNECT {"verbose":false}\r\nSUB a 1\r\nPING\r\n')
    await old.until('PONG\r\n')
    modern.send(`${CONNECT}HPUB a r 12 14\r\n${HEADERS}hi\r\n`)
    expect(afterInfo(await old.until('hi\r\n'))).toBe('PONG\r\nMSG a 1 r 2\r\nhi\r\n')
    old.close()
    modern.close()
  })
})

describe.each(SERVERS)('the wire with a token: %s', (_name, startServer) => {
  let server: TestServer
  beforeAll(async () => void (server = await startServer({ token: 's3cret' })))
  afterAll(() => server.stop())

  const VIOLATION = "-ERR 'Authorization Violation'\r\n"
  it.each([
    ['PING before CONNECT', 'PING\r\n', VIOLATION, true],
    ['garbage before CONNECT', 'FOO\r\n', VIOLATION, true],
    ['no token', CONNECT, VIOLATION, true],
    ['wrong token', 'CONNECT {"auth_token":"wrong"}\r\n', VIOLATION, true],
    ['user instead of token', 'CONNECT {"verbose":false,"user":"s3cret"}\r\n', VIOLATION, true],
    ['right token', 'CONNECT {"verbose":false,"auth_token":"s3cret"}\r\nPING\r\n', 'PONG\r\n', false],
    ['nothing at all', '', "-ERR 'Authentication Timeout'\r\n", true],
  ])('%s', async (_case, send, expected, closes) => {
    const client = await connectRaw(server.port)
    await client.until('"auth_required":true')
    client.send(send)
    const received = closes ? await client.untilClosed() : await client.until(expected)
    expect(afterInfo(received)).toBe(expected)
    client.close()
  })
})

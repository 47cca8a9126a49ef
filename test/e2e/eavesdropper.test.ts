// Goal: whoever sees all traffic of the broker, node-to-node frames included, learns nothing of requests, paths, values and identities.
// Everything published from the first moment on is recorded and searched for every plaintext in every form it could have.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromHex, utf8 } from '../../protocols/codec/bytes.ts'
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { certificateId, parseCertificate } from '../../protocols/crypto/certificate.ts'
import { startBroker, type Broker, type TappedMessage } from '../../runtime/bus/broker/broker.ts'
import { connectClient, startTestService, until, type TestService } from '../support/local-service.ts'

const PRIVATE = 'a-private-message-nobody-else-may-read'
const PUBLIC = 'a-public-message-still-sealed-on-the-wire'
const STATEMENT = 'the-text-of-a-signed-statement'
const SUBJECT = 'npm:distinctive-package-name@9.9.9'
const RAW = 'raw-bytes-of-a-private-record'

/** A text as bytes, hex and base64 (at each of its three alignments, without the characters that depend on neighbours). */
function forms(bytes: Uint8Array): readonly Buffer[] {
  const plain = Buffer.from(bytes)
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), plain])
      .toString('base64')
      .replace(/=+$/, '')
    return text.slice(shift === 0 ? 0 : shift + 1, -2)
  })
  const texts = [...base64, ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'))]
  const hex = plain.toString('hex')
  return [plain, Buffer.from(hex), Buffer.from(hex.toUpperCase()), ...texts.map((text) => Buffer.from(text))]
}

function findings(messages: readonly TappedMessage[], secrets: ReadonlyMap<string, Uint8Array>): readonly string[] {
  const wanted = [...secrets].flatMap(([name, bytes]) => forms(bytes).map((form) => ({ name, form })))
  return messages.flatMap(({ subject, reply, headers, payload }) => {
    const seen = Buffer.concat([utf8(`${subject} ${reply ?? ''} `), headers, payload])
    const found = wanted.filter(({ form }) => seen.includes(form)).map(({ name }) => `${name} on ${subject}`)
    return [...new Set(found)]
  })
}

describe('an eavesdropper on the broker', () => {
  let broker: Broker
  let test: TestService
  const traffic: TappedMessage[] = []

  beforeAll(async () => {
    broker = await startBroker()
    broker.tap((message) => traffic.push(message))
    test = await startTestService({ nats: broker.url })
  })
  afterAll(async () => {
    await test?.dispose()
    await broker?.close()
  })

  it('finds no plaintext in any message, but would find one sent in clear', async () => {
    const { service } = test
    const userId = certificateId(nativeCrypto, parseCertificate(service.user.certificatePem))
    const secrets = new Map<string, Uint8Array>([
      ['private message', utf8(PRIVATE)],
      ['public message', utf8(PUBLIC)],
      ['statement', utf8(STATEMENT)],
      ['statement subject', utf8(SUBJECT)],
      ['raw record', utf8(RAW)],
      ['path of a private endpoint', utf8('/log/private')],
      ['path of a public endpoint', utf8('/log/public')],
      ['path of the registry', utf8('/statements')],
      ['user id', utf8(userId)],
      ['user id as bytes', fromHex(userId)],
      ['certificate of the user', parseCertificate(service.user.certificatePem).der],
      ['name of a table', utf8('transparency.statements')],
    ])

    // Through the primary and through a backup, so that forwarding is on the wire too.
    for (const prefer of ['primary', 'any', 'any', 'any'] as const) {
      const client = await connectClient(service, { prefer })
      await client.request('POST /log/private', { id: 1, msg: PRIVATE }, { wait: 'committed' })
      await client.request('POST /log/public', { id: 1, msg: PUBLIC }, { wait: 'committed' })
      await client.request('POST /log/private/raw/1', utf8(RAW), { wait: 'committed' })
      const statement = await client.request('POST /statements', { subject: SUBJECT, payload: STATEMENT })
      await statement.receipt()
      expect((await client.request('GET /log/private?id=1')).body).toEqual({ id: 1, msg: PRIVATE })
      expect((await client.request('GET /log/public/range')).body).toMatchObject({ items: [{ id: 1, msg: PUBLIC }] })
      await client.close()
    }
    const kinds = new Set(traffic.map(({ subject }) => subject.split('.').slice(3, 4)[0] ?? subject.split('.')[2]))
    expect(kinds).toContain('channel')
    expect(kinds).toContain('session')
    expect(kinds).toContain('commit')
    expect(findings(traffic, secrets)).toEqual([])

    // The search finds what is there: the same texts, published as they are and encoded.
    const heard = traffic.length
    service.bus.publish('elsewhere', utf8(JSON.stringify({ msg: PRIVATE })))
    service.bus.publish('elsewhere', utf8(Buffer.from(`xy${STATEMENT}z`).toString('base64')))
    await service.bus.flush()
    await until('the control messages', () => traffic.slice(heard).filter(({ subject }) => subject === 'elsewhere')[1])
    expect(findings(traffic.slice(heard), secrets)).toEqual(['private message on elsewhere', 'statement on elsewhere'])
  })

  it('sees in commit broadcasts the root, the transaction id and the signature only', () => {
    const commits = traffic.filter(({ subject }) => subject === 'ccf.test.commit')
    expect(commits.length).toBeGreaterThan(0)
    for (const { payload } of commits) {
      const body = JSON.parse(new TextDecoder().decode(payload)) as Record<string, unknown>
      expect(Object.keys(body).sort()).toEqual(['cose_sign1', 'root', 'transaction_id'])
    }
  })
})

// Goal: a client in another language (nats-py, the official Python client) cannot tell the embedded broker from
// nats-server: what it sees is what it should see, on both.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { startEmbeddedServer } from '../../support/embedded-broker.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { ensurePythonPackages } from '../../support/python.ts'

const SCRIPT = fileURLToPath(new URL('nats_py_contract.py', import.meta.url))
const SET_UP_TIMEOUT_MS = 300_000
const RUN_TIMEOUT_MS = 120_000

const EXPECTED = {
  publish_subscribe: [
    Buffer.from('one').toString('hex'),
    '',
    Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('hex'),
  ],
  wildcards: {
    'py.*': ['py.a', 'py.b'],
    'py.>': ['py.a', 'py.b', 'py.b.c'],
    '*.b': ['py.b', 'other.b'],
    'py.*.c': ['py.b.c'],
  },
  queue_group: { together: true, everyMemberHadWork: true, plain: 100 },
  request_reply: Array.from({ length: 50 }, (_, i) => [...`<${i}>`].reverse().join('')),
  headers: [
    ['body', { Colour: 'red', Size: '12' }],
    ['', { Only: 'headers' }],
  ],
  no_responders: 'NoRespondersError',
  max_payload: { max: 1024 * 1024, refused: true, received: 1024 * 1024 },
  max_messages: ['0', '1'],
  order: true,
}

describe.each([
  ['embedded broker', startEmbeddedServer],
  ['nats-server', startNatsServer],
])('nats-py on the %s', (_name, startServer) => {
  let python: string
  beforeAll(async () => {
    python = await ensurePythonPackages(['nats-py==2.16.0'])
  }, SET_UP_TIMEOUT_MS)

  async function run(token?: string): Promise<unknown> {
    const server = await startServer(token === undefined ? {} : { token })
    try {
      const options = { timeout: RUN_TIMEOUT_MS }
      const { stdout } = await promisify(execFile)(python, [SCRIPT, server.url, ...(token ? [token] : [])], options)
      return JSON.parse(stdout)
    } finally {
      await server.stop()
    }
  }

  it('sees what it should', async () => expect(await run()).toEqual(EXPECTED), RUN_TIMEOUT_MS)

  it(
    'sees the same with a token, and is refused with a wrong one',
    async () => {
      const seen = (await run('s3cret')) as Record<string, unknown>
      expect(seen).toEqual({ ...EXPECTED, wrong_token: seen.wrong_token })
      expect(seen.wrong_token).toMatch(/Authorization/)
    },
    RUN_TIMEOUT_MS,
  )
})

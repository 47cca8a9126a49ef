// Goal: the client SDK works in a real browser: one bundled file, a sealed session over a WebSocket to the embedded broker, a committed
// transaction, and its receipt verified in the page without any network; a tampered receipt is refused there too.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { existsSync } from 'node:fs'
import { build } from 'esbuild'
import { chromium, type Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { privateKeyPem } from '../../runtime/identity.ts'
import { ROOT, startTestService, type TestService } from '../support/local-service.ts'

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

let running: TestService
let page: Server
let browser: Browser

beforeAll(async () => {
  if (!existsSync(CHROMIUM)) throw new Error(`no browser at ${CHROMIUM}: apt-get install chromium, or set CHROMIUM`)
  running = await startTestService({ webSocketPort: 0 })
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['runtime/client/browser.ts'],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
  })
  const script = outputFiles[0]!.text
  page = createServer((request, response) => {
    const isScript = request.url === '/client.mjs'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? script : '<!doctype html><title>Concordat</title>')
  })
  await new Promise<void>((listening) => page.listen(0, '127.0.0.1', listening))
  browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET })
}, 120_000)

afterAll(async () => {
  await browser?.close()
  page?.close()
  await running?.dispose()
})

interface Outcome {
  readonly status: number
  readonly read: unknown
  readonly txId: string | undefined
  readonly verified: boolean
  readonly tampered: boolean
}

describe('the client in a browser', () => {
  it('writes, reads, and verifies a receipt', async () => {
    const { service } = running
    const tab = await browser.newPage()
    const errors: string[] = []
    tab.on('pageerror', (error) => errors.push(error.message))
    await tab.goto(`http://127.0.0.1:${(page.address() as AddressInfo).port}/`)
    const options = {
      servers: service.broker!.webSocketUrl!,
      service: service.service,
      trust: service.serviceCertificatePem,
      identity: {
        certificatePem: service.user.certificatePem,
        privateKeyPem: privateKeyPem(service.user.privateKeyPkcs8),
      },
      connectTimeoutMs: 20_000,
      handshakeTimeoutMs: 15_000,
    }
    // What runs in the page is sent as text: vitest must not rewrite its import.
    const outcome = (await tab.evaluate(
      `(async (options) => {
        const { connect, verifyReceipt } = await import('/client.mjs')
        const client = await connect(options)
        const response = await client.request('POST /log/private', { id: 5, msg: 'from a browser' }, { wait: 'committed' })
        const read = (await client.request('GET /log/private?id=5')).body
        const receipt = await response.receipt()
        const trust = { serviceCertificate: options.trust }
        const tampered = { ...receipt, leaf_components: { ...receipt.leaf_components, write_set_digest: '00'.repeat(32) } }
        const result = { status: response.status, txId: response.txId, read, verified: verifyReceipt(receipt, trust).ok, tampered: verifyReceipt(tampered, trust).ok }
        await client.close()
        return result
      })(${JSON.stringify(options)})`,
    )) as Outcome
    expect(outcome).toEqual({
      status: 200,
      txId: expect.stringMatching(/^2\.\d+$/),
      read: { id: 5, msg: 'from a browser' },
      verified: true,
      tampered: false,
    })
    expect(errors).toEqual([])
  }, 120_000)
})

// Goal: the client SDK works in a real browser: one bundled file, a sealed session over a WebSocket to the embedded broker, a committed
// transaction, and its receipts verified in the page without any network; a tampered receipt is refused there too.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { privateKeyPem } from '../../runtime/identity.ts'
import { bundleForBrowsers, openClientPage, type ClientPage } from '../support/chromium.ts'
import { startTestService, type TestService } from '../support/local-service.ts'

let running: TestService
let page: ClientPage

beforeAll(async () => {
  page = await openClientPage((await bundleForBrowsers()).script)
  running = await startTestService({ webSocketPort: 0 })
}, 120_000)

afterAll(async () => {
  await page?.close()
  await running?.dispose()
})

describe('the client in a browser', () => {
  it('writes, reads, and verifies receipts', async () => {
    const { service } = running
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
    const outcome = await page.evaluate(
      `async (options) => {
        const { connect, verifyCoseReceipt, verifyReceipt } = await import('/client.mjs')
        const client = await connect(options)
        const response = await client.request('POST /log/private', { id: 5, msg: 'from a browser' }, { wait: 'committed' })
        const read = (await client.request('GET /log/private?id=5')).body
        const receipt = await response.receipt()
        const cose = await response.coseReceipt()
        await client.close()
        const trust = { serviceCertificate: options.trust }
        const tampered = { ...receipt, leaf_components: { ...receipt.leaf_components, write_set_digest: '00'.repeat(32) } }
        return {
          status: response.status,
          txId: response.txId,
          read,
          json: [receipt, tampered].map((one) => verifyReceipt(one, trust).ok),
          cose: [cose, cose.with(-1, cose.at(-1) ^ 1)].map((one) => verifyCoseReceipt(one, trust).ok),
        }
      }`,
      options,
    )
    expect(outcome).toEqual({
      status: 200,
      txId: expect.stringMatching(/^2\.\d+$/) as string,
      read: { id: 5, msg: 'from a browser' },
      json: [true, false],
      cose: [true, false],
    })
  }, 120_000)
})

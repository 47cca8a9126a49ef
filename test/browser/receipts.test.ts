// Goal: the verifier of receipts is a pure function that browsers run: its bundle imports nothing of Node, and in a page without a network it
// gives the same verdicts, to the last field, as the native implementation: JSON, COSE, tampered, and through endorsements.
import { isBuiltin } from 'node:module'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toBase64, toHex } from '../../protocols/codec/bytes.ts'
import { nativeCrypto as crypto } from '../../protocols/crypto/native.ts'
import { decodeEntry } from '../../protocols/ledger/entry.ts'
import { commitEvidence, commitSecret } from '../../protocols/ledger/leaf.ts'
import { parseSignature } from '../../protocols/ledger/signature.ts'
import { coseReceiptOf } from '../../protocols/receipts/cose-receipt.ts'
import { recordedEndorsement } from '../../protocols/receipts/endorsements.ts'
import { buildReceipt, buildSignatureReceipt } from '../../protocols/receipts/receipt.ts'
import type { ReceiptTrust } from '../../protocols/receipts/trust.ts'
import { LedgerWriter } from '../../runtime/bench/made-ledger.ts'
import { verifyCoseReceipt, verifyReceipt } from '../../runtime/client/index.ts'
import { bundleForBrowsers, openClientPage, type ClientPage } from '../support/chromium.ts'

/** Not minified: 617 kB when this was written (303 kB minified), most of it cryptography and NATS. */
const BUNDLE_BYTES_MAX = 1_000_000

let bundle: Awaited<ReturnType<typeof bundleForBrowsers>>
let page: ClientPage

beforeAll(async () => {
  bundle = await bundleForBrowsers()
  page = await openClientPage(bundle.script)
}, 60_000)
afterAll(() => page?.close())

/** A service, its recovery, and receipts of both. */
function cases() {
  const ledger = new LedgerWriter('browser').begin('Opening').writePrivate(2).open().sign()
  const last = parseSignature(decodeEntry(ledger.entries.at(-1)!))!
  ledger.recover('recovered', last.root).writePrivate(2).open().sign()
  const entries = ledger.entries.map((bytes) => ({ bytes, entry: decodeEntry(bytes) }))
  const endorsements = entries.flatMap(({ entry }) => recordedEndorsement(entry.publicWrites) ?? []).reverse()
  const now = { serviceCertificate: ledger.service.pem }
  const chain = { ...now, endorsements }
  const inputOf = (seqno: number) => {
    const { bytes, entry } = entries[seqno - 1]!
    const signature = entries.slice(seqno).flatMap((later) => parseSignature(later.entry) ?? [])[0]!
    const secret = commitSecret(crypto, ledger.secret)
    return { entryBytes: bytes, commitEvidence: commitEvidence(crypto, secret, entry.view, entry.seqno), signature }
  }
  const both = (seqno: number, trust: ReceiptTrust) => ({
    json: buildReceipt(crypto, inputOf(seqno))!,
    cose: toBase64(coseReceiptOf(crypto, inputOf(seqno))!),
    trust,
  })
  const signature = { ...both(7, now), json: buildSignatureReceipt(inputOf(7).signature) }
  const broken = { ...chain, endorsements: endorsements.slice(1) }
  const tampered = { ...both(7, now), json: { ...both(7, now).json, node_id: toHex(new Uint8Array(32)) } }
  const cut = { ...tampered, cose: tampered.cose.slice(0, -8) }
  return [both(7, now), signature, both(2, now), both(2, chain), both(2, broken), tampered, cut]
}

describe('the bundle for browsers', () => {
  it('imports nothing of Node, and nothing else besides', () => {
    const { inputs, outputs } = bundle.metafile
    const importedBy = Object.values(inputs).flatMap(({ imports }) => imports)
    expect(importedBy.filter(({ path }) => path.startsWith('node:') || isBuiltin(path))).toEqual([])
    expect(Object.values(outputs).flatMap(({ imports }) => imports)).toEqual([])
    expect(Object.keys(inputs)).toContain('protocols/receipts/verify-cose-receipt.ts')
    expect(bundle.script.length).toBeLessThan(BUNDLE_BYTES_MAX)
  })

  it('gives the verdicts that Node gives', async () => {
    const all = cases()
    const inPage = await page.evaluate(
      `async (cases) => {
        const { verifyCoseReceipt, verifyReceipt } = await import('/client.mjs')
        globalThis.fetch = globalThis.WebSocket = () => { throw new Error('no network') }
        const bytesOf = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
        const verdicts = cases.map(({ json, cose, trust }) => [verifyReceipt(json, trust), verifyCoseReceipt(bytesOf(cose), trust)])
        return JSON.stringify(verdicts)
      }`,
      all,
    )
    const here = all.map(({ json, cose, trust }) => [
      verifyReceipt(json, trust),
      verifyCoseReceipt(new Uint8Array(Buffer.from(cose, 'base64')), trust),
    ])
    expect(inPage).toBe(JSON.stringify(here))
    expect(here.map((pair) => pair.map(({ ok }) => ok))).toEqual([
      [true, true],
      [true, true],
      [false, false],
      [true, true],
      [false, false],
      [false, true],
      [false, false],
    ])
  }, 60_000)
})

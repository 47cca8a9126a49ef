// Goal: nothing in a receipt can be changed unnoticed but what is listed here: every byte of a COSE receipt, every character of a JSON one.
// Any bytes and any fields are a verdict or a reason, never a crash, also for what almost is a receipt.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, DecodeError } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'
import { decodeEntry } from '../../../protocols/ledger/entry.ts'
import { commitEvidence, commitSecret } from '../../../protocols/ledger/leaf.ts'
import { parseSignature } from '../../../protocols/ledger/signature.ts'
import { encodeCbor, encodeSign1, parseSign1 } from '../../../protocols/crypto/cose.ts'
import { coseReceiptOf, decodeCoseReceipt } from '../../../protocols/receipts/cose-receipt.ts'
import { buildReceipt, type Receipt } from '../../../protocols/receipts/receipt.ts'
import { verifyCoseReceipt } from '../../../protocols/receipts/verify-cose-receipt.ts'
import { verifyReceipt } from '../../../protocols/receipts/verify-receipt.ts'
import { LedgerWriter } from '../../../runtime/bench/made-ledger.ts'

const ledger = new LedgerWriter('changes').begin('Opening').writePrivate(4).sign()
const trust = { serviceCertificate: ledger.service.pem }
const entry = decodeEntry(ledger.entries[2]!)
const input = {
  entryBytes: ledger.entries[2]!,
  commitEvidence: commitEvidence(crypto, commitSecret(crypto, ledger.secret), entry.view, entry.seqno),
  signature: parseSignature(decodeEntry(ledger.entries.at(-1)!))!,
}
const cose = coseReceiptOf(crypto, input)!
const json = JSON.stringify(buildReceipt(crypto, input))

const verifyText = (text: string) => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { ok: false }
  }
  return verifyReceipt(crypto, value, trust)
}

describe('a COSE receipt', () => {
  test('every byte counts, whichever of its bits is another', () => {
    expect(verifyCoseReceipt(crypto, cose, trust)).toMatchObject({ ok: true })
    for (let at = 0; at < cose.length; at++) {
      for (const bit of [at % 8, (at + 5) % 8]) {
        const changed = cose.with(at, cose[at]! ^ (1 << bit))
        expect(verifyCoseReceipt(crypto, changed, trust).ok, `byte ${at}, bit ${bit}`).toBe(false)
      }
    }
  })

  test('not authenticated: further unprotected headers, and how CBOR writes them', () => {
    const { protectedBytes, unprotectedHeader, signature } = parseSign1(cose)
    const more = new Map([...unprotectedHeader, ['note', 'anyone may write this']])
    const verified = verifyCoseReceipt(crypto, cose, trust)
    expect(verifyCoseReceipt(crypto, encodeSign1(protectedBytes, more, undefined, signature), trust)).toEqual(verified)
  })

  test('any bytes, also cut, doubled and spliced ones, are read or refused with DecodeError', () => {
    const piece = fc
      .tuple(fc.nat(cose.length), fc.nat(cose.length))
      .map(([a, b]) => cose.slice(Math.min(a, b), Math.max(a, b)))
    const bytes = fc.array(fc.oneof(piece, fc.uint8Array({ maxLength: 40 })), { maxLength: 4 })
    fc.assert(
      fc.property(bytes, (parts) => {
        for (const candidate of [concat(...parts), concat(cose.slice(0, 1), ...parts)]) {
          const verified = verifyCoseReceipt(crypto, candidate, trust)
          if (verified.ok) expect(candidate).toEqual(cose)
        }
      }),
      { seed: 1, numRuns: 1000 },
    )
    expect(() => decodeCoseReceipt(new Uint8Array(200_000))).toThrow(DecodeError)
    const proofs = new Map([[396, new Map([[-1, Array.from({ length: 17 }, () => encodeCbor([]))]])]])
    expect(() => decodeCoseReceipt(encodeSign1(cose.slice(0, 0), proofs, undefined, cose))).toThrow(
      /no inclusion proofs/,
    )
  })
})

describe('a JSON receipt', () => {
  test('every character counts', () => {
    expect(verifyText(json)).toMatchObject({ ok: true })
    const unnoticed: string[] = []
    for (let at = 0; at < json.length; at++) {
      for (const other of ['0Afn "\\'[at % 7]!, 'r']) {
        if (other === json[at]) continue
        const changed = json.slice(0, at) + other + json.slice(at + 1)
        if (verifyText(changed).ok) unnoticed.push(`${json.slice(at - 8, at)}[${json[at]} → ${other}]`)
      }
    }
    // The end of the certificate's last line: \r instead of \n, see below.
    expect(unnoticed).toEqual(['TE-----\\[n → r]'])
  })

  test('not authenticated: white space, further fields, and the line ends of certificates', () => {
    const receipt = JSON.parse(json) as Receipt
    const verified = verifyText(json)
    expect(verifyText(JSON.stringify(receipt, undefined, 3))).toEqual(verified)
    expect(verifyReceipt(crypto, { ...receipt, note: 'anyone may write this' }, trust)).toEqual(verified)
    const cert = `\n${receipt.cert.replaceAll('\n', '\r\n')}`
    expect(verifyReceipt(crypto, { ...receipt, cert }, trust)).toEqual(verified)
  })

  test('any value in any field is a reason, never a crash', () => {
    const receipt = JSON.parse(json) as Receipt
    const names = [...Object.keys(receipt), 'leaf', 'service_endorsements'] as (keyof Receipt)[]
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.jsonValue(), (name, value) => {
        const verified = verifyReceipt(crypto, { ...receipt, [name]: value }, trust)
        const isEmptyChain = name === 'service_endorsements' && Array.isArray(value) && value.length === 0
        expect(verified.ok).toBe(isEmptyChain)
        if (!verified.ok) expect(verified.reason).not.toContain('\n')
      }),
      { seed: 1, numRuns: 1500 },
    )
  })
})

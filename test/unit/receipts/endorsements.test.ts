// Goal: receipts of earlier service identities hold under the current certificate exactly as far as endorsements lead there: in order, without a
// gap, within the endorsed epoch; broken, forged, shuffled and circular chains are refused, and what CCF itself wrote is read.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError, fromBase64, fromHex, toBase64, utf8 } from '../../../protocols/codec/bytes.ts'
import { parseEcCertificate } from '../../../protocols/crypto/certificate.ts'
import { encodeSign1, parseSign1, verifySign1 } from '../../../protocols/crypto/cose.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'
import { parseTxId, type TxId } from '../../../protocols/ids.ts'
import { decodeEntry } from '../../../protocols/ledger/entry.ts'
import { commitEvidence, commitSecret } from '../../../protocols/ledger/leaf.ts'
import { parseSignature } from '../../../protocols/ledger/signature.ts'
import { coseReceiptOf } from '../../../protocols/receipts/cose-receipt.ts'
import {
  decodeEndorsement,
  ENDORSEMENTS_MAX,
  findEndorsed,
  parseEndorsements,
  recordedEndorsement,
} from '../../../protocols/receipts/endorsements.ts'
import { buildReceipt, buildSignatureReceipt } from '../../../protocols/receipts/receipt.ts'
import { verifyCoseReceipt } from '../../../protocols/receipts/verify-cose-receipt.ts'
import { verifyReceipt } from '../../../protocols/receipts/verify-receipt.ts'
import { endorseEpoch, LedgerWriter, makeService } from '../../../runtime/bench/made-ledger.ts'
import { acme, allLedgers, entriesOf } from '../ledger/golden.ts'

const id = (text: string): TxId => parseTxId(text)!
const refusal = (pattern: RegExp) => ({ ok: false, reason: expect.stringMatching(pattern) as string })

// Three identities of one service: 2.1 – 2.6, 4.7 – 4.12, and the current one from 6.13 on.
const ledger = new LedgerWriter('one').begin('Opening').writePrivate(3).open().sign()
const services = [ledger.service]
for (const name of ['two', 'three']) {
  const { root } = parseSignature(decodeEntry(ledger.entries.at(-1)!))!
  ledger.recover(name, root).writePrivate(3).open().sign()
  services.push(ledger.service)
}
const entries = ledger.entries.map((bytes) => ({ bytes, entry: decodeEntry(bytes) }))
const recorded = entries.flatMap(({ entry }) => recordedEndorsement(entry.publicWrites) ?? []).reverse()
const trust = { serviceCertificate: services[2]!.pem, endorsements: recorded }

function inputOf(seqno: number) {
  const { bytes, entry } = entries[seqno - 1]!
  const after = entries.slice(seqno).map((candidate) => parseSignature(candidate.entry))
  const signature = after.find((found) => found !== undefined)!
  const evidence = commitEvidence(crypto, commitSecret(crypto, ledger.secret), entry.view, entry.seqno)
  return { entryBytes: bytes, commitEvidence: evidence, signature }
}
const coseOf = (seqno: number): Uint8Array => coseReceiptOf(crypto, inputOf(seqno))!
const jsonOf = (seqno: number) => buildReceipt(crypto, inputOf(seqno))!
const both = (seqno: number, endorsements: readonly string[], serviceCertificate = trust.serviceCertificate) => [
  verifyCoseReceipt(crypto, coseOf(seqno), { serviceCertificate, endorsements }),
  verifyReceipt(crypto, jsonOf(seqno), { serviceCertificate, endorsements }),
]

describe('what CCF wrote', () => {
  test.each(allLedgers)('$name: its record is a self-endorsement that holds, and adds nothing', (golden) => {
    const written = entriesOf(golden).flatMap(({ bytes }) => {
      return recordedEndorsement(decodeEntry(bytes).publicWrites) ?? []
    })
    expect(written.length).toBeLessThan(2)
    if (golden.name === 'golden expired_service') return expect(written).toEqual([])
    const [endorsement] = parseEndorsements(crypto, written)
    const { sign1, key, begin, end } = endorsement!
    expect(verifySign1(crypto, key, sign1, sign1.payload!)).toBe(true)
    expect([begin, end]).toEqual([id(golden.name.includes('expired') ? '4.29' : '2.1'), undefined])
    expect(() => findEndorsed(crypto, key, [endorsement!], () => true)).toThrow(/no endorsement leads/)
  })

  test('is what we would write, but for the signature', () => {
    const written = entriesOf(acme).map(({ bytes }) => recordedEndorsement(decodeEntry(bytes).publicWrites))
    const { protectedBytes, payload } = parseSign1(fromBase64(written.find((found) => found !== undefined)!))
    const ours = parseSign1(endorseEpoch(services[0]!, { spki: payload!, begin: id('2.1') })).protectedBytes
    // They differ in the time alone: four bytes after the label 6 and the head of a u32.
    const at = ours.findIndex((byte, i) => byte === 6 && ours[i + 1] === 0x1a) + 2
    expect(at).toBeGreaterThan(2)
    expect(
      ours
        .with(at, 0)
        .with(at + 1, 0)
        .with(at + 2, 0)
        .with(at + 3, 0),
    ).toEqual(
      protectedBytes
        .with(at, 0)
        .with(at + 1, 0)
        .with(at + 2, 0)
        .with(at + 3, 0),
    )
    expect(payload).toEqual(parseEcCertificate(crypto, acme.serviceCertificatePem!).spki)
  })
})

describe('a service with three identities', () => {
  test('records an endorsement for each', () => {
    const epochs = parseEndorsements(crypto, recorded).map(({ begin, end }) => [begin, end])
    expect(epochs).toEqual([
      [id('4.7'), id('4.12')],
      [id('2.1'), id('2.6')],
      [id('2.1'), undefined],
    ])
  })

  test('every receipt holds under the current certificate, and only with the endorsements if it is older', () => {
    for (let seqno = 1; seqno < entries.length; seqno++) {
      const { view } = entries[seqno - 1]!.entry
      expect(both(seqno, recorded)).toMatchObject([
        { ok: true, inclusions: [{ txId: { view, seqno } }] },
        { ok: true, txId: { view, seqno } },
      ])
      // The signature that ended an epoch is covered by the next service's first one.
      const isOwn = view === 6 || seqno === 12
      expect(both(seqno, []).map(({ ok }) => ok)).toEqual([isOwn, isOwn])
      const { serviceCertificate } = trust
      expect(verifyCoseReceipt(crypto, coseOf(seqno), { serviceCertificate }).ok).toBe(isOwn)
      expect(verifyReceipt(crypto, jsonOf(seqno), { serviceCertificate }).ok).toBe(isOwn)
    }
  })

  test('endorsements lead backwards only', () => {
    const certificate = services[0]!.pem
    expect(both(2, recorded, certificate)).toMatchObject([{ ok: true }, { ok: true }])
    expect(both(8, recorded, certificate)).toMatchObject([{ ok: false }, { ok: false }])
  })

  test('a bare leaf names no transaction, so no epoch vouches for it', () => {
    const receipt = buildSignatureReceipt(parseSignature(entries[5]!.entry)!)
    expect(verifyReceipt(crypto, receipt, trust)).toMatchObject(refusal(/bare leaf/))
    expect(verifyReceipt(crypto, receipt, { serviceCertificate: services[0]!.pem })).toMatchObject({ ok: true })
  })
})

describe('chains that lead nowhere', () => {
  const [one, two, three] = services as [(typeof services)[0], (typeof services)[0], (typeof services)[0]]
  const root = fromHex('ab'.repeat(32))
  const epoch = (by: typeof one, of: typeof one, begin: string, end?: string): string =>
    toBase64(
      endorseEpoch(by, { spki: of.spki, begin: id(begin), ...(end !== undefined && { end: { txId: id(end), root } }) }),
    )
  const [threeOfTwo, twoOfOne, oneOfOne] = recorded as [string, string, string]
  const mallory = makeService('mallory')

  test.each<[string, string[], RegExp]>([
    ['a missing step', [twoOfOne], /not signed by the service after it/],
    ['only the first step', [threeOfTwo], /no endorsement leads/],
    ['oldest first', [twoOfOne, threeOfTwo], /not signed by the service after it/],
    ['a step signed by another', [threeOfTwo, epoch(mallory, one, '2.1', '2.6')], /not signed by the service after it/],
    ['a chain that ends at another key', [threeOfTwo, epoch(two, mallory, '2.1', '2.6')], /no endorsement leads/],
    ['a circle', [threeOfTwo, epoch(two, three, '2.1', '2.6'), epoch(two, two, '2.1')], /no endorsement leads/],
    ['an epoch without end', [threeOfTwo, epoch(two, one, '2.1')], /has no end/],
    ['a gap between epochs', [threeOfTwo, epoch(two, one, '2.1', '2.5')], /do not follow/],
    ['a recovery in the wrong view', [epoch(three, two, '5.7', '5.12'), twoOfOne], /do not follow/],
    ['an epoch that begins too late', [threeOfTwo, epoch(two, one, '2.4', '2.6')], /outside the epoch/],
    ['an epoch that ends before it begins', [threeOfTwo, epoch(two, one, '4.7', '2.6')], /no endorsement leads/],
    ['nothing but self-endorsements', [oneOfOne, oneOfOne], /not signed by the service after it/],
  ])('%s', (_, endorsements, reason) => {
    expect(both(2, endorsements)).toMatchObject([refusal(reason), refusal(reason)])
  })

  test('an epoch that ends before the receipt was signed', () => {
    const early = [epoch(three, two, '4.7', '4.10')]
    expect(both(8, early)).toMatchObject([refusal(/4\.12 is outside the epoch/), { ok: true }])
    expect(both(11, early)).toMatchObject([refusal(/outside the epoch/), refusal(/4\.11 is outside the epoch/)])
  })

  test('what CCF writes twice when an election interrupts a recovery is passed over', () => {
    // CCF facts §20.24: begin 4.484 with end 2.483, beside the right one.
    const doubled = [threeOfTwo, epoch(two, one, '4.7', '2.6'), twoOfOne, epoch(two, one, '2.1', '2.6'), oneOfOne]
    expect(both(2, doubled)).toMatchObject([{ ok: true }, { ok: true }])
    const first = [epoch(three, two, '6.13', '4.12'), threeOfTwo, threeOfTwo, twoOfOne]
    expect(both(2, first)).toMatchObject([{ ok: true }, { ok: true }])
  })

  test('every changed bit of a step is refused', () => {
    const receipt = coseOf(2)
    const serviceCertificate = trust.serviceCertificate
    const bytes = fromBase64(twoOfOne)
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.with(at, bytes[at]! ^ (1 << (at % 8)))
      const endorsements = [threeOfTwo, toBase64(changed)]
      expect(verifyCoseReceipt(crypto, receipt, { serviceCertificate, endorsements }).ok, `byte ${at}`).toBe(false)
    }
  })
})

describe('bad input', () => {
  test('any list, any bytes: a reason, never a crash', () => {
    const receipt = coseOf(2)
    const item = fc.oneof(fc.jsonValue(), fc.uint8Array({ maxLength: 400 }).map(toBase64), fc.constantFrom(...recorded))
    fc.assert(
      fc.property(fc.oneof(fc.array(item, { maxLength: 5 }), fc.jsonValue()), (list) => {
        const endorsements = list as readonly string[]
        const { ok } = verifyCoseReceipt(crypto, receipt, { ...trust, endorsements })
        if (ok) expect(endorsements).toEqual(expect.arrayContaining(recorded.slice(0, 2)))
        expect(verifyReceipt(crypto, jsonOf(2), { ...trust, endorsements }).ok).toBe(ok)
      }),
      { seed: 1, numRuns: 400 },
    )
  })

  test('lists and records are bounded', () => {
    const many = Array.from({ length: ENDORSEMENTS_MAX + 1 }, () => recorded[0]!)
    expect(() => parseEndorsements(crypto, many)).toThrow(/at most 64/)
    expect(() => parseEndorsements(crypto, [toBase64(new Uint8Array(1025))])).toThrow(DecodeError)
    expect(() => parseEndorsements(crypto, ['A'.repeat(5000)])).toThrow(/acceptable size/)
    const { protectedBytes, payload, signature } = parseSign1(fromBase64(recorded[0]!))
    const without = encodeSign1(protectedBytes, new Map(), undefined, signature)
    expect(() => decodeEndorsement(crypto, without)).toThrow(/no supported EC key/)
    const other = encodeSign1(protectedBytes, new Map(), utf8('key'), signature)
    expect(() => decodeEndorsement(crypto, other)).toThrow(/no supported EC key/)
    expect(() => decodeEndorsement(crypto, encodeSign1(utf8(''), new Map(), payload, signature))).toThrow(/no epoch/)
  })
})

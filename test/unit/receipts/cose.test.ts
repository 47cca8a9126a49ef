// Goal: root signatures are assembled in CCF's exact bytes and verified without re-encoding; COSE receipts verify under the
// service key alone; every changed byte, other key, other root or other transaction is refused.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, DecodeError, fromHex, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { parseEcCertificate } from '../../../protocols/crypto/certificate.ts'
import {
  assembleRootSignature,
  coseAlgorithm,
  encodeCbor,
  encodeSign1,
  parseSign1,
  rootToBeSigned,
  serviceKeyId,
  toBeSigned,
  verifyRootSignature,
  verifySign1,
} from '../../../protocols/crypto/cose.ts'
import type { EcCurve } from '../../../protocols/crypto/crypto.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'
import { ecKeyPairFromSeed } from '../../../protocols/crypto/noble.ts'
import { seqno, view } from '../../../protocols/ids.ts'
import { decodeEntry } from '../../../protocols/ledger/entry.ts'
import { commitEvidence, commitSecret, entryLeaf, writeSetDigest } from '../../../protocols/ledger/leaf.ts'
import { parseSignature } from '../../../protocols/ledger/signature.ts'
import { deserialiseTree, proof } from '../../../protocols/merkle/tree.ts'
import {
  buildCoseReceipt,
  decodeInclusionProof,
  encodeInclusionProof,
  type InclusionProof,
} from '../../../protocols/receipts/cose-receipt.ts'
import { verifyCoseReceipt } from '../../../protocols/receipts/verify-cose-receipt.ts'
import { acme, allLedgers, entriesOf, expired } from '../ledger/golden.ts'

// A bare RegExp inside toMatchObject matches anything.
const matching = (pattern: RegExp): string => expect.stringMatching(pattern) as string
const serviceKey = parseEcCertificate(crypto, acme.serviceCertificatePem!).publicKey
const acmeTrust = { serviceCertificate: acme.serviceCertificatePem! }
const signaturesOf = (ledger: typeof acme) =>
  entriesOf(ledger).flatMap((slice) => {
    const signature = parseSignature(decodeEntry(slice.bytes))
    return signature?.coseSign1 === undefined ? [] : [{ ...signature, coseSign1: signature.coseSign1 }]
  })

describe('root signatures of CCF', () => {
  test.each(allLedgers.filter((ledger) => ledger.serviceCertificatePem !== undefined))(
    '$name: every one verifies and is rebuilt byte for byte',
    (ledger) => {
      const key = parseEcCertificate(crypto, ledger.serviceCertificatePem!).publicKey
      const signatures = signaturesOf(ledger)
      expect(signatures.length).toBeGreaterThan(7)
      for (const { coseSign1, root, view: inView, seqno: inSeqno } of signatures) {
        const verified = verifyRootSignature(crypto, key, coseSign1, root)
        if (!verified.ok) throw new Error(verified.reason)
        expect(verified.txId).toEqual({ view: inView, seqno: inSeqno })
        const { issuer, subject, iatSeconds } = verified
        const kid = serviceKeyId(crypto, key.spki)
        const built = rootToBeSigned({
          curve: key.curve,
          kid,
          iatSeconds,
          issuer,
          subject,
          view: inView,
          seqno: inSeqno,
          root,
        })
        const sign1 = parseSign1(coseSign1)
        expect(toHex(built.protectedHeader)).toBe(toHex(sign1.protectedBytes))
        expect(toHex(assembleRootSignature(built.protectedHeader, sign1.signature))).toBe(toHex(coseSign1))
        expect(toHex(toBeSigned(sign1.protectedBytes, root))).toBe(toHex(built.toBeSigned))
      }
    },
  )

  test('another root, another key, an attached payload are refused', () => {
    const { coseSign1, root } = signaturesOf(acme)[0]!
    expect(verifyRootSignature(crypto, serviceKey, coseSign1, crypto.sha256(root))).toEqual({
      ok: false,
      reason: 'signature does not hold',
    })
    const other = crypto.importEcPublicKey(ecKeyPairFromSeed('P-384', utf8('other')).spki)!
    expect(verifyRootSignature(crypto, other, coseSign1, root)).toMatchObject({
      ok: false,
      reason: matching(/another service/),
    })
    const { protectedBytes, signature } = parseSign1(coseSign1)
    const attached = encodeSign1(protectedBytes, new Map(), root, signature)
    expect(verifyRootSignature(crypto, serviceKey, attached, root)).toMatchObject({
      ok: false,
      reason: matching(/not detached/),
    })
  })

  test('every changed bit is refused without a crash', () => {
    const { coseSign1, root } = signaturesOf(acme)[0]!
    for (let at = 0; at < coseSign1.length; at++) {
      const mutated = coseSign1.slice()
      mutated[at]! ^= 1 << (at % 8)
      expect(verifyRootSignature(crypto, serviceKey, mutated, root)).toMatchObject({ ok: false })
    }
  })
})

describe.each<EcCurve>(['P-256', 'P-384', 'P-521'])('our own signatures with %s', (curve) => {
  const pair = ecKeyPairFromSeed(curve, utf8('service'))
  const key = crypto.importEcPublicKey(pair.spki)!
  const root = crypto.sha256(utf8('root'))
  const input = {
    curve,
    kid: serviceKeyId(crypto, pair.spki),
    iatSeconds: 1_700_000_000,
    issuer: '',
    subject: 'ledger.example',
    view: view(3),
    seqno: seqno(123456),
    root,
  }

  test('sign and verify', () => {
    const { protectedHeader, toBeSigned: message } = rootToBeSigned(input)
    const signature = crypto.signEcdsa(pair.pkcs8, coseAlgorithm(curve).hash, message, 'raw')
    const bytes = assembleRootSignature(protectedHeader, signature)
    expect(verifyRootSignature(crypto, key, bytes, root)).toEqual({
      ok: true,
      txId: { view: 3, seqno: 123456 },
      iatSeconds: 1_700_000_000,
      issuer: '',
      subject: 'ledger.example',
    })
    const cut = assembleRootSignature(protectedHeader, signature.subarray(1))
    expect(verifyRootSignature(crypto, key, cut, root)).toMatchObject({ ok: false })
  })

  test('attached payloads, as governance sends them', () => {
    const header = encodeCbor(
      new Map<number | string, unknown>([
        [1, coseAlgorithm(curve).alg],
        ['ccf.gov.msg.type', 'ack'],
      ]),
    )
    const payload = utf8('{}')
    const signature = crypto.signEcdsa(pair.pkcs8, coseAlgorithm(curve).hash, toBeSigned(header, payload), 'raw')
    const sign1 = parseSign1(encodeSign1(header, new Map(), payload, signature))
    expect(sign1.payload).toEqual(payload)
    expect(sign1.protectedHeader.get('ccf.gov.msg.type')).toBe('ack')
    expect(verifySign1(crypto, key, sign1, payload)).toBe(true)
    expect(verifySign1(crypto, key, sign1, utf8('[]'))).toBe(false)
  })
})

describe('parseSign1', () => {
  const item = (value: unknown): Uint8Array => concat(Uint8Array.of(0xd2), encodeCbor(value))
  test.each([
    ['nothing', new Uint8Array(0)],
    ['no tag', encodeCbor([new Uint8Array(0), new Map(), null, new Uint8Array(0)])],
    ['three items', item([new Uint8Array(0), new Map(), null])],
    ['a text payload', item([new Uint8Array(0), new Map(), 'x', new Uint8Array(0)])],
    ['an array as header', item([new Uint8Array(0), [], null, new Uint8Array(0)])],
    ['a number as protected header', item([encodeCbor(1), new Map(), null, new Uint8Array(0)])],
    ['trailing bytes', concat(item([new Uint8Array(0), new Map(), null, new Uint8Array(0)]), Uint8Array.of(0))],
    ['deep nesting', concat(Uint8Array.of(0xd2), new Uint8Array(200_000).fill(0x81))],
    ['more than a mebibyte', item([new Uint8Array(2 ** 20), new Map(), null, new Uint8Array(0)])],
    ['a duplicate header', concat(Uint8Array.of(0xd2, 0x84, 0x45, 0xa2, 1, 1, 1, 2, 0xa0, 0xf6, 0x40))],
    ['an indefinite length', concat(Uint8Array.of(0xd2, 0x9f, 0x40, 0xa0, 0xf6, 0x40, 0xff))],
  ])('refuses %s', (_, bytes) => {
    expect(() => parseSign1(bytes)).toThrow(DecodeError)
  })

  test('any bytes are parsed or refused with DecodeError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        for (const candidate of [bytes, concat(Uint8Array.of(0xd2, 0x84), bytes)]) {
          try {
            parseSign1(candidate)
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError)
          }
        }
      }),
      { seed: 1, numRuns: 2000 },
    )
  })
})

describe('COSE receipts', () => {
  const secret = commitSecret(crypto, fromHex('6a2e4bec332a6457dccd64af0d4ace7de36de1af02f95f3ecde5a47176f9014a'))
  const entries = entriesOf(acme).map((slice) => ({ bytes: slice.bytes, entry: decodeEntry(slice.bytes) }))
  const signature = signaturesOf(acme).find((found) => found.seqno === 8)!
  const tree = deserialiseTree(crypto, signature.treeBytes)

  function proofOf(at: number): InclusionProof {
    const { bytes, entry } = entries[at - 1]!
    return {
      writeSetDigest: writeSetDigest(crypto, bytes),
      commitEvidence: commitEvidence(crypto, secret, entry.view, entry.seqno),
      claimsDigest: entry.claimsDigest!,
      path: proof(crypto, tree, at)!,
    }
  }

  test('verify under the service key, one proof or several', () => {
    const receipt = buildCoseReceipt(signature.coseSign1, [proofOf(6), proofOf(7)])
    expect(verifyCoseReceipt(crypto, receipt, acmeTrust)).toEqual({
      ok: true,
      root: signature.root,
      signatureTxId: { view: 2, seqno: 8 },
      inclusions: [
        { txId: { view: 2, seqno: 6 }, claimsDigest: new Uint8Array(32) },
        { txId: { view: 2, seqno: 7 }, claimsDigest: new Uint8Array(32) },
      ],
    })
    expect(verifyCoseReceipt(crypto, receipt, { ...acmeTrust, claimsDigest: new Uint8Array(32) })).toMatchObject({
      ok: true,
    })
    expect(verifyCoseReceipt(crypto, receipt, { ...acmeTrust, claims: new Uint8Array(1) })).toMatchObject({
      ok: false,
      reason: matching(/other claims/),
    })
  })

  test('the layout is the one of CCF facts §5.2', () => {
    const encoded = encodeInclusionProof({ ...proofOf(7), path: [{ side: 'left', hash: new Uint8Array(32) }] })
    const evidence = utf8(proofOf(7).commitEvidence)
    const expected = concat(
      fromHex('a201835820'),
      proofOf(7).writeSetDigest,
      Uint8Array.of(0x78, evidence.length),
      evidence,
      fromHex('5820'),
      new Uint8Array(32),
      fromHex('028182f55820'),
      new Uint8Array(32),
    )
    expect(toHex(encoded)).toBe(toHex(expected))
    expect(decodeInclusionProof(encoded).path).toEqual([{ side: 'left', hash: new Uint8Array(32) }])
    expect(toHex(entryLeaf(crypto, entries[6]!.bytes, entries[6]!.entry))).toHaveLength(64)
  })

  test('a proof for another leaf, no proof, proofs that disagree, another service', () => {
    const wrong = { ...proofOf(6), path: proofOf(7).path }
    expect(verifyCoseReceipt(crypto, buildCoseReceipt(signature.coseSign1, [wrong]), acmeTrust)).toMatchObject({
      ok: false,
      reason: matching(/does not hold/),
    })
    expect(
      verifyCoseReceipt(crypto, buildCoseReceipt(signature.coseSign1, [proofOf(6), wrong]), acmeTrust),
    ).toMatchObject({
      ok: false,
      reason: matching(/different roots/),
    })
    expect(verifyCoseReceipt(crypto, buildCoseReceipt(signature.coseSign1, []), acmeTrust)).toMatchObject({
      ok: false,
    })
    expect(verifyCoseReceipt(crypto, signature.coseSign1, acmeTrust)).toMatchObject({
      ok: false,
      reason: matching(/no inclusion proofs/),
    })
    const cert = decodeEntry(entriesOf(expired)[0]!.bytes).publicWrites.find((map) =>
      map.name.endsWith('service.info'),
    )!
    const pem = (JSON.parse(new TextDecoder().decode(cert.writes[0]!.value)) as { cert: string }).cert
    const other = { serviceCertificate: pem }
    expect(verifyCoseReceipt(crypto, buildCoseReceipt(signature.coseSign1, [proofOf(7)]), other)).toMatchObject({
      ok: false,
    })
  })

  test('every changed bit is refused without a crash', () => {
    const receipt = buildCoseReceipt(signature.coseSign1, [proofOf(7)])
    for (let at = 0; at < receipt.length; at++) {
      const mutated = receipt.slice()
      mutated[at]! ^= 1 << (at % 8)
      expect(verifyCoseReceipt(crypto, mutated, acmeTrust)).toMatchObject({ ok: false })
    }
  })
})

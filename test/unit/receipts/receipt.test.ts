// Goal: receipts built from CCF's ledgers verify with nothing but the service certificate, equal the receipt CCF itself
// made, and every tampering — any field, any hash, other claims, another service — is refused with a reason, never a crash.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { nobleCrypto } from '../../../protocols/crypto/noble.ts'
import { decodeEntry, type Entry } from '../../../protocols/ledger/entry.ts'
import { commitEvidence, commitSecret } from '../../../protocols/ledger/leaf.ts'
import { parseSignature, type SignatureContent } from '../../../protocols/ledger/signature.ts'
import { deserialiseTree } from '../../../protocols/merkle/tree.ts'
import { buildReceipt, buildSignatureReceipt, parseReceipt, type Receipt } from '../../../protocols/receipts/receipt.ts'
import { verifyReceipt } from '../../../protocols/receipts/verify-receipt.ts'
import { endorse, LedgerWriter, makeNode, makeService } from '../../../runtime/bench/made-ledger.ts'
import { acme, allLedgers, entriesOf, expired, type GoldenLedger } from '../ledger/golden.ts'

// A bare RegExp inside toMatchObject matches anything.
const matching = (pattern: RegExp): string => expect.stringMatching(pattern) as string
const crypto = nativeCrypto
const golden = (path: string): string =>
  readFileSync(new URL(`../../golden/ccf-ledgers/${path}`, import.meta.url), 'utf8')
const ccfReceipt = JSON.parse(golden('expired_service/snapshot_61_62.receipt.json')) as Receipt
const recoveredCertificate = golden('expired_service/recovered_service_cert.pem')
const acmeSecret = commitSecret(crypto, fromHex('6a2e4bec332a6457dccd64af0d4ace7de36de1af02f95f3ecde5a47176f9014a'))

interface Transaction {
  readonly bytes: Uint8Array
  readonly entry: Entry
  readonly signature: SignatureContent | undefined
}

const transactionsOf = (ledger: GoldenLedger): Transaction[] =>
  entriesOf(ledger).map(({ bytes }) => {
    const entry = decodeEntry(bytes)
    return { bytes, entry, signature: parseSignature(entry) }
  })

const signatureAfter = (all: readonly Transaction[], seqno: number): SignatureContent | undefined =>
  all.slice(seqno).find((transaction) => transaction.signature !== undefined)?.signature

/** The service certificate written in the ledger's first transaction. */
function firstServiceCertificate(ledger: GoldenLedger): string {
  const map = transactionsOf(ledger)[0]!.entry.publicWrites.find((candidate) =>
    candidate.name.endsWith('service.info'),
  )!
  return (JSON.parse(new TextDecoder().decode(map.writes[0]!.value)) as { cert: string }).cert
}

function acmeReceipt(seqno: number): Receipt {
  const all = transactionsOf(acme)
  const { bytes, entry } = all[seqno - 1]!
  const evidence = commitEvidence(crypto, acmeSecret, entry.view, entry.seqno)
  return buildReceipt(crypto, { entryBytes: bytes, commitEvidence: evidence, signature: signatureAfter(all, seqno)! })!
}

const acmeTrust = { serviceCertificate: acme.serviceCertificatePem! }

describe('receipts built from the ledger', () => {
  test('every transaction of acme, with leaf components, in both implementations', () => {
    for (const { entry, signature } of transactionsOf(acme)) {
      if (entry.seqno === 22) continue
      const receipt = acmeReceipt(entry.seqno)
      expect(Object.keys(receipt)).toEqual(['cert', 'leaf_components', 'node_id', 'proof', 'signature'])
      const json = JSON.parse(JSON.stringify(receipt)) as unknown
      const verified = verifyReceipt(crypto, json, acmeTrust)
      expect(verified).toMatchObject({
        ok: true,
        txId: { view: 2, seqno: entry.seqno },
        claimsDigest: entry.claimsDigest,
      })
      if (entry.seqno % 7 === 0) expect(verifyReceipt(nobleCrypto, json, acmeTrust)).toEqual(verified)
      if (signature !== undefined) {
        const own = verifyReceipt(crypto, buildSignatureReceipt(signature), acmeTrust)
        expect(own).toMatchObject({ ok: true, root: signature.root, nodeId: signature.nodeId, txId: undefined })
      }
    }
  })

  test('every transaction of the old ledger, by its bare leaf', () => {
    const all = transactionsOf(expired)
    const trust = { serviceCertificate: firstServiceCertificate(expired) }
    for (const { bytes, entry } of all.slice(0, -1)) {
      const signature = signatureAfter(all, entry.seqno)!
      const receipt = buildReceipt(crypto, { entryBytes: bytes, commitEvidence: undefined, signature })!
      expect(verifyReceipt(crypto, receipt, trust)).toMatchObject({ ok: true, root: signature.root })
      expect(verifyReceipt(crypto, receipt, { serviceCertificate: recoveredCertificate })).toMatchObject({ ok: false })
    }
  })

  test('one tree serves many receipts; a signature before the transaction, or a flushed leaf, gives none', () => {
    const all = transactionsOf(acme)
    const last = all.at(-1)!.signature!
    const tree = deserialiseTree(crypto, last.treeBytes)
    const input = { commitEvidence: undefined, signature: last }
    expect(buildReceipt(crypto, { ...input, entryBytes: all[20]!.bytes, tree })).toEqual(
      buildReceipt(crypto, { ...input, entryBytes: all[20]!.bytes }),
    )
    expect(tree.flushed).toBeGreaterThan(2)
    expect(buildReceipt(crypto, { ...input, entryBytes: all[1]!.bytes })).toBeUndefined()
    expect(buildReceipt(crypto, { ...input, entryBytes: all[21]!.bytes })).toBeUndefined()
    expect(
      buildReceipt(crypto, { ...input, signature: all[3]!.signature!, entryBytes: all[20]!.bytes }),
    ).toBeUndefined()
    expect(
      buildReceipt(crypto, { ...input, signature: all[3]!.signature!, entryBytes: all[2]!.bytes, tree }),
    ).toBeUndefined()
  })
})

describe("CCF's own receipt", () => {
  const trust = { serviceCertificate: recoveredCertificate }

  test('verifies, and gives what the snapshot needs', () => {
    expect(verifyReceipt(crypto, ccfReceipt, trust)).toMatchObject({
      ok: true,
      nodeId: '9800ed1fb7c6d4876b359cc530ea2d7b88e7d0c39995b43572f511f5c4fe225e',
      txId: { view: 4, seqno: 62 },
      claimsDigest: fromHex('dec8e46577b9e3cef3a2275f5a97db026aac4a5e7683c530c483bcb2d1d11671'),
    })
  })

  test('is the one we build for that transaction', () => {
    const complete = allLedgers.find((ledger) => ledger.name === 'shared expired_service')
    if (complete === undefined) return expect(allLedgers).toHaveLength(2)
    const all = transactionsOf(complete)
    const evidence = ccfReceipt.leaf_components!.commit_evidence
    const built = buildReceipt(crypto, {
      entryBytes: all[61]!.bytes,
      commitEvidence: evidence,
      signature: all[62]!.signature!,
    })
    expect(JSON.stringify(built)).toBe(golden('expired_service/snapshot_61_62.receipt.json'))
  })

  test('is judged at a time only when asked to', () => {
    const at = (nowSeconds: number) => verifyReceipt(crypto, ccfReceipt, { ...trust, nowSeconds })
    expect(at(Date.UTC(2025, 0, 6, 20) / 1000)).toMatchObject({ ok: true })
    expect(at(Date.UTC(2025, 0, 8) / 1000)).toMatchObject({ ok: false, reason: matching(/not valid at that time/) })
  })

  test.each([
    ['signature', (r: Receipt) => ({ ...r, signature: acmeReceipt(3).signature })],
    ['certificate', (r: Receipt) => ({ ...r, cert: acmeReceipt(3).cert })],
    ['node id', (r: Receipt) => ({ ...r, node_id: acmeReceipt(3).node_id })],
    ['evidence', (r: Receipt) => changeLeaf(r, 'commit_evidence', (s) => s.replace('4.62', '4.63'))],
    ['write set digest', (r: Receipt) => changeLeaf(r, 'write_set_digest', flipHex)],
    ['claims digest', (r: Receipt) => changeLeaf(r, 'claims_digest', flipHex)],
    ['proof shortened', (r: Receipt) => ({ ...r, proof: r.proof.slice(1) })],
    ['proof reordered', (r: Receipt) => ({ ...r, proof: r.proof.toReversed() })],
    [
      'a side of the proof',
      (r: Receipt) => ({ ...r, proof: r.proof.with(0, { right: Object.values(r.proof[0]!)[0] as string }) }),
    ],
  ])('with another %s is refused', (_, tamper) => {
    const refused = verifyReceipt(crypto, tamper(ccfReceipt), trust)
    expect(refused).toMatchObject({ ok: false, reason: matching(/./) })
  })

  test('of another service is refused', () => {
    expect(verifyReceipt(crypto, ccfReceipt, acmeTrust)).toMatchObject({
      ok: false,
      reason: matching(/does not lead to the service/),
    })
  })
})

const flipHex = (text: string): string => `${text.startsWith('0') ? '1' : '0'}${text.slice(1)}`

function changeLeaf(
  receipt: Receipt,
  name: 'claims_digest' | 'commit_evidence' | 'write_set_digest',
  change: (s: string) => string,
) {
  const components = receipt.leaf_components!
  return { ...receipt, leaf_components: { ...components, [name]: change(components[name]!) } }
}

describe('claims', () => {
  const trust = { serviceCertificate: recoveredCertificate }
  const digest = fromHex(ccfReceipt.leaf_components!.claims_digest!)
  const stripped = {
    ...ccfReceipt,
    leaf_components: {
      commit_evidence: ccfReceipt.leaf_components!.commit_evidence,
      write_set_digest: ccfReceipt.leaf_components!.write_set_digest,
    },
  }

  test('a digest given must be the one in the receipt', () => {
    expect(verifyReceipt(crypto, ccfReceipt, { ...trust, claimsDigest: digest })).toMatchObject({ ok: true })
    expect(verifyReceipt(crypto, ccfReceipt, { ...trust, claimsDigest: new Uint8Array(32) })).toMatchObject({
      ok: false,
      reason: matching(/other claims/),
    })
    expect(verifyReceipt(crypto, ccfReceipt, { ...trust, claims: new Uint8Array(3) })).toMatchObject({ ok: false })
    expect(
      verifyReceipt(crypto, ccfReceipt, { ...trust, claims: new Uint8Array(3), claimsDigest: digest }),
    ).toMatchObject({
      ok: false,
      reason: matching(/differ/),
    })
  })

  test('a digest stripped by the application is filled in by the verifier', () => {
    expect(verifyReceipt(crypto, stripped, { ...trust, claimsDigest: digest })).toMatchObject({ ok: true })
    expect(verifyReceipt(crypto, stripped, { ...trust, claimsDigest: new Uint8Array(32) })).toMatchObject({ ok: false })
    expect(verifyReceipt(crypto, stripped, trust)).toMatchObject({ ok: false })
  })

  test('a receipt with a bare leaf says nothing about claims', () => {
    const receipt = buildSignatureReceipt(transactionsOf(acme)[1]!.signature!)
    expect(verifyReceipt(crypto, receipt, { ...acmeTrust, claimsDigest: digest })).toMatchObject({ ok: false })
  })
})

describe('after a recovery', () => {
  const ledger = new LedgerWriter('old').begin('Opening').writePrivate(4).sign()
  const signature = parseSignature(decodeEntry(ledger.entries.at(-1)!))!
  const current = makeService('current')
  const endorsement = endorse(current, ledger.service.spki, 'CN=CCF Service', true)
  const build = (serviceEndorsements: string[]): Receipt =>
    buildReceipt(crypto, { entryBytes: ledger.entries[2]!, commitEvidence: undefined, signature, serviceEndorsements })!

  test('the endorsement of the old service leads to the current one', () => {
    expect(verifyReceipt(crypto, build([]), { serviceCertificate: ledger.service.pem })).toMatchObject({ ok: true })
    expect(verifyReceipt(crypto, build([]), { serviceCertificate: current.pem })).toMatchObject({ ok: false })
    const receipt = build([endorsement])
    expect(verifyReceipt(crypto, receipt, { serviceCertificate: current.pem })).toMatchObject({
      ok: true,
      root: signature.root,
    })
    const json = JSON.parse(JSON.stringify(buildSignatureReceipt(signature, [endorsement]))) as unknown
    expect(verifyReceipt(nobleCrypto, json, { serviceCertificate: current.pem })).toMatchObject({ ok: true })
  })

  test('through two services, in order', () => {
    const middle = makeService('middle')
    const chain = [
      endorse(middle, ledger.service.spki, 'CN=CCF Service', true),
      endorse(current, middle.spki, 'CN=CCF Service', true),
    ]
    const trust = { serviceCertificate: current.pem }
    expect(verifyReceipt(crypto, build(chain), trust)).toMatchObject({ ok: true })
    expect(verifyReceipt(crypto, build(chain.toReversed()), trust)).toMatchObject({ ok: false })
    expect(verifyReceipt(crypto, build(chain.slice(0, 1)), trust)).toMatchObject({ ok: false })
    expect(verifyReceipt(crypto, build(chain.slice(1)), trust)).toMatchObject({ ok: false })
  })

  test('no endorsement by anyone else, and none by a node', () => {
    const trust = { serviceCertificate: current.pem }
    const byOther = endorse(makeService('other'), ledger.service.spki, 'CN=CCF Service', true)
    expect(verifyReceipt(crypto, build([byOther]), trust)).toMatchObject({
      ok: false,
      reason: matching(/endorsements do not lead/),
    })
    // A node's certificate is genuine, but it may not endorse services.
    const node = makeNode('evil', current)
    const byNode = [endorse(node, ledger.service.spki, 'CN=CCF Service', true), node.pem]
    expect(verifyReceipt(crypto, build(byNode), trust)).toMatchObject({
      ok: false,
      reason: matching(/endorsements do not lead/),
    })
  })
})

describe('bad input', () => {
  test('any change to the JSON is refused, or leaves what is verified unchanged', () => {
    const text = JSON.stringify(acmeReceipt(5))
    const original = verifyReceipt(crypto, JSON.parse(text), acmeTrust)
    const edit = fc.tuple(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 2 }))
    fc.assert(
      fc.property(edit, ([at, insert]) => {
        let json: unknown
        try {
          json = JSON.parse(text.slice(0, at) + insert + text.slice(at + insert.length))
        } catch {
          return
        }
        const verified = verifyReceipt(crypto, json, acmeTrust)
        if (verified.ok) expect(verified).toEqual(original)
      }),
      { seed: 1, numRuns: 1000 },
    )
  })

  test('any JSON value is a reason, not a crash', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect(verifyReceipt(crypto, json, acmeTrust)).toMatchObject({ ok: false })
      }),
      { seed: 1, numRuns: 500 },
    )
    expect(verifyReceipt(crypto, undefined, acmeTrust)).toMatchObject({ ok: false })
    expect(verifyReceipt(crypto, ccfReceipt, { serviceCertificate: 'nonsense' })).toMatchObject({ ok: false })
  })

  test('lists and texts are bounded', () => {
    const step = { left: toHex(new Uint8Array(32)) }
    const long = Array.from({ length: 65 }, () => step)
    expect(() => parseReceipt({ ...ccfReceipt, proof: long })).toThrow(/bad proof/)
    expect(() => parseReceipt({ ...ccfReceipt, cert: 'x'.repeat(20_000) })).toThrow(/bad certificate/)
    const certs = Array.from({ length: 17 }, () => ccfReceipt.cert)
    expect(() => parseReceipt({ ...ccfReceipt, service_endorsements: certs })).toThrow(/service_endorsements/)
    expect(() => parseReceipt({ ...ccfReceipt, leaf: toHex(new Uint8Array(32)) })).toThrow(/one of leaf/)
    expect(parseReceipt({ ...ccfReceipt, extra: 1 })).toEqual(ccfReceipt)
  })
})

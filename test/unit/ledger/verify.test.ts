// Goal: the offline verifier accepts every ledger CCF wrote, states what it proved, and stops at the first fault — a
// changed byte anywhere in a committed chunk, a missing or foreign entry, a signer that may not sign.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, utf8 } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'
import { CorruptDataError } from '../../../protocols/errors.ts'
import { decodeChunk, encodeChunk } from '../../../protocols/ledger/chunk.ts'
import { decodeEntry, openPrivateDomain } from '../../../protocols/ledger/entry.ts'
import { entryLeaf } from '../../../protocols/ledger/leaf.ts'
import { parseSignature, signatureWrites } from '../../../protocols/ledger/signature.ts'
import {
  finishVerification,
  startVerification,
  verifyEntry,
  type Verification,
} from '../../../protocols/ledger/verify.ts'
import { verifyChunk } from '../../../protocols/ledger/verify-file.ts'
import { append, flush } from '../../../protocols/merkle/tree.ts'
import { LedgerWriter, makeNode, makeService } from '../../../runtime/bench/made-ledger.ts'
import { acme, allLedgers, entriesOf, expired, type GoldenLedger } from './golden.ts'

function verifyLedger(ledger: GoldenLedger, serviceCertificatePem?: string): Verification {
  let state = startVerification(serviceCertificatePem === undefined ? { crypto } : { crypto, serviceCertificatePem })
  for (const file of ledger.files) state = verifyChunk(state, file.name, file.bytes)
  return state
}

describe.each(allLedgers)('$name', (ledger) => {
  test('is accepted, under its service certificate', () => {
    const summary = finishVerification(verifyLedger(ledger, ledger.serviceCertificatePem))
    const entries = entriesOf(ledger)
    const signatures = entries
      .map((slice) => parseSignature(decodeEntry(slice.bytes)))
      .filter((found) => found !== undefined)
    expect(summary.lastSeqno).toBe(entries.length)
    expect(summary.lastSignedSeqno).toBe(signatures.at(-1)!.seqno)
    expect(summary.epochs.reduce((sum, epoch) => sum + epoch.signatures, 0)).toBe(signatures.length)
    expect(summary.epochs.reduce((sum, epoch) => sum + epoch.coseSignatures, 0)).toBe(
      signatures.filter((found) => found.coseSign1 !== undefined).length,
    )
    expect(summary.serviceStatus).toBe('Open')
    expect(summary.epochs.at(-1)!.lastSeqno).toBe(entries.length)
  })
})

describe('what the summary says', () => {
  test('acme: one service, up to the last signature', () => {
    const summary = finishVerification(verifyLedger(acme))
    const last = parseSignature(decodeEntry(entriesOf(acme).at(-1)!.bytes))!
    expect(summary).toMatchObject({ lastSeqno: 22, lastSignedSeqno: 22, serviceStatus: 'Open' })
    expect(summary.root).toBe(Array.from(last.root, (byte) => byte.toString(16).padStart(2, '0')).join(''))
    expect(summary.epochs).toMatchObject([{ firstSeqno: 1, lastSeqno: 22, signatures: 8, coseSignatures: 8 }])
  })

  test('expired_service, when complete: a second epoch begins with the recovery', () => {
    const complete = allLedgers.find((ledger) => ledger.name === 'shared expired_service')
    if (complete === undefined) return expect(allLedgers).toHaveLength(2)
    const state = verifyLedger(complete)
    expect([...state.firstSeqnoOfView]).toEqual([
      [2, 1],
      [4, 29],
    ])
    expect(finishVerification(state).epochs).toMatchObject([
      { firstSeqno: 1, lastSeqno: 28, lastSignedSeqno: 28, coseSignatures: 0 },
      { firstSeqno: 29, lastSeqno: 74, lastSignedSeqno: 74 },
    ])
  })

  test("another service's certificate is not believed", () => {
    const other = decodeEntry(entriesOf(expired)[0]!.bytes).publicWrites.find((map) =>
      map.name.endsWith('service.info'),
    )!
    const { cert } = JSON.parse(new TextDecoder().decode(other.writes[0]!.value)) as { cert: string }
    expect(() => finishVerification(verifyLedger(acme, cert))).toThrow(CorruptDataError)
    expect(() => finishVerification(verifyLedger(expired, cert))).not.toThrow()
  })
})

describe('faults', () => {
  const [first, second, third] = acme.files
  const afterFirst = verifyChunk(startVerification({ crypto }), first!.name, first!.bytes)
  const continueWith = (bytes: Uint8Array): Verification =>
    verifyChunk(verifyChunk(afterFirst, second!.name, bytes), third!.name, third!.bytes)

  test('any changed bit of a committed chunk is found, at the latest by the first signature of the next chunk', () => {
    expect(continueWith(second!.bytes).lastSeqno).toBe(20)
    const change = fc.tuple(fc.nat(second!.bytes.length - 1), fc.nat(7))
    fc.assert(
      fc.property(change, ([at, bit]) => {
        const mutated = second!.bytes.slice()
        mutated[at]! ^= 1 << bit
        expect(() => continueWith(mutated)).toThrow(CorruptDataError)
      }),
      { seed: 1, numRuns: 200 },
    )
  })

  test('every header, tag and IV bit too', () => {
    // An ordinary entry, and the signature that only the next chunk covers.
    for (const { offset } of [decodeChunk(second!.bytes).entries[3]!, decodeChunk(second!.bytes).entries.at(-1)!]) {
      for (let at = offset; at < offset + 44; at++) {
        const mutated = second!.bytes.slice()
        mutated[at]! ^= 1
        expect(() => continueWith(mutated)).toThrow(CorruptDataError)
      }
    }
  })

  test('the error names the file and the offset', () => {
    const { entries } = decodeChunk(second!.bytes)
    const mutated = second!.bytes.slice()
    mutated[entries[4]!.offset + 60]! ^= 1
    // Entry 7 is changed (its claims digest); the signature at entry 8 notices.
    const expected = { where: 'ledger_3-13.committed', offset: entries[5]!.offset }
    expect(() => continueWith(mutated)).toThrow(expect.objectContaining(expected))
    expect(() => continueWith(mutated)).toThrow(/signed, but the ledger has/)
  })

  test('a missing, repeated or exchanged entry', () => {
    const entries = decodeChunk(second!.bytes).entries.map((slice) => slice.bytes)
    const edits = [entries.slice(1), [entries[0]!, ...entries], entries.with(0, entries[2]!).with(2, entries[0]!)]
    for (const edited of edits) expect(() => continueWith(encodeChunk(edited))).toThrow(CorruptDataError)
  })

  test('a complete chunk that does not end in a signature, or ends elsewhere than its name says', () => {
    const entries = decodeChunk(second!.bytes).entries.map((slice) => slice.bytes)
    const shorter = encodeChunk(entries.slice(0, -1))
    expect(() => verifyChunk(afterFirst, 'ledger_3-12.committed', shorter)).toThrow(/does not end in a signature/)
    expect(() => verifyChunk(afterFirst, 'ledger_3-13.committed', shorter)).toThrow(/ends at seqno 12/)
    expect(() => verifyChunk(afterFirst, 'ledger_4-13.committed', second!.bytes)).toThrow(/follows seqno 2/)
    expect(() =>
      verifyChunk(afterFirst, 'ledger_3-13.committed', concat(new Uint8Array(8), second!.bytes.subarray(8))),
    ).toThrow(/without positions table/)
    expect(() => verifyChunk(afterFirst, 'passwd', second!.bytes)).toThrow(CorruptDataError)
  })

  test('a signer that is unknown, pending, or has no certificate from the service', () => {
    const slice = decodeChunk(second!.bytes).entries[0]!
    const signed = decodeChunk(second!.bytes).entries[1]!
    const state = verifyEntry(afterFirst, slice.bytes, { file: 'x', offset: 0 })
    const { nodeId } = parseSignature(decodeEntry(signed.bytes))!
    const node = state.service.nodes.get(nodeId)!
    const foreign = expiredNodePem()
    const withNode = (change: Partial<typeof node> | undefined): Verification => {
      const nodes = new Map(state.service.nodes)
      if (change === undefined) nodes.delete(nodeId)
      else nodes.set(nodeId, { ...node, key: undefined, ...change })
      return { ...state, service: { ...state.service, nodes } }
    }
    const sign = (from: Verification) => () => verifyEntry(from, signed.bytes, { file: 'x', offset: 0 })
    expect(sign(withNode({}))().lastSeqno).toBe(4)
    expect(sign(withNode({ status: 'Retired' }))().lastSeqno).toBe(4)
    expect(sign(withNode(undefined))).toThrow(/not in the service/)
    expect(sign(withNode({ status: 'Pending' }))).toThrow(/pending/)
    expect(sign(withNode({ certificatePem: undefined }))).toThrow(/no certificate/)
    expect(sign(withNode({ certificatePem: foreign }))).toThrow(/is not of node/)
    const foreignService = { ...state.service, certificate: verifyLedger(expired).service.certificate }
    expect(sign({ ...state, service: { ...withNode({}).service, certificate: foreignService.certificate } })).toThrow(
      /not endorsed by the service/,
    )
  })
})

describe('ledgers of our own', () => {
  const verify = (entries: readonly Uint8Array[], from = startVerification({ crypto })): Verification =>
    entries.reduce((state, bytes, i) => verifyEntry(state, bytes, { file: 'own', offset: i }), from)
  const opened = (): LedgerWriter =>
    new LedgerWriter('first').begin('Opening').sign().status('Open').writePrivate(30).sign(3)

  test('are accepted, chunked and all, also when a new primary knows of less committed', () => {
    const ledger = opened().writePrivate(5).sign(20)
    const older = ledger.tree
    ledger.writePrivate(3).sign(38)
    // The serialised tree of the next signature starts at 20 again.
    ledger.tree = ledger.entries
      .slice(older.size - 1)
      .reduce((tree, bytes) => append(crypto, tree, entryLeaf(crypto, bytes, decodeEntry(bytes))), older)
    ledger.view++
    ledger.sign(20, 1)
    const chunk = encodeChunk(ledger.entries)
    const trusted = startVerification({ crypto, serviceCertificatePem: ledger.service.pem })
    const summary = finishVerification(verifyChunk(trusted, `ledger_1-${ledger.entries.length}.committed`, chunk))
    expect(summary).toMatchObject({ lastSignedSeqno: ledger.entries.length, serviceStatus: 'Open' })
    expect(summary.epochs).toMatchObject([{ signatures: 5, coseSignatures: 5 }])
  })

  test('private values can be read with the secret, and only with it', () => {
    const { entries, secret } = opened()
    const entry = decodeEntry(entries[4]!)
    expect(openPrivateDomain(crypto, secret, entry)).toMatchObject([
      { name: 'records', writes: [{ value: utf8('value 1') }] },
    ])
    expect(Buffer.from(entries[4]!).includes('value 1')).toBe(false)
  })

  test('recover under a new identity, from the root signed last and from no other', () => {
    const ledger = opened()
    const lastRoot = parseSignature(decodeEntry(ledger.entries.at(-1)!))!.root
    const recovered = opened().recover('second', lastRoot).sign(10)
    expect(finishVerification(verify(recovered.entries)).epochs).toMatchObject([
      { firstSeqno: 1, lastSeqno: 34, lastSignedSeqno: 34 },
      { firstSeqno: 35, lastSeqno: 36, lastSignedSeqno: 36 },
    ])
    expect(() => verify(opened().recover('second', new Uint8Array(32)).entries)).toThrow(/did not sign last/)
    const oldIdentity = startVerification({ crypto, serviceCertificatePem: ledger.service.pem })
    expect(() => finishVerification(verify(recovered.entries, oldIdentity))).toThrow(/another service/)
  })

  test.each([
    ['Open', 'WaitingForRecoveryShares'],
    ['Recovering', 'Open'],
    ['WaitingForRecoveryShares', 'Recovering'],
    ['Opening', 'Recovering'],
  ])('a service cannot go from %s to %s', (from, to) => {
    const ledger = new LedgerWriter('first').begin(from)
    expect(() => verify(ledger.status(from).entries)).not.toThrow()
    expect(() => verify(ledger.status(to).entries)).toThrow(`service status ${from} → ${to}`)
  })

  test("a signature by a node's key that another service endorsed, or by another key", () => {
    const foreign = opened()
    foreign.node = { ...foreign.node, pem: makeNode('first', makeService('other')).pem }
    expect(() => verify(new LedgerWriter('first').begin('Opening').entries)).not.toThrow()
    const endorsedElsewhere = new LedgerWriter('first')
    endorsedElsewhere.node = foreign.node
    expect(() => verify(endorsedElsewhere.begin('Opening').sign().entries)).toThrow(/not endorsed by the service/)
    const wrongKey = new LedgerWriter('first').begin('Opening')
    wrongKey.node = { ...wrongKey.node, pkcs8: foreign.service.pkcs8 }
    expect(() => verify(wrongKey.sign().entries)).toThrow(/signature of node [0-9a-f]{64} does not hold/)
    const wrongService = new LedgerWriter('first').begin('Opening')
    wrongService.service = { ...wrongService.service, pkcs8: wrongService.node.pkcs8 }
    expect(() => verify(wrongService.sign().entries)).toThrow(/COSE signature: signature does not hold/)
    const otherService = new LedgerWriter('first').begin('Opening')
    otherService.service = makeService('other')
    expect(() => verify(otherService.sign().entries)).toThrow(/COSE signature: signed by another service/)
  })

  test('a serialised tree that is not the ledger’s', () => {
    const ledger = opened()
    const before = ledger.tree
    ledger.tree = append(crypto, flush(before, 5), new Uint8Array(32))
    expect(() => verify(ledger.sign(5).entries)).toThrow(/signed, but the ledger has/)
    const signed = opened().sign(6).entries
    const last = parseSignature(decodeEntry(signed.at(-1)!))!
    const treeBytes = last.treeBytes.slice()
    treeBytes[40]! ^= 1
    const forged = opened().add(signatureWrites({ ...last, treeBytes }))
    expect(() => verify(forged.entries)).toThrow(/serialised tree differs/)
  })

  test('views do not go back, seqnos do not jump', () => {
    const ledger = opened()
    ledger.view = 1
    expect(() => verify(ledger.writePrivate(1).entries)).toThrow(/view 1 follows 2/)
    const { entries } = opened()
    expect(() => verify([...entries.slice(0, 5), ...entries.slice(6)])).toThrow(/seqno 7 follows 5/)
  })
})

function expiredNodePem(): string {
  const entry = decodeEntry(entriesOf(expired)[0]!.bytes)
  const map = entry.publicWrites.find((candidate) => candidate.name.endsWith('endorsed_certificates'))!
  return new TextDecoder().decode(map.writes[0]!.value).replace('\0', '')
}

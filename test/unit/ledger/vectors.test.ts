// Goal: every byte we derive from CCF's own ledgers is the one CCF derived: the vectors of CCF facts §19, and every
// write set digest → leaf → root, serialised tree and signature record of the golden ledgers.
import { describe, expect, test } from 'vitest'
import { fromHex, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { decodeChunk, encodeChunk } from '../../../protocols/ledger/chunk.ts'
import { decodeEntry, openPrivateDomain } from '../../../protocols/ledger/entry.ts'
import {
  commitEvidence,
  commitEvidenceDigest,
  commitSecret,
  entryLeaf,
  writeSetDigest,
} from '../../../protocols/ledger/leaf.ts'
import { parseSignature, signatureWrites } from '../../../protocols/ledger/signature.ts'
import { append, emptyTree, flush, root, serialiseTree } from '../../../protocols/merkle/tree.ts'
import { seqno, view } from '../../../protocols/ids.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'
import { acme, allLedgers, entriesOf } from './golden.ts'

describe('vectors of CCF facts §19', () => {
  const chunk = acme.files[0]!
  const entries = decodeChunk(chunk.bytes).entries
  const ledgerSecret = fromHex('6a2e4bec332a6457dccd64af0d4ace7de36de1af02f95f3ecde5a47176f9014a')

  test('chunk ledger_1-2.committed', () => {
    expect(chunk.name).toBe('ledger_1-2.committed')
    expect(chunk.bytes.length).toBe(68117)
    expect(toHex(chunk.bytes.subarray(0, 8))).toBe('0d0a010000000000')
    expect(decodeChunk(chunk.bytes)).toMatchObject({ complete: true, end: 68109, tornBytes: 0 })
  })

  test('entry 1', () => {
    const bytes = entries[0]!.bytes
    const entry = decodeEntry(bytes)
    expect(bytes.length).toBe(66093)
    expect(toHex(bytes.subarray(0, 8))).toBe('0100250201000000')
    expect(toHex(entry.iv)).toBe('010000000000000002000000')
    expect(toHex(entry.tag)).toBe('929c0533f9342ec3842396fb3808026e')
    expect(entry.publicDomain.length).toBe(66049)
    expect(entry.ciphertext.length).toBe(0)
    expect([entry.view, entry.seqno, entry.type, entry.flags]).toEqual([2, 1, 4, 0])
    expect(toHex(writeSetDigest(crypto, bytes))).toBe(
      'c92a7604947971031ecaae9afc7904884db17aad7edc16ecf1bb9fdd3cc74f2a',
    )
    expect(openPrivateDomain(crypto, ledgerSecret, entry)).toEqual([])
    expect(openPrivateDomain(crypto, new Uint8Array(32), entry)).toBeUndefined()
  })

  test('commit secret, evidence, digest, leaves and roots', () => {
    const secret = commitSecret(crypto, ledgerSecret)
    expect(toHex(secret)).toBe('a7c09bf16966d08fecec2e825f9911a5a92db5b088795169640392dc024e9c9d')
    const evidence = 'ce:2.1:e1bd4749b26646b8bbb2ca077f03334f388d7f22973dd34b81a0643ba9d2159e'
    expect(commitEvidence(crypto, secret, view(2), seqno(1))).toBe(evidence)
    const digest = 'a2aa37be0970c5d93085da4a0ad2147284d7668210f3323e69ee64e07db461e2'
    expect(toHex(commitEvidenceDigest(crypto, secret, view(2), seqno(1)))).toBe(digest)
    expect(toHex(crypto.sha256(utf8(evidence)))).toBe(digest)
    const [first, second] = entries.map((slice) => ({ ...slice, entry: decodeEntry(slice.bytes) }))
    expect(toHex(first!.entry.commitEvidenceDigest!)).toBe(digest)
    const leaf1 = entryLeaf(crypto, first!.bytes, first!.entry)
    expect(toHex(leaf1)).toBe('d415a3ffec857eeab735b2b811acf0dfd86b2f7555a1f58ea2e8d5d03eb6eb38')
    expect(toHex(second!.bytes.subarray(0, 4))).toBe('0101d007')
    const leaf2 = entryLeaf(crypto, second!.bytes, second!.entry)
    expect(toHex(leaf2)).toBe('1049cda7d6e39dbe92b51a3d9ac4d5e3eda0b4c890cf4a3ff2fd45b06f349f24')
    const signed = '8b2c93d1a2628ee8e5614d511e26fe83fef3b57f66560787c45ce4ada57878ec'
    expect(toHex(root(crypto, append(crypto, emptyTree, leaf1)).root)).toBe(signed)
    expect(toHex(parseSignature(second!.entry)!.root)).toBe(signed)
    const fourth = decodeEntry(entriesOf(acme)[3]!.bytes)
    expect(toHex(parseSignature(fourth)!.root)).toBe('4d8aea95f4c79fa04fba988ca6ba3a95641b95f847a881672442abb094a91ace')
  })

  test('every commit evidence digest of the ledger', () => {
    const secret = commitSecret(crypto, ledgerSecret)
    for (const { bytes } of entriesOf(acme)) {
      const entry = decodeEntry(bytes)
      expect(toHex(entry.commitEvidenceDigest!)).toBe(
        toHex(commitEvidenceDigest(crypto, secret, entry.view, entry.seqno)),
      )
    }
  })
})

describe.each(allLedgers)('$name', (ledger) => {
  test('every root and every serialised tree is reproduced', () => {
    let tree = emptyTree
    let signatures = 0
    for (const { bytes } of entriesOf(ledger)) {
      const entry = decodeEntry(bytes)
      expect(entry.seqno).toBe(tree.size)
      const signature = parseSignature(entry)
      if (signature !== undefined) {
        signatures++
        expect(toHex(root(crypto, tree).root)).toBe(toHex(signature.root))
        const firstKept = Number(new DataView(signature.treeBytes.slice().buffer).getBigUint64(8))
        tree = flush(tree, firstKept)
        expect(toHex(serialiseTree(tree))).toBe(toHex(signature.treeBytes))
      }
      tree = append(crypto, tree, entryLeaf(crypto, bytes, entry))
    }
    expect(signatures).toBeGreaterThan(5)
  })

  test('signature records are rebuilt byte for byte', () => {
    for (const { bytes } of entriesOf(ledger)) {
      const entry = decodeEntry(bytes)
      const signature = parseSignature(entry)
      // Before COSE signatures, CCF still wrote real numbers into commit_view and commit_seqno.
      if (signature?.coseSign1 !== undefined) expect(signatureWrites(signature)).toEqual(entry.publicWrites)
    }
  })

  test('complete chunks are rebuilt byte for byte', () => {
    for (const file of ledger.files) {
      const chunk = decodeChunk(file.bytes)
      expect(chunk.complete).toBe(file.name.endsWith('.committed'))
      if (chunk.complete) {
        expect(toHex(encodeChunk(chunk.entries.map((slice) => slice.bytes)))).toBe(toHex(file.bytes))
      }
    }
  })
})

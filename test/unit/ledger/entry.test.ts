// Goal: entries are encoded byte for byte as CCF facts §3.3–3.4 say (against CCF's own entries, and against a slow twin that
// spells the layout out), decode to what was encoded, and any other bytes are refused with DecodeError and nothing else.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ByteWriter, compareBytes, concat, DecodeError, fromHex, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'
import { seqno, view } from '../../../protocols/ids.ts'
import {
  decodeEntry,
  decodeEntryHeader,
  encodeEntry,
  type EntryContent,
  openPrivateDomain,
} from '../../../protocols/ledger/entry.ts'
import { leafHash } from '../../../protocols/ledger/leaf.ts'
import { parseSignature } from '../../../protocols/ledger/signature.ts'
import { Slab } from '../../../protocols/ledger/slab.ts'
import { isPublicMap, type WriteSet } from '../../../protocols/ledger/write-set.ts'
import { acme, allLedgers, entriesOf } from './golden.ts'

const acmeSecret = fromHex('6a2e4bec332a6457dccd64af0d4ace7de36de1af02f95f3ecde5a47176f9014a')
const secret = new Uint8Array(32).fill(9)

const shortBytes = fc.uint8Array({ maxLength: 60 })
const sortedKeys = (max: number): fc.Arbitrary<Uint8Array[]> =>
  fc.uniqueArray(shortBytes, { maxLength: max, selector: toHex }).map((keys) => keys.sort(compareBytes))
const mapArbitrary = fc
  .record({
    name: fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.string({ maxLength: 12 }).map((name) => `public:${name}`),
      fc.string({ unit: 'grapheme', maxLength: 6 }).map((name) => `public:é${name}`),
    ),
    keys: sortedKeys(4),
    value: fc.uint8Array({ maxLength: 300 }),
    removes: sortedKeys(3),
  })
  .filter((map) => map.keys.length + map.removes.length > 0)
  .map(({ name, keys, value, removes }) => ({
    name,
    writes: keys.map((key, i) => ({ key, value: value.subarray(i) })),
    removes,
  }))
const writeSetArbitrary: fc.Arbitrary<WriteSet> = fc
  .uniqueArray(mapArbitrary, { maxLength: 5, selector: (map) => map.name })
  .map((maps) => maps.sort((a, b) => compareBytes(utf8(a.name), utf8(b.name))))
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 })
const contentArbitrary: fc.Arbitrary<EntryContent> = fc.record({
  view: fc.integer({ min: 1, max: 2 ** 31 - 1 }).map(view),
  seqno: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })).map(seqno),
  flags: fc.integer({ min: 0, max: 3 }),
  claimsDigest: fc.option(digest, { nil: undefined }),
  commitEvidenceDigest: digest,
  writes: writeSetArbitrary,
})

/** The layout of CCF facts §3.3–3.4, field after field. */
function slowEncode(content: EntryContent): Uint8Array {
  const domain = (publicMaps: boolean): Uint8Array => {
    const out = new ByteWriter()
    const sized = (bytes: Uint8Array): ByteWriter => out.u64le(bytes.length).raw(bytes)
    for (const map of content.writes) {
      if (isPublicMap(map.name) !== publicMaps) continue
      sized(utf8(map.name)).u64le(0).u64le(0).u64le(map.writes.length)
      for (const write of map.writes) {
        sized(write.key)
        sized(write.value)
      }
      out.u64le(map.removes.length)
      for (const key of map.removes) sized(key)
    }
    return out.finish()
  }
  const claims = content.claimsDigest ?? new Uint8Array(32)
  const head = new ByteWriter().u8(4).u64le(content.seqno).raw(claims).raw(content.commitEvidenceDigest).u64le(0)
  const publicDomain = concat(head.finish(), domain(true))
  const iv = new ByteWriter().u64le(content.seqno).u32le(content.view).finish()
  const { ciphertext, tag } = crypto.aesGcmSeal(secret, iv, publicDomain, domain(false))
  const rest = new ByteWriter().raw(tag).raw(iv).u64le(publicDomain.length).raw(publicDomain).raw(ciphertext).finish()
  return new ByteWriter().u8(1).u8(content.flags).u48le(rest.length).raw(rest).finish()
}

describe('encodeEntry', () => {
  test("CCF's own entries are reproduced byte for byte, tag included", () => {
    for (const { bytes } of entriesOf(acme)) {
      const entry = decodeEntry(bytes)
      const again = encodeEntry(crypto, acmeSecret, {
        view: entry.view,
        seqno: entry.seqno,
        flags: entry.flags,
        claimsDigest: entry.claimsDigest,
        commitEvidenceDigest: entry.commitEvidenceDigest!,
        writes: entry.publicWrites,
      })
      expect(toHex(again.bytes)).toBe(toHex(bytes))
    }
  })

  test('equals the slow twin, in its own buffer or in a shared slab', () => {
    const slab = new Slab(1000)
    const earlier: { bytes: Uint8Array; hex: string }[] = []
    fc.assert(
      fc.property(contentArbitrary, (content) => {
        const expected = toHex(slowEncode(content))
        expect(toHex(encodeEntry(crypto, secret, content).bytes)).toBe(expected)
        const { bytes } = encodeEntry(crypto, secret, content, slab)
        expect(toHex(bytes)).toBe(expected)
        earlier.push({ bytes, hex: expected })
      }),
      { seed: 1, numRuns: 300 },
    )
    for (const { bytes, hex } of earlier) expect(toHex(bytes)).toBe(hex)
  })

  test('leaves out maps without changes', () => {
    const content = { view: view(2), seqno: seqno(3), flags: 0, claimsDigest: undefined, commitEvidenceDigest: secret }
    const empty = { name: 'public:a', writes: [], removes: [] }
    expect(encodeEntry(crypto, secret, { ...content, writes: [empty, { ...empty, name: 'z' }] })).toEqual(
      encodeEntry(crypto, secret, { ...content, writes: [] }),
    )
  })

  test('entries of one slab lie back to back', () => {
    const slab = new Slab(4096)
    const content = { view: view(2), flags: 0, claimsDigest: undefined, commitEvidenceDigest: secret, writes: [] }
    const [a, b] = [1, 2].map((n) => encodeEntry(crypto, secret, { ...content, seqno: seqno(n) }, slab).bytes)
    expect(b!.buffer).toBe(a!.buffer)
    expect(b!.byteOffset).toBe(a!.byteOffset + a!.length)
  })
})

describe('decodeEntry', () => {
  test('gives back what was encoded', () => {
    fc.assert(
      fc.property(contentArbitrary, (content) => {
        const { bytes } = encodeEntry(crypto, secret, content)
        const entry = decodeEntry(bytes)
        expect([entry.view, entry.seqno, entry.flags, entry.type]).toEqual([
          content.view,
          content.seqno,
          content.flags,
          4,
        ])
        expect(entry.claimsDigest).toEqual(content.claimsDigest ?? new Uint8Array(32))
        expect(entry.commitEvidenceDigest).toEqual(content.commitEvidenceDigest)
        expect(entry.publicWrites).toEqual(content.writes.filter((map) => isPublicMap(map.name)))
        expect(openPrivateDomain(crypto, secret, entry)).toEqual(content.writes.filter((map) => !isPublicMap(map.name)))
        expect(openPrivateDomain(crypto, acmeSecret, entry)).toBeUndefined()
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  test('a changed byte is refused, or noticed by the seal, or stands outside it', () => {
    const changed = fc.tuple(contentArbitrary, fc.nat(), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(changed, ([content, position, mask]) => {
        const bytes = encodeEntry(crypto, secret, content).bytes.slice()
        const at = position % bytes.length
        bytes[at]! ^= mask
        try {
          const entry = decodeEntry(bytes)
          // Only the flags are covered by neither the layout nor the seal (the Merkle leaf covers them).
          if (at !== 1) expect(openPrivateDomain(crypto, secret, entry)).toBeUndefined()
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { seed: 1, numRuns: 1000 },
    )
  })

  test("CCF's entries with bytes changed, cut or added: DecodeError or a decoded entry, nothing else", () => {
    const samples = allLedgers.flatMap((ledger) => entriesOf(ledger)).filter((slice) => slice.bytes.length < 6000)
    const edit = fc.record({
      sample: fc.nat(samples.length - 1),
      at: fc.nat(5999),
      bytes: fc.uint8Array({ minLength: 0, maxLength: 9 }),
      cut: fc.nat(12),
      fixLength: fc.boolean(),
    })
    let decoded = 0
    fc.assert(
      fc.property(edit, ({ sample, at, bytes, cut, fixLength }) => {
        const original = samples[sample]!.bytes
        const where = at % original.length
        const mutated = concat(
          original.subarray(0, where),
          bytes,
          original.subarray(Math.min(original.length, where + cut)),
        )
        if (fixLength && mutated.length > 8) new DataView(mutated.buffer).setUint32(2, mutated.length - 8, true)
        try {
          parseSignature(decodeEntry(mutated))
          decoded++
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { seed: 1, numRuns: 3000 },
    )
    expect(decoded).toBeGreaterThan(100)
  })

  test('claimed lengths and counts beyond the entry do not allocate or loop', () => {
    const { bytes } = encodeEntry(crypto, secret, {
      view: view(2),
      seqno: seqno(1),
      flags: 0,
      claimsDigest: undefined,
      commitEvidenceDigest: secret,
      writes: [{ name: 'public:a', writes: [{ key: secret, value: secret }], removes: [] }],
    })
    // Name length, write count, key length, value length and remove count of the one map; P of the public domain.
    const name = 44 + 81
    for (const at of [36, name, name + 32, name + 40, name + 80, bytes.length - 8]) {
      for (const huge of [0xffn, 0xffff_ffffn, 2n ** 53n - 1n, 2n ** 64n - 1n]) {
        const mutated = bytes.slice()
        new DataView(mutated.buffer).setBigUint64(at, huge, true)
        expect(() => decodeEntry(mutated)).toThrow(DecodeError)
      }
    }
  })

  test.each([
    ['names out of order', ['public:b', 'public:a']],
    ['a name twice', ['public:a', 'public:a']],
  ])('%s are refused', (_, names) => {
    const writes = names.map((name) => ({ name, writes: [{ key: secret, value: secret }], removes: [] }))
    const { bytes } = encodeEntry(crypto, secret, {
      view: view(2),
      seqno: seqno(1),
      flags: 0,
      claimsDigest: undefined,
      commitEvidenceDigest: secret,
      writes,
    })
    expect(() => decodeEntry(bytes)).toThrow(/do not ascend/)
    expect(decodeEntryHeader(bytes).seqno).toBe(1)
  })
})

test('leaves of the older entry types are the hash of what there is', () => {
  const [ws, ce, claims] = [1, 2, 3].map((n) => new Uint8Array(32).fill(n))
  expect(leafHash(crypto, ws!, ce, claims)).toEqual(crypto.sha256(concat(ws!, ce!, claims!)))
  expect(leafHash(crypto, ws!, ce, undefined)).toEqual(crypto.sha256(concat(ws!, ce!)))
  expect(leafHash(crypto, ws!, undefined, claims)).toEqual(crypto.sha256(concat(ws!, claims!)))
  expect(leafHash(crypto, ws!, undefined, undefined)).toEqual(ws)
})

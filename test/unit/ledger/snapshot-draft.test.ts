// Goal: a snapshot that is made in slices is, byte for byte, the one made at once, whatever the store holds and however it is cut; what it was made
// from comes back out of it; and CCF's own snapshots load into our store.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'
import { seqno } from '../../../protocols/ids.ts'
import { addRows, assembleStep, beginDraft, isAssembled, sealDraft } from '../../../protocols/snapshot/draft.ts'
import { encodePublicDomain, encodeSnapshot } from '../../../protocols/snapshot/encode.ts'
import { decodePrivateMaps, decodeSnapshot } from '../../../protocols/snapshot/format.ts'
import type { RowsCursor } from '../../../protocols/snapshot/messages.ts'
import { kvDigest } from '../../../store/kv/digest.ts'
import { applyWriteSet, emptyKv, type KvState } from '../../../store/kv/kv-state.ts'
import { readPart, stateOf } from '../../../store/kv/state-rows.ts'

const SECRET = new Uint8Array(32).fill(7)
const HEAD = { seqno: seqno(9_999_999), leaf: new Uint8Array(32).fill(1), viewHistory: [1, 1] }
const EVERYTHING = { rowsMax: Infinity, bytesMax: Infinity }

function inSlices(state: KvState, limits: { readonly rowsMax: number; readonly bytesMax: number }): Uint8Array {
  let draft = beginDraft(HEAD)
  let from: RowsCursor | undefined
  do {
    const part = readPart(state, from, limits)
    draft = addRows(draft, part.maps)
    from = part.next
  } while (from !== undefined)
  while (!isAssembled(draft)) draft = assembleStep(draft)
  return sealDraft(crypto, SECRET, draft)
}

const atOnce = (state: KvState): Uint8Array =>
  encodeSnapshot(crypto, SECRET, { ...HEAD, maps: readPart(state, undefined, EVERYTHING).maps })

function reopened(entry: Uint8Array): KvState {
  const { header, publicMaps } = decodeSnapshot(entry)
  const opened = crypto.aesGcmOpen(SECRET, header.iv, header.publicDomain, header.ciphertext, header.tag)
  return stateOf([...publicMaps, ...decodePrivateMaps(opened!)])
}

const digest = (state: KvState): string => toHex(kvDigest(state, crypto.sha256))

it('slices of any size give the same bytes, and the same store back', () => {
  const write = fc.record({
    map: fc.constantFrom('public:a', 'public:b', 'private', 'z', 'public:\u{1F600}', 'public:\u{FB01}'),
    key: fc.uint8Array({ maxLength: 3 }),
    value: fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined }),
  })
  fc.assert(
    fc.property(
      fc.array(write, { maxLength: 80 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 300 }),
      (writes, rowsMax, bytesMax) => {
        let state = emptyKv
        writes.forEach(({ map: name, key, value }, i) => {
          const change =
            value === undefined ? { name, writes: [], removes: [key] } : { name, writes: [{ key, value }], removes: [] }
          state = applyWriteSet(state, [change], i + 1)
        })
        const entry = inSlices(state, { rowsMax, bytesMax })
        expect(toHex(entry)).toBe(toHex(atOnce(state)))
        expect(digest(reopened(entry))).toBe(digest(state))
      },
    ),
    { seed: 1, numRuns: 150 },
  )
})

it('a map of many rows is put together in many steps', () => {
  const writes = Array.from({ length: 10_000 }, (_, i) => ({ key: utf8(`key ${i}`), value: utf8(`value ${i}`) }))
  const state = applyWriteSet(emptyKv, [{ name: 'm', writes, removes: [] }], 5)
  let draft = beginDraft(HEAD)
  draft = addRows(draft, readPart(state, undefined, EVERYTHING).maps)
  let steps = 0
  for (; !isAssembled(draft); steps++) draft = assembleStep(draft)
  expect(steps).toBeGreaterThan(3)
  expect(toHex(sealDraft(crypto, SECRET, draft))).toBe(toHex(atOnce(state)))
  expect(toHex(inSlices(state, { rowsMax: 700, bytesMax: 1e9 }))).toBe(toHex(atOnce(state)))
})

it('every snapshot that CCF wrote loads into the store, and comes out as it went in', () => {
  const folder = fileURLToPath(new URL('../../golden/ccf-ledgers', import.meta.url))
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /snapshot_\d+_\d+\.committed$/.test(name),
  )
  expect(files.length).toBeGreaterThan(0)
  for (const file of files) {
    const { publicMaps, header, ...head } = decodeSnapshot(new Uint8Array(readFileSync(join(folder, file))))
    const { maps } = readPart(stateOf(publicMaps), undefined, EVERYTHING)
    expect(toHex(encodePublicDomain({ ...head, maps })), file).toBe(toHex(header.publicDomain))
  }
})

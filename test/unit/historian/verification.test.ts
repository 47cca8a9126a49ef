// Goal: nothing is taken for the service's past that it did not commit: no changed entry or signature, no signature by somebody else, no
// transaction of a view that was rolled back; and what is kept of it stays within its bytes, the least recently used going first.
import { describe, expect, it } from 'vitest'
import { emptyCache, keep, loadedBytes, lookUp } from '../../../actors/historian/cache.ts'
import {
  isCorrupt,
  verifyEntry,
  verifySignature,
  type Loaded,
  type Verifier,
} from '../../../actors/historian/verification.ts'
import { Past } from './past.ts'

const past = new Past(21)
for (let i = 0; i < 6; i++) past.change([{ id: i, msg: `message ${i}` }])
const { disk } = past.service.sim.node(past.leader)
const { config, secrets, viewHistory } = past.historian(past.leader)
const verifier: Verifier = { crypto: config.crypto, services: config.services, secrets, viewHistory }
const { seqno } = past.changes[0]!.txId
const entry = disk.at(seqno)!.bytes
const signature = disk.signatureAfter(seqno)!

function signed(by: Verifier = verifier, bytes: Uint8Array = signature.bytes) {
  const found = verifySignature(by, {}, bytes, signature.seqno)
  return isCorrupt(found) ? found : found.signed
}

function load(at: number): Loaded {
  const over = disk.signatureAfter(at)!
  const found = verifySignature(verifier, {}, over.bytes, over.seqno)
  if (isCorrupt(found)) throw new Error(found.corrupt)
  const loaded = verifyEntry(verifier, disk.at(at)!.bytes, at, found.signed)
  if (isCorrupt(loaded)) throw new Error(loaded.corrupt)
  return loaded
}

describe('verification', () => {
  it('accepts what was committed', () => {
    const over = signed()
    if (isCorrupt(over)) throw new Error(over.corrupt)
    expect(verifyEntry(verifier, entry, seqno, over)).toMatchObject({ seqno, writes: [{ name: 'records' }] })
  })

  it('refuses every changed byte of an entry', () => {
    const over = signed()
    if (isCorrupt(over)) throw new Error(over.corrupt)
    for (let at = 0; at < entry.length; at++) {
      const changed = entry.slice()
      changed[at] = changed[at]! ^ 1
      expect(isCorrupt(verifyEntry(verifier, changed, seqno, over)), `byte ${at}`).toBe(true)
    }
  })

  it('refuses a changed signature transaction, wherever its signature, root, tree or certificate is changed', () => {
    const text = new TextDecoder('latin1').decode(signature.bytes)
    const places = ['"sig":"', '"root":"', '"node":"', 'BEGIN CERTIFICATE-----\\n'].map((mark) => {
      const found = text.indexOf(mark)
      expect(found, mark).toBeGreaterThan(0)
      return found + mark.length + 12
    })
    for (const at of [...places, signature.bytes.length - 1]) {
      const changed = signature.bytes.slice()
      changed[at] = changed[at]! ^ 1
      expect(isCorrupt(signed(verifier, changed)), `byte ${at}`).toBe(true)
    }
  })

  it('refuses a signer whom no service that is trusted endorsed', () => {
    expect(signed({ ...verifier, services: [] })).toEqual({
      corrupt: 'the signing node was not endorsed by the service',
    })
  })

  it('refuses what a view wrote that did not commit it, although a node signed it', () => {
    const later = [...viewHistory.slice(0, -1), seqno + 1000]
    expect(signed({ ...verifier, viewHistory: later })).toMatchObject({
      corrupt: expect.stringContaining('did not commit it') as string,
    })
  })

  it('refuses an entry in the place of another', () => {
    const over = signed()
    if (isCorrupt(over)) throw new Error(over.corrupt)
    expect(verifyEntry(verifier, entry, seqno + 1, over)).toMatchObject({
      corrupt: expect.stringContaining('stands in its place') as string,
    })
  })
})

describe('the cache', () => {
  it('holds no more than its bytes, and forgets what was not used for longest', () => {
    const all = past.changes.map(({ txId }) => load(txId.seqno))
    const each = Math.max(...all.map(loadedBytes))
    let cache = emptyCache(3 * each)
    for (const loaded of all.slice(0, 3)) cache = keep(cache, loaded)
    expect(cache.bytes).toBeLessThanOrEqual(3 * each)
    cache = lookUp(cache, all[0]!.seqno).cache
    cache = keep(cache, all[3]!)
    const isKept = all.map(({ seqno: at }) => lookUp(cache, at).loaded !== undefined)
    expect(isKept.slice(0, 4)).toEqual([true, false, true, true])
    for (const loaded of all) {
      cache = keep(cache, loaded)
      expect(cache.bytes).toBeLessThanOrEqual(3 * each)
    }
    expect(keep(emptyCache(10), all[0]!)).toMatchObject({ bytes: 0 })
  })
})

// Goal: a transaction over the KV behaves as CCF's does (own writes visible, versions of earlier writes, removals only of
// what exists, clear as removals), stays within one ledger entry, and leaves the state it stands on untouched.
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../../../protocols/codec/bytes.ts'
import { InvariantViolation } from '../../../../protocols/errors.ts'
import { kvDigest } from '../../../../store/kv/digest.ts'
import {
  applyWriteSet,
  applyWriteSets,
  emptyKv,
  type KvState,
  mapNames,
  readMap,
} from '../../../../store/kv/kv-state.ts'
import { compareNames } from '../../../../store/kv/sorted-map.ts'
import { KvLimitError, Transaction } from '../../../../store/kv/transaction.ts'

const k = utf8
const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}
const stateWith = (pairs: Record<string, string>, seqno = 1): KvState => {
  const tx = new Transaction(emptyKv)
  for (const [key, value] of Object.entries(pairs)) tx.map('m').put(k(key), k(value))
  return tx.apply(seqno)
}
const keysOf = (range: (visit: (key: Uint8Array) => void) => void): string[] => {
  const keys: string[] = []
  range((key) => void keys.push(new TextDecoder().decode(key)))
  return keys
}

describe('transaction', () => {
  it('sees its own writes and leaves its base alone', () => {
    const base = stateWith({ a: '1', b: '2' })
    const tx = new Transaction(base)
    const map = tx.map('m')
    map.put(k('a'), k('9'))
    expect(map.delete(k('b'))).toBe(true)
    expect(map.delete(k('b'))).toBe(false)
    map.put(k('c'), k('3'))
    expect(map.get(k('a'))).toEqual(k('9'))
    expect(map.has(k('b'))).toBe(false)
    expect(map.size).toBe(2)
    expect(keysOf((visit) => map.range(undefined, undefined, visit))).toEqual(['a', 'c'])
    expect(readMap(base, 'm').get(k('b'))).toEqual(k('2'))
    expect(readMap(base, 'm').size).toBe(2)
  })

  it('reports the version of the previous write, whatever it wrote itself', () => {
    const base = stateWith({ a: '1' }, 7)
    const map = new Transaction(base).map('m')
    map.put(k('a'), k('2'))
    map.put(k('new'), k('2'))
    expect(map.versionOfPreviousWrite(k('a'))).toBe(7)
    expect(map.versionOfPreviousWrite(k('new'))).toBeUndefined()
    expect(readMap(base, 'm').versionOfPreviousWrite(k('a'))).toBe(7)
  })

  it('states its write set in byte order, without maps it only read, and removes only what was there', () => {
    const tx = new Transaction(stateWith({ a: '1', b: '2' }))
    tx.map('only-read').get(k('x'))
    tx.map('z').put(k('b'), k('1'))
    tx.map('z').put(Uint8Array.of(0xff), k('2'))
    tx.map('z').put(k('a'), k('3'))
    tx.map('m').delete(k('b'))
    tx.map('m').put(k('brief'), k('x'))
    tx.map('m').delete(k('brief'))
    expect(tx.writeSet()).toEqual([
      { name: 'm', writes: [], removes: [k('b')] },
      {
        name: 'z',
        writes: [
          { key: k('a'), value: k('3') },
          { key: k('b'), value: k('1') },
          { key: Uint8Array.of(0xff), value: k('2') },
        ],
        removes: [],
      },
    ])
  })

  it('expands clear to removals of every key that is not written again', () => {
    const base = stateWith({ a: '1', b: '2', c: '3' })
    const tx = new Transaction(base)
    tx.map('m').put(k('a'), k('lost'))
    tx.map('m').clear()
    tx.map('m').put(k('b'), k('kept'))
    expect(tx.map('m').size).toBe(1)
    expect(tx.writeSet()).toEqual([
      { name: 'm', writes: [{ key: k('b'), value: k('kept') }], removes: [k('a'), k('c')] },
    ])
    expect(kvDigest(applyWriteSet(base, tx.writeSet(), 2), sha256)).toEqual(kvDigest(tx.apply(2), sha256))
  })

  it('ranges over [from, to), stops when told, and does not show writes made meanwhile', () => {
    const map = new Transaction(stateWith({ a: '1', b: '2', c: '3', d: '4' })).map('m')
    map.put(k('bb'), k('x'))
    expect(keysOf((visit) => map.range(k('b'), k('d'), visit))).toEqual(['b', 'bb', 'c'])
    expect(keysOf((visit) => map.range(k('d'), k('b'), visit))).toEqual([])
    expect(keysOf((visit) => map.range(k('b'), k('b'), visit))).toEqual([])
    const seen: string[] = []
    map.range(undefined, undefined, (key) => {
      seen.push(new TextDecoder().decode(key))
      map.put(k('zz'), k('y'))
      return seen.length < 2
    })
    expect(seen).toEqual(['a', 'b'])
    expect(keysOf((visit) => map.range(k('z'), undefined, visit))).toEqual(['zz'])
  })

  it('distinguishes touched from wrote', () => {
    const tx = new Transaction(stateWith({ a: '1' }))
    tx.map('m')
    expect([tx.touched, tx.wrote]).toEqual([false, false])
    tx.map('m').get(k('a'))
    expect([tx.touched, tx.wrote]).toEqual([true, false])
    tx.map('m').put(k('n'), k('1'))
    tx.map('m').delete(k('n'))
    expect(tx.wrote).toBe(false)
    expect(tx.writeSet()).toEqual([])
    tx.map('m').clear()
    expect(tx.wrote).toBe(true)
  })

  it('keeps what was put, whatever the caller does to its arrays', () => {
    const value = k('mine')
    const tx = new Transaction(emptyKv)
    tx.map('m').put(k('a'), value)
    value.fill(0)
    const received = k('theirs')
    const state = applyWriteSet(
      tx.apply(1),
      [{ name: 'n', writes: [{ key: k('b'), value: received }], removes: [] }],
      2,
    )
    received.fill(0)
    expect(readMap(state, 'm').get(k('a'))).toEqual(k('mine'))
    expect(readMap(state, 'n').get(k('b'))).toEqual(k('theirs'))
  })

  it('refuses to outgrow a ledger entry, also by clearing, and frees what it overwrites', () => {
    const map = new Transaction(emptyKv, 100).map('m')
    map.put(k('a'), new Uint8Array(60))
    expect(() => map.put(k('b'), new Uint8Array(60))).toThrow(KvLimitError)
    map.put(k('a'), new Uint8Array(10))
    map.put(k('b'), new Uint8Array(40))
    expect(map.size).toBe(2)
    const clearing = new Transaction(stateWith({ a: '1', b: '2', c: '3', d: '4', e: '5', f: '6' }), 100)
    clearing.map('m').clear()
    expect(() => clearing.writeSet()).toThrow(KvLimitError)
  })

  it('refuses names the ledger cannot hold', () => {
    const tx = new Transaction(emptyKv)
    for (const name of ['', 'x'.repeat(1025), 'lone \ud800']) expect(() => tx.map(name)).toThrow(KvLimitError)
    tx.map('good \u{1f600}').put(k('a'), k('1'))
    expect(mapNames(tx.apply(1))).toEqual(['good \u{1f600}'])
  })

  it('nests: a dropped inner transaction leaves no trace, a promoted one all of it', () => {
    const base = stateWith({ a: '1', b: '2' })
    const outer = new Transaction(base)
    outer.map('m').put(k('a'), k('outer'))
    const dropped = new Transaction(outer)
    dropped.map('m').clear()
    const inner = new Transaction(outer)
    expect(inner.map('m').get(k('a'))).toEqual(k('outer'))
    expect(inner.map('m').versionOfPreviousWrite(k('a'))).toBe(1)
    inner.map('m').delete(k('a'))
    inner.map('m').put(k('c'), k('inner'))
    inner.promote()
    expect(outer.writeSet()).toEqual([{ name: 'm', writes: [{ key: k('c'), value: k('inner') }], removes: [k('a')] }])
    expect(() => inner.apply(2)).toThrow(InvariantViolation)
    expect(() => outer.promote()).toThrow(InvariantViolation)
  })
})

describe('state', () => {
  it('applies a batch as it would one by one, and ignores removals of nothing', () => {
    const sets = [1, 2, 3].map((seqno) => ({
      seqno,
      writes: [{ name: 'm', writes: [{ key: k(`k${seqno}`), value: k('v') }], removes: [k(`k${seqno - 1}`)] }],
    }))
    const oneByOne = sets.reduce((state, { seqno, writes }) => applyWriteSet(state, writes, seqno), emptyKv)
    expect(kvDigest(applyWriteSets(emptyKv, sets), sha256)).toEqual(kvDigest(oneByOne, sha256))
    expect(readMap(oneByOne, 'm').versionOfPreviousWrite(k('k3'))).toBe(3)
  })

  it('keeps of a map without keys only which transaction emptied it, as snapshots do', () => {
    const emptied = (state: KvState, seqno: number): KvState => {
      const tx = new Transaction(state)
      tx.map('m').delete(k('a'))
      return tx.apply(seqno)
    }
    const state = emptied(stateWith({ a: '1' }), 2)
    expect(mapNames(state)).toEqual([])
    expect(kvDigest(state, sha256)).toEqual(kvDigest(emptied(stateWith({ a: '2' }), 2), sha256))
    expect(kvDigest(state, sha256)).not.toEqual(kvDigest(emptied(stateWith({ a: '1' }), 3), sha256))
  })

  it('orders names as their UTF-8, not as UTF-16', () => {
    const names = ['\u{10000}', '\uffff', '\ue000', 'a', 'public:z', 'ab', '\u{10ffff}', 'é']
    const bytes = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect(names.toSorted(compareNames)).toEqual(bytes)
    const tx = new Transaction(emptyKv)
    for (const name of names) tx.map(name).put(k('a'), k('1'))
    expect(mapNames(tx.apply(1))).toEqual(bytes)
    expect(tx.writeSet().map(({ name }) => name)).toEqual(bytes)
  })

  it('digests contents and versions, not history', () => {
    const one = stateWith({ a: '1', b: '2' }, 4)
    const tx = new Transaction(stateWith({ b: 'x', z: 'y' }, 1))
    tx.map('m').clear()
    tx.map('m').put(k('b'), k('2'))
    tx.map('m').put(k('a'), k('1'))
    expect(toHex(kvDigest(tx.apply(4), sha256))).toBe(toHex(kvDigest(one, sha256)))
    expect(toHex(kvDigest(stateWith({ a: '1', b: '2' }, 5), sha256))).not.toBe(toHex(kvDigest(one, sha256)))
    expect(toHex(kvDigest(stateWith({ a: '1', b: '3' }, 4), sha256))).not.toBe(toHex(kvDigest(one, sha256)))
    expect(toHex(kvDigest(stateWith({ a1: '', b: '2' }, 4), sha256))).not.toBe(toHex(kvDigest(one, sha256)))
  })
})

// Goal: whatever commands come in whatever order, the KV equals a dumb twin made of plain Maps: gets, ranges, sizes,
// versions, write sets; old states stay what they were (rollback is keeping them); nested transactions promote or vanish;
// and the write set applied elsewhere gives the same state.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { compareBytes, fromByteString, toByteString, toHex } from '../../../protocols/codec/bytes.ts'
import { kvDigest } from '../../../store/kv/digest.ts'
import { applyWriteSet, emptyKv, type KvState, mapNames, readMap } from '../../../store/kv/kv-state.ts'
import { Transaction } from '../../../store/kv/transaction.ts'

type TwinMap = Map<string, { value: string; version: number }>
type Twin = Map<string, TwinMap>

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}
const copyTwin = (twin: Twin): Twin => new Map([...twin].map(([name, map]) => [name, new Map(map)]))
const twinMap = (twin: Twin, name: string): TwinMap => {
  if (!twin.has(name)) twin.set(name, new Map())
  return twin.get(name)!
}
const sortedKeys = (map: TwinMap): string[] =>
  [...map.keys()].sort((a, b) => compareBytes(fromByteString(a), fromByteString(b)))

const MAPS = ['a', 'public:b', 'c']
const key = fc.oneof(
  fc.uint8Array({ minLength: 0, maxLength: 2, max: 3 }),
  fc.uint8Array({ minLength: 1, maxLength: 2, min: 253 }),
  fc.nat(200).map((n) => Uint8Array.of(n)),
)
const name = fc.constantFrom(...MAPS)
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('put' as const), name, key, value: fc.uint8Array({ maxLength: 3 }) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('delete' as const), name, key }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('get' as const), name, key }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('range' as const),
      name,
      from: fc.option(key, { nil: undefined }),
      to: fc.option(key, { nil: undefined }),
      limit: fc.integer({ min: 1, max: 20 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('clear' as const), name }) },
)
const operations = fc.array(operation, { maxLength: 25 })
const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('commit' as const), operations }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('fill' as const), name, count: fc.integer({ min: 40, max: 200 }) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('drop' as const), operations }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('nest' as const),
      before: operations,
      inner: operations,
      after: operations,
      promote: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('rollback' as const), steps: fc.nat(5) }) },
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

/** Does one operation to both and compares everything it shows. Versions of uncommitted twin writes are -1. */
function perform(tx: Transaction, twin: Twin, below: Twin, op: Operation): void {
  const map = tx.map(op.name)
  const mirror = twinMap(twin, op.name)
  if (op.type === 'put') {
    map.put(op.key, op.value)
    mirror.set(toByteString(op.key), { value: toByteString(op.value), version: -1 })
  } else if (op.type === 'delete') {
    expect(map.delete(op.key)).toBe(mirror.delete(toByteString(op.key)))
  } else if (op.type === 'clear') {
    map.clear()
    mirror.clear()
  } else if (op.type === 'get') {
    const expected = mirror.get(toByteString(op.key))
    const value = map.get(op.key)
    expect(value === undefined ? undefined : toByteString(value)).toBe(expected?.value)
    expect(map.has(op.key)).toBe(expected !== undefined)
    expect(map.versionOfPreviousWrite(op.key)).toBe(below.get(op.name)?.get(toByteString(op.key))?.version)
  } else {
    const seen: string[] = []
    map.range(op.from, op.to, (found, value) => {
      seen.push(`${toHex(found)}=${toHex(value)}`)
      return seen.length < op.limit
    })
    const inRange = sortedKeys(mirror)
      .filter((k) => op.from === undefined || compareBytes(fromByteString(k), op.from) >= 0)
      .filter((k) => op.to === undefined || compareBytes(fromByteString(k), op.to) < 0)
      .slice(0, op.limit)
    expect(seen).toEqual(
      inRange.map((k) => `${toHex(fromByteString(k))}=${toHex(fromByteString(mirror.get(k)!.value))}`),
    )
  }
  expect(map.size).toBe(mirror.size)
}

/** What the write set must be, from the twin before and after. */
function expectedWriteSet(before: Twin, after: Twin): unknown {
  const maps = []
  for (const mapName of MAPS.toSorted()) {
    const old: TwinMap = before.get(mapName) ?? new Map<string, { value: string; version: number }>()
    const now: TwinMap = after.get(mapName) ?? new Map<string, { value: string; version: number }>()
    const writes = sortedKeys(now).filter((k) => now.get(k)!.version === -1)
    const removes = sortedKeys(old).filter((k) => !now.has(k))
    if (writes.length + removes.length === 0) continue
    maps.push({
      name: mapName,
      writes: writes.map((k) => ({ key: fromByteString(k), value: fromByteString(now.get(k)!.value) })),
      removes: removes.map(fromByteString),
    })
  }
  return maps
}

function checkState(state: KvState, twin: Twin): void {
  const names = [...twin].filter(([, map]) => map.size > 0).map(([mapName]) => mapName)
  expect(mapNames(state)).toEqual(names.sort())
  for (const mapName of MAPS) {
    const seen: unknown[] = []
    const reader = readMap(state, mapName)
    reader.range(undefined, undefined, (found, value) => {
      seen.push([toByteString(found), toByteString(value), reader.versionOfPreviousWrite(found)])
    })
    const map: TwinMap = twin.get(mapName) ?? new Map<string, { value: string; version: number }>()
    expect(seen).toEqual(sortedKeys(map).map((k) => [k, map.get(k)!.value, map.get(k)!.version]))
    expect(reader.size).toBe(map.size)
  }
}

/** Makes what a transaction wrote the twin's committed content. */
function commitTwin(twin: Twin, seqno: number): Twin {
  for (const map of twin.values())
    for (const [k, entry] of map) if (entry.version === -1) map.set(k, { ...entry, version: seqno })
  return twin
}

it('equals a twin of plain Maps under random commands', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 14 }), (commands) => {
      const history: { state: KvState; twin: Twin; digest: string }[] = []
      const remember = (state: KvState, twin: Twin): void => {
        history.push({ state, twin, digest: toHex(kvDigest(state, sha256)) })
      }
      remember(emptyKv, new Map())
      for (const cmd of commands) {
        const { state, twin } = history.at(-1)!
        const seqno = history.length
        const tx = new Transaction(state)
        const mirror = copyTwin(twin)
        if (cmd.type === 'rollback') {
          history.length = Math.max(1, history.length - cmd.steps)
          continue
        }
        if (cmd.type === 'fill') {
          for (let i = 0; i < cmd.count; i++)
            perform(tx, mirror, twin, {
              type: 'put',
              name: cmd.name,
              key: Uint8Array.of((i * 37) % 251),
              value: Uint8Array.of(i % 256),
            })
        } else if (cmd.type === 'nest') {
          for (const op of cmd.before) perform(tx, mirror, twin, op)
          const inner = new Transaction(tx)
          const innerMirror = copyTwin(mirror)
          for (const op of cmd.inner) perform(inner, innerMirror, twin, op)
          if (cmd.promote) inner.promote()
          const outerMirror = cmd.promote ? innerMirror : copyTwin(mirror)
          for (const op of cmd.after) perform(tx, outerMirror, twin, op)
          mirror.clear()
          for (const [mapName, map] of outerMirror) mirror.set(mapName, map)
        } else {
          for (const op of cmd.operations) perform(tx, mirror, twin, op)
          if (cmd.type === 'drop') continue
        }
        const writeSet = tx.writeSet()
        expect(writeSet).toEqual(expectedWriteSet(twin, mirror))
        expect(tx.wrote).toBe(writeSet.length > 0)
        const next = tx.apply(seqno)
        commitTwin(mirror, seqno)
        checkState(next, mirror)
        expect(kvDigest(applyWriteSet(state, writeSet, seqno), sha256)).toEqual(kvDigest(next, sha256))
        remember(next, mirror)
      }
      for (const { state, twin } of history) checkState(state, twin)
    }),
    { seed: 1, numRuns: 300 },
  )
})

it('gives the same digest however a state came about, and another for other contents', () => {
  const pairs = fc.uniqueArray(fc.tuple(fc.uint8Array({ maxLength: 3 }), fc.uint8Array({ maxLength: 3 })), {
    maxLength: 80,
    selector: ([k]) => toHex(k),
  })
  fc.assert(
    fc.property(pairs, pairs, fc.infiniteStream(fc.nat()), (wanted, others, random) => {
      const build = (noise: typeof pairs extends fc.Arbitrary<infer T> ? T : never, shuffled: boolean): KvState => {
        let state = emptyKv
        for (const [k, v] of noise)
          state = applyWriteSet(state, [{ name: 'm', writes: [{ key: k, value: v }], removes: [] }], 1)
        for (const [k] of noise) state = applyWriteSet(state, [{ name: 'm', writes: [], removes: [k] }], 2)
        const order = shuffled ? wanted.toSorted(() => (random.next().value % 2 === 0 ? -1 : 1)) : wanted
        for (const [k, v] of order)
          state = applyWriteSet(state, [{ name: 'm', writes: [{ key: k, value: v }], removes: [] }], 3)
        // Which transaction changed a map last is part of what it holds.
        return applyWriteSet(state, [{ name: 'm', writes: [], removes: [Uint8Array.of(1, 2, 3, 4)] }], 3)
      }
      const digest = toHex(kvDigest(build([], false), sha256))
      expect(toHex(kvDigest(build(others, true), sha256))).toBe(digest)
      const changed = applyWriteSet(
        build([], false),
        [{ name: 'm', writes: [{ key: Uint8Array.of(1, 2, 3, 4), value: Uint8Array.of() }], removes: [] }],
        3,
      )
      expect(toHex(kvDigest(changed, sha256))).not.toBe(digest)
    }),
    { seed: 2, numRuns: 100 },
  )
})

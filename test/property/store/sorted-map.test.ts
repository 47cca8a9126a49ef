// Goal: the persistent sorted map equals a plain Map at sizes that make its tree three levels deep, while it grows, is
// overwritten and shrinks to nothing, in edits of any length; and no version ever changes after it was finished.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { emptySortedMap, type SortedMap } from '../../../store/kv/sorted-map.ts'

const contentOf = (map: SortedMap<number>): [string, number][] => {
  const pairs: [string, number][] = []
  map.scan(undefined, undefined, (key, value) => void pairs.push([key, value]))
  return pairs
}
const sorted = (twin: ReadonlyMap<string, number>): [string, number][] => [...twin].sort(([a], [b]) => (a < b ? -1 : 1))
const keyOf = (n: number): string => String.fromCharCode(n >> 8, n & 0xff)

/** A phase of life: how many operations, how often they delete, how many of them one edit holds, how keys are drawn. */
const phase = fc.record({
  operations: fc.integer({ min: 1, max: 4000 }),
  deletePercent: fc.constantFrom(0, 20, 50, 95),
  perEdit: fc.constantFrom(1, 3, 50, 5000),
  keys: fc.constantFrom('random', 'ascending', 'descending', 'few'),
})

it('equals a Map through phases of growth and decay', () => {
  fc.assert(
    fc.property(fc.array(phase, { minLength: 2, maxLength: 6 }), fc.nat(), (phases, seed) => {
      let random = seed >>> 0
      const draw = (n: number): number => {
        random = (Math.imul(random, 1103515245) + 12345) >>> 0
        return Math.floor((random / 2 ** 32) * n)
      }
      let map = emptySortedMap<number>()
      const twin = new Map<string, number>()
      const kept: { map: SortedMap<number>; content: [string, number][] }[] = []
      let counter = 0
      for (const { operations, deletePercent, perEdit, keys } of phases) {
        let edit = map.edit()
        for (let i = 0; i < operations; i++) {
          const n =
            keys === 'random' ? draw(65536) : keys === 'few' ? draw(60) : keys === 'ascending' ? i * 7 : 65535 - i * 7
          const key =
            draw(100) < deletePercent && keys === 'random' && twin.size > 0 ? nthKey(twin, draw(20)) : keyOf(n & 0xffff)
          if (draw(100) < deletePercent) {
            edit.delete(key)
            twin.delete(key)
          } else {
            edit.set(key, ++counter)
            twin.set(key, counter)
          }
          if (i % perEdit === perEdit - 1) {
            map = edit.finish()
            expect(map.size).toBe(twin.size)
            if (draw(operations / perEdit) < 3) kept.push({ map, content: sorted(twin) })
            edit = draw(2) === 0 ? map.edit() : edit
          }
        }
        map = edit.finish()
        const content = sorted(twin)
        expect(contentOf(map)).toEqual(content)
        kept.push({ map, content })
        for (let probe = 0; probe < 50; probe++) {
          const key = keyOf(draw(65536))
          expect(map.get(key)).toBe(twin.get(key))
          const to = keyOf(draw(65536))
          const first: string[] = []
          map.scan(key, to, (found) => first.push(found) < 5)
          expect(first).toEqual(
            content
              .filter(([k]) => k >= key && k < to)
              .slice(0, 5)
              .map(([k]) => k),
          )
        }
      }
      let edit = map.edit()
      for (const key of twin.keys()) {
        edit.delete(key)
        if (draw(10) === 0) edit = edit.finish().edit()
      }
      expect(contentOf(edit.finish())).toEqual([])
      for (const version of kept) expect(contentOf(version.map)).toEqual(version.content)
    }),
    { seed: 1, numRuns: 25 },
  )
})

function nthKey(twin: ReadonlyMap<string, number>, n: number): string {
  let last = ''
  for (const key of twin.keys()) {
    last = key
    if (n-- === 0) break
  }
  return last
}

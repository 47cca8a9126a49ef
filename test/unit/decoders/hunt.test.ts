// Goal: every decoder in the catalogue is total, bounded in memory, deterministic and faithful to its encoder on real input and on what
// mutations make of it; and the hunt itself finds what it is for. The short form of `npm run fuzz -- --decoders`.
import { describe, expect, it } from 'vitest'
import { DecodeError, toHex } from '../../../protocols/codec/bytes.ts'
import { catalogue } from '../../fuzz/decoders/catalogue.ts'
import { type Decoder, ofBytes } from '../../fuzz/decoders/decoder.ts'
import { hunt } from '../../fuzz/decoders/hunt.ts'
import { type Finding, judge } from '../../fuzz/decoders/judge.ts'

const MUTANTS = 80

describe('the hunt finds nothing in', () => {
  it.each(catalogue.map((decoder) => [decoder.name, decoder] as const))('%s', (_, decoder) => {
    const { found, accepted, tried } = hunt(decoder, { seed: 4, first: 0, count: MUTANTS })
    // The whole input: npm run fuzz -- --decoders NAME --seed 4
    const told = found.map(({ what, detail, input }) => `${what}: ${detail}: ${toHex(input).slice(0, 400)}`)
    expect(told).toEqual([])
    // A decoder that refuses everything is not tested.
    expect(accepted).toBeGreaterThan(0)
    expect(tried).toBeGreaterThan(MUTANTS)
  })
})

describe('the hunt finds', () => {
  const seeds = () => [new Uint8Array(40).fill(7), Uint8Array.of(1, 2, 3, 4)]
  const bad = (given: Partial<Decoder>): Decoder => ({
    ...ofBytes({ name: 'bad', of: [], seeds, decode: (bytes: Uint8Array) => bytes.length }),
    ...given,
  })
  const findingOf = (given: Partial<Decoder>): Finding['what'] | undefined =>
    hunt(bad(given), { seed: 1, first: 0, count: 300 }).found[0]?.what
  let calls = 0
  const hoard: unknown[] = [0]

  it.each<[Finding['what'], Partial<Decoder>]>([
    ['crash', { decode: (bytes) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) }],
    ['memory', { decode: (bytes) => hoard.splice(0, 1, new Uint8Array(2 ** Math.min(26, bytes[0] ?? 0))).length }],
    ['memory', { decode: (bytes) => [...bytes].map((byte) => Array<number>(8 * byte).fill(byte)) }],
    ['changed input', { decode: (bytes) => bytes.fill(0, 0, 1).length }],
    ['not deterministic', { decode: () => ++calls }],
    ['reads around', { decode: (bytes) => new Uint8Array(bytes.buffer, 0, 1)[0] }],
    ['round trip', { decode: (bytes) => bytes.length, encode: () => new Uint8Array(3) as never }],
    ['spelling', { decode: (bytes) => bytes[0] ?? 0, encode: (value) => Uint8Array.of(value), oneSpelling: true }],
  ])('%s', (what, given) => {
    expect(findingOf(given)).toBe(what)
    hoard[0] = 0
  })

  it('nothing where there is nothing', () => {
    expect(findingOf({})).toBeUndefined()
    expect(judge(bad({ decode: refuse }), Uint8Array.of(1))).toEqual({ accepted: false })
  })

  it('the smallest input of its kind', () => {
    const decode = (bytes: Uint8Array): number => {
      if (bytes.includes(9)) throw new TypeError('nine')
      return bytes.length
    }
    const { found } = hunt(bad({ decode }), { seed: 1, first: 0, count: 2000 })
    expect(found.map(({ input }) => [...input])).toEqual([[9]])
  })
})

function refuse(): never {
  throw new DecodeError('no', 0)
}

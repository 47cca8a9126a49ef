// The hunt: every seed, every beginning of every seed, then changes of changes, drawn from a number. A finding is shrunk as far as it goes.
// The rule to remember: the n-th input of a decoder depends on seed and n alone, so that any stretch can be run again.
import { concat } from '../../../protocols/codec/bytes.ts'
import { Prng } from '../../../runtime/prng.ts'
import type { Decoder } from './decoder.ts'
import { type Finding, judge } from './judge.ts'
import { mutateBytes, MUTANT_BYTES_MAX, pick } from './mutate.ts'
import { mutateJson } from './mutate-json.ts'
import { CBOR, DER, mutateTree } from './mutate-tree.ts'

export interface Found extends Finding {
  readonly decoder: string
  /** Shrunk. */
  readonly input: Uint8Array
}

export interface Tally {
  readonly tried: number
  readonly accepted: number
  readonly found: readonly Found[]
}

/** Beginnings of seeds are tried at about this many places, all seeds of a decoder together. */
const BEGINNINGS_MAX = 400
const BEGINNINGS_OF_A_SEED_MIN = 16
const CHANGES_MAX = 3
const SHRINK_STEPS_MAX = 3000

function changeOnce(decoder: Decoder, random: Prng, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  const structured = random.chance(2, 3)
  const changed =
    structured && decoder.format === 'json'
      ? mutateJson(random, bytes)
      : structured && decoder.format === 'der'
        ? mutateTree(DER, random, bytes, other)
        : structured && decoder.format === 'cbor'
          ? mutateTree(CBOR, random, bytes, other)
          : undefined
  return (changed ?? mutateBytes(random, bytes, other)).subarray(0, MUTANT_BYTES_MAX)
}

/** The n-th mutant of a decoder. */
export function mutant(decoder: Decoder, seeds: readonly Uint8Array[], seed: number, n: number): Uint8Array {
  const random = new Prng(seed).fork(`${decoder.name} ${n}`)
  let bytes = pick(random, seeds)
  for (let changes = random.integer(1, CHANGES_MAX); changes > 0; changes--)
    bytes = changeOnce(decoder, random, bytes, pick(random, seeds))
  return decoder.repair !== undefined && random.chance(1, 2) ? decoder.repair(bytes) : bytes
}

/** Every seed and its beginnings. */
export function* beginnings(seeds: readonly Uint8Array[]): Generator<Uint8Array> {
  const places = Math.max(BEGINNINGS_OF_A_SEED_MIN, BEGINNINGS_MAX / seeds.length)
  for (const seed of seeds) {
    yield seed
    const stride = Math.max(1, Math.ceil(seed.length / places))
    for (let length = 0; length < seed.length; length += stride) yield seed.slice(0, length)
  }
}

/** A smaller input that is found for the same reason: parts left out, then bytes set to zero. */
export function shrink(
  decoder: Decoder,
  input: Uint8Array,
  what: Finding['what'],
  onInput?: (input: Uint8Array) => void,
): Uint8Array {
  let best = input
  let steps = 0
  const stillFound = (candidate: Uint8Array): boolean => {
    steps++
    onInput?.(candidate)
    const verdict = judge(decoder, candidate)
    return 'finding' in verdict && verdict.finding.what === what
  }
  for (let size = best.length >>> 1; size > 0 && steps < SHRINK_STEPS_MAX; size >>>= 1) {
    for (let at = 0; at < best.length && steps < SHRINK_STEPS_MAX;) {
      const candidate = concat(best.subarray(0, at), best.subarray(at + size))
      if (stillFound(candidate)) best = candidate
      else at += size
    }
  }
  for (let at = 0; at < best.length && steps < SHRINK_STEPS_MAX; at++) {
    if (best[at] === 0) continue
    const candidate = best.slice()
    candidate[at] = 0
    if (stillFound(candidate)) best = candidate
  }
  return best
}

export interface HuntOptions {
  readonly seed: number
  /** Mutants from `first` on, `count` of them; the seeds and their beginnings before them when `first` is 0. */
  readonly first: number
  readonly count: number
  /** Is told of every input before it is judged. */
  readonly onInput?: (input: Uint8Array) => void
}

/** Asks one decoder. Stops at its first finding: the next ones would mostly be the same. */
export function hunt(decoder: Decoder, { seed, first, count, onInput }: HuntOptions): Tally {
  const seeds = decoder.seeds()
  let tried = 0
  let accepted = 0
  const ask = (input: Uint8Array): Found | undefined => {
    tried++
    onInput?.(input)
    const verdict = judge(decoder, input)
    if ('accepted' in verdict) {
      if (verdict.accepted) accepted++
      return undefined
    }
    const shrunk = shrink(decoder, input, verdict.finding.what, onInput)
    const again = judge(decoder, shrunk)
    return { decoder: decoder.name, ...('finding' in again ? again.finding : verdict.finding), input: shrunk }
  }
  function* inputs(): Generator<Uint8Array> {
    if (first === 0) yield* beginnings(seeds)
    for (let n = first; n < first + count; n++) yield mutant(decoder, seeds, seed, n)
  }
  for (const input of inputs()) {
    const found = ask(input)
    if (found !== undefined) return { tried, accepted, found: [found] }
  }
  return { tried, accepted, found: [] }
}

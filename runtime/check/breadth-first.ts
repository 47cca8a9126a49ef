// Exhaustive search, breadth first: every world within the bounds is visited once, and the first violation has a shortest counterexample.
// Worlds are remembered by hash, with the number of the one they came from; the counterexample is found again by walking that path.
// The rule to remember: counts are exact and the same in every run, so they can be golden numbers.
import { isSameEvent } from './events.ts'
import { HashTable, hashWords, type Hash } from './hash-table.ts'
import type { AnyModel } from './model.ts'
import { Space, type Event } from './space.ts'
import { Canonical } from './symmetry.ts'
import { WorldProperties } from './world-properties.ts'

export interface SearchOptions {
  /** The search gives up, unfinished, beyond so many distinct worlds. */
  readonly statesMax: number
  readonly depthMax: number
  /** Called now and then with the distinct worlds so far and the depth. */
  readonly onProgress?: (states: number, depth: number) => void
}

export interface Violation {
  readonly message: string
  readonly events: readonly Event[]
}

export interface SearchResult {
  readonly violation: Violation | undefined
  /** True if every world within the bounds was visited. */
  readonly isComplete: boolean
  /** Distinct worlds, up to renaming. */
  readonly states: number
  /** Transitions taken, those to known worlds included. */
  readonly transitions: number
  readonly depth: number
  readonly localStates: number
  readonly localSteps: number
  readonly edges: ReadonlyMap<string, number>
  readonly goals: ReadonlyMap<string, boolean>
}

/** Words a world may have. */
const WORDS_MAX = 1024
const PROGRESS_EVERY = 1 << 16

export function breadthFirst(model: AnyModel, options: SearchOptions): SearchResult {
  const space = new Space(model)
  const canonical = new Canonical(space, WORDS_MAX)
  const properties = new WorldProperties(space)
  const seen = new HashTable()
  const parents = new Parents()
  const hash: Hash = { low: 0, high: 0 }
  let transitions = 0
  let depth = 0
  /** `event`: undefined if the initial world is wrong. */
  let found: { readonly message: string; readonly from: number; readonly event: Event | undefined } | undefined
  let next = new Frontier()
  let parent = -1

  const take = (
    event: Event | undefined,
    world: Int32Array,
    length: number,
    stepViolation: string | undefined,
  ): void => {
    if (found !== undefined) return
    transitions++
    const violation = stepViolation ?? properties.violated(world)
    if (violation !== undefined) {
      found = { message: violation, from: parent, event }
      return
    }
    const representative = canonical.of(world, length)
    hashWords(representative, length, hash)
    const number = seen.add(hash)
    if (number < 0) return
    parents.set(number, parent)
    next.push(representative, length)
    if (number % PROGRESS_EVERY === 0) options.onProgress?.(number, depth)
  }

  const first = space.initial()
  take(undefined, first, first.length, space.initialViolation())
  let number = 0
  while (next.count > 0 && found === undefined && depth < options.depthMax && seen.size < options.statesMax) {
    const level = next
    next = new Frontier()
    depth++
    level.forEach((world, length) => {
      parent = number++
      if (found === undefined && seen.size < options.statesMax) space.successors(world, length, take)
    })
  }
  const counterexample = (): Violation | undefined => {
    if (found === undefined) return undefined
    if (found.event === undefined) return { message: found.message, events: [] }
    return named(space, pathTo(space, canonical, seen, parents, found.from), found.message)
  }
  return {
    violation: counterexample(),
    isComplete: found === undefined && next.count === 0,
    states: seen.size,
    transitions,
    depth,
    localStates: space.states.size,
    localSteps: space.localSteps,
    edges: space.edges,
    goals: properties.goals,
  }
}

/**
 * The last event was found from a representative, whose places may have other names than those of the run that `pathTo` gives: what is wrong, and
 * after which event, is found again in the run's own names.
 */
function named(space: Space, path: readonly Event[], message: string): Violation {
  const { world, length } = follow(space, path)
  const properties = new WorldProperties(space)
  let found: Violation | undefined
  space.successors(world, length, (event, after, _length, violation) => {
    const wrong = violation ?? properties.violated(after)
    if (found === undefined && wrong !== undefined) found = { message: wrong, events: [...path, event] }
  })
  if (found === undefined) throw new RangeError(`not found again: ${message}`)
  return found
}

/** The world after `events`. @throws RangeError if one of them cannot happen. */
export function follow(
  space: Space,
  events: readonly Event[],
): { readonly world: Int32Array; readonly length: number } {
  let world = space.initial()
  for (const wanted of events) {
    let after: Int32Array | undefined
    space.successors(world, world.length, (event, scratch, length) => {
      if (after === undefined && isSameEvent(event, wanted)) after = scratch.slice(0, length)
    })
    if (after === undefined) throw new RangeError(`cannot happen: ${JSON.stringify(wanted)}`)
    world = after
  }
  return { world, length: world.length }
}

function pathTo(space: Space, canonical: Canonical, seen: HashTable, parents: Parents, end: number): Event[] {
  const numbers: number[] = []
  for (let at = end; at > 0; at = parents.get(at)) numbers.unshift(at)
  const hash: Hash = { low: 0, high: 0 }
  const events: Event[] = []
  let world = space.initial()
  for (const number of numbers) {
    let after: Int32Array | undefined
    space.successors(world, world.length, (event, scratch, length) => {
      if (after !== undefined) return
      hashWords(canonical.of(scratch, length), length, hash)
      if (!seen.isAt(number, hash)) return
      after = scratch.slice(0, length)
      events.push(event)
    })
    if (after === undefined) throw new RangeError(`the path to world ${end} is lost at ${number}`)
    world = after
  }
  return events
}

/** For each world, the one it was first reached from. */
class Parents {
  #of = new Int32Array(1 << 15)

  set(number: number, parent: number): void {
    if (number >= this.#of.length) {
      const larger = new Int32Array(this.#of.length * 2)
      larger.set(this.#of)
      this.#of = larger
    }
    this.#of[number] = parent
  }

  get(number: number): number {
    return this.#of[number]!
  }
}

/** The worlds of one depth, in blocks. */
class Frontier {
  readonly #blocks: Int32Array[] = []
  #used = BLOCK_WORDS
  count = 0

  push(world: Int32Array, length: number): void {
    if (this.#used + length + 1 > BLOCK_WORDS) {
      this.#blocks.push(new Int32Array(BLOCK_WORDS))
      this.#used = 0
    }
    const block = this.#blocks.at(-1)!
    block[this.#used] = length
    block.set(length === world.length ? world : world.subarray(0, length), this.#used + 1)
    this.#used += length + 1
    this.count++
  }

  forEach(visit: (world: Int32Array, length: number) => void): void {
    this.#blocks.forEach((block, i) => {
      const end = i === this.#blocks.length - 1 ? this.#used : BLOCK_WORDS
      for (let at = 0; at < end && block[at]! > 0; at += block[at]! + 1) {
        visit(block.subarray(at + 1, at + 1 + block[at]!), block[at]!)
      }
    })
  }
}

const BLOCK_WORDS = 1 << 16

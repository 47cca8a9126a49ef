// Directed search, for what lies too deep for breadth: short random stretches, each begun where the search has seldom been.
// Worlds are sorted into cells by what they roughly look like; a stretch starts from the least visited of a few cells, with a bias of its own, and
// every new cell it comes across becomes a place to start from (Go-Explore: Ecoffet et al., Nature 2021). Links have moods, so that old messages wait
// while much else happens: that is how a late answer meets a later leader (F1, consensus.md §20).
// The rule to remember: seed and number of stretches give the run.
import { Prng } from '../prng.ts'
import { Bias } from './bias.ts'
import type { Violation } from './breadth-first.ts'
import { HashTable, type Hash } from './hash-table.ts'
import type { AnyModel } from './model.ts'
import { shrink } from './shrink.ts'
import { Space, type Event } from './space.ts'
import { WorldProperties } from './world-properties.ts'

export interface DirectedOptions {
  readonly seed: number
  readonly stretches: number
  readonly stepsMax: number
  readonly onProgress?: (stretches: number, cells: number) => void
}

export interface DirectedResult {
  /** Shrunk to a list of events none of which can be left out. */
  readonly violation: Violation | undefined
  /** Length of the first violation, before shrinking. */
  readonly eventsBefore: number
  readonly stretches: number
  readonly steps: number
  readonly cells: number
  readonly localStates: number
  readonly edges: ReadonlyMap<string, number>
  readonly goals: ReadonlyMap<string, boolean>
}

/** Somewhere to start from: a world, and how it was reached. */
interface Cell {
  readonly world: Int32Array
  readonly parent: Cell | undefined
  readonly events: readonly Event[]
  readonly depth: number
  visits: number
}

const PROGRESS_EVERY = 1000
/** Local states, so that two of their numbers make one key. */
const STATES_MAX = 2 ** 26
/** Cells of which the least visited is chosen. */
const TOURNAMENT = 6
/** Events from the start beyond which no stretch begins. */
const DEPTH_MAX = 200
/** Cells kept: memory is bounded, about 1 KiB each. */
const CELLS_MAX = 400_000

export function directed(model: AnyModel, options: DirectedOptions): DirectedResult {
  const search = new DirectedSearch(model, options.seed)
  for (let number = 0; number < options.stretches; number++) {
    if (number % PROGRESS_EVERY === 0) options.onProgress?.(number, search.cells.length)
    const found = search.stretch(number, options.stepsMax)
    if (found === undefined) continue
    const violation = shrink(model, found.events, found.message)
    return { ...search.summary(number + 1), eventsBefore: found.events.length, violation }
  }
  return { ...search.summary(options.stretches), eventsBefore: 0, violation: undefined }
}

class DirectedSearch {
  readonly #space: Space
  readonly #properties: WorldProperties
  readonly #random: Prng
  readonly #known = new HashTable()
  readonly #roughly: RoughWorlds
  readonly cells: Cell[] = []
  #steps = 0

  constructor(model: AnyModel, seed: number) {
    this.#space = new Space(model)
    this.#properties = new WorldProperties(this.#space)
    this.#random = new Prng(seed)
    this.#roughly = new RoughWorlds(this.#space)
    const world = this.#space.initial()
    this.cells.push({ world, parent: undefined, events: [], depth: 0, visits: 0 })
    this.#known.add(this.#roughly.hash(world))
  }

  summary = (stretches: number) => ({
    stretches,
    steps: this.#steps,
    cells: this.cells.length,
    localStates: this.#space.states.size,
    edges: this.#space.edges,
    goals: this.#properties.goals,
  })

  /** Walks on from a seldom visited cell, until something is wrong, nothing more can happen, or `stepsMax`. */
  stretch(number: number, stepsMax: number): Violation | undefined {
    const random = this.#random.fork(`stretch ${number}`)
    const bias = new Bias(random.fork('bias'))
    let from = this.#choose(random)
    from.visits++
    let world = from.world
    let events: Event[] = []
    for (let step = 0; step < stepsMax; step++) {
      const next = this.#choice(world, bias, random)
      if (next === undefined) return undefined
      this.#steps++
      events.push(next.event)
      const message = next.violation ?? this.#properties.violated(next.world)
      if (message !== undefined) return { message, events: [...pathTo(from), ...events] }
      world = next.world
      bias.maybeChangeMood()
      const depth = from.depth + events.length
      const isNew =
        this.cells.length < CELLS_MAX && depth < DEPTH_MAX && this.#known.add(this.#roughly.hash(world)) >= 0
      if (!isNew) continue
      from = { world, parent: from, events, depth, visits: 0 }
      this.cells.push(from)
      events = []
    }
    return undefined
  }

  #choose(random: Prng): Cell {
    let best = this.cells[random.integer(0, this.cells.length - 1)]!
    for (let i = 1; i < TOURNAMENT; i++) {
      const other = this.cells[random.integer(0, this.cells.length - 1)]!
      if (other.visits < best.visits) best = other
    }
    return best
  }

  /** Weighted choice in one pass: each event replaces the earlier choice with its share of the weight so far. */
  #choice(world: Int32Array, bias: Bias, random: Prng) {
    let total = 0
    let chosen:
      { readonly event: Event; readonly world: Int32Array; readonly violation: string | undefined } | undefined
    this.#space.successors(world, world.length, (event, after, length, violation, packet) => {
      const weight = bias.weigh(event, packet < 0 ? 0 : this.#roughly.staleness(packet, world))
      total += weight
      if (random.u32() / 2 ** 32 < weight / total) chosen = { event, world: after.slice(0, length), violation }
    })
    return chosen
  }
}

function pathTo(cell: Cell): Event[] {
  const parts: (readonly Event[])[] = []
  for (let at: Cell | undefined = cell; at !== undefined; at = at.parent) parts.unshift(at.events)
  return parts.flat()
}

/** Puts worlds that look alike into one cell: the rough looks of each place, and the links on which something
 * stale waits. */
class RoughWorlds {
  readonly #space: Space
  readonly #looks = new Map<string, number>()
  readonly #numbers: number[] = []
  readonly #staleness: (Map<number, number> | undefined)[] = []

  constructor(space: Space) {
    this.#space = space
  }

  hash(world: Int32Array): Hash {
    const { places, fixed, packets } = this.#space
    let text = ''
    for (let place = 0; place < places; place++) text += `${this.#lookOf(world[place]!)},`
    const worst = new Uint8Array(places * places)
    for (let i = fixed; i < world.length; i++) {
      const { from, to } = packets[world[i]!]!
      const link = from * places + to
      worst[link] = Math.max(worst[link]!, this.staleness(world[i]!, world))
    }
    text += `${world[places]!};${worst.join('')}`
    return hashText(text)
  }

  /** Of a packet in a world. */
  staleness(packet: number, world: Int32Array): number {
    const { message, from, to } = this.#space.packets[packet]!
    const pair = world[from]! * STATES_MAX + world[to]!
    const known = (this.#staleness[message] ??= new Map<number, number>())
    let staleness = known.get(pair)
    if (staleness === undefined) {
      const { model, messages, states } = this.#space
      staleness = model.staleness(messages.value(message), states.value(world[from]!), states.value(world[to]!))
      known.set(pair, staleness)
    }
    return staleness
  }

  #lookOf(state: number): number {
    return (this.#numbers[state] ??= this.#number(this.#space.model.look(this.#space.states.value(state))))
  }

  #number(look: string): number {
    const known = this.#looks.get(look)
    if (known !== undefined) return known
    this.#looks.set(look, this.#looks.size)
    return this.#looks.size - 1
  }
}

function hashText(text: string): Hash {
  let low = 0x811c9dc5
  let high = 0x2545f491
  for (let i = 0; i < text.length; i++) {
    low = Math.imul(low ^ text.charCodeAt(i), 0x01000193)
    high = Math.imul(high + text.charCodeAt(i), 0x27d4eb2f)
    high ^= high >>> 15
  }
  return { low: low | 0, high: high | 0 }
}

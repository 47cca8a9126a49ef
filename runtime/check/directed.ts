// Directed search, for what lies too deep for breadth: short random stretches, each begun where the search has seldom been.
// A stretch starts from the least visited of a few worlds that were new in some respect when they were found, with a bias of its own, and every new
// one it comes across becomes a place to start from (Go-Explore: Ecoffet et al., Nature 2021). Links have moods, so that old messages wait
// while much else happens: that is how a late answer meets a later leader (F1, consensus.md §20).
// Now and then all is forgotten and begun anew. The rule to remember: seed and number of stretches give the run.
import { Prng } from '../prng.ts'
import { Bias } from './bias.ts'
import type { Violation } from './breadth-first.ts'
import { HashTable, hashWords, type Hash } from './hash-table.ts'
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
  /** Grows with what waits stale in it: such worlds deserve more visits. */
  readonly interest: number
  visits: number
}

const PROGRESS_EVERY = 1000
/** Stretches after which all cells are forgotten: what a search comes across early decides where it goes, and another beginning may do better. */
const RESTART_EVERY = 25_000
/** The worst there is, and how many times more often worlds with it are visited. */
const STALENESS_MAX = 3
const INTEREST_OF_HARM = 8
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
    if (number % RESTART_EVERY === 0) search.restart()
    if (number % PROGRESS_EVERY === 0) options.onProgress?.(number, search.cells)
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
  readonly #novelty: Novelty
  #cells: Cell[] = []
  #cellsBefore = 0
  #steps = 0

  constructor(model: AnyModel, seed: number) {
    this.#space = new Space(model)
    this.#properties = new WorldProperties(this.#space)
    this.#random = new Prng(seed)
    this.#novelty = new Novelty(this.#space)
  }

  restart(): void {
    this.#cellsBefore += this.#cells.length
    this.#novelty.forget()
    const world = this.#space.initial()
    this.#cells = [{ world, parent: undefined, events: [], depth: 0, interest: 1, visits: 0 }]
    this.#novelty.isNew(world)
  }

  /** Found so far, those forgotten included. */
  get cells(): number {
    return this.#cellsBefore + this.#cells.length
  }

  summary = (stretches: number) => ({
    stretches,
    steps: this.#steps,
    cells: this.cells,
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
      const isNew = this.#cells.length < CELLS_MAX && depth < DEPTH_MAX && this.#novelty.isNew(world)
      if (!isNew) continue
      from = { world, parent: from, events, depth, interest: 1 + INTEREST_OF_HARM * this.#novelty.harmful, visits: 0 }
      this.#cells.push(from)
      events = []
    }
    return undefined
  }

  #choose(random: Prng): Cell {
    let best = this.#cells[random.integer(0, this.#cells.length - 1)]!
    for (let i = 1; i < TOURNAMENT; i++) {
      const other = this.#cells[random.integer(0, this.#cells.length - 1)]!
      if (other.visits / other.interest < best.visits / best.interest) best = other
    }
    return best
  }

  /** A weighted choice of what happens next, and the world after it. */
  #choice(world: Int32Array, bias: Bias, random: Prng) {
    const moves = this.#space.moves(world, world.length)
    const weights = moves.map(({ event, at }) =>
      bias.weigh(event, at < 0 ? 0 : this.#novelty.staleness(world[at]!, world)),
    )
    let left = (weights.reduce((sum, weight) => sum + weight, 0) * random.u32()) / 2 ** 32
    const move = moves.find((_, i) => (left -= weights[i]!) < 0)
    if (move === undefined) return undefined
    const length = this.#space.take(world, world.length, move)
    return { event: move.event, world: this.#space.scratch.slice(0, length), violation: move.step?.violation }
  }
}

function pathTo(cell: Cell): Event[] {
  const parts: (readonly Event[])[] = []
  for (let at: Cell | undefined = cell; at !== undefined; at = at.parent) parts.unshift(at.events)
  return parts.flat()
}

/**
 * What is new about a world: two places that have not looked like that together before, with what waits on the links between them. Pairs, not
 * whole worlds: there are too many of those, and what goes wrong goes wrong between two.
 */
class Novelty {
  readonly #space: Space
  #known = new HashTable()
  readonly #looks = new Map<string, number>()
  readonly #numbers: number[] = []
  readonly #staleness: (Map<number, number> | undefined)[] = []
  readonly #words = new Int32Array(3)
  readonly #hash: Hash = { low: 0, high: 0 }

  constructor(space: Space) {
    this.#space = space
  }

  /** Of the world last looked at: links on which the worst waits. */
  harmful = 0

  forget(): void {
    this.#known = new HashTable()
  }

  /** Takes note of the world. @returns whether there was anything new */
  isNew(world: Int32Array): boolean {
    const { places, fixed, packets } = this.#space
    const worst = new Uint8Array(places * places)
    for (let i = fixed; i < world.length; i++) {
      const { from, to } = packets[world[i]!]!
      const link = from * places + to
      worst[link] = Math.max(worst[link]!, this.staleness(world[i]!, world))
    }
    this.harmful = worst.filter((staleness) => staleness === STALENESS_MAX).length
    let isNew = false
    for (let a = 0; a < places; a++) {
      for (let b = 0; b < places; b++) {
        if (a === b) continue
        // Both orders are noted, so that names of places do not matter.
        this.#words[0] = this.#lookOf(world, a)
        this.#words[1] = this.#lookOf(world, b)
        this.#words[2] = worst[a * places + b]! * 8 + worst[b * places + a]!
        hashWords(this.#words, 3, this.#hash)
        if (this.#known.add(this.#hash) >= 0) isNew = true
      }
    }
    return isNew
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

  #lookOf(world: Int32Array, place: number): number {
    const state = world[place]!
    const look = (this.#numbers[state] ??= this.#number(this.#space.model.look(this.#space.states.value(state))))
    return look * 2 + (this.#space.isCrashed(world, place) ? 1 : 0)
  }

  #number(look: string): number {
    const known = this.#looks.get(look)
    if (known !== undefined) return known
    this.#looks.set(look, this.#looks.size)
    return this.#looks.size - 1
  }
}

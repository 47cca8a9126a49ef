// Worlds that differ in the names of places only are one: the smallest of them stands for all.
// Places are first put in the order of their shapes, which names do not change; only among equal shapes every order is tried.
import type { Permutation } from './model.ts'
import type { Space } from './space.ts'

/** All orders of 0…n−1. */
export function permutations(n: number): Permutation[] {
  if (n === 0) return [[]]
  return permutations(n - 1).flatMap((rest) =>
    Array.from({ length: n }, (_, at) => [...rest.slice(0, at), n - 1, ...rest.slice(at)]),
  )
}

export class Canonical {
  readonly #space: Space
  readonly #permutations: readonly Permutation[]
  readonly #shapes: number[] = []
  readonly #shapeNumbers = new Map<string, number>()
  readonly #renamedStates: Int32Array[]
  readonly #renamedPackets: Int32Array[]
  readonly #best: Int32Array
  readonly #other: Int32Array

  constructor(space: Space, wordsMax: number) {
    this.#space = space
    this.#permutations = permutations(space.places)
    this.#renamedStates = this.#permutations.map(() => new Int32Array(1024))
    this.#renamedPackets = this.#permutations.map(() => new Int32Array(1024))
    this.#best = new Int32Array(wordsMax)
    this.#other = new Int32Array(wordsMax)
  }

  /** The world that stands for `world` and all its renamings. Scratch: copy it to keep it. Its length is the same. */
  of(world: Int32Array, length: number): Int32Array {
    if (this.#space.model.symmetry === undefined) return world
    let found = false
    this.#permutations.forEach((permutation, p) => {
      if (!this.#sortsShapes(world, permutation)) return
      this.#rename(world, length, p, this.#other)
      if (!found || isLess(this.#other, this.#best, length)) this.#best.set(this.#other.subarray(0, length))
      found = true
    })
    return this.#best
  }

  #sortsShapes(world: Int32Array, permutation: Permutation): boolean {
    const { places } = this.#space
    for (let i = 0; i < places; i++) {
      for (let j = 0; j < places; j++) {
        if (permutation[i]! < permutation[j]! && this.#shapeOf(world, i) > this.#shapeOf(world, j)) return false
      }
    }
    return true
  }

  #shapeOf(world: Int32Array, place: number): number {
    const state = world[place]!
    return (this.#shapes[state] ??= this.#numberShape(state)) * 2 + ((world[this.#space.places]! >> place) & 1)
  }

  #numberShape(state: number): number {
    const shape = this.#space.model.symmetry!.shape(this.#space.states.value(state))
    const known = this.#shapeNumbers.get(shape)
    if (known !== undefined) return known
    this.#shapeNumbers.set(shape, this.#shapeNumbers.size)
    return this.#shapeNumbers.size - 1
  }

  #rename(world: Int32Array, length: number, p: number, into: Int32Array): void {
    const { places, fixed } = this.#space
    const permutation = this.#permutations[p]!
    let crashed = 0
    for (let i = 0; i < places; i++) {
      into[permutation[i]!] = this.#renamedState(p, world[i]!)
      if ((world[places]! >> i) & 1) crashed |= 1 << permutation[i]!
    }
    into[places] = crashed
    for (let i = places + 1; i < fixed; i++) into[i] = world[i]!
    const { network } = this.#space.model
    const isFifo = network === 'fifo' || network === 'lossy'
    // Insertion keeps the order within a link, which renaming does not change.
    for (let i = fixed; i < length; i++) {
      const number = this.#renamedPacket(p, world[i]!)
      const rank = isFifo ? this.#linkOf(number) : number
      let at = i
      while (at > fixed && (isFifo ? this.#linkOf(into[at - 1]!) : into[at - 1]!) > rank) {
        into[at] = into[at - 1]!
        at--
      }
      into[at] = number
    }
  }

  #linkOf(packet: number): number {
    const { from, to } = this.#space.packets[packet]!
    return from * this.#space.places + to
  }

  #renamedState(p: number, state: number): number {
    const table = grown(this.#renamedStates, p, state)
    if (table[state] === 0) {
      const { model, states } = this.#space
      table[state] = states.number(model.symmetry!.rename(states.value(state), this.#permutations[p]!)) + 1
    }
    return table[state]! - 1
  }

  #renamedPacket(p: number, packet: number): number {
    const table = grown(this.#renamedPackets, p, packet)
    if (table[packet] === 0) {
      const { model, messages, packets } = this.#space
      const permutation = this.#permutations[p]!
      const { from, to, message } = packets[packet]!
      const renamed = messages.number(model.symmetry!.renameMessage(messages.value(message), permutation))
      table[packet] = this.#space.packetNumber(permutation[from]!, permutation[to]!, renamed) + 1
    }
    return table[packet]! - 1
  }
}

function isLess(a: Int32Array, b: Int32Array, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! < b[i]!
  return false
}

/** The table `tables[p]`, made long enough for `index`. */
function grown(tables: Int32Array[], p: number, index: number): Int32Array {
  const table = tables[p]!
  if (index < table.length) return table
  const larger = new Int32Array(Math.max(index + 1, table.length * 2))
  larger.set(table)
  tables[p] = larger
  return larger
}

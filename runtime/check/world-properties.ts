// What must hold of all places together, asked once for each combination of local states: messages in flight do not matter to it.
import { HashTable, hashWords, type Hash } from './hash-table.ts'
import type { Space } from './space.ts'

export class WorldProperties {
  readonly #space: Space
  readonly #asked = new HashTable()
  readonly #hash: Hash = { low: 0, high: 0 }
  readonly goals: Map<string, boolean>

  constructor(space: Space) {
    this.#space = space
    this.goals = new Map(space.model.goals.map(({ name }) => [name, false]))
  }

  /** Combinations asked about so far. */
  get combinations(): number {
    return this.#asked.size
  }

  /** What is wrong with the world, if its combination of local states was not asked about before. */
  violated(world: Int32Array): string | undefined {
    hashWords(world, this.#space.places + 1, this.#hash)
    if (this.#asked.add(this.#hash) < 0) return undefined
    const { worldProperties, goals, getsOn } = this.#space.model
    const states = this.#space.statesOf(world)
    for (const { name, broken } of worldProperties) {
      const problem = broken(states)
      if (problem !== undefined) return `${name}: ${problem}`
    }
    for (const { name, isReached } of goals) {
      if (this.goals.get(name) === false && isReached(states)) this.goals.set(name, true)
    }
    if (getsOn === undefined) return undefined
    try {
      if (getsOn(states, this.#space.aliveIn(world))) return undefined
    } catch (error) {
      return `no dead end: on the way on, ${String(error)}`
    }
    return 'no dead end: with every message lost and no more faults, the living places cannot get on'
  }
}

// How likely each thing is in one stretch of a directed search: a swarm (Groce et al., ISSTA 2012), with links that have moods.
// The rule to remember: nothing is impossible, some things are merely rare.
import type { Prng } from '../prng.ts'
import type { Event } from './space.ts'

/** How a link is at the moment: weights of delivering and of losing its oldest message. */
interface Mood {
  readonly deliver: number
  readonly drop: number
}
const MOODS: readonly Mood[] = [
  { deliver: 4, drop: 0.02 },
  { deliver: 0.4, drop: 0.04 },
  // What is under way waits.
  { deliver: 0.004, drop: 0.0004 },
  // Cut: what is sent is lost.
  { deliver: 0.01, drop: 3 },
]

/** Weights of everything that may happen, as this walk has drawn them. */
export class Bias {
  readonly #random: Prng
  readonly #acts = new Map<string, number>()
  readonly #links = new Map<number, Mood>()
  readonly #crash: number
  /** How much sooner, or later, stale messages are delivered than others. */
  readonly #haste: number
  /** Of 1000 steps, so many change the mood of some link. */
  readonly #fickleness: number

  constructor(random: Prng) {
    this.#random = random
    this.#crash = this.#power(3) / 10
    this.#haste = 100 * this.#power(5)
    this.#fickleness = random.integer(10, 250)
  }

  /** 10^−x, x uniform in [0, decades]. */
  #power(decades: number): number {
    return 10 ** (-decades * (this.#random.integer(0, 1000) / 1000))
  }

  /** `staleness`: of the message that is delivered or lost; 0 if there is none. */
  weigh(event: Event, staleness: number): number {
    switch (event.kind) {
      case 'act':
        return remembered(this.#acts, `${event.place} ${event.name}`, () => this.#power(2))
      case 'crash':
        return this.#crash
      case 'drop':
        return this.#mood(event.from, event.to).drop
      case 'deliver':
      case 'duplicate':
        return this.#mood(event.from, event.to).deliver * (staleness > 1 ? this.#haste : 1)
    }
  }

  #mood(from: number, to: number): Mood {
    return remembered(this.#links, from * 64 + to, () => MOODS[this.#random.integer(0, MOODS.length - 1)]!)
  }

  maybeChangeMood(): void {
    if (!this.#random.chance(this.#fickleness, 1000)) return
    const links = [...this.#links.keys()]
    if (links.length > 0) this.#links.delete(links[this.#random.integer(0, links.length - 1)]!)
  }
}

function remembered<K, V>(map: Map<K, V>, key: K, draw: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const drawn = draw()
  map.set(key, drawn)
  return drawn
}

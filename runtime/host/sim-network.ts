// The network between simulated nodes: one seeded stream of decisions for each directed link, weather for all of them, and links that
// are cut (everything is lost) or clogged (nothing arrives for a while, then everything).
// What it may do is bounded by what a channel promises (actors/effects.ts): at most once and in order. Consensus is held to tolerate more
// (consensus.md §1), so only its messages are duplicated and overtake others.
import type { Prng } from '../prng.ts'

export interface Weather {
  /** Of 1000 messages, so many are lost. */
  readonly lossPerMille: number
  /** Of 1000 consensus messages, so many arrive twice. */
  readonly duplicationPerMille: number
  /** Of 1000 consensus messages, so many may overtake those sent before them. */
  readonly reorderPerMille: number
  /** Uniform. */
  readonly delayMs: readonly [number, number]
}

interface Link {
  readonly prng: Prng
  cut: boolean
  clogged: boolean
  /** What arrived at a clogged link. */
  held: (() => void)[]
  /** When the last message that keeps its place arrives. */
  lastAt: number
}

export interface SimNetworkOptions {
  readonly weather: Weather
  readonly prng: Prng
  /** Virtual ms. */
  readonly now: () => number
  readonly at: (timeMs: number, callback: () => void) => void
}

export class SimNetwork {
  weather: Weather
  readonly #options: SimNetworkOptions
  readonly #links = new Map<string, Link>()

  constructor(options: SimNetworkOptions) {
    this.#options = options
    this.weather = options.weather
  }

  /** `from` and `to` name the link. `robust`: the receiver tolerates duplicates and disorder. */
  transmit(from: string, to: string, robust: boolean, deliver: () => void): void {
    const link = this.#link(from, to)
    const { prng } = link
    const { lossPerMille, duplicationPerMille, reorderPerMille, delayMs } = this.weather
    const lost = lossPerMille > 0 && prng.chance(lossPerMille, 1000)
    const twice = duplicationPerMille > 0 && robust && prng.chance(duplicationPerMille, 1000)
    const overtakes = reorderPerMille > 0 && robust && prng.chance(reorderPerMille, 1000)
    const now = this.#options.now()
    const arrival = now + prng.integer(delayMs[0], delayMs[1])
    if (twice) this.#arrive(link, now + prng.integer(delayMs[0], 2 * delayMs[1]), deliver)
    if (lost || link.cut) return
    if (overtakes) return this.#arrive(link, arrival, deliver)
    link.lastAt = Math.max(link.lastAt, arrival)
    this.#arrive(link, link.lastAt, deliver)
  }

  #arrive(link: Link, timeMs: number, deliver: () => void): void {
    this.#options.at(timeMs, () => {
      if (link.clogged) link.held.push(deliver)
      else if (!link.cut) deliver()
    })
  }

  #link(from: string, to: string): Link {
    const name = `${from}>${to}`
    let link = this.#links.get(name)
    if (link === undefined) {
      link = { prng: this.#options.prng.fork(name), cut: false, clogged: false, held: [], lastAt: 0 }
      this.#links.set(name, link)
    }
    return link
  }

  /** Messages from `from` to `to` are lost until `mend`. */
  cut(from: string, to: string): void {
    this.#link(from, to).cut = true
  }

  mend(): void {
    for (const link of this.#links.values()) link.cut = false
  }

  clog(from: string, to: string): void {
    this.#link(from, to).clogged = true
  }

  /** What was held arrives now, in the order in which it would have. */
  unclog(from: string, to: string): void {
    this.#unclog(this.#link(from, to))
  }

  unclogAll(): void {
    for (const link of this.#links.values()) this.#unclog(link)
  }

  #unclog(link: Link): void {
    link.clogged = false
    const { held } = link
    link.held = []
    const now = this.#options.now()
    for (const deliver of held) this.#arrive(link, now, deliver)
  }
}

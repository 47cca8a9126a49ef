// A node's own clock in simulation: it runs faster or slower than virtual time, and never goes back.

export class SimClock {
  readonly #virtualNow: () => number
  #base: number
  #since = 0
  #percent = 100

  /** @param epochMs what it shows at virtual time 0. */
  constructor(epochMs: number, virtualNow: () => number) {
    this.#base = epochMs
    this.#virtualNow = virtualNow
  }

  /** Whole ms since the Unix epoch, as this node believes. */
  now(): number {
    const elapsed = this.#virtualNow() - this.#since
    return this.#base + (this.#percent === 100 ? elapsed : Math.floor((elapsed * this.#percent) / 100))
  }

  /** Virtual ms that pass while this clock advances by at least `ms`. */
  virtualMs(ms: number): number {
    return this.#percent === 100 ? ms : Math.ceil((ms * 100) / this.#percent)
  }

  /** From now on 100 of its ms take 10000/`percent` virtual ms: 200 is twice as fast. */
  runAt(percent: number): void {
    this.#base = this.now()
    this.#since = this.#virtualNow()
    this.#percent = percent
  }
}

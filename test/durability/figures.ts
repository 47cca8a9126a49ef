// What a part of the durability runs tried and what came of it. Losses are the point: there must be none.

export interface Loss {
  /** What was done, with what is needed to do it again. */
  readonly tried: string
  readonly problem: string
}

export interface Figures {
  readonly part: string
  /** e.g. `kills`, `crash states`. */
  readonly unit: string
  readonly tried: number
  /** How often it ended how. */
  readonly outcomes: Readonly<Record<string, number>>
  readonly losses: readonly Loss[]
}

const LOSSES_KEPT = 20

export class Tally {
  readonly #part: string
  readonly #unit: string
  readonly #outcomes = new Map<string, number>()
  readonly #losses: Loss[] = []
  #tried = 0
  #lost = 0

  constructor(part: string, unit: string) {
    this.#part = part
    this.#unit = unit
  }

  tried(outcome: string): void {
    this.#tried++
    this.count(outcome)
  }

  /** Something worth a figure that is no try of its own. */
  count(outcome: string): void {
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1)
  }

  lost(tried: string, problem: string): void {
    this.tried('LOST')
    if (this.#lost++ < LOSSES_KEPT) this.#losses.push({ tried, problem })
  }

  get figures(): Figures {
    const outcomes = Object.fromEntries([...this.#outcomes].sort(([a], [b]) => (a < b ? -1 : 1)))
    return { part: this.#part, unit: this.#unit, tried: this.#tried, outcomes, losses: this.#losses }
  }
}

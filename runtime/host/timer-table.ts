// Named timers of actors over one way of waiting. Setting a timer that is already set only moves its deadline, which is what
// consensus does on every message, so a wait under way is left alone and looked at again when it ends.
// The rule to remember: a timer fires at most once per setting; a cancelled or moved one never fires early.
import type { Address } from '../../actors/actor.ts'

export interface TimerTableOptions {
  readonly now: () => number
  /** Calls back after about `delayMs`; returns a way to give the wait up. */
  readonly wait: (delayMs: number, callback: () => void) => () => void
  readonly fire: (address: Address, name: string) => void
}

interface Timer {
  readonly address: Address
  readonly name: string
  deadline: number
  /** When the wait under way ends. */
  waitingUntil: number
  giveUp: () => void
}

export class TimerTable {
  readonly #options: TimerTableOptions
  readonly #timers = new Map<string, Timer>()

  constructor(options: TimerTableOptions) {
    this.#options = options
  }

  set(address: Address, name: string, delayMs: number): void {
    const key = `${address} ${name}`
    const deadline = this.#options.now() + delayMs
    const timer = this.#timers.get(key)
    if (timer === undefined) {
      const fresh: Timer = { address, name, deadline, waitingUntil: 0, giveUp: () => undefined }
      this.#timers.set(key, fresh)
      this.#await(key, fresh)
      return
    }
    timer.deadline = deadline
    if (timer.waitingUntil > deadline) {
      timer.giveUp()
      this.#await(key, timer)
    }
  }

  cancel(address: Address, name: string): void {
    const key = `${address} ${name}`
    this.#timers.get(key)?.giveUp()
    this.#timers.delete(key)
  }

  /** Cancels all timers of an actor. */
  forget(address: Address): void {
    for (const timer of this.#timers.values()) if (timer.address === address) this.cancel(address, timer.name)
  }

  clear(): void {
    for (const timer of this.#timers.values()) timer.giveUp()
    this.#timers.clear()
  }

  #await(key: string, timer: Timer): void {
    timer.waitingUntil = timer.deadline
    timer.giveUp = this.#options.wait(Math.max(0, timer.deadline - this.#options.now()), () => {
      if (this.#timers.get(key) !== timer) return
      if (timer.deadline > this.#options.now()) {
        this.#await(key, timer)
        return
      }
      this.#timers.delete(key)
      this.#options.fire(timer.address, timer.name)
    })
  }
}

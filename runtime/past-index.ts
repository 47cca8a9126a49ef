// The index of the past as the live host uses it: LMDB behind the port of actors' effects. Calls are performed one after the other.
// The rule to remember: after a failed write nothing more is written; the historian then says why it cannot answer.
import type { IndexRow } from '../actors/effects.ts'
import type { PastIndex } from '../store/past-index-lmdb.ts'
import type { PastIndexPort, PastLookup } from './host/ports.ts'

const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

export class LivePastIndex implements PastIndexPort {
  readonly #index: PastIndex
  #turn: Promise<void> = Promise.resolve()
  #failure: Error | undefined

  constructor(index: PastIndex) {
    this.#index = index
  }

  open(clear: boolean, done: (error: Error | undefined, mark: Uint8Array | undefined) => void): void {
    this.#inTurn(
      () => (clear ? this.#index.clear() : Promise.resolve()),
      (error) => (error === undefined ? done(undefined, this.#index.mark) : done(error, undefined)),
    )
  }

  write(rows: readonly IndexRow[], mark: Uint8Array, done: (error: Error | undefined) => void): void {
    this.#inTurn(() => this.#index.write(rows, mark), done)
  }

  read(lookup: PastLookup, done: (error: Error | undefined, seqnos: readonly number[]) => void): void {
    try {
      done(undefined, this.#index.read(lookup))
    } catch (error) {
      done(toError(error), [])
    }
  }

  async close(): Promise<void> {
    await this.#turn
    if (this.#failure === undefined) await this.#index.close()
  }

  #inTurn(work: () => Promise<void>, done: (error: Error | undefined) => void): void {
    this.#turn = this.#turn.then(async () => {
      if (this.#failure === undefined) await work().catch((error: unknown) => (this.#failure = toError(error)))
      done(this.#failure)
    })
  }
}

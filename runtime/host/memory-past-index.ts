// The index of the past in memory: for simulations, and the twin of the one in LMDB (test/unit/store/past-index.test.ts holds the two equal).
import type { IndexRow } from '../../actors/effects.ts'
import { toHex } from '../../protocols/codec/bytes.ts'
import type { PastIndexPort, PastLookup } from './ports.ts'

export class MemoryPastIndex implements PastIndexPort {
  /** Seqnos by key, ascending: rows come in the order of the ledger. */
  readonly #rows = new Map<string, number[]>()
  #mark: Uint8Array | undefined

  open(clear: boolean, done: (error: Error | undefined, mark: Uint8Array | undefined) => void): void {
    if (clear) {
      this.#rows.clear()
      this.#mark = undefined
    }
    done(undefined, this.#mark)
  }

  write(rows: readonly IndexRow[], mark: Uint8Array, done: (error: Error | undefined) => void): void {
    for (const { key, seqno } of rows) {
      const name = toHex(key)
      const seqnos = this.#rows.get(name) ?? []
      if (seqnos.at(-1) !== seqno) seqnos.push(seqno)
      this.#rows.set(name, seqnos)
    }
    this.#mark = mark
    done(undefined)
  }

  read(lookup: PastLookup, done: (error: Error | undefined, seqnos: readonly number[]) => void): void {
    const { key, from, to, limit, latestFirst } = lookup
    const found = (this.#rows.get(toHex(key)) ?? []).filter((seqno) => seqno >= from && seqno <= to)
    done(undefined, (latestFirst ? found.reverse() : found).slice(0, limit))
  }
}

// The past as one handler sees it in one attempt: answered from the query's facts; what is not among them is noted, and the handler stopped.
// The rule to remember: only verified transactions speak here. The index merely says which of them to look at.
import type { HistoricalState, HistoricalTable, History, SeqnoRange } from '../../protocols/app.ts'
import { equalBytes } from '../../protocols/codec/bytes.ts'
import { refusal, type Refusal } from '../../protocols/errors.ts'
import { seqno as asSeqno, view as asView, type TxId } from '../../protocols/ids.ts'
import { isReservedMap } from '../../protocols/ledger/tables.ts'
import { mapWrites } from '../../protocols/ledger/write-set.ts'
import { RANGE_ITEMS_MAX } from '../../protocols/limits.ts'
import { refuseUnavailable } from './answers.ts'
import { keyOfWrite } from './index-rows.ts'
import { receiptOf } from './receipts.ts'
import { isLoaded, nameOf, type Facts, type HistorianState, type Lookup, type Wanted } from './state.ts'
import type { Loaded } from './verification.ts'

/** Stops a handler that asked for something that is not there yet. */
export class Missing extends Error {}

/** Stops a handler that asked for something that cannot be had. */
export class HistoryRefused extends Error {
  readonly refusal: Refusal
  constructor(problem: Refusal) {
    super(problem.message)
    this.refusal = problem
  }
}

/** A handler broke a rule of the platform. */
export class HistoryMisuse extends Error {}

const NOTHING_COMMITTED = refusal(404, 'TransactionPendingOrUnknown', 'Nothing is committed here yet.')

export class PastOf implements History {
  readonly committedSeqno: number
  readonly #s: HistorianState
  readonly #facts: Facts
  readonly #target: TxId | undefined
  readonly #entries = new Set<number>()
  readonly #lookups = new Map<string, Lookup>()

  constructor(s: HistorianState, facts: Facts, wanted: Extract<Wanted, { readonly kind: 'endpoint' }>) {
    this.#s = s
    this.#facts = facts
    this.#target = wanted.target
    this.committedSeqno = wanted.committedSeqno
  }

  get isComplete(): boolean {
    return this.#entries.size === 0 && this.#lookups.size === 0
  }

  get missing(): { readonly entries: readonly number[]; readonly lookups: ReadonlyMap<string, Lookup> } {
    return { entries: [...this.#entries], lookups: this.#lookups }
  }

  target(): HistoricalState {
    if (this.#target === undefined) throw new HistoryMisuse('this endpoint is not given a transaction')
    return this.#state(this.#target.seqno)
  }

  states(seqnos: readonly number[]): readonly HistoricalState[] {
    if (seqnos.length > RANGE_ITEMS_MAX) throw new HistoryMisuse(`at most ${RANGE_ITEMS_MAX} states at a time`)
    for (const seqno of seqnos) {
      if (!Number.isSafeInteger(seqno) || seqno < 1 || seqno > this.committedSeqno) {
        throw new HistoryRefused(
          refusal(404, 'TransactionPendingOrUnknown', `Transaction ${seqno} is not committed here.`),
        )
      }
      if (!this.#facts.entries.has(seqno)) this.#entries.add(seqno)
    }
    if (!this.isComplete) throw new Missing()
    return seqnos.map((seqno) => this.#state(seqno))
  }

  writesOf(table: string, key: Uint8Array, { from, to, limit }: SeqnoRange): readonly number[] {
    refuseReserved(table)
    if (limit > RANGE_ITEMS_MAX) throw new HistoryMisuse(`at most ${RANGE_ITEMS_MAX} transactions at a time`)
    const range = { from: Math.max(1, from), to: Math.min(to, this.committedSeqno) }
    if (range.from > range.to || limit < 1) return []
    const found = this.lookUp(table, key, { ...range, limit, latestFirst: false })
    const { begin } = this.#s.index
    if (range.from < begin) this.#refuseBefore(begin)
    return found
  }

  /** @throws Missing */
  lookUp(table: string, key: Uint8Array, range: Omit<Lookup, 'key'>): readonly number[] {
    const { config, index } = this.#s
    if (index.secret === undefined) throw new HistoryRefused(NOTHING_COMMITTED)
    const lookup: Lookup = { key: keyOfWrite(config.crypto, index.secret, table, key), ...range }
    const name = nameOf(lookup)
    const found = this.#facts.lookups.get(name)
    if (found !== undefined) return found
    if (index.broken !== undefined) {
      throw new HistoryRefused(refusal(500, 'InternalError', `The index of the past has stopped: ${index.broken}.`))
    }
    this.#lookups.set(name, lookup)
    throw new Missing()
  }

  /** The last value that a key was given up to `seqno`. */
  lastWrite(
    table: string,
    key: Uint8Array,
    seqno: number,
  ): { readonly seqno: number; readonly value: Uint8Array } | undefined {
    const [last] = this.lookUp(table, key, { from: 1, to: seqno, limit: 1, latestFirst: true })
    if (last === undefined) {
      const { begin } = this.#s.index
      if (begin > 1) this.#refuseBefore(begin)
      return undefined
    }
    const change = changeOf(this.loaded(last), table, key)
    // Rows are names made by a keyed hash, written by this node; one that points to another key was put there by somebody else.
    if (change === undefined) {
      throw new HistoryRefused(
        refusal(500, 'InternalError', `The index of the past is wrong about transaction ${last}.`),
      )
    }
    return change.value === undefined ? undefined : { seqno: last, value: change.value }
  }

  #refuseBefore(begin: number): never {
    const message = `The ledger of this node tells of keys from transaction ${begin} on; ask a node that has the whole ledger.`
    throw new HistoryRefused(refusal(404, 'TransactionNotFound', message))
  }

  /** @throws Missing, HistoryRefused */
  loaded(seqno: number): Loaded {
    const found = this.#facts.entries.get(seqno)
    if (found === undefined) {
      this.#entries.add(seqno)
      throw new Missing()
    }
    if (!isLoaded(found)) throw new HistoryRefused(refuseUnavailable(seqno, found))
    return found
  }

  #state(seqno: number): HistoricalState {
    return new StateAt(this.#s, this, this.loaded(seqno))
  }
}

function refuseReserved(table: string): void {
  if (isReservedMap(table)) throw new HistoryMisuse(`table ${table} is reserved`)
}

/** What a transaction did to a key; undefined if nothing. Its value is undefined if it was removed. */
function changeOf(
  { writes }: Loaded,
  table: string,
  key: Uint8Array,
): { readonly value: Uint8Array | undefined } | undefined {
  const map = mapWrites(writes, table)
  const write = map?.writes.find((candidate) => equalBytes(candidate.key, key))
  if (write !== undefined) return { value: write.value }
  return map?.removes.some((removed) => equalBytes(removed, key)) === true ? { value: undefined } : undefined
}

class StateAt implements HistoricalState {
  readonly txId: TxId
  readonly #s: HistorianState
  readonly #past: PastOf
  readonly #loaded: Loaded

  constructor(s: HistorianState, past: PastOf, loaded: Loaded) {
    this.#s = s
    this.#past = past
    this.#loaded = loaded
    this.txId = { view: asView(loaded.view), seqno: asSeqno(loaded.seqno) }
  }

  get receipt() {
    return receiptOf(this.#s, this.#loaded)
  }

  written(table: string) {
    refuseReserved(table)
    return mapWrites(this.#loaded.writes, table)
  }

  table(name: string): HistoricalTable {
    refuseReserved(name)
    const lastWrite = (key: Uint8Array) => {
      const own = changeOf(this.#loaded, name, key)
      if (own === undefined) return this.#past.lastWrite(name, key, this.txId.seqno)
      return own.value === undefined ? undefined : { seqno: this.txId.seqno as number, value: own.value }
    }
    return {
      get: (key) => lastWrite(key)?.value,
      has: (key) => lastWrite(key) !== undefined,
      versionOf: (key) => lastWrite(key)?.seqno,
    }
  }
}

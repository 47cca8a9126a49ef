// Who waits for which transaction to be committed. Fed by the node's sealed notices, and by answers of GET /app/tx when notices fail to come.
// The rule to remember: a notice (v, s) settles view v up to s and says nothing of older views; those are asked about (CCF facts §1.1).
import type { TxId } from '../../protocols/ids.ts'
import { formatTxId } from '../../protocols/ids.ts'
import { ConcordatError } from './errors.ts'

export type OnCommitted = (error: ConcordatError | undefined) => void

interface Waiter {
  readonly seqno: number
  readonly onCommitted: OnCommitted
  readonly since: number
  readonly deadline: number
}

interface ViewQueue {
  /** Highest seqno known to be committed in this view. */
  committed: number
  /** Ascending by seqno. */
  waiters: Waiter[]
  askedAt: number
}

/** How many views are remembered without anyone waiting in them. */
const VIEWS_MAX = 16
/** Times are of performance.now(), ms. */
export class Commits {
  readonly #views = new Map<number, ViewQueue>()
  #waiting = 0

  get waiting(): number {
    return this.#waiting
  }

  /** Calls back when `txId` is committed, invalid, or `deadline` has passed; at once when it is known to be committed. */
  wait(txId: TxId, now: number, deadline: number, onCommitted: OnCommitted): void {
    const queue = this.#queue(txId.view)
    if (txId.seqno <= queue.committed) return onCommitted(undefined)
    const waiter = { seqno: txId.seqno, onCommitted, since: now, deadline }
    let at = queue.waiters.length
    // Transactions are nearly always waited for in their order.
    while (at > 0 && queue.waiters[at - 1]!.seqno > waiter.seqno) at--
    queue.waiters.splice(at, 0, waiter)
    this.#waiting++
  }

  /** Everything of this view up to `seqno` is committed. */
  committed({ view, seqno }: TxId): void {
    const queue = this.#queue(view)
    if (seqno <= queue.committed) return
    queue.committed = seqno
    let settled = 0
    while (settled < queue.waiters.length && queue.waiters[settled]!.seqno <= seqno) settled++
    for (const { onCommitted } of this.#take(queue, 0, settled)) onCommitted(undefined)
  }

  /** This transaction will never be committed, nor any later one of its view. */
  invalid(txId: TxId): void {
    const queue = this.#queue(txId.view)
    const first = queue.waiters.findIndex(({ seqno }) => seqno >= txId.seqno)
    if (first < 0) return
    for (const { seqno, onCommitted } of this.#take(queue, first, queue.waiters.length - first)) {
      const id = `${txId.view}.${seqno}`
      onCommitted(
        new ConcordatError('TransactionInvalid', `transaction ${id} was rolled back and will never be committed`),
      )
    }
  }

  /**
   * Transactions to ask about, at most three of each view: the lowest, the highest and one between, so that any outcome is found soon. Asked are views
   * whose waiters have waited for `quietMs`, or for which a newer view is known to have commits, and not again within `quietMs`.
   */
  toAsk(now: number, quietMs: number): readonly TxId[] {
    const newest = Math.max(0, ...[...this.#views].filter(([, { committed }]) => committed > 0).map(([view]) => view))
    const asked: TxId[] = []
    for (const [view, queue] of this.#views) {
      const { waiters } = queue
      const [oldest] = waiters
      if (oldest === undefined || now - queue.askedAt < quietMs) continue
      if (view >= newest && now - oldest.since < quietMs) continue
      queue.askedAt = now
      const places = new Set([0, waiters.length >> 1, waiters.length - 1])
      for (const place of places) asked.push({ view, seqno: waiters[place]!.seqno } as TxId)
    }
    return asked
  }

  /** Gives up on waiters whose time is over. */
  expire(now: number): void {
    for (const [view, queue] of this.#views) {
      const late = queue.waiters.filter(({ deadline }) => deadline <= now)
      if (late.length === 0) continue
      queue.waiters = queue.waiters.filter(({ deadline }) => deadline > now)
      this.#waiting -= late.length
      for (const { seqno, onCommitted } of late) onCommitted(notCommittedInTime({ view, seqno } as TxId))
    }
  }

  /** Fails everyone: the client is closed. */
  fail(error: ConcordatError): void {
    for (const queue of this.#views.values()) {
      for (const { onCommitted } of this.#take(queue, 0, queue.waiters.length)) onCommitted(error)
    }
  }

  #take(queue: ViewQueue, from: number, count: number): readonly Waiter[] {
    this.#waiting -= count
    return queue.waiters.splice(from, count)
  }

  #queue(view: number): ViewQueue {
    const known = this.#views.get(view)
    if (known !== undefined) return known
    if (this.#views.size >= VIEWS_MAX) {
      const idle = [...this.#views].filter(([, { waiters }]) => waiters.length === 0).map(([old]) => old)
      if (idle.length > 0) this.#views.delete(Math.min(...idle))
    }
    const queue: ViewQueue = { committed: 0, waiters: [], askedAt: -Infinity }
    this.#views.set(view, queue)
    return queue
  }
}

const notCommittedInTime = (txId: TxId): ConcordatError =>
  new ConcordatError('RequestTimeout', `transaction ${formatTxId(txId)} was not committed in time`, {
    outcomeUnknown: true,
  })

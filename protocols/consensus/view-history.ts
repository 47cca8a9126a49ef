// Where each view begins in the log (consensus.md §13). An immutable array: position v−1 holds the first seqno of view v.
// Views that left no entry have the same start as the next one.
import { invariant } from '../errors.ts'

export type ViewHistory = readonly number[]

/** Records that `view` has entries from `idx` on; pads views that were skipped. */
export function updateViewHistory(history: ViewHistory, idx: number, view: number): ViewHistory {
  if (view <= history.length) return history
  invariant(idx >= (history.at(-1) ?? 0), `view ${view} cannot start at ${idx}, before view ${history.length}`)
  return [...history, ...Array.from({ length: view - history.length }, () => idx)]
}

/** View of the entry at `idx`: the number of recorded starts at or below it. 0 for index 0. */
export function viewAt(history: ViewHistory, idx: number): number {
  let low = 0
  let high = history.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (history[middle]! <= idx) low = middle + 1
    else high = middle
  }
  return idx < 1 ? 0 : low
}

/** First seqno of `view`; 0 if the view is unknown or empty. */
export function startOfView(history: ViewHistory, view: number): number {
  const start = history[view - 1]
  return start === undefined || start === history[view] ? 0 : start
}

/** Forgets views that start after `idx`. */
export function rollbackViewHistory(history: ViewHistory, idx: number): ViewHistory {
  let length = history.length
  while (length > 0 && history[length - 1]! > idx) length--
  return length === history.length ? history : history.slice(0, length)
}

// How many entries an AppendEntries carries when a leader sends on its heartbeat only (consensus.md §14). Only message boundaries depend on it.
// Integer arithmetic throughout, as in CCF. The rule to remember: about 20000 bytes a message, by the mean size of what was appended lately.

/** Bytes appended since the last update that make a leader send at once, and the size a message is aimed at. */
const BATCH_BYTES = 20_000
/** Entries in a message when entries are empty. */
const EMPTY_ENTRIES = 10_000
/** Updates whose sizes are averaged. */
const WINDOW = 100

export interface Batch {
  /** Entries of a message. */
  readonly entries: number
  /** Appended since the last update by size. */
  readonly sizeSum: number
  readonly count: number
  readonly windowSum: number
}

export const INITIAL_BATCH: Batch = { entries: 20, sizeSum: 0, count: 0, windowSum: 0 }

/** After an entry of `bytes` was appended. */
export const countAppended = (batch: Batch, bytes: number): Batch => ({
  ...batch,
  sizeSum: batch.sizeSum + bytes,
  count: batch.count + 1,
})

export const isFull = (batch: Batch): boolean => batch.sizeSum >= BATCH_BYTES

/** At every heartbeat of a leader. */
export function updateBatch(batch: Batch): Batch {
  const mean = batch.count === 0 ? BATCH_BYTES : Math.floor(batch.sizeSum / batch.count)
  const fitting = mean === 0 ? EMPTY_ENTRIES : Math.floor(BATCH_BYTES / mean)
  const windowSum = batch.windowSum + fitting - Math.floor(batch.windowSum / WINDOW)
  return { ...batch, windowSum, entries: Math.max(Math.floor(windowSum / WINDOW), 1) }
}

/** When enough was appended: the update, and counting begins anew. */
export const closeBatch = (batch: Batch): Batch => ({ ...updateBatch(batch), sizeSum: 0, count: 0 })

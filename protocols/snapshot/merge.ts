// Puts sorted parts of a map's rows together in bounded steps, so that a node that writes a snapshot of many rows does nothing for long.
// Ranks are hashes and therefore even: the range of ranks is cut into slices, and each step takes one slice out of every part.
// The rule to remember: a value in, a value out; nothing is changed in place.
import type { SortedRows } from './encode.ts'

/** Rows, and bytes, that one step is meant to take. */
const STEP_ROWS = 2048
const STEP_BYTES = 512 * 1024

export interface RowsMerge {
  readonly parts: readonly SortedRows[]
  /** Rows taken of each part. */
  readonly taken: readonly number[]
  readonly step: number
  readonly steps: number
}

export function beginMerge(parts: readonly SortedRows[]): RowsMerge {
  const rows = parts.reduce((sum, { ranks }) => sum + ranks.length, 0)
  const bytes = rowsBytes(parts)
  const steps = Math.max(1, Math.ceil(rows / STEP_ROWS), Math.ceil(bytes / STEP_BYTES))
  return { parts, taken: parts.map(() => 0), step: 0, steps }
}

export const rowsBytes = (parts: readonly SortedRows[]): number =>
  parts.reduce((sum, part) => sum + part.bytes.length, 0)

export const isMerged = ({ step, steps }: RowsMerge): boolean => step >= steps

/** The next rows, encoded, and what is left. Rows of equal rank keep the order of their parts. */
export function mergeStep({ parts, taken, step, steps }: RowsMerge): {
  readonly bytes: Uint8Array
  readonly rest: RowsMerge
} {
  const limit = step + 1 >= steps ? Infinity : ((step + 1) * 2 ** 32) / steps
  const found: { readonly rank: number; readonly row: Uint8Array }[] = []
  const next = parts.map(({ ranks, ends, bytes }, i) => {
    let at = taken[i]!
    for (; at < ranks.length && ranks[at]! < limit; at++) {
      found.push({ rank: ranks[at]!, row: bytes.subarray(at === 0 ? 0 : ends[at - 1]!, ends[at]) })
    }
    return at
  })
  found.sort((a, b) => a.rank - b.rank)
  const rows = new Uint8Array(found.reduce((sum, { row }) => sum + row.length, 0))
  let at = 0
  for (const { row } of found) {
    rows.set(row, at)
    at += row.length
  }
  return { bytes: rows, rest: { parts, taken: next, step: step + 1, steps } }
}

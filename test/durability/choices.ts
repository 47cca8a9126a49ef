// Ways to choose among what a crash may leave: at random from a seed, with a taste for extremes, or everything in turn.
import type { Prng } from '../../runtime/prng.ts'
import type { Choose } from '../../store/ledger/crash-states.ts'

/** Uniform choices alone would nearly always lose something of everything; most bugs need all but one thing lost or kept. */
export function drawn(prng: Prng): Choose {
  const [newest, oldest] = [
    [0, 0],
    [0, 90],
    [90, 0],
    [98, 0],
    [45, 45],
    [50, 0],
  ][prng.integer(0, 5)]! as [number, number]
  return (count) => {
    const draw = prng.integer(0, 99)
    if (draw < newest) return count - 1
    return draw < newest + oldest ? 0 : prng.integer(0, count - 1)
  }
}

/**
 * Runs `visit` once for every row of choices it can make, at most `limit` times.
 * @returns whether that were all
 */
export function exhaust(limit: number, visit: (choose: Choose) => void): boolean {
  const row: { picked: number; readonly count: number }[] = []
  for (let runs = 0; runs < limit; runs++) {
    let at = 0
    visit((count) => {
      if (at === row.length) row.push({ picked: 0, count })
      return row[at++]!.picked
    })
    while (row.length > 0 && row.at(-1)!.picked === row.at(-1)!.count - 1) row.pop()
    const last = row.at(-1)
    if (last === undefined) return true
    last.picked++
  }
  return false
}

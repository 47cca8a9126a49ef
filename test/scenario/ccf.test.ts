// Goal: CCF's scenario files pass as they are, end as with CCF's own driver, write as many trace events as it does, and every trace has
// the form that CCF's trace validation reads. Nothing depends on what CCF leaves to chance.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { traceFile } from '../../runtime/scenario/trace-file.ts'
import { endStates, run, runFile } from './runs.ts'
import { traceProblems } from './trace-format.ts'

const GOLDEN = fileURLToPath(new URL('../golden/raft-scenarios', import.meta.url))
/** Beside the repository on some machines: the same files, and maybe more. */
const SHARED = fileURLToPath(new URL('../../../shared/data/raft-scenarios', import.meta.url))
const scenarios = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).filter((name) => !/\.(txt|md)$/.test(name)) : []

interface End {
  readonly name: string
  readonly states: string
  readonly events: number
}

const ends = readFileSync(join(GOLDEN, 'end-states.txt'), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line): End => {
    const [, name, states, events] = /^(\S+) +(\S.*\S) +\[(\d+)\]$/.exec(line)!
    return { name: name!, states: states!, events: Number(events) }
  })

describe("CCF's scenario", () => {
  it('files are all here, each with its end', () => {
    expect(ends.map(({ name }) => name)).toEqual(scenarios(GOLDEN).sort())
    expect(ends).toHaveLength(15)
  })

  it.each(ends)('$name ends as with CCF', ({ name, states }) => {
    const result = runFile(join(GOLDEN, name))
    expect(result.failure).toBeUndefined()
    expect(endStates(result)).toBe(states)
  })

  it.each(ends)('$name writes $events trace events when one more loop_until_sync is added', ({ name, events }) => {
    const result = run(`${readFileSync(join(GOLDEN, name), 'utf8')}\nloop_until_sync\n`)
    expect(result.failure).toBeUndefined()
    expect(result.events).toHaveLength(events)
  })

  it.each(ends)('$name has a trace of the right form that explains every change', ({ name }) => {
    const { events, ids, mismatch } = runFile(join(GOLDEN, name))
    expect(mismatch).toBeUndefined()
    expect(traceProblems(traceFile(events, ids))).toEqual([])
  })

  it.each(ends)('$name goes the same way whatever the seed', ({ name }) => {
    const first = runFile(join(GOLDEN, name), 1)
    for (const seed of [2, 3, 4]) {
      const other = runFile(join(GOLDEN, name), seed)
      expect(other.nodes).toEqual(first.nodes)
      expect(other.events).toEqual(first.events)
    }
  })
})

describe('the files beside the repository, if any', () => {
  it.each([[SHARED], [GOLDEN]])('in %s pass unmodified', (folder) => {
    const failures = scenarios(folder).flatMap((name) => runFile(join(folder, name)).failure ?? [])
    expect(failures).toEqual([])
  })
})

// Goal: our own scenarios pass: the known bugs of CCF's consensus (consensus.md §19, §20) and corner cases of rollback, learning and
// retirement. That each fails on a replica with the bug is for the mutants to show.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { traceFile } from '../../runtime/scenario/trace-file.ts'
import { runFile } from './runs.ts'
import { traceProblems } from './trace-format.ts'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.scenario'))

/** Six nodes: more than the specification has servers. */
const UNTRACEABLE = ['b1_union_quorum.scenario']

describe('our scenario', () => {
  it('files are here', () => expect(names.length).toBeGreaterThanOrEqual(16))

  it.each(names)('%s says what it shows', (name) =>
    expect(readFileSync(join(FOLDER, name), 'utf8')).toMatch(/^# \S.*\.\n/s),
  )

  it.each(names)('%s passes, the same way whatever the seed', (name) => {
    const first = runFile(join(FOLDER, name), 1)
    expect(first.failure).toBeUndefined()
    expect(first.mismatch).toBeUndefined()
    const other = runFile(join(FOLDER, name), 2)
    expect(other.events).toEqual(first.events)
    expect(other.nodes).toEqual(first.nodes)
  })

  it.each(names.filter((name) => !UNTRACEABLE.includes(name)))('%s has a trace of the right form', (name) => {
    const { events, ids } = runFile(join(FOLDER, name))
    expect(traceProblems(traceFile(events, ids))).toEqual([])
  })
})

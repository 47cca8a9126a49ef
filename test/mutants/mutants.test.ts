// Goal: every mutant still is one — its place in the code is found, and the program with it compiles — and the quickest are really found, by
// the searches that find nothing in the program as it is. All of them: `npm run mutants`.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { transformSync } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../tidy/sources.ts'
import { bundleProgram, mutate } from './bundle.ts'
import { runHunt } from './hunt.ts'
import { commandOf } from './mutant.ts'
import { MUTANTS } from './mutants.ts'

const BUDGET_SECONDS = 60
const QUICK = ['B1', 'B2', 'B3', 'B4', 'B5', 'F2', 'F3', 'unsigned-commit']
const quick = MUTANTS.filter(({ id }) => QUICK.includes(id))

describe('every mutant', () => {
  it.each(MUTANTS)('$id stands once in its file, and compiles', (mutant) => {
    const text = readFileSync(join(ROOT, mutant.file), 'utf8')
    const mutated = mutate(text, mutant)
    expect(mutated).not.toBe(text)
    expect(transformSync(mutated, { loader: 'ts' }).code).not.toBe('')
  })

  it('has an id of its own, and a run written for it only as the last hunt', () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(34)
    expect(new Set(MUTANTS.map(({ id }) => id)).size).toBe(MUTANTS.length)
    for (const { hunts } of MUTANTS) {
      expect(hunts[0].tool).not.toBe('scenario')
      expect(hunts.slice(0, -1).filter(({ tool }) => tool === 'scenario')).toEqual([])
    }
  })
})

it('a mutant whose place has changed is noticed', () => {
  const change = { file: 'a.ts', find: 'x', replace: 'y' }
  expect(mutate('a x b', change)).toBe('a y b')
  expect(() => mutate('a b', change)).toThrow("a.ts has 'x' 0 times")
  expect(() => mutate('x x', change)).toThrow("a.ts has 'x' 2 times")
})

describe('the quickest', () => {
  const folder = join(ROOT, '.build', 'mutants', `test.${process.pid}`)
  const control = join(folder, 'control.mjs')
  const options = { root: ROOT, budgetSeconds: BUDGET_SECONDS }

  beforeAll(async () => {
    mkdirSync(folder, { recursive: true })
    await bundleProgram(ROOT, control)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each(quick)('$id is found', async (mutant) => {
    const bundle = join(folder, `${mutant.id}.mjs`)
    await bundleProgram(ROOT, bundle, mutant)
    expect(await runHunt(bundle, mutant.hunts[0], options)).toMatchObject({ outcome: 'found' })
  })

  const hunts = new Map(quick.map(({ hunts: [first] }) => [commandOf(first), first]))
  it.each([...hunts.values()])('$tool $args finds nothing in the program as it is', async (hunt) => {
    expect(await runHunt(control, hunt, options)).toMatchObject({ outcome: 'nothing' })
  })

  it('what the program refuses is not taken for a find', async () => {
    const refused = await runHunt(control, { tool: 'check', args: ['replica', '--nodes', '9'] }, options)
    expect(refused).toMatchObject({ outcome: 'broken' })
  })
})

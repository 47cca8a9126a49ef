// Goal: `concordat sim` says what was run, with the hash and the one command that repeats it; --json is one object; plans are saved and run
// again to the same hash; a failing run is exit code 1 and wrong use exit code 2.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatPlan, parsePlan } from '../../runtime/sim/plan-file.ts'
import { concordat, temporaryFolder } from '../unit/cli/harness.ts'

interface Report {
  readonly ok: boolean
  readonly eventsPerSecond: number
  readonly runs: readonly {
    readonly seed: number
    readonly steps: number
    readonly hash: string
    readonly repeat: string
  }[]
}
const report = (text: string): Report => JSON.parse(text) as Report

describe('concordat sim', () => {
  it('runs seeds one after the other, a line for each', async () => {
    const { code, stdout } = await concordat('sim', '--seed', '101', '--runs', '2', '--steps', '400', '--nodes', '3')
    expect(code).toBe(0)
    const [first, second, summary] = stdout.trim().split('\n')
    expect(first).toMatch(/^seed 101: \d+ steps, 3 nodes, faults \S+, \d+ elections, .* hash [0-9a-f]{16}, [\d.]+ s$/)
    expect(second).toMatch(/^seed 102: /)
    expect(summary).toMatch(/^2 runs, \d+ steps, 0 failed, \d+ steps\/s$/)
  })

  it('reports one object, the same each time', async () => {
    const args = ['sim', '--seed', '103', '--steps', '400', '--faults', 'loss,crash', '--json'] as const
    const { code, stdout } = await concordat(...args)
    const { ok, runs, eventsPerSecond } = report(stdout)
    expect([code, ok]).toEqual([0, true])
    expect(eventsPerSecond).toBeGreaterThan(0)
    expect(runs).toMatchObject([
      { seed: 103, faults: expect.any(Array), committed: expect.any(Number), elections: expect.any(Number) },
    ])
    expect(runs[0]!.repeat).toBe('concordat sim --seed 103 --steps 400 --faults loss,crash')
    expect(report((await concordat(...args)).stdout).runs).toEqual(runs)
    expect(report((await concordat(...runs[0]!.repeat.split(' ').slice(1), '--json')).stdout).runs[0]!.hash).toBe(
      runs[0]!.hash,
    )
  })

  it('prints the score, with what the plan does', async () => {
    const { stdout } = await concordat(
      'sim',
      '--seed',
      '104',
      '--steps',
      '600',
      '--nodes',
      '3',
      '--faults',
      'partition',
      '--score',
    )
    const lines = stdout.trim().split('\n')
    expect(lines.length).toBeGreaterThan(400)
    expect(
      lines.some((line) => /^ +\d+\.\d{3} n\d replica +AppendEntries \(\d+,\d+\]@2 commit \d+ <- n0 \| /.test(line)),
    ).toBe(true)
    expect(lines.some((line) => line.endsWith(' | candidate -> leader'))).toBe(true)
    expect(lines.some((line) => /^ +\d+\.\d{3} -- \S/.test(line))).toBe(true)
  })

  it('saves a plan and runs it again', async () => {
    const file = join(temporaryFolder(), 'one.sim.json')
    const first = await concordat('sim', '--seed', '105', '--steps', '400', '--save', file, '--json')
    const again = await concordat('sim', '--plan', file, '--json')
    expect(report(again.stdout).runs[0]!.hash).toBe(report(first.stdout).runs[0]!.hash)
    expect(report(again.stdout).runs[0]!.repeat).toBe(`concordat sim --plan ${file}`)
  })

  it('fails with the promise that was broken and the command that repeats it', async () => {
    const file = join(temporaryFolder(), 'impossible.sim.json')
    await concordat('sim', '--seed', '106', '--steps', '400', '--nodes', '3', '--faults', 'none', '--save', file)
    const plan = parsePlan(readFileSync(file, 'utf8'), file)
    // Disks on which nothing is durable within a minute: the service does not even open, which is no defect but a broken promise.
    const weather = { ...plan.weather, fsyncMs: [70_000, 70_000] as const }
    writeFileSync(file, formatPlan({ ...plan, weather }))
    const { code, stdout } = await concordat('sim', '--plan', file)
    expect(code).toBe(1)
    expect(stdout).toMatch(/ {2}liveness is broken at step \d+, [\d.]+ s: /)
    expect(stdout).toContain(`  again: concordat sim --plan ${file}\n`)
    const json = await concordat('sim', '--plan', file, '--json')
    expect([json.code, report(json.stdout).ok]).toEqual([1, false])
  })

  it.each([
    ['a fault it does not know', ['--faults', 'loss,fire'], "'fire' is no fault"],
    ['no number', ['--seed', 'one'], 'a whole number'],
    ['too many nodes', ['--nodes', '99'], '1 to 15 nodes'],
    ['a plan that is not there', ['--plan', '/nowhere.sim.json'], 'cannot read plan /nowhere.sim.json'],
    ['a file it cannot write', ['--steps', '50', '--save', '/nowhere/at/all'], 'cannot write /nowhere/at/all'],
  ])('given %s says so, exit code 2', async (_, args, message) => {
    const { code, stderr } = await concordat('sim', ...args)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })
})

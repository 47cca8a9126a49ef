// Goal: `npm run fuzz -- --decoders` is usable: it counts, repeats an input from a file, says what is wrong use, and survives a closed stdout.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let directory: string
beforeAll(() => void (directory = mkdtempSync(join(tmpdir(), 'fuzz-'))))
afterAll(() => rmSync(directory, { recursive: true }))

const fuzz = (...args: string[]) =>
  spawnSync(process.execPath, ['test/fuzz/start.mjs', ...args], { encoding: 'utf8', cwd: process.cwd() })

describe('the long hunt', () => {
  it('runs a stated number of mutants, the same on every machine', () => {
    const { stdout, status } = fuzz('--decoders', '--runs', '200', '--seed', '3', 'hex')
    expect(stdout).toMatch(/^hex: 2\d\d inputs, \d+ accepted\n1 decoders, 2\d\d inputs, 0 with a finding\n$/)
    expect(status).toBe(0)
  })

  it('asks about one input again', () => {
    const file = join(directory, 'input')
    writeFileSync(file, 'abcd')
    expect(fuzz('--decoders', '--input', file, 'hex')).toMatchObject({ stdout: 'hex: accepted\n', status: 0 })
    writeFileSync(file, 'abc')
    expect(fuzz('--decoders', '--input', file, 'hex')).toMatchObject({ stdout: 'hex: refused\n', status: 0 })
  })

  it.each([
    ['--decoders', 'nonsense'],
    ['--decoders', '--seconds', 'x'],
    ['--decoders', '--input', 'file'],
    ['--surprise'],
    ['--changes', '0'],
  ])('refuses %s %s %s as wrong use', (...args) => {
    const { stderr, stdout, status } = fuzz(...args.filter((arg) => arg !== undefined))
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^usage: npm run fuzz/)
  })

  it('ends quietly when nobody listens any more', () => {
    const errors = join(directory, 'errors')
    const script = '"$0" test/fuzz/start.mjs --decoders --runs 1 hex json 2>"$1" | head -c 1'
    const said = execFileSync('sh', ['-c', script, process.execPath, errors], { encoding: 'utf8' })
    expect(readFileSync(errors, 'utf8')).toBe('')
    expect(said).toHaveLength(1)
  })
})

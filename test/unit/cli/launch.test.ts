// Goal: a launch needs nothing but Node, says clearly when that is too old, bundles only what changed, survives launches beside it, keeps
// stdout for the command, passes exit codes through, and a test run ends with its one plain line.
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT, temporaryFolder, type Ran } from './harness.ts'

const launcher = join(ROOT, 'runtime/cli/launch.mjs')

function node(args: readonly string[]): Promise<Ran> {
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  const printed = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (printed[name] += text))
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? -1, ...printed }))
  })
}

describe('launch.mjs', () => {
  it('refuses an old Node in one line', async () => {
    const pretend = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.18.9' } })"
    const { code, stdout, stderr } = await node(['--import', `data:text/javascript,${pretend}`, launcher, '--version'])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^concordat needs Node 20\.19 or newer; .*\n$/)
  })

  it('keeps stdout for the command and passes its exit code on', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    expect(await node([launcher, '--version'])).toMatchObject({ code: 0, stdout: `${version}\n` })
    expect(await node([launcher, 'ledger', 'verify', '/nowhere'])).toMatchObject({ code: 2, stdout: '' })
  })

  it('ends a test run with one plain line and vitest’s exit code', async () => {
    mkdirSync(join(ROOT, '.build'), { recursive: true })
    const folder = temporaryFolder(join(ROOT, '.build'))
    mkdirSync(join(folder, 'test'))
    const file = (name: string, text: string): void =>
      writeFileSync(join(folder, 'test', `${name}.test.ts`), `import { expect, it } from 'vitest'\n${text}`)
    file('good', "it('a', () => {})\nit('b', () => {})")
    const run = (): Promise<Ran> => node([launcher, 'test', '--root', folder, 'test.ts'])
    const good = await run()
    expect(good.code).toBe(0)
    expect(good.stdout).toMatch(/\n2 passed, 0 failed\n$/)
    file('bad', "it('c', () => expect(1).toBe(2))")
    file('broken', "throw new Error('cannot be loaded')")
    const bad = await run()
    expect(bad.code).toBe(1)
    expect(bad.stdout).toMatch(/\n2 passed, 2 failed\n$/)
  })
})

// Plain JavaScript without types: imported by path, with the types it has.
const bundling = (await import(join(ROOT, 'runtime/cli/bundle.mjs'))) as {
  upToDateBundle(root: string): Promise<string>
}
const installing = (await import(join(ROOT, 'runtime/cli/install.mjs'))) as {
  isInstalled(root: string): boolean
  withLock<T>(lock: string, work: () => T): T
}

describe('bundling', () => {
  const PAST_SECONDS = 1_700_000_000

  function project(): { root: string; write: (path: string, text: string, seconds?: number) => void } {
    const root = temporaryFolder()
    const write = (path: string, text: string, seconds = PAST_SECONDS): void => {
      writeFileSync(join(root, path), text)
      utimesSync(join(root, path), seconds, seconds)
    }
    for (const folder of ['protocols', 'store', 'actors', 'runtime/cli', 'runtime/parallel-verify'])
      mkdirSync(join(root, folder), { recursive: true })
    write('package-lock.json', '{}')
    write('runtime/cli/bundle.mjs', '')
    write('runtime/cli/main.ts', "import { word } from '../../protocols/word.ts'\nconsole.log(word)")
    write('runtime/parallel-verify/helper.ts', "import '../../protocols/word.ts'")
    write('protocols/word.ts', "export const word: string = 'first'")
    for (const folder of ['protocols', 'store', 'actors', 'runtime/cli', 'runtime/parallel-verify', 'runtime'])
      utimesSync(join(root, folder), PAST_SECONDS, PAST_SECONDS)
    return { root, write }
  }

  const inodeOf = (path: string): number => statSync(path).ino

  it('happens only when a source changed', async () => {
    const { root, write } = project()
    const bundle = await bundling.upToDateBundle(root)
    expect((await node([bundle])).stdout).toBe('first\n')
    const before = inodeOf(bundle)
    await bundling.upToDateBundle(root)
    expect(inodeOf(bundle)).toBe(before)
    write('protocols/word.ts', "export const word = 'second'", PAST_SECONDS + 1)
    expect((await node([await bundling.upToDateBundle(root)])).stdout).toBe('second\n')
    rmSync(join(root, 'protocols/word.ts'))
    await expect(bundling.upToDateBundle(root)).rejects.toThrow('word.ts')
  })

  it('leaves a whole bundle and nothing else, however many launch at once', async () => {
    const { root } = project()
    const script = `import('${join(ROOT, 'runtime/cli/bundle.mjs')}').then((m) => m.upToDateBundle('${root}'))`
    const launches = await Promise.all([1, 2, 3].map(() => node(['-e', script])))
    expect(launches).toEqual(launches.map(() => ({ code: 0, stdout: '', stderr: '' })))
    expect(readdirSync(join(root, '.build')).sort()).toEqual([
      'concordat.mjs',
      'concordat.mjs.map',
      'verify-helper.mjs',
      'verify-helper.mjs.map',
    ])
    expect((await node([join(root, '.build/concordat.mjs')])).stdout).toBe('first\n')
  })

  it('keeps the old bundle when the new source is broken', async () => {
    const { root, write } = project()
    const bundle = await bundling.upToDateBundle(root)
    write('protocols/word.ts', 'export const word = ', PAST_SECONDS + 1)
    await expect(bundling.upToDateBundle(root)).rejects.toThrow('protocols/word.ts')
    expect((await node([bundle])).stdout).toBe('first\n')
  })
})

describe('installing', () => {
  function checkout(wanted: object, installed?: object): string {
    const root = temporaryFolder()
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: wanted }))
    if (installed === undefined) return root
    mkdirSync(join(root, 'node_modules'))
    const file = join(root, 'node_modules/.package-lock.json')
    writeFileSync(file, JSON.stringify({ packages: installed }))
    // As after a checkout: the lock file is younger.
    utimesSync(file, 1_700_000_000, 1_700_000_000)
    return root
  }
  const lock = { '': { version: '0.1.0' }, 'node_modules/a': { version: '1.0.0' } }

  it('is due when packages are missing or not those of the lock file', () => {
    expect(installing.isInstalled(checkout(lock))).toBe(false)
    expect(installing.isInstalled(checkout(lock, { 'node_modules/a': { version: '1.0.1' } }))).toBe(false)
    expect(installing.isInstalled(checkout(lock, {}))).toBe(false)
  })

  it('is not due for a lock file that is only younger, or for packages of other platforms', () => {
    const installed = { 'node_modules/a': { version: '1.0.0' } }
    expect(installing.isInstalled(checkout(lock, installed))).toBe(true)
    const more = { ...lock, 'node_modules/b': { version: '1.0.0', optional: true } }
    expect(installing.isInstalled(checkout(more, installed))).toBe(true)
  })

  it('happens once at a time, and after a process that died in it', async () => {
    const path = join(temporaryFolder(), 'lock')
    const { stdout } = await node(['-p', 'process.pid'])
    mkdirSync(path)
    writeFileSync(join(path, 'pid'), stdout.trim())
    expect(installing.withLock(path, () => 'worked')).toBe('worked')
    const failing = (): never => {
      throw new Error('npm ci failed')
    }
    expect(() => installing.withLock(path, failing)).toThrow('npm ci failed')
    expect(installing.withLock(path, () => 'worked')).toBe('worked')
  })
})

// A Python virtual environment in `.build/venv` for tests that run foreign clients and CCF's own tools.
// The rule to remember: packages are named with exact versions, so that an environment made once stays right.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const BUILD = fileURLToPath(new URL('../../.build', import.meta.url))
const VENV = join(BUILD, 'venv')
const PYTHON = join(VENV, 'bin', 'python')
const LOCK = join(BUILD, 'venv.lock')
const LOCK_TIMEOUT_MS = 300_000

/**
 * Path of a Python interpreter that has the packages (each `name==version`). Creates the environment and installs what
 * is missing; safe to call from several processes at once. Rejects with instructions if Python or the network is missing.
 */
export async function ensurePythonPackages(packages: readonly string[]): Promise<string> {
  if ((await missing(packages)).length === 0) return PYTHON
  await lock()
  try {
    if (!existsSync(PYTHON)) await createEnvironment()
    const wanted = await missing(packages)
    if (wanted.length > 0) await install(wanted)
  } finally {
    rmSync(LOCK, { recursive: true, force: true })
  }
  return PYTHON
}

/** The packages that a requirements file of exact versions names, for `ensurePythonPackages`. */
export const requirements = (path: string): readonly string[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))

const LIST_MISSING = `
import sys
from importlib.metadata import version, PackageNotFoundError
for spec in sys.argv[1:]:
    name, wanted = spec.split('==')
    try:
        if version(name) != wanted: print(spec)
    except PackageNotFoundError:
        print(spec)
`

async function missing(packages: readonly string[]): Promise<string[]> {
  if (!existsSync(PYTHON)) return [...packages]
  const { stdout } = await run(PYTHON, ['-c', LIST_MISSING, ...packages])
  return stdout.split('\n').filter((line) => line !== '')
}

async function createEnvironment(): Promise<void> {
  try {
    await run('python3', ['-m', 'venv', VENV])
  } catch (error) {
    rmSync(VENV, { recursive: true, force: true })
    throw new Error('this test needs Python 3 with venv: `apt-get install -y python3 python3-venv`', { cause: error })
  }
}

async function install(packages: readonly string[]): Promise<void> {
  try {
    await run(PYTHON, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages])
  } catch (error) {
    throw new Error(`could not install ${packages.join(', ')} from PyPI; is the network there?`, { cause: error })
  }
}

/** A folder is created by one process only; a lock whose owner is gone is taken over. */
async function lock(): Promise<void> {
  mkdirSync(BUILD, { recursive: true })
  const deadlineMs = performance.now() + LOCK_TIMEOUT_MS
  while (performance.now() < deadlineMs) {
    try {
      mkdirSync(LOCK)
      writeFileSync(join(LOCK, 'pid'), String(process.pid))
      return
    } catch (error) {
      if (!isExisting(error)) throw error
    }
    await delay(100)
    if (ownerIsGone()) rmSync(LOCK, { recursive: true, force: true })
  }
  throw new Error(`another process holds ${LOCK}; remove it if none is running`)
}

const isExisting = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EEXIST'

function ownerIsGone(): boolean {
  try {
    const pid = Number(readFileSync(join(LOCK, 'pid'), 'utf8'))
    if (!Number.isInteger(pid) || pid <= 0) return false
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

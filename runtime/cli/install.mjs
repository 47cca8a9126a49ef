// Installs npm packages when they are missing or not those of the lock file, and what the tests need from the system.
// Not the launcher: it only makes sure that what is imported next is there. Everything it prints goes to stderr.
// The rule to remember: two launches may run at once on a fresh clone; only one of them installs.
import { execFileSync, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const LOCK_TIMEOUT_MS = 600_000
const STDERR_ONLY = ['ignore', 2, 2]

/** Runs `npm ci` unless node_modules already is what package-lock.json says. Throws with one line if that fails. */
export function installPackages(root) {
  if (isInstalled(root)) return
  withLock(join(root, '.build', 'install.lock'), () => {
    if (isInstalled(root)) return
    process.stderr.write('Installing packages (npm ci) …\n')
    const npm = process.env.npm_execpath
    const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []]
    const options = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
    const { status, error } = spawnSync(command, [...first, ...options], { cwd: root, stdio: STDERR_ONLY })
    if (error !== undefined) throw new Error(`could not run npm: ${error.message}`)
    if (status !== 0) throw new Error('npm ci failed, as said above')
  })
}

/** By time at first; by content when the lock file is younger (a checkout touches it without changing it). */
export function isInstalled(root) {
  const installed = join(root, 'node_modules', '.package-lock.json')
  const wanted = join(root, 'package-lock.json')
  if (!existsSync(installed)) return false
  if (statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return true
  const have = packagesOf(installed)
  return Object.entries(packagesOf(wanted)).every(
    ([path, { version, optional, devOptional }]) =>
      path === '' || have[path]?.version === version || ((optional || devOptional) && have[path] === undefined),
  )
}

const packagesOf = (lockFile) => JSON.parse(readFileSync(lockFile, 'utf8')).packages

/** A folder is made by one process only. A lock whose owner is gone is taken over. */
export function withLock(lock, work) {
  mkdirSync(join(lock, '..'), { recursive: true })
  const deadlineMs = Date.now() + LOCK_TIMEOUT_MS
  while (!tryLock(lock)) {
    if (Date.now() > deadlineMs) throw new Error(`another process holds ${lock}; remove it if none is running`)
    if (ownerIsGone(lock)) rmSync(lock, { recursive: true, force: true })
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
  }
  try {
    return work()
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}

function tryLock(lock) {
  try {
    mkdirSync(lock)
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
  writeFileSync(join(lock, 'pid'), String(process.pid))
  return true
}

function ownerIsGone(lock) {
  try {
    const pid = Number(readFileSync(join(lock, 'pid'), 'utf8'))
    if (!Number.isInteger(pid) || pid <= 0) return false
    process.kill(pid, 0)
    return false
  } catch (error) {
    // ENOENT: it is being taken or given back at this moment.
    return error.code === 'ESRCH'
  }
}

const SYSTEM_TOOLS = [
  { apt: 'nats-server', isThere: () => process.env.NATS_SERVER !== undefined || inPath('nats-server') },
  {
    apt: 'chromium',
    isThere: () => ['chromium', 'chromium-browser', 'google-chrome', 'chrome'].some(inPath),
  },
  { apt: 'strace', isThere: () => inPath('strace') },
  { apt: 'python3-venv', isThere: () => inPath('python3') && succeeds('python3', ['-c', 'import venv, ensurepip']) },
]

/** What the whole suite needs besides npm packages. Installed when we may; otherwise said, and the tests concerned fail by themselves. */
export function installSystemTools() {
  const missing = SYSTEM_TOOLS.filter((tool) => !tool.isThere()).map((tool) => tool.apt)
  if (missing.length === 0) return
  const names = missing.join(' ')
  const command = `apt-get update && apt-get install -y --no-install-recommends ${names}`
  if (process.getuid?.() !== 0 || !inPath('apt-get')) {
    process.stderr.write(`Some tests need ${names}. Install them, e.g. with: sudo sh -c '${command}'\n`)
    return
  }
  process.stderr.write(`Installing ${names} (apt-get) …\n`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const quiet = command.replaceAll('apt-get ', 'apt-get -qq -o=Dpkg::Use-Pty=0 ')
  const { status } = spawnSync('sh', ['-c', quiet], { stdio: STDERR_ONLY, env })
  if (status !== 0) process.stderr.write(`Could not install ${names}; the tests that need them will fail.\n`)
}

function inPath(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin']
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function succeeds(command, args) {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

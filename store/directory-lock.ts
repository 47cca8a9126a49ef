// One process per data directory. On Linux the lock is an abstract unix socket named after the directory, which the
// kernel releases however the process ends; elsewhere a file naming the process that holds it.
// The rule to remember: take it before anything in the directory is opened. Abstract sockets belong to a network
// namespace: containers that share a volume but not a network do not see each other's lock.
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { connect, createServer } from 'node:net'

/** Somebody else has the directory. The message names it and, when known, the process. */
export class DirectoryLockedError extends Error {
  override readonly name = 'DirectoryLockedError'
  readonly directory: string
  constructor(directory: string, processId: number | undefined) {
    super(
      `${directory} is in use by ${processId === undefined ? 'another process' : `process ${processId}`}; one node per data directory`,
    )
    this.directory = directory
  }
}

export interface DirectoryLock {
  readonly directory: string
  /** Idempotent. */
  release(): Promise<void>
}

const LOCK_FILE = 'concordat.lock'
const ANSWER_WAIT_MS = 500

/**
 * Takes the directory, which must exist, for this process (also against a second call in it).
 * `kind`: `file` where abstract sockets do not exist; chosen by itself.
 * @throws DirectoryLockedError; the system's errors when the directory is missing or not accessible.
 */
export async function lockDirectory(
  directory: string,
  kind: 'socket' | 'file' = process.platform === 'linux' ? 'socket' : 'file',
): Promise<DirectoryLock> {
  const real = fs.realpathSync(directory)
  return kind === 'socket' ? lockBySocket(real) : lockByFile(real)
}

const socketName = (real: string): string => `\0concordat-${createHash('sha256').update(real).digest('hex')}`

function lockBySocket(real: string): Promise<DirectoryLock> {
  const server = createServer((socket) => {
    // Whoever finds the directory taken asks by whom.
    socket.on('error', () => socket.destroy())
    socket.end(`${process.pid}\n`)
  })
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') return reject(error)
      void askHolder(real).then((processId) => reject(new DirectoryLockedError(real, processId)))
    })
    server.listen({ path: socketName(real), exclusive: true }, () => {
      server.unref()
      let released: Promise<void> | undefined
      const release = (): Promise<void> => (released ??= new Promise((closed) => server.close(() => closed())))
      resolve({ directory: real, release })
    })
  })
}

/** The process that holds the socket; undefined when it does not answer. */
function askHolder(real: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect({ path: socketName(real) })
    const finish = (): void => {
      socket.destroy()
      resolve(/^[0-9]{1,10}\n$/.test(text) ? Number(text) : undefined)
    }
    socket.setTimeout(ANSWER_WAIT_MS, finish)
    socket.on('data', (data) => {
      text += data.toString('latin1')
      if (text.length > 11) finish()
    })
    socket.on('end', finish)
    socket.on('error', finish)
  })
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A process id given out again keeps a dead lock alive: then the file named concordat.lock must be removed by hand. */
function lockByFile(real: string): DirectoryLock {
  const path = `${real}/${LOCK_FILE}`
  for (let attempt = 0; ; attempt++) {
    try {
      fs.writeFileSync(path, `${process.pid}\n`, { flag: 'wx', mode: 0o600 })
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const holder = Number(fs.readFileSync(path, 'latin1'))
      if (attempt > 0 || !Number.isSafeInteger(holder) || holder < 1 || isAlive(holder))
        throw new DirectoryLockedError(real, holder > 0 ? holder : undefined)
      fs.unlinkSync(path)
    }
  }
  let held = true
  const release = async (): Promise<void> => {
    if (held) fs.unlinkSync(path)
    held = false
  }
  return { directory: real, release }
}

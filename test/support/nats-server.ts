// Starts a real nats-server on a port of its own, stops it, and starts it again on the same port.
// Tests that need it fail, and say how to install it, if it is not there: a skipped test would prove nothing.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface TestServer {
  readonly url: string
  readonly port: number
  /** Ends the server at once, as a crash would; resolves when it is gone. */
  stop(): Promise<void>
  /** Starts it again on the same port after `stop`. */
  start(): Promise<void>
}

export interface TestServerOptions {
  readonly token?: string
  /** 0: any free port. */
  readonly port?: number
}

const HOW_TO_INSTALL =
  'nats-server was not found in /usr/sbin or PATH. Install it: `apt-get install -y nats-server` (Debian, Ubuntu), ' +
  '`brew install nats-server` (macOS), or https://github.com/nats-io/nats-server/releases; or set NATS_SERVER to its path.'

/** Path of the nats-server binary; throws with instructions if there is none. */
export function findNatsServer(): string {
  const folders = ['/usr/sbin', '/usr/local/bin', ...(process.env.PATH ?? '').split(delimiter)]
  const given = process.env.NATS_SERVER
  const candidates = given === undefined ? folders.map((folder) => join(folder, 'nats-server')) : [given]
  const found = candidates.find(isExecutable)
  if (found === undefined) throw new Error(HOW_TO_INSTALL)
  return found
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts a nats-server; resolves when it accepts connections. */
export async function startNatsServer(options: TestServerOptions = {}): Promise<TestServer> {
  const binary = findNatsServer()
  let { child, port } = await launch(binary, options, options.port ?? 0)
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    stop: () => kill(child),
    start: async () => {
      ;({ child, port } = await launch(binary, options, port))
    },
  }
}

async function launch(
  binary: string,
  options: TestServerOptions,
  port: number,
): Promise<{ child: ChildProcess; port: number }> {
  const token = options.token === undefined ? [] : ['--auth', options.token]
  const address = ['-a', '127.0.0.1', '-p', port === 0 ? '-1' : String(port)]
  const child = spawn(binary, [...address, ...token], { stdio: ['ignore', 'ignore', 'pipe'] })
  running.add(child)
  let log = ''
  const actualPort = await new Promise<number>((resolve, reject) => {
    let found: string | undefined
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-65_536)
      found ??= /Listening for client connections on [^\s]*:(\d+)/.exec(log)?.[1]
      if (found !== undefined && log.includes('Server is ready')) resolve(Number(found))
    })
    child.once('error', reject)
    child.once('exit', (code) => {
      running.delete(child)
      reject(new Error(`nats-server ended with code ${code}:\n${log}`))
    })
  })
  return { child, port: actualPort }
}

function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}

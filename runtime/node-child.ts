// A node process as its parent sees it: forked, spoken to over IPC (node-process-messages.ts), stopped. It ends with its parent, whatever ends that.
// Not what the two agree on: `concordat up` founds a service with several of them, `concordat node add` joins one to it.
// The rule to remember: no private key crosses to the parent.
import { fork, type ChildProcess } from 'node:child_process'
import type { FromNode, NodePreparation, ToNode } from './node-process-messages.ts'

/**
 * Under load a node's young objects are the tail of its log and its pending transactions, which outlive a collection: in 16 MB, V8's default, they are
 * copied again and again (`npm run bench`: a fifth to a quarter fewer writes, in three alternating runs). Others: node-process.ts.
 */
const NODE_FLAGS = ['--max-semi-space-size=64']

const ANSWER_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 5000
const LAST_WORDS_CHARS = 4000

export interface NodeChildOptions {
  /** The bundled CLI. */
  readonly program: string
  /** For messages. */
  readonly name: string
  readonly preparation: NodePreparation
  /** Node options of the process. */
  readonly execArgv?: readonly string[]
  /** What it says on stderr. */
  readonly onNotice: (notice: string) => void
}

export class NodeChild {
  readonly directory: string
  readonly #child: ChildProcess
  readonly #name: string
  /** The last message of each type. */
  readonly #said = new Map<FromNode['type'], FromNode>()
  #lastWords = ''

  constructor({ program, name, preparation, execArgv = [], onNotice }: NodeChildOptions) {
    this.#name = name
    this.directory = preparation.directory
    this.#child = fork(program, ['node-process'], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      execArgv: [...NODE_FLAGS, ...execArgv],
      // Ctrl-C reaches the parent alone, which then stops its nodes in order.
      detached: true,
    })
    this.#child.on('message', (message) => {
      const from = message as FromNode
      this.#said.set(from.type, from)
    })
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#lastWords = (this.#lastWords + chunk.toString()).slice(-LAST_WORDS_CHARS)
      onNotice(`${name}: ${chunk.toString().trimEnd()}`)
    })
    this.tell({ type: 'prepare', preparation })
  }

  get pid(): number {
    return this.#child.pid!
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** 0: it was told to stop, or removed from its service. Undefined while it runs and after a signal. */
  get exitCode(): number | undefined {
    return this.#child.exitCode ?? undefined
  }

  tell(message: ToNode): void {
    this.#child.send(message)
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Calls back once, with the signal or the exit code in words. */
  onExit(listener: (why: string) => void): void {
    this.#child.once('exit', (code, signal) => listener(signal ?? `exit code ${code}`))
  }

  /** Resolves with the message of that type, also if it came before; rejects if the node fails, ends or takes too long (Infinity: never). */
  answer<T extends FromNode['type']>(
    type: T,
    timeoutMs = ANSWER_TIMEOUT_MS,
  ): Promise<Extract<FromNode, { readonly type: T }>> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        clearTimeout(timer)
        this.#child.off('message', look)
        this.#child.off('exit', onExit)
        finish()
      }
      const look = () => {
        const answer = this.#said.get(type)
        const failure = this.#said.get('failed')
        if (answer !== undefined) settle(() => resolve(answer as Extract<FromNode, { readonly type: T }>))
        else if (failure?.type === 'failed') settle(() => reject(new Error(`${this.#name}: ${failure.reason}`)))
      }
      const onExit = () => settle(() => reject(new Error(`${this.#name} ended: ${this.#lastWords}`)))
      const giveUp = () => settle(() => reject(new Error(`${this.#name} does not answer`)))
      const timer = timeoutMs === Infinity ? undefined : setTimeout(giveUp, timeoutMs)
      this.#child.on('message', look)
      this.#child.on('exit', onExit)
      look()
      if (this.hasExited) onExit()
    })
  }

  /** Stops it cleanly; kills it if it takes too long. */
  async stop(): Promise<void> {
    if (this.hasExited) return
    await new Promise<void>((done) => {
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS)
      this.#child.once('exit', () => {
        clearTimeout(timer)
        done()
      })
      if (this.#child.connected) this.tell({ type: 'stop' })
      else this.#child.kill('SIGKILL')
    })
  }
}

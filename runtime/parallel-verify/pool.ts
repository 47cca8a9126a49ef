// Helper threads, their work in order of its parts, and what they answer. Not what is done with the answers (verify-in-parallel.ts).
// The rule to remember: batches are asked for by whoever uses them, so what waits in memory is bounded by threads × batches ahead.
import { Worker } from 'node:worker_threads'
import type { FromHelper, ReadPart, SignatureToVerify, ToHelper } from './messages.ts'

type PartMessage = Extract<FromHelper, { readonly part: number }>

const SIGNATURES_A_BATCH = 16
/** Batches of signatures under way, for each thread: enough to keep it busy. */
const SIGNATURE_BATCHES_MAX = 4

interface Helper {
  readonly worker: Worker
  part: number | undefined
  /** Batches of signatures it has not answered. */
  verifying: number
}

export class HelperPool {
  readonly #helpers: readonly Helper[]
  readonly #waiting: ReadPart[]
  readonly #answers = new Map<number, PartMessage[]>()
  readonly #helperOf = new Map<number, Helper>()
  #signatures: SignatureToVerify[] = []
  #allHold = true
  #failure: Error | undefined
  #wake: () => void = () => undefined

  /** `program`: the bundled helper.ts. */
  constructor(program: string, threads: number, parts: readonly ReadPart[]) {
    this.#waiting = [...parts]
    this.#helpers = Array.from({ length: threads }, () => this.#start(program))
    for (const helper of this.#helpers) this.#assign(helper)
  }

  /** The next message about a part. Parts must be taken in order. @throws Error when a helper died */
  async next(part: number): Promise<PartMessage> {
    for (;;) {
      const message = this.#answers.get(part)?.shift()
      if (message !== undefined) {
        if (message.type === 'pieces') this.#tell(this.#helperOf.get(part)!, { type: 'more', part })
        else this.#answers.delete(part)
        return message
      }
      await this.#news()
    }
  }

  verifyLater(signature: SignatureToVerify): void {
    this.#signatures.push(signature)
    if (this.#signatures.length >= SIGNATURES_A_BATCH) this.#handOver()
  }

  /** Waits while more signatures are under way than helpers need to be busy. */
  async breathe(): Promise<void> {
    const most = SIGNATURE_BATCHES_MAX * this.#helpers.length
    while (this.#underWay() > most) await this.#news()
  }

  /** Whether every signature held. */
  async settle(): Promise<boolean> {
    if (this.#signatures.length > 0) this.#handOver()
    while (this.#underWay() > 0) await this.#news()
    return this.#allHold
  }

  async close(): Promise<void> {
    await Promise.all(this.#helpers.map(({ worker }) => worker.terminate()))
  }

  #start(program: string): Helper {
    const worker = new Worker(program)
    const helper: Helper = { worker, part: undefined, verifying: 0 }
    worker.on('message', (message: FromHelper) => this.#receive(helper, message))
    worker.on('error', (error) => {
      this.#failure = error instanceof Error ? error : new Error(String(error))
      this.#wake()
    })
    return helper
  }

  #receive(helper: Helper, message: FromHelper): void {
    if (message.type === 'verified') {
      helper.verifying--
      this.#allHold &&= message.allHold
    } else {
      const answers = this.#answers.get(message.part)
      if (answers === undefined) this.#answers.set(message.part, [message])
      else answers.push(message)
      if (message.type !== 'pieces') this.#assign(helper)
    }
    this.#wake()
  }

  #assign(helper: Helper): void {
    const part = this.#waiting.shift()
    if (part === undefined) return
    this.#helperOf.set(part.part, helper)
    this.#tell(helper, part)
  }

  #handOver(): void {
    const least = this.#helpers.reduce((a, b) => (b.verifying < a.verifying ? b : a))
    least.verifying++
    this.#tell(least, { type: 'verify', signatures: this.#signatures })
    this.#signatures = []
  }

  #tell(helper: Helper, message: ToHelper): void {
    helper.worker.postMessage(message)
  }

  #underWay(): number {
    return this.#helpers.reduce((sum, { verifying }) => sum + verifying, 0)
  }

  #news(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    return new Promise((resolve, reject) => {
      this.#wake = () => (this.#failure === undefined ? resolve() : reject(this.#failure))
    })
  }
}

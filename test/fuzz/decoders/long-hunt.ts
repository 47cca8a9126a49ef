// The hunt for as long as one likes: in a worker, so that an input on which a decoder hangs or takes all memory is known when the worker is
// ended. In tests it is hunt.ts alone. The rule to remember: what the worker is about to try stands in shared memory before it tries.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { toHex } from '../../../protocols/codec/bytes.ts'
import { catalogue } from './catalogue.ts'
import type { Decoder } from './decoder.ts'
import { hunt, type Tally } from './hunt.ts'
import { judge } from './judge.ts'
import { MUTANT_BYTES_MAX } from './mutate.ts'

/** Mutants between two looks at the clock. */
const ROUND = 200
/** An input that takes longer hangs: the slowest take milliseconds. */
const HANG_MS = 10_000
const LOOK_EVERY_MS = 500
const HEAP_MEGABYTES_MAX = 512
const HEX_CHARS_SHOWN = 400
/** Count of inputs, length of the current one. */
const HEADER_BYTES = 8

interface Task {
  readonly decoder: string
  readonly seed: number
  readonly first: number
}

/** The worker's side. */
export function answerHunts(): void {
  const shared = workerData as SharedArrayBuffer
  const header = new Uint32Array(shared, 0, 2)
  const current = new Uint8Array(shared, HEADER_BYTES)
  parentPort!.on('message', ({ decoder: name, seed, first }: Task) => {
    const onInput = (input: Uint8Array): void => {
      current.set(input.subarray(0, current.length))
      header[1] = Math.min(input.length, current.length)
      Atomics.add(header, 0, 1)
    }
    const decoder = catalogue.find((known) => known.name === name)!
    parentPort!.postMessage(hunt(decoder, { seed, first, count: ROUND, onInput }))
  })
}

/** A worker that is replaced when it is lost. */
class Hunter {
  readonly #shared = new SharedArrayBuffer(HEADER_BYTES + MUTANT_BYTES_MAX)
  readonly #header = new Uint32Array(this.#shared, 0, 2)
  #worker: Worker | undefined

  /** One round; a lost worker counts as a finding. */
  run(task: Task): Promise<Tally> {
    const resourceLimits = { maxOldGenerationSizeMb: HEAP_MEGABYTES_MAX }
    const worker = (this.#worker ??= new Worker(new URL(import.meta.url), { workerData: this.#shared, resourceLimits }))
    const before = Atomics.load(this.#header, 0)
    return new Promise((resolve) => {
      let seen = before
      let seenAt = performance.now()
      const end = (tally: Tally): void => {
        clearInterval(timer)
        worker.removeAllListeners()
        resolve(tally)
      }
      const lose = (detail: string): void => {
        this.#worker = undefined
        const input = new Uint8Array(this.#shared, HEADER_BYTES, this.#header[1]).slice()
        const found = [{ decoder: task.decoder, what: 'crash' as const, detail, input }]
        void worker.terminate().then(() => end({ tried: Atomics.load(this.#header, 0) - before, accepted: 0, found }))
      }
      const timer = setInterval(() => {
        const count = Atomics.load(this.#header, 0)
        if (count !== seen) [seen, seenAt] = [count, performance.now()]
        else if (count !== before && performance.now() - seenAt > HANG_MS) lose(`hangs: no answer in ${HANG_MS} ms`)
      }, LOOK_EVERY_MS)
      worker.on('message', (tally: Tally) => end(tally))
      worker.on('error', (error) => lose(`ends its process: ${error.message}`))
      worker.postMessage(task)
    })
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }
}

export interface LongHunt {
  readonly decoders: readonly Decoder[]
  readonly seed: number
  /** Of wall-clock time, unless `runs` is given. */
  readonly seconds: number
  /** Mutants of each decoder; 0: as many as there is time for. */
  readonly runs: number
  /** Where found inputs are kept. */
  readonly folder: string
}

const print = (line: string): void => void process.stdout.write(`${line}\n`)

function tell({ folder, seed }: LongHunt, found: Tally['found']): void {
  for (const { decoder, what, detail, input } of found) {
    const name = `${decoder}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}.bin`
    const path = join(folder, name)
    mkdirSync(folder, { recursive: true })
    writeFileSync(path, input)
    const hex = toHex(input.subarray(0, HEX_CHARS_SHOWN / 2))
    print(`${decoder}: ${what}: ${detail} (seed ${seed})`)
    print(`  ${input.length} bytes: ${hex}${input.length > HEX_CHARS_SHOWN / 2 ? '…' : ''}`)
    print(`  npm run fuzz -- --decoders --input ${relative(process.cwd(), path)} ${decoder}`)
  }
}

/** Round after round over all decoders; one with a finding is left out from then on. @returns the exit code */
export async function huntAll(options: LongHunt): Promise<number> {
  const { decoders, seed, seconds, runs } = options
  const endMs = performance.now() + 1000 * seconds
  const tallies = new Map(decoders.map(({ name }) => [name, { tried: 0, accepted: 0 }]))
  const hunter = new Hunter()
  const broken = new Set<string>()
  for (let first = 0; runs > 0 ? first < runs : performance.now() < endMs; first += ROUND) {
    for (const { name } of decoders) {
      if (broken.has(name) || (runs === 0 && performance.now() >= endMs)) continue
      const { tried, accepted, found } = await hunter.run({ decoder: name, seed, first })
      const total = tallies.get(name)!
      total.tried += tried
      total.accepted += accepted
      if (found.length > 0) broken.add(name)
      tell(options, found)
    }
    if (broken.size === decoders.length) break
  }
  await hunter.close()
  for (const [name, { tried, accepted }] of tallies) print(`${name}: ${tried} inputs, ${accepted} accepted`)
  const all = [...tallies.values()].reduce((sum, { tried }) => sum + tried, 0)
  print(`${decoders.length} decoders, ${all} inputs, ${broken.size} with a finding`)
  return broken.size === 0 ? 0 : 1
}

/** One input again, in this process, so that a debugger sees it. @returns the exit code */
export function judgeFile(decoder: Decoder, path: string): number {
  const verdict = judge(decoder, new Uint8Array(readFileSync(path)))
  if ('accepted' in verdict) print(`${decoder.name}: ${verdict.accepted ? 'accepted' : 'refused'}`)
  else print(`${decoder.name}: ${verdict.finding.what}: ${verdict.finding.detail}`)
  return 'accepted' in verdict ? 0 : 1
}

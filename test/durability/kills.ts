// SIGKILL under load, on real files and LMDB: a worker (worker.ts) is killed at a drawn moment, what it left is opened and checked, and the next
// one goes on in the same directory, for many generations.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Prng } from '../../runtime/prng.ts'
import { type Figures, Tally } from './figures.ts'
import { keeps, Said } from './said.ts'

/** Generations of one directory; a longer ledger takes longer to check and shows nothing new. */
const GENERATIONS = 25
const TURNS = 100_000

export interface Ended {
  readonly output: string
  readonly errors: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Runs a program to its end. `onOutput` may end it. */
export function runChild(
  command: readonly string[],
  onOutput: (output: string, kill: () => void) => void = () => undefined,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const [program = '', ...args] = command
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let [output, errors] = ['', '']
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      output += text
      onOutput(output, () => child.kill('SIGKILL'))
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ output, errors, code, signal }))
  })
}

/** `program`: the bundled child.ts. */
export async function storeKills(program: string, seed: number, kills: number): Promise<Figures> {
  const tally = new Tally('SIGKILL of a store under load', 'kills')
  const prng = new Prng(seed).fork('kills')
  for (let done = 0; done < kills;) {
    const directory = mkdtempSync(join(tmpdir(), 'concordat-kills-'))
    try {
      mkdirSync(join(directory, 'node'))
      const said = new Said()
      for (let generation = 0; generation < GENERATIONS && done < kills; generation++, done++) {
        const label = `seed ${seed}, kill ${done}`
        const moment = prng.integer(1, 2500)
        const args = ['work', join(directory, 'node'), String(prng.u32()), String(2 + 100 * generation), String(TURNS)]
        const ended = await runChild([process.execPath, program, ...args], (output, kill) => {
          if (output.length > moment) kill()
        })
        const { problem, outcome } = await keeps(join(directory, 'node'), said.hear(ended.output))
        if (ended.signal !== 'SIGKILL') tally.lost(label, `it ended by itself: ${ended.errors}`)
        else if (problem !== undefined) tally.lost(label, problem)
        else tally.tried(outcome)
        if (problem !== undefined) break
      }
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
  return tally.figures
}

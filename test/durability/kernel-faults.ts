// Failing system calls under the real file layer and LMDB: a worker (worker.ts) whose n-th fdatasync, pwrite, rename … fails with EIO or ENOSPC
// (strace injects it), or whose file system is full for true (a small tmpfs). It must end with a word about its disk, or go on; what it reported must be there.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Prng } from '../../runtime/prng.ts'
import { type Figures, Tally } from './figures.ts'
import { type Ended, runChild } from './kills.ts'
import { keeps, Said } from './said.ts'
import { EXIT_DISK_FAILED } from './worker.ts'

/**
 * The calls by which ledger and LMDB change a disk, and how many of each a worker makes. LMDB writes with writev or pwrite64, as it likes. Not
 * pread64, and not the first ftruncate: LMDB dies of SIGSEGV when it cannot open its file (store/README.md), and Node reads its packages with pread64.
 */
const CALLS: readonly (readonly [call: string, from: number, upTo: number])[] = [
  ['fdatasync', 1, 60],
  ['fsync', 1, 30],
  ['pwrite64', 1, 150],
  ['writev', 1, 25],
  ['ftruncate', 2, 3],
  ['rename', 1, 20],
  ['unlink', 1, 2],
]
const TURNS = '40'
/** A worker takes a second or two; one that hangs must not hang the run. */
const TIME_LIMIT = ['timeout', '-s', 'KILL', '60']

/** How it ended, in the words of the rule; undefined when it broke it. */
function outcomeOf({ code, signal, errors }: Ended): string | undefined {
  if (code === 0) return 'went on'
  if (code === EXIT_DISK_FAILED && signal === null && /: .+\(E[A-Z]+\)|commit|LMDB|corrupt/.test(errors))
    return 'stopped, and said why'
  return undefined
}

async function check(tally: Tally, label: string, ended: Ended, directory: string): Promise<void> {
  const outcome = outcomeOf(ended)
  const { problem } = await keeps(directory, new Said().hear(ended.output))
  if (outcome === undefined) tally.lost(label, `ended with ${ended.signal ?? ended.code}: ${ended.errors.trim()}`)
  else if (problem !== undefined) tally.lost(label, problem)
  else tally.tried(outcome)
}

/** `program`: the bundled child.ts. Needs strace. */
export async function failedCalls(program: string, seed: number, faults: number): Promise<Figures> {
  const tally = new Tally('failing system calls', 'faults injected')
  const prng = new Prng(seed).fork('calls')
  for (let i = 0; i < faults; i++) {
    const [call, from, upTo] = CALLS[i % CALLS.length]!
    const [at, error] = [prng.integer(from, upTo), prng.chance(1, 2) ? 'EIO' : 'ENOSPC']
    // Once, or from then on: a disk that recovers, and one that does not.
    const inject = `inject=${call}:error=${error}:when=${at}${prng.chance(1, 3) ? '+' : ''}`
    const directory = mkdtempSync(join(tmpdir(), 'concordat-calls-'))
    try {
      mkdirSync(join(directory, 'node'))
      const worker = [process.execPath, program, 'work', join(directory, 'node'), String(prng.u32()), '2', TURNS]
      const traced = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', inject, ...worker]
      await check(
        tally,
        `seed ${seed}, fault ${i}, ${inject}`,
        await runChild([...TIME_LIMIT, ...traced]),
        join(directory, 'node'),
      )
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
  return tally.figures
}

/** Needs the right to mount. */
export async function fullDisks(program: string, seed: number, disks: number): Promise<Figures> {
  const tally = new Tally('full file systems', 'disks filled')
  const prng = new Prng(seed).fork('disks')
  for (let i = 0; i < disks; i++) {
    const sizeKib = prng.integer(4, 120) * 4
    const directory = mkdtempSync(join(tmpdir(), 'concordat-full-'))
    const small = join(directory, 'small')
    mkdirSync(small)
    const mounted = await runChild(['mount', '-t', 'tmpfs', '-o', `size=${sizeKib}k`, 'none', small])
    if (mounted.code !== 0) throw new Error(`the test needs to mount a small file system: ${mounted.errors}`)
    try {
      const worker = [process.execPath, program, 'work', small, String(prng.u32()), '2', '400']
      const ended = await runChild([...TIME_LIMIT, ...worker])
      // Elsewhere, since opening again also writes.
      cpSync(small, join(directory, 'node'), { recursive: true })
      await check(tally, `seed ${seed}, disk ${i} of ${sizeKib} KiB`, ended, join(directory, 'node'))
    } finally {
      await runChild(['umount', '-l', small])
      rmSync(directory, { recursive: true, force: true })
    }
  }
  return tally.figures
}

// `npm run durability`: kills, power failures, failing disks and bit rot, as many as you like. Exit 1 if anything promised is lost.
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { bundle } from '../unit/store/bundle.ts'
import { bitRot } from './bit-rot.ts'
import { allCrashStates, drawnCrashStates } from './crash-states.ts'
import { failedOperations } from './failed-operations.ts'
import type { Figures } from './figures.ts'
import { indexRot } from './index-rot.ts'
import { failedCalls, fullDisks } from './kernel-faults.ts'
import { storeKills } from './kills.ts'
import { nodeKills } from './node-kills.ts'

const USAGE = `usage: npm run durability -- [--kills N] [--faults N] [--seed N] [--only PART,…] [--json]
  --kills   of a store under load (100); a tenth as many of whole nodes
  --faults  system calls made to fail, and damages to an index (100); per one: 300 states after power failures, 30 damages to ledger files
  --only    of ${['crashes', 'operations', 'rot', 'kills', 'index', 'calls', 'disks', 'nodes'].join(', ')}
  needs strace for calls and the right to mount for disks`

export interface Amount {
  readonly kills: number
  readonly faults: number
  readonly seed: number
}

type Part = (amount: Amount, child: string) => Promise<Figures> | Figures

/** In the order in which they run: what needs no other process first. */
export const PARTS: readonly (readonly [name: string, run: Part])[] = [
  ['crashes', ({ seed, faults }) => drawnCrashStates(seed, 300 * faults)],
  ['crashes', ({ seed, faults }) => allCrashStates(seed, Math.ceil(faults / 20), 2000)],
  ['operations', ({ seed, faults }) => failedOperations(seed, Math.ceil(faults / 50))],
  ['rot', ({ seed, faults }) => bitRot(seed, 30 * faults)],
  ['kills', ({ seed, kills }, child) => storeKills(child, seed, kills)],
  ['index', ({ seed, faults }, child) => indexRot(child, seed, faults)],
  ['calls', ({ seed, faults }, child) => failedCalls(child, seed, faults)],
  ['disks', ({ seed, faults }, child) => fullDisks(child, seed, Math.ceil(faults / 10))],
  ['nodes', ({ seed, kills }) => nodeKills(seed, Math.ceil(kills / 10))],
]

function print({ part, unit, tried, outcomes, losses }: Figures, seconds: number): void {
  process.stdout.write(
    `${part}: ${tried} ${unit}, ${losses.length === 0 ? 'no loss' : 'LOSSES'} (${seconds.toFixed(0)} s)\n`,
  )
  for (const [outcome, count] of Object.entries(outcomes))
    process.stdout.write(`  ${String(count).padStart(7)} ${outcome}\n`)
  for (const { tried: what, problem } of losses) process.stdout.write(`  LOST ${what}: ${problem}\n`)
}

/** @returns the exit code */
export async function durability(root: string, args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kills: { type: 'string', default: '100' },
      faults: { type: 'string', default: '100' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  const [kills, faults, seed] = [Number(values.kills), Number(values.faults), Number(values.seed)]
  const only = values.only?.split(',')
  const isKnown = (name: string): boolean => PARTS.some(([part]) => part === name)
  const counts =
    [kills, faults].every((count) => Number.isSafeInteger(count) && count > 0) && Number.isSafeInteger(seed)
  if (values.help === true || !counts || only?.every(isKnown) === false) {
    process.stderr.write(`${USAGE}\n`)
    return 2
  }
  const child = await bundle('test/durability/child.ts', 'durability-child', false, root)
  const figures: Figures[] = []
  try {
    for (const [name, run] of PARTS) {
      if (only?.includes(name) === false) continue
      const began = performance.now()
      figures.push(await run({ kills, faults, seed }, child))
      if (values.json !== true) print(figures.at(-1)!, (performance.now() - began) / 1000)
    }
  } finally {
    rmSync(child)
  }
  const losses = figures.reduce((sum, { outcomes }) => sum + (outcomes['LOST'] ?? 0), 0)
  const tried = figures.reduce((sum, figure) => sum + figure.tried, 0)
  if (values.json === true) process.stdout.write(`${JSON.stringify({ seed, tried, losses, figures })}\n`)
  else
    process.stdout.write(
      `${tried} tried, ${losses} losses; again: --seed ${seed} --kills ${kills} --faults ${faults}\n`,
    )
  return losses === 0 ? 0 : 1
}

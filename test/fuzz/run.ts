// `npm run fuzz`: single bytes of ledgers and snapshots, changed at random, as many as you like; and the hunt over all decoders, as long as
// you like. Exit 1 if a change is missed, or a decoder does what it should not.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { isMainThread } from 'node:worker_threads'
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { catalogue } from './decoders/catalogue.ts'
import { answerHunts, huntAll, judgeFile } from './decoders/long-hunt.ts'
import { ChangedBytes, evidenceOf, type NamedBytes } from './changed-bytes.ts'

const USAGE = `usage: npm run fuzz -- [--changes N] [--seed N] [DIR…]
       npm run fuzz -- --decoders [--seconds N | --runs N] [--seed N] [NAME…]
       npm run fuzz -- --decoders --input FILE NAME
  DIR: a directory with ledger_*.committed and snapshot_*.committed files, or with ledger/ and snapshots/ inside;
  without any, those of ../shared/data/ccf-ledgers
  NAME: a decoder; without any, all of ${catalogue.map(({ name }) => name).join(' ')}`

if (!isMainThread) answerHunts()

function filesIn(directory: string): NamedBytes[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name)
    if (statSync(path).isDirectory()) return name === 'ledger' || name === 'snapshots' ? filesIn(path) : []
    return [{ name, bytes: new Uint8Array(readFileSync(path)) }]
  })
}

/** @returns the exit code */
export async function fuzz(root: string, args: readonly string[]): Promise<number> {
  const parsed = parse(args)
  if (parsed === undefined) {
    process.stderr.write(`${USAGE}\n`)
    return 2
  }
  const { values, positionals } = parsed
  const [changes, seed, seconds, runs] = [values.changes, values.seed, values.seconds, values.runs].map(Number)
  if (values.decoders !== true) return fuzzLedgers(root, positionals, changes!, seed!)
  const folder = join(root, '.build/fuzz')
  const decoders = catalogue.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  if (values.input !== undefined) return judgeFile(decoders[0]!, values.input)
  return huntAll({ decoders, seed: seed!, seconds: seconds!, runs: runs!, folder })
}

/** Undefined when it is no use of the command. */
function parse(args: readonly string[]) {
  const options = {
    decoders: { type: 'boolean' },
    changes: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '60' },
    runs: { type: 'string', default: '0' },
    input: { type: 'string' },
    help: { type: 'boolean' },
  } as const
  try {
    const parsed = parseArgs({ args: [...args], allowPositionals: true, options })
    const { values, positionals } = parsed
    const numbers = [values.changes, values.seed, values.seconds, values.runs].map(Number)
    if (values.help === true || !numbers.every((n) => Number.isSafeInteger(n) && n >= 0)) return undefined
    if (values.decoders !== true) return numbers[0] === 0 ? undefined : parsed
    const known = positionals.every((name) => catalogue.some((decoder) => decoder.name === name))
    return known && (values.input === undefined || positionals.length === 1) ? parsed : undefined
  } catch {
    // An option there is not.
    return undefined
  }
}

function fuzzLedgers(root: string, positionals: readonly string[], changes: number, seed: number): number {
  const shared = join(root, '../shared/data/ccf-ledgers')
  const usual = existsSync(shared) ? readdirSync(shared).map((name) => join(shared, name)) : []
  let missed = 0
  for (const directory of positionals.length > 0 ? positionals : usual) {
    const evidence = evidenceOf(filesIn(directory))
    const hunt = new ChangedBytes(nativeCrypto, evidence)
    const random = hunt.tryRandom(seed, changes)
    const last = hunt.tryLastEntry()
    const { chunks, snapshots } = evidence
    process.stdout.write(`${directory}: ${chunks.length} chunks, ${snapshots.length} snapshots\n`)
    for (const [what, outcome] of [
      ['random changes', random],
      ['bits of the last signature', last],
    ] as const) {
      const { tried, refused, outside } = outcome
      process.stdout.write(
        `  ${tried} ${what}: ${refused} refused, ${outside} unauthenticated, ${outcome.missed.length} missed\n`,
      )
      for (const { file, offset, before, after, problem } of outcome.missed)
        process.stdout.write(`    ${file} byte ${offset}: ${before} → ${after}: ${problem}\n`)
      missed += outcome.missed.length
    }
  }
  return missed === 0 ? 0 : 1
}

// `npm run fuzz`: single bytes of ledgers and snapshots, changed at random, as many as you like. Exit 1 if one is missed.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { ChangedBytes, evidenceOf, type NamedBytes } from './changed-bytes.ts'

const USAGE = `usage: npm run fuzz -- [--changes N] [--seed N] [DIR…]
  DIR: a directory with ledger_*.committed and snapshot_*.committed files, or with ledger/ and snapshots/ inside;
  without any, those of ../shared/data/ccf-ledgers`

function filesIn(directory: string): NamedBytes[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name)
    if (statSync(path).isDirectory()) return name === 'ledger' || name === 'snapshots' ? filesIn(path) : []
    return [{ name, bytes: new Uint8Array(readFileSync(path)) }]
  })
}

/** @returns the exit code */
export function fuzz(root: string, args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      changes: { type: 'string', default: '10000' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean' },
    },
  })
  const [changes, seed] = [Number(values.changes), Number(values.seed)]
  if (values.help === true || !Number.isSafeInteger(changes) || !Number.isSafeInteger(seed) || changes < 1) {
    process.stderr.write(`${USAGE}\n`)
    return 2
  }
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

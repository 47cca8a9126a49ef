// `concordat ledger diff`: compares two ledger directories entry by entry and says where and how they part.
// Not verification. The rule to remember: only seqnos that both hold are compared, and the output says which those are.
import { setImmediate as breathe } from 'node:timers/promises'
import type { Command } from 'commander'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { realFiles } from '../../../store/ledger/real-files.ts'
import { chunkRow } from '../../ledger-tools/chunk-row.ts'
import { compareLedgers, type Comparison, type Differing } from '../../ledger-tools/compare.ts'
import { readEntries } from '../../ledger-tools/entry-stream.ts'
import { jsonLine } from '../../ledger-tools/printable.ts'
import { KIND_TITLES } from '../../ledger-tools/transaction-kind.ts'
import { note, printLine } from '../../terminal/output.ts'
import { Problem } from '../../terminal/problem.ts'

const EXIT_PROBLEM = 1
const BREATHE_EVERY = 1024

const HELP = `
Entries are compared byte by byte, committed and uncommitted chunks alike; how they are cut into files does not matter.
A ledger may begin later than the other (a node that joined from a snapshot): then only what both hold is compared.

  identical      the same entries
  prefix         one goes on where the other ends: a backup that is behind
  fork           another view at the same seqno: an election replaced an uncommitted tail, or a recovery began anew.
                 Both in committed chunks: committed transactions were lost (a recovery from a shorter ledger) or
                 consensus was broken
  EQUIVOCATION   one transaction id, two contents: a primary told two stories, or bytes were altered afterwards
  unrelated      they begin as two services

Signatures are not checked: see concordat ledger verify.
Exit code 0: identical or prefix. 1: they differ, have no seqno in common, or cannot be read.
`

export function registerDiff(ledger: Command, ledgerDirectory: (given: string) => string): void {
  ledger
    .command('diff')
    .description('compare two ledgers entry by entry: same, longer, forked, or equivocation')
    .argument('<a>', 'a ledger directory')
    .argument('<b>', 'another one')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (a: string, b: string, options: { readonly json?: boolean }) =>
      diff(ledgerDirectory(a), ledgerDirectory(b), options.json === true),
    )
}

/** @throws Problem, CorruptDataError, StorageError */
async function diff(a: string, b: string, json: boolean): Promise<void> {
  const [rowA, rowB] = [chunkRow(realFiles, a), chunkRow(realFiles, b)]
  const [firstA, firstB] = [rowA[0]!.first, rowB[0]!.first]
  const from = Math.max(firstA, firstB)
  const comparison = await finish(
    compareLedgers(nativeCrypto, readEntries(rowA, { from }), readEntries(rowB, { from })),
  )
  const isLengthOnly = comparison.verdict === 'identical' || comparison.verdict === 'prefix'
  if (isLengthOnly && comparison.common === 0)
    throw new Problem(`${a} and ${b} have no seqno in common: nothing was compared`)
  if (!isLengthOnly) process.exitCode = EXIT_PROBLEM
  if (json) return printLine(jsonLine({ a, b, comparedFrom: from, ...named(comparison) }))
  for (const line of describe(comparison, { a, b })) printLine(line)
  if (firstA !== firstB)
    note(`(compared from seqno ${from} on: ${firstA > firstB ? a : b} does not hold what is before)`)
}

async function finish(walk: Generator<number, Comparison>): Promise<Comparison> {
  for (;;) {
    const next = walk.next()
    if (next.done === true) return next.value
    if (next.value % BREATHE_EVERY === 0) await breathe()
  }
}

/** In JSON the two sides' paths are `a` and `b`, so their entries are called otherwise. */
function named(comparison: Comparison): object {
  if (!('a' in comparison)) return comparison
  const { a: differsInA, b: differsInB, ...rest } = comparison
  return { ...rest, differsInA, differsInB }
}

interface Names {
  readonly a: string
  readonly b: string
}

const entryLine = (name: string, { txId, kind, bytes, file, offset, committed }: Differing): string =>
  `  ${name}: ${txId} ${KIND_TITLES[kind]}, ${bytes} bytes, ${file} at byte ${offset}${committed ? '' : ' (uncommitted)'}`

function describe(comparison: Comparison, names: Names): string[] {
  const { common, lastCommon } = comparison
  const upTo =
    lastCommon === undefined ? 'no entry in common' : `${common} entries in common, the last is ${lastCommon}`
  if (comparison.verdict === 'identical') return [`identical: ${upTo}`]
  if (comparison.verdict === 'prefix')
    return [`prefix: ${upTo}`, `only ${names[comparison.longer]} goes on:`, entryLine('next', comparison.next)]
  if (comparison.verdict === 'unrelated') {
    const { serviceOfA, serviceOfB } = comparison
    return [
      'unrelated: two services from the first transaction on',
      `  ${names.a}: service ${serviceOfA}`,
      `  ${names.b}: service ${serviceOfB}`,
    ]
  }
  const { a, b } = comparison
  const sides = [entryLine(names.a, a), entryLine(names.b, b)]
  if (comparison.verdict === 'equivocation')
    return [`EQUIVOCATION at ${a.txId}: one transaction id, two contents`, upTo, ...sides]
  return [`fork: ${upTo}`, ...sides, ...forkReasons(comparison)]
}

function forkReasons(fork: Extract<Comparison, { verdict: 'fork' }>): string[] {
  const { a, b, sameTxIdLater, searchEnded } = fork
  const later = a.view > b.view ? a : b
  const cause =
    later.kind === 'service'
      ? `view ${later.view} begins with a service status change: a recovery`
      : `views ${a.view} and ${b.view} at seqno ${a.seqno}: an election`
  return [
    cause,
    ...(a.committed && b.committed
      ? ['both are in committed chunks: committed transactions were lost in a recovery, or consensus was broken']
      : []),
    ...(sameTxIdLater === undefined
      ? []
      : [`EQUIVOCATION: both hold ${sameTxIdLater} after different histories, but a view has one primary`]),
    ...(searchEnded === undefined ? [] : [`not looked at further: ${searchEnded}`]),
  ]
}

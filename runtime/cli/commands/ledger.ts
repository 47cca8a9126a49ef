// `concordat ledger verify` proves a ledger directory offline; `concordat ledger check` says what is there without judging signatures.
// Not the verification (../../verify-ledger.ts, ../../parallel-verify, protocols/ledger). The rule to remember: both only read.
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { UsageError } from '../../../protocols/errors.ts'
import { inspectLedger, type ChunkFacts, type LedgerFacts } from '../../../store/ledger/inspect.ts'
import { readTextInput } from '../input.ts'
import { ledgerDirectory } from '../ledger-directory.ts'
import { note, printJson, printLine, progressBar } from '../../terminal/output.ts'
import { THREADS_MAX, verifyLedgerInParallel } from '../../parallel-verify/verify-in-parallel.ts'
import type { LedgerReport, SnapshotReport } from '../../verify-ledger.ts'
import { registerDiff } from './ledger-diff.ts'
import { registerMap } from './ledger-map.ts'
import { registerRead } from './ledger-read.ts'
import { registerSecrets } from './ledger-secrets.ts'
import { thisProgram } from './up.ts'

const EXIT_PROBLEM = 1

export function register(program: Command): void {
  const ledger = program.command('ledger').description('examine ledger directories, offline and without changing them')
  ledger
    .command('verify')
    .description(
      'Prove a ledger: every entry, Merkle root, node signature and COSE signature, committed, open and recovery chunks; and its snapshots.',
    )
    .argument('<directory>', 'the ledger directory of a node')
    .option(
      '--snapshots <directory>',
      'verify these snapshots too (default: snapshots/ in the directory, if it is there)',
    )
    .option('--service-cert <file>', 'PEM of the service you trust; without it a ledger only vouches for itself')
    .option('--threads <n>', 'helper threads (default: one for each core); 0: none', parseThreads)
    .option('--json', 'print one JSON object')
    .action(verify)
  ledger
    .command('check')
    .description('say what is in a ledger directory: chunks, last signed seqno, torn bytes. Checks no signatures')
    .argument('<directory>', 'the ledger directory of a node')
    .option('--json', 'print one JSON object')
    .action(check)
  registerRead(ledger, ledgerDirectory)
  registerMap(ledger, ledgerDirectory)
  registerDiff(ledger, ledgerDirectory)
  registerSecrets(ledger, ledgerDirectory)
}

/** @throws UsageError */
function snapshotDirectory(given: string, stated: string | undefined): string | undefined {
  const inside = join(given, 'snapshots')
  if (stated === undefined) return existsSync(inside) ? inside : undefined
  if (!existsSync(stated) || !statSync(stated).isDirectory()) throw new UsageError(`${stated} is not a directory`)
  return stated
}

/** @throws UsageError */
function parseThreads(text: string): number {
  const threads = Number(text)
  if (!/^[0-9]+$/.test(text) || threads > THREADS_MAX) throw new UsageError(`--threads is 0 to ${THREADS_MAX}`)
  return threads
}

interface VerifyOptions {
  readonly threads?: number
  readonly snapshots?: string
  readonly serviceCert?: string
  readonly json?: boolean
}

async function verify(given: string, options: VerifyOptions): Promise<void> {
  const directory = ledgerDirectory(given)
  const { serviceCert, json } = options
  const serviceCertificatePem =
    serviceCert === undefined ? undefined : await readTextInput(serviceCert, 'service certificate')
  const progress = progressBar('verifying', 1)
  const report = await verifyLedgerInParallel(directory, {
    crypto: nativeCrypto,
    helperProgram: join(dirname(thisProgram()), 'verify-helper.mjs'),
    threads: options.threads,
    serviceCertificatePem,
    snapshots: snapshotDirectory(given, options.snapshots),
    onProgress: (done, total) => progress.at(total === 0 ? 1 : done / total),
  })
  progress.end()
  if (!report.ok) process.exitCode = EXIT_PROBLEM
  if (json) return printJson({ directory, trusted: serviceCert !== undefined, ...report })
  for (const line of describeReport(report)) printLine(line)
  if (report.ok && serviceCert === undefined) note('(no --service-cert: it only vouches for itself)')
}

function describeReport(report: LedgerReport): string[] {
  if (!report.ok) {
    const { file, offset, seqno, reason } = report.failure
    return [`FAILED ${file}: byte ${offset}${seqno === undefined ? '' : ` (seqno ${seqno})`}: ${reason}`]
  }
  const { lastSeqno, lastSignedSeqno, root, serviceStatus, tornBytes, epochs, files } = report
  const unauthenticatedBytes = report.unauthenticated.reduce((sum, { from, to }) => sum + to - from, 0)
  const signatures = epochs.reduce((sum, epoch) => sum + epoch.signatures, 0)
  const coseSignatures = epochs.reduce((sum, epoch) => sum + epoch.coseSignatures, 0)
  return [
    `verified up to seqno ${lastSignedSeqno}: ${files} files, ${signatures} node signatures, ${coseSignatures} COSE signatures`,
    `root ${root ?? 'none signed yet'}`,
    `service ${serviceStatus ?? 'unknown'}, ${epochs.length} service ${epochs.length === 1 ? 'identity' : 'identities'}`,
    ...(lastSeqno > lastSignedSeqno
      ? [`${lastSeqno - lastSignedSeqno} entries after the last signature prove nothing yet`]
      : []),
    `of the last signature, ${unauthenticatedBytes} bytes are vouched for by nobody until the next one (--json lists them)`,
    ...(tornBytes > 0 ? [`${tornBytes} torn bytes at the end: never acknowledged`] : []),
    ...(report.recoveryFiles > 0 ? [`${report.recoveryFiles} files of a recovery that was not completed`] : []),
    ...report.snapshots.map(describeSnapshot),
    ...report.uncommittedSnapshots.map((name) => `${name}: no receipt yet, proves nothing`),
  ]
}

const STANDINGS: Readonly<Record<SnapshotReport['standing'], string>> = {
  agrees: 'says what the ledger says',
  beginning: 'the ledger continues it',
  alone: 'proven by its receipt alone; the ledger does not hold its seqno',
}

const describeSnapshot = ({ file, evidence, standing }: SnapshotReport): string =>
  `${file}: ${STANDINGS[standing]}; evidence in ${evidence}`

function check(given: string, options: { readonly json?: boolean }): void {
  const directory = ledgerDirectory(given)
  const facts = inspectLedger(directory)
  if (options.json) return printJson({ directory, ...factsToJson(facts) })
  for (const chunk of facts.chunks) printLine(describeChunk(chunk))
  for (const name of facts.ignored) printLine(`${name}  ignored`)
  printLine(
    facts.chunks.length === 0
      ? 'no ledger files'
      : `seqno ${facts.firstSeqno} to ${facts.lastSeqno}, last signed ${facts.lastSignedSeqno}, torn bytes ${facts.tornBytes}`,
  )
}

const stateOf = (chunk: ChunkFacts): string => (chunk.committed ? 'committed' : chunk.complete ? 'complete' : 'open')

function describeChunk(chunk: ChunkFacts): string {
  const { name, first, last, lastSigned, fileBytes, stopReason } = chunk
  const range = last < first ? 'no entries' : `seqno ${first} to ${last}`
  const signed = lastSigned === undefined ? 'no signature' : `last signed ${lastSigned.seqno}`
  const stopped = stopReason === undefined ? '' : `, ends because: ${stopReason}`
  return `${name}  ${stateOf(chunk)}, ${fileBytes} bytes, ${range}, ${signed}${stopped}`
}

const factsToJson = (facts: LedgerFacts): object => ({
  firstSeqno: facts.firstSeqno,
  lastSeqno: facts.lastSeqno,
  lastSignedSeqno: facts.lastSignedSeqno,
  tornBytes: facts.tornBytes,
  ignored: facts.ignored,
  chunks: facts.chunks.map((chunk) => ({
    file: chunk.name,
    state: stateOf(chunk),
    first: chunk.first,
    last: chunk.last,
    bytes: chunk.fileBytes,
    lastSignedSeqno: chunk.lastSigned?.seqno,
    stopReason: chunk.stopReason,
  })),
})

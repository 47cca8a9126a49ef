// How fast an auditor verifies a ledger made for it: one thread, with helper threads, and beside them the hashes alone that no verifier can do
// without, and CCF's own Python verifier where it is installed. The ledger: small private transactions in chunks of 5 MB, a signature after
// every 1999 of them, as a busy service writes it. All in one run, because only the ratios travel between machines.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nativeCrypto as crypto } from '../../protocols/crypto/native.ts'
import { invariant } from '../../protocols/errors.ts'
import { encodeChunk } from '../../protocols/ledger/chunk.ts'
import { verifyLedgerInParallel } from '../parallel-verify/verify-in-parallel.ts'
import { type LedgerReport, verifyLedger } from '../verify-ledger.ts'
import { LedgerWriter } from './made-ledger.ts'

const ENTRIES = 200_000
const BETWEEN_SIGNATURES = 1999
/** Leaves that a signer has not seen committed yet. */
const UNCOMMITTED = 10
const CHUNK_BYTES = 5_000_000
/** Of three runs the best counts, so that the first one warms up. */
const RUNS = 3

export interface AuditFigures {
  readonly entries: number
  readonly bytes: number
  /** Entries a second of one core, all checks. */
  readonly verifiedPerCpuSecond: number
  /** Entries a second by the clock, with a helper thread for each core. */
  readonly inParallelPerSecond: number
  /** The same entries, if only hashed on one core: a write set digest, a leaf and an inner node each. */
  readonly hashedPerCpuSecond: number
  /** CCF's Python package on the same directory; undefined where it is not installed. */
  readonly ccfPythonPerSecond: number | undefined
}

export interface AuditOptions {
  /** The bundled helper thread. */
  readonly helperProgram: string
  /** An interpreter that may have the package `ccf`. */
  readonly python: string
}

export async function auditFigures({ helperProgram, python }: AuditOptions): Promise<AuditFigures> {
  const directory = mkdtempSync(join(tmpdir(), 'concordat-audit-'))
  try {
    const ledger = makeLedger(directory)
    const entryBytes = Math.round(ledger.bytes / ledger.entries)
    const cpuSeconds = await best(cpuClock, () => check(verifyLedger(directory, { crypto }), ledger.entries))
    const seconds = await best(wallClock, async () =>
      check(await verifyLedgerInParallel(directory, { crypto, helperProgram }), ledger.entries),
    )
    const hashSeconds = await best(cpuClock, () => hashOnly(ledger.entries, entryBytes))
    const pythonSeconds = ccfSeconds(python, directory)
    return {
      ...ledger,
      verifiedPerCpuSecond: ledger.entries / cpuSeconds,
      inParallelPerSecond: ledger.entries / seconds,
      hashedPerCpuSecond: ledger.entries / hashSeconds,
      ccfPythonPerSecond: pythonSeconds && ledger.entries / pythonSeconds,
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function makeLedger(directory: string): { readonly entries: number; readonly bytes: number } {
  const ledger = new LedgerWriter('bench').begin('Opening')
  mkdirSync(directory, { recursive: true })
  let [first, chunkBytes, bytes] = [1, 0, 0]
  while (ledger.entries.length < ENTRIES) {
    const before = ledger.entries.length
    ledger.writePrivate(BETWEEN_SIGNATURES).sign(ledger.entries.length - UNCOMMITTED)
    for (const entry of ledger.entries.slice(before)) chunkBytes += entry.length
    const isLast = ledger.entries.length >= ENTRIES
    if (chunkBytes < CHUNK_BYTES && !isLast) continue
    const chunk = encodeChunk(ledger.entries.slice(first - 1))
    writeFileSync(join(directory, `ledger_${first}-${ledger.entries.length}.committed`), chunk)
    bytes += chunk.length
    first = ledger.entries.length + 1
    chunkBytes = 0
  }
  return { entries: ledger.entries.length, bytes }
}

function check(report: LedgerReport, entries: number): void {
  invariant(report.ok && report.lastSignedSeqno === entries, 'the ledger made for the bench is good')
}

function hashOnly(entries: number, entryBytes: number): void {
  const [entry, leaf] = [new Uint8Array(entryBytes), new Uint8Array(32)]
  for (let i = 0; i < entries; i++) {
    crypto.sha256(entry)
    crypto.sha256(leaf, leaf, leaf)
    crypto.sha256(leaf, leaf)
  }
}

type Clock = () => number

const wallClock: Clock = () => performance.now() / 1000
const cpuClock: Clock = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

async function best(clock: Clock, run: () => void | Promise<void>): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < RUNS; i++) {
    const began = clock()
    await run()
    times.push(clock() - began)
  }
  return Math.min(...times)
}

/** Its validator is fed every transaction, as its own tools do; that time is taken, not the start of Python. */
const CCF_VERIFY = `
import sys, time, ccf.ledger
validator = ccf.ledger.LedgerValidator(accept_deprecated_entry_types=False)
began = time.perf_counter()
for chunk in ccf.ledger.Ledger([sys.argv[1]], committed_only=True):
    for transaction in chunk:
        validator.add_transaction(transaction)
print(time.perf_counter() - began)
`

/** Seconds; undefined when the package is not there. */
function ccfSeconds(python: string, directory: string): number | undefined {
  const { status, stdout } = spawnSync(python, ['-c', CCF_VERIFY, directory], { encoding: 'utf8' })
  return status === 0 ? Number(stdout) : undefined
}

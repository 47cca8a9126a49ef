// CCF's Python package as a function: a job in, its verdicts out (verify.py), and its command-line tools.
// Not the verdicts' meaning. The rule to remember: the package is the judge; here nothing is judged.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensurePythonPackages, requirements } from '../../support/python.ts'

const SCRIPT = fileURLToPath(new URL('verify.py', import.meta.url))
const IN_TERMINAL = fileURLToPath(new URL('in_terminal.py', import.meta.url))
const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url))
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024
const TIMEOUT_MS = 120_000

export interface LedgerJob {
  readonly directory: string
  readonly uncommitted: boolean
  /** Whose latest state is wanted. */
  readonly tables: readonly string[]
}

export interface Change {
  readonly file: string
  readonly offset: number
  readonly xor: number
}

export interface ReceiptJob<T> {
  readonly receipt: T
  /** Null: no claims are expected. */
  readonly claims: string | null
}

export interface Job {
  readonly ledgers: readonly LedgerJob[]
  readonly changed_ledger: { readonly directory: string; readonly changes: readonly Change[] } | null
  readonly receipts: readonly ReceiptJob<unknown>[]
  /** Base64. */
  readonly cose_receipts: readonly ReceiptJob<string>[]
  /** Paths. */
  readonly snapshots: readonly string[]
}

export interface Refusal {
  readonly refused: string
}

export interface LedgerVerdict {
  readonly chunks: number
  readonly signatures: number
  readonly cose_signatures: number
  /** Transaction id of the last signature. */
  readonly verified_until: string
  readonly service_status: string
  /** Signatures by node id. */
  readonly signers: Readonly<Record<string, number>>
  /** By name; keys and values in hex. */
  readonly tables: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly transactions: number
  readonly public: number
  readonly private: number
  readonly claims: number
}

export interface Verdicts {
  /** Version of the package. */
  readonly ccf: string
  readonly ledgers: readonly (LedgerVerdict | Refusal)[]
  /** Why each change is refused; null when nobody noticed. */
  readonly changes: readonly (string | null)[]
  readonly receipts: readonly ({ readonly root: string } | Refusal)[]
  readonly cose_receipts: readonly ({ readonly signed_at: string } | Refusal)[]
  readonly snapshots: readonly ({ readonly seqno: number; readonly tables: number } | Refusal)[]
}

export interface ToolRun {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export class Auditor {
  readonly #python: string

  private constructor(python: string) {
    this.#python = python
  }

  /** Installs the package on first use. */
  static async hire(): Promise<Auditor> {
    return new Auditor(await ensurePythonPackages(requirements(REQUIREMENTS)))
  }

  async judge(serviceCertificatePem: string, job: Partial<Job>): Promise<Verdicts> {
    const whole = {
      service_certificate: serviceCertificatePem,
      ledgers: [],
      changed_ledger: null,
      receipts: [],
      cose_receipts: [],
      snapshots: [],
      ...job,
    }
    const directory = mkdtempSync(join(tmpdir(), 'concordat-auditor-'))
    try {
      const file = join(directory, 'job.json')
      writeFileSync(file, JSON.stringify(whole))
      const { code, stdout, stderr } = await run(this.#python, [SCRIPT, file])
      if (code !== 0) throw new Error(`verify.py failed: ${stderr}`)
      return JSON.parse(stdout) as Verdicts
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }

  /** A script that the package installs, such as `read_ledger.py`; in a terminal, for some ask how wide it is. */
  tool(name: string, ...args: readonly string[]): Promise<ToolRun> {
    return run(this.#python, [IN_TERMINAL, this.#python, join(dirname(this.#python), name), ...args])
  }
}

function run(program: string, args: readonly string[]): Promise<ToolRun> {
  const options = { timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX }
  return new Promise((resolve, reject) => {
    execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr })
      else if (typeof error.code === 'number') resolve({ code: error.code, stdout, stderr })
      else reject(new Error(`${args[0]} did not end by itself`, { cause: error }))
    })
  })
}

// Reads CCF's own ledgers for tests: the copies in test/golden, and the full set in ../shared/data where it is present.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeChunk, type EntrySlice, parseLedgerFileName } from '../../../protocols/ledger/chunk.ts'

const repository = fileURLToPath(new URL('../../../', import.meta.url))

export interface LedgerFile {
  readonly name: string
  readonly bytes: Uint8Array
}

export interface GoldenLedger {
  readonly name: string
  readonly files: readonly LedgerFile[]
  readonly serviceCertificatePem: string | undefined
}

function readLedger(name: string, directory: string, certificate: string): GoldenLedger {
  const files = readdirSync(directory)
    .map((file) => ({ file, parsed: parseLedgerFileName(file) }))
    .filter((item) => item.parsed !== undefined)
    .sort((a, b) => a.parsed!.first - b.parsed!.first)
    .map(({ file }) => ({ name: file, bytes: new Uint8Array(readFileSync(join(directory, file))) }))
  return { name, files, serviceCertificatePem: existsSync(certificate) ? readFileSync(certificate, 'utf8') : undefined }
}

const golden = (name: string): GoldenLedger => {
  const directory = join(repository, 'test/golden/ccf-ledgers', name)
  return readLedger(`golden ${name}`, directory, join(directory, 'service_cert.pem'))
}

export const acme = golden('acme_containing_service')
export const expired = golden('expired_service')

/** The golden ledgers, and the complete ones when the shared data is there. */
export const allLedgers: readonly GoldenLedger[] = [acme, expired, ...sharedLedgers()]

function sharedLedgers(): GoldenLedger[] {
  const shared = join(repository, '../shared/data/ccf-ledgers')
  if (!existsSync(shared)) return []
  return readdirSync(shared).map((name) =>
    readLedger(`shared ${name}`, join(shared, name, 'ledger'), join(shared, name, 'service_cert.pem')),
  )
}

export const entriesOf = (ledger: GoldenLedger): EntrySlice[] =>
  ledger.files.flatMap((file) => decodeChunk(file.bytes).entries)

// The two file systems every test of the ledger runs on: real files in a temporary directory, and the memory twin.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FileSystem } from '../../../../store/ledger/files.ts'
import { type Ledger, type LedgerOptions, openLedger } from '../../../../store/ledger/ledger.ts'
import type { LedgerNotice } from '../../../../store/ledger/ledger-types.ts'
import { MemoryFiles } from '../../../../store/ledger/memory-files.ts'
import { realFiles } from '../../../../store/ledger/real-files.ts'

export interface TestStore {
  readonly files: FileSystem
  readonly directory: string
  read(name: string): Uint8Array
  /** Replaces a file's content behind everybody's back. */
  overwrite(name: string, bytes: Uint8Array): void
  cleanUp(): void
}

export function realStore(): TestStore {
  const parent = mkdtempSync(join(tmpdir(), 'concordat-ledger-'))
  const directory = join(parent, 'ledger')
  return {
    files: realFiles,
    directory,
    read: (name) => new Uint8Array(readFileSync(join(directory, name))),
    overwrite: (name, bytes) => writeFileSync(join(directory, name), bytes),
    cleanUp: () => rmSync(parent, { recursive: true, force: true }),
  }
}

export function memoryStore(files = new MemoryFiles({ seed: 1 })): TestStore & { readonly files: MemoryFiles } {
  const directory = '/data/ledger'
  return {
    files,
    directory,
    read: (name) => files.contentOf(`${directory}/${name}`),
    overwrite(name, bytes) {
      const path = `${directory}/${name}`
      if (files.readdir(directory).includes(name)) files.unlink(path)
      const file = files.open(path, 'create')
      file.write(bytes, 0)
      file.datasyncNow()
      file.close()
      files.syncDirectoryNow(directory)
    },
    cleanUp: () => undefined,
  }
}

export const STORES: readonly (readonly [string, () => TestStore])[] = [
  ['real files', realStore],
  ['memory twin', memoryStore],
]

export function openIn(
  store: TestStore,
  options: Partial<LedgerOptions> = {},
): Ledger & { readonly notices: LedgerNotice[] } {
  const notices: LedgerNotice[] = []
  const { files, directory } = store
  const ledger = openLedger({
    directory,
    files,
    roots: 'unchecked',
    onNotice: (notice) => notices.push(notice),
    ...options,
  })
  return Object.assign(ledger, { notices })
}

/** Resolves with the durable seqno, rejects with the failure. */
export const flushed = (ledger: Ledger): Promise<number> =>
  new Promise((resolve, reject) =>
    ledger.flush((error, durable) => (error === undefined ? resolve(durable) : reject(error))),
  )

export const closed = (ledger: Ledger): Promise<void> =>
  new Promise((resolve, reject) => ledger.close((error) => (error === undefined ? resolve() : reject(error))))

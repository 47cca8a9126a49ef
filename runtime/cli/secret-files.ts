// Files of secrets that commands read and write, named on the command line. Not their format (runtime/ledger-tools/ledger-secrets.ts).
// The rule to remember: nothing of a file's content is ever in a message.
import { writeFile } from 'node:fs/promises'
import { UsageError } from '../../protocols/errors.ts'
import type { LedgerSecret } from '../../protocols/secrets/ledger-secrets.ts'
import { parseLedgerSecrets } from '../ledger-tools/ledger-secrets.ts'
import { note } from '../terminal/output.ts'
import { readInput, reasonOf } from './input.ts'

/** For an option that may be repeated. */
export const gather = (file: string, before: readonly string[] = []): readonly string[] => [...before, file]

/** @throws UsageError, which never holds anything of a file's content. */
export async function readSecrets(paths: readonly string[]): Promise<readonly LedgerSecret[]> {
  const secrets: LedgerSecret[] = []
  for (const path of paths) {
    const parsed = parseLedgerSecrets(await readInput(path, 'ledger secret'))
    if (parsed === undefined)
      throw new UsageError(`ledger secret ${path}: neither 32 bytes, nor 64 hex digits, nor JSON {"version": "hex"}`)
    for (const secret of parsed) {
      if (secrets.some(({ version }) => version === secret.version))
        throw new UsageError(`ledger secret ${path}: there is one of version ${secret.version} already`)
      secrets.push(secret)
    }
  }
  return secrets
}

/** A new file that only its owner may read, and then `done` is said. @throws UsageError when it exists or cannot be written */
export async function writeSecretFile(out: string, content: string | Uint8Array, done: string): Promise<void> {
  try {
    await writeFile(out, content, { mode: 0o600, flag: 'wx', flush: true })
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST'
    throw new UsageError(exists ? `${out} exists and is not overwritten` : `cannot write ${out}: ${reasonOf(error)}`)
  }
  note(done)
}

// Ledger secrets named on the command line, one or more files. Not their format (runtime/ledger-tools/ledger-secrets.ts).
// The rule to remember: nothing of a file's content is ever in a message.
import { UsageError } from '../../protocols/errors.ts'
import type { LedgerSecret } from '../../protocols/secrets/ledger-secrets.ts'
import { parseLedgerSecrets } from '../ledger-tools/ledger-secrets.ts'
import { readInput } from './input.ts'

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

// The ledger directory that a command was given: a node's `ledger`, or the node's directory that holds it.
// The rule to remember: a directory that is not there is a mistake of the user's, not an empty ledger.
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../../protocols/errors.ts'

/** @throws UsageError */
export function ledgerDirectory(directory: string): string {
  if (!existsSync(directory)) throw new UsageError(`${directory} does not exist; name a ledger directory`)
  if (!statSync(directory).isDirectory()) throw new UsageError(`${directory} is not a directory`)
  const inside = join(directory, 'ledger')
  return existsSync(inside) && statSync(inside).isDirectory() ? inside : directory
}

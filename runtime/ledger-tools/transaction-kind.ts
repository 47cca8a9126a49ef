// What a transaction is about, judged by the maps it writes in clear. Not what it means: nothing is decrypted or interpreted.
// The rule to remember: one kind each, the first that fits, in the order of TRANSACTION_KINDS.
import type { Entry } from '../../protocols/ledger/entry.ts'
import { isSignature } from '../../protocols/ledger/signature.ts'
import { GOV_TABLES } from '../../protocols/ledger/tables.ts'
import { mapWrites } from '../../protocols/ledger/write-set.ts'

export const TRANSACTION_KINDS = [
  'signature',
  'service',
  'reconfiguration',
  'governance',
  'internal',
  'public',
  'private',
  'empty',
] as const
export type TransactionKind = (typeof TRANSACTION_KINDS)[number]

/** Kinds as a person reads them. */
export const KIND_TITLES: Readonly<Record<TransactionKind, string>> = {
  signature: 'signature',
  service: 'service status change',
  reconfiguration: 'reconfiguration',
  governance: 'governance',
  internal: 'internal',
  public: 'public application',
  private: 'private only',
  empty: 'no writes',
}

/** Old ledgers have governance tables only under these names too (CCF facts §7). */
const GOVERNANCE = 'public:ccf.gov.'
const INTERNAL = 'public:ccf.'

export function transactionKind({ publicWrites, ciphertext }: Entry): TransactionKind {
  if (publicWrites.length === 0) return ciphertext.length > 0 ? 'private' : 'empty'
  if (isSignature(publicWrites)) return 'signature'
  if (mapWrites(publicWrites, GOV_TABLES.serviceInfo) !== undefined) return 'service'
  if (mapWrites(publicWrites, GOV_TABLES.nodesInfo) !== undefined) return 'reconfiguration'
  if (publicWrites.some(({ name }) => name.startsWith(GOVERNANCE))) return 'governance'
  return publicWrites.every(({ name }) => name.startsWith(INTERNAL)) ? 'internal' : 'public'
}

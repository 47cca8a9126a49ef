// The log as consensus sees it: entries with a view, an index and a kind. Their bytes are the ledger's and are never looked into here.
import type { NodeId } from '../ids.ts'

/**
 * `signature`: the only committable kind. `reconfiguration`: carries the full node set that is in force from this index on
 * (consensus.md §1, §11).
 */
export type RecordKind = 'transaction' | 'signature' | 'reconfiguration'

export interface LogRecord {
  readonly seqno: number
  readonly view: number
  readonly kind: RecordKind
  /** The serialised ledger entry. */
  readonly bytes: Uint8Array
  /** Only for `reconfiguration`. */
  readonly nodes?: readonly NodeId[]
}

// The log as consensus sees it: entries with a view, an index and a kind. Their bytes are the ledger's and are never looked into here.
import type { NodeId } from '../ids.ts'

/**
 * `signature`: the only committable kind. `reconfiguration`: carries the full node set that is in force from this index on.
 * `retiredCommitted`: names nodes whose removal is committed; once it is committed itself, they may be shut down (consensus.md §1, §11).
 */
export const RECORD_KINDS = ['transaction', 'signature', 'reconfiguration', 'retiredCommitted'] as const
export type RecordKind = (typeof RECORD_KINDS)[number]

/** The kinds that name nodes. */
export const namesNodes = (kind: RecordKind): boolean => kind === 'reconfiguration' || kind === 'retiredCommitted'

export interface LogRecord {
  readonly seqno: number
  readonly view: number
  readonly kind: RecordKind
  /** The serialised ledger entry. */
  readonly bytes: Uint8Array
  /** Only for kinds that name nodes. */
  readonly nodes?: readonly NodeId[]
}

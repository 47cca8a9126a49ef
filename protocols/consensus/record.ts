// What consensus knows of a ledger entry: its kind, and the nodes it names. The primary and whoever reads an entry back from the files
// (for a node that is far behind) decide it by the same function, from what the entry writes, so they cannot differ.
// The rule to remember: a transaction that writes the row of any Trusted node writes the rows of all, so that an entry alone says who they are.
import type { NodeId } from '../ids.ts'
import { decodeNodeRow } from '../governance/node-row.ts'
import { decodeEntry } from '../ledger/entry.ts'
import { isSignature } from '../ledger/signature.ts'
import { GOV_TABLES } from '../ledger/tables.ts'
import { mapWrites, type WriteSet } from '../ledger/write-set.ts'
import { fromUtf8 } from '../codec/bytes.ts'
import type { LogRecord } from './log.ts'

export type RecordMeaning = Pick<LogRecord, 'kind' | 'nodes'>

const TRANSACTION: RecordMeaning = { kind: 'transaction' }

/**
 * What the writes of a transaction (not of a signature) mean to consensus: with Trusted nodes among them, a reconfiguration to those; with
 * `retired_committed` ones only, the end of those. Nodes are in the order of the table. @throws DecodeError when a row is malformed.
 */
export function meaningOf(writes: WriteSet): RecordMeaning {
  const rows = mapWrites(writes, GOV_TABLES.nodesInfo)?.writes
  if (rows === undefined) return TRANSACTION
  const trusted: NodeId[] = []
  const finished: NodeId[] = []
  for (const { key, value } of rows) {
    const { standing } = decodeNodeRow(value)
    if (standing === 'Trusted') trusted.push(fromUtf8(key) as NodeId)
    else if (standing === 'RetiredCommitted') finished.push(fromUtf8(key) as NodeId)
  }
  if (trusted.length > 0) return { kind: 'reconfiguration', nodes: trusted }
  return finished.length > 0 ? { kind: 'retiredCommitted', nodes: finished } : TRANSACTION
}

/** The record of a serialised entry. @throws DecodeError */
export function recordOfEntry(bytes: Uint8Array): LogRecord {
  const { seqno, view, publicWrites } = decodeEntry(bytes)
  if (isSignature(publicWrites)) return { seqno, view, kind: 'signature', bytes }
  return { seqno, view, bytes, ...meaningOf(publicWrites) }
}

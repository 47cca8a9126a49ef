// From a ledger entry back to what consensus knows of it: a backup that is far behind gets entries out of the ledger files.
import { fromUtf8 } from '../codec/bytes.ts'
import type { NodeId } from '../ids.ts'
import { decodeEntry } from '../ledger/entry.ts'
import { isSignature } from '../ledger/signature.ts'
import { decodeJsonObject, GOV_TABLES } from '../ledger/tables.ts'
import { mapWrites } from '../ledger/write-set.ts'
import type { LogRecord } from './log.ts'

/**
 * The record of a serialised entry. The first transaction is the one reconfiguration of a fixed membership: its node set is the
 * trusted nodes it writes, in the order of the table. @throws DecodeError
 */
export function recordOfEntry(bytes: Uint8Array): LogRecord {
  const entry = decodeEntry(bytes)
  const { seqno, view } = entry
  if (isSignature(entry.publicWrites)) return { seqno, view, kind: 'signature', bytes }
  if (seqno !== 1) return { seqno, view, kind: 'transaction', bytes }
  const rows = mapWrites(entry.publicWrites, GOV_TABLES.nodesInfo)?.writes ?? []
  const nodes = rows.flatMap(({ key, value }): NodeId[] =>
    decodeJsonObject(value)['status'] === 'Trusted' ? [fromUtf8(key) as NodeId] : [],
  )
  return { seqno, view, kind: 'reconfiguration', bytes, nodes }
}

// Builds the changes of one table in the order the ledger demands (CCF facts §3.4).
import { compareBytes } from '../codec/bytes.ts'
import type { MapWrites, Write, WriteSet } from '../ledger/write-set.ts'

/** @throws RangeError when two rows have the same key: a write set has one value for each. */
export function tableRows(name: string, rows: readonly Write[]): MapWrites {
  const writes = [...rows].sort((a, b) => compareBytes(a.key, b.key))
  for (let i = 1; i < writes.length; i++) {
    if (compareBytes(writes[i - 1]!.key, writes[i]!.key) === 0) throw new RangeError(`${name}: the same key twice`)
  }
  return { name, writes, removes: [] }
}

/** Tables in ascending order of their (ASCII) names, those without rows left out. */
export const tableSet = (tables: readonly MapWrites[]): WriteSet =>
  tables.filter((table) => table.writes.length > 0).sort((a, b) => (a.name < b.name ? -1 : 1))

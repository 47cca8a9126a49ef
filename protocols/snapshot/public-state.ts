// The public tables as the ledger makes them, transaction by transaction, with the versions a snapshot states (CCF facts §15).
// Not the store of a node (store/kv): it only lets an auditor hold a snapshot against the ledger.
// The rule to remember: it is as large as one snapshot, however long the ledger is.
import { compareBytes, equalBytes, toByteString, utf8 } from '../codec/bytes.ts'
import type { Snapshot, SnapshotMap, SnapshotRow } from './format.ts'
import { isPublicMap, type WriteSet } from '../ledger/write-set.ts'

interface Table {
  version: number
  readonly rows: Map<string, SnapshotRow>
}

export class PublicState {
  readonly #tables = new Map<string, Table>()

  apply(seqno: number, writes: WriteSet): void {
    for (const { name, writes: written, removes } of writes) {
      if (!isPublicMap(name)) continue
      const table = this.#table(name)
      table.version = seqno
      // Copies: a ledger file's buffer must not be kept alive by a few small rows.
      for (const { key, value } of written) {
        table.rows.set(toByteString(key), { key: key.slice(), version: seqno, value: value.slice() })
      }
      for (const key of removes) table.rows.delete(toByteString(key))
    }
  }

  #table(name: string): Table {
    const known = this.#tables.get(name)
    if (known !== undefined) return known
    const table: Table = { version: 0, rows: new Map() }
    this.#tables.set(name, table)
    return table
  }

  /** Begins at a snapshot. */
  static from({ publicMaps }: Snapshot): PublicState {
    const state = new PublicState()
    for (const { name, version, rows } of publicMaps) {
      const table = state.#table(name)
      table.version = version
      for (const row of rows)
        table.rows.set(toByteString(row.key), { ...row, key: row.key.slice(), value: row.value.slice() })
    }
    return state
  }

  /** As a snapshot of it would hold them: ascending by name. */
  get maps(): SnapshotMap[] {
    const maps = [...this.#tables].map(([name, { version, rows }]) => ({ name, version, rows: [...rows.values()] }))
    return maps.sort((a, b) => compareBytes(utf8(a.name), utf8(b.name)))
  }

  /** Where a snapshot says something else, in a few words; undefined if it says the same. */
  differenceTo({ publicMaps }: Snapshot): string | undefined {
    const names = new Set(publicMaps.map(({ name }) => name))
    const missing = [...this.#tables.keys()].find((name) => !names.has(name))
    if (missing !== undefined) return `table ${missing} is missing`
    for (const map of publicMaps) {
      const difference = this.#mapDifference(map)
      if (difference !== undefined) return `table ${map.name}: ${difference}`
    }
    return undefined
  }

  #mapDifference({ name, version, rows }: SnapshotMap): string | undefined {
    const table = this.#tables.get(name)
    if (table === undefined) return 'was never written'
    if (table.version !== version) return `version ${version} instead of ${table.version}`
    if (table.rows.size !== rows.length) return `${rows.length} keys instead of ${table.rows.size}`
    for (const row of rows) {
      const own = table.rows.get(toByteString(row.key))
      if (own === undefined) return 'a key that was never written'
      if (own.version !== row.version) return `a key of version ${row.version} instead of ${own.version}`
      if (!equalBytes(own.value, row.value)) return `another value of version ${row.version}`
    }
    return undefined
  }
}

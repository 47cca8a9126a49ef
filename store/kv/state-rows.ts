// The store's content as rows, part by part: what snapshots are written from, and read back into. Not their format (protocols/snapshot).
// The rule to remember: a part is bounded whatever the store holds, and where the next one begins is said by a key, so nothing is kept open.
import { fromByteString, toByteString } from '../../protocols/codec/bytes.ts'
import type { SnapshotMap, SnapshotRow } from '../../protocols/snapshot/format.ts'
import type { RowsCursor, StatePart } from '../../protocols/snapshot/messages.ts'
import { KvState, type MapContent, type Versioned } from './kv-state.ts'
import { compareNames, emptySortedMap } from './sorted-map.ts'

/** At most `rowsMax` rows, and hardly more than `bytesMax` bytes of keys and values, from `from` on (undefined: from the beginning). */
export function readPart(
  state: KvState,
  from: RowsCursor | undefined,
  { rowsMax, bytesMax }: { readonly rowsMax: number; readonly bytesMax: number },
): StatePart {
  const names: string[] = []
  state.maps.scan(undefined, undefined, (name) => void names.push(name))
  // The order of snapshots is that of UTF-8, the tree's that of UTF-16.
  names.sort(compareNames)
  const maps: SnapshotMap[] = []
  let room = { rows: rowsMax, bytes: bytesMax }
  for (const name of names) {
    if (from !== undefined && compareNames(name, from.map) < 0) continue
    if (room.rows <= 0 || room.bytes <= 0) return { maps, next: { map: name, key: undefined } }
    const begin = name === from?.map ? from.key : undefined
    const taken = takeRows(state.maps.get(name)!, begin, room)
    maps.push({ name, version: state.maps.get(name)!.version, rows: taken.rows })
    if (taken.stoppedAt !== undefined) return { maps, next: { map: name, key: taken.stoppedAt } }
    room = taken.room
  }
  return { maps, next: undefined }
}

function takeRows({ tree }: MapContent, from: Uint8Array | undefined, room: { rows: number; bytes: number }) {
  const rows: SnapshotRow[] = []
  let { rows: rowsLeft, bytes: bytesLeft } = room
  let stoppedAt: Uint8Array | undefined
  tree.scan(from && toByteString(from), undefined, (name, { value, version }) => {
    const key = fromByteString(name)
    if (rowsLeft <= 0 || bytesLeft <= 0) {
      stoppedAt = key
      return false
    }
    rows.push({ key, version, value })
    rowsLeft--
    bytesLeft -= key.length + value.length
    return true
  })
  return { rows, stoppedAt, room: { rows: rowsLeft, bytes: bytesLeft } }
}

/** The store that a snapshot's maps describe. Keys and values are copied. */
export function stateOf(maps: readonly SnapshotMap[]): KvState {
  const all = emptySortedMap<MapContent>().edit()
  for (const { name, version, rows } of maps) {
    const tree = emptySortedMap<Versioned>().edit()
    for (const row of rows) tree.set(toByteString(row.key), { value: new Uint8Array(row.value), version: row.version })
    all.set(name, { tree: tree.finish(), version })
  }
  return new KvState(all.finish())
}

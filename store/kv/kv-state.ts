// The key-value store's content at one seqno: named maps from bytes to bytes. Not a transaction (transaction.ts), not
// durable: what survives a crash is the ledger, and this is replayed from it.
// The rule to remember: a KvState never changes. Keeping the old one is the snapshot and the rollback.
import { fromByteString, toByteString } from '../../protocols/codec/bytes.ts'
import type { MapWrites, SequencedWrites, WriteSet } from '../../protocols/ledger/write-set.ts'
import { compareNames, emptySortedMap, type SortedMap, type SortedMapEdit } from './sorted-map.ts'

/** A value and the seqno of the transaction that wrote it. */
export interface Versioned {
  readonly value: Uint8Array
  readonly version: number
}

export type MapTree = SortedMap<Versioned>

/** A map's rows, and the seqno of the transaction that changed it last: a removal leaves no row that would tell (CCF facts §15). */
export interface MapContent {
  readonly tree: MapTree
  readonly version: number
}

/** Opaque outside store/kv. Immutable; O(1) to keep, since states share structure. */
export class KvState {
  /** Internal to store/kv. Maps by name; one that lost its last key stays, as it does in CCF's snapshots. */
  readonly maps: SortedMap<MapContent>
  constructor(maps: SortedMap<MapContent>) {
    this.maps = maps
  }
}

export const emptyKv: KvState = new KvState(emptySortedMap())

/** One map, read only. Byte arrays it returns belong to the store: never write into them. */
export interface MapReader {
  get(key: Uint8Array): Uint8Array | undefined
  has(key: Uint8Array): boolean
  /** Seqno of the last committed or applied write of this key; undefined when it was never written or is deleted. */
  versionOfPreviousWrite(key: Uint8Array): number | undefined
  /** Visits keys in [from, to) in ascending byte order until `visit` returns false. Both bounds optional. */
  range(
    from: Uint8Array | undefined,
    to: Uint8Array | undefined,
    visit: (key: Uint8Array, value: Uint8Array) => boolean | void,
  ): void
  readonly size: number
}

const optionalByteString = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : toByteString(bytes)

class StateReader implements MapReader {
  readonly #tree: MapTree | undefined
  constructor(tree: MapTree | undefined) {
    this.#tree = tree
  }
  get(key: Uint8Array): Uint8Array | undefined {
    return this.#tree?.get(toByteString(key))?.value
  }
  has(key: Uint8Array): boolean {
    return this.get(key) !== undefined
  }
  versionOfPreviousWrite(key: Uint8Array): number | undefined {
    return this.#tree?.get(toByteString(key))?.version
  }
  range(
    from: Uint8Array | undefined,
    to: Uint8Array | undefined,
    visit: (key: Uint8Array, value: Uint8Array) => boolean | void,
  ): void {
    if (this.#tree === undefined) return
    this.#tree.scan(optionalByteString(from), optionalByteString(to), (key, { value }) =>
      visit(fromByteString(key), value),
    )
  }
  get size(): number {
    return this.#tree?.size ?? 0
  }
}

/** A handle on one map as it is in `state`; a map that does not exist reads as empty. */
export const readMap = (state: KvState, name: string): MapReader => new StateReader(state.maps.get(name)?.tree)

/** Names of all maps that hold a key, in ascending byte order. */
export function mapNames(state: KvState): string[] {
  const names: string[] = []
  state.maps.scan(undefined, undefined, (name, { tree }) => {
    if (tree.size > 0) names.push(name)
  })
  return names.sort(compareNames)
}

/**
 * The state after a transaction: its writes get version `seqno`. Values are copied, so they may be views on a received
 * buffer. Removing an absent key changes nothing (old CCF ledgers do it).
 */
export const applyWriteSet = (state: KvState, writeSet: WriteSet, seqno: number): KvState =>
  applyWriteSets(state, [{ seqno, writes: writeSet }])

/** The state after several transactions in order. Copies each touched path once, so it is cheaper than one by one. */
export function applyWriteSets(state: KvState, writeSets: readonly SequencedWrites[]): KvState {
  const changes = new KvChanges(state)
  for (let i = 0; i < writeSets.length; i++) {
    const { seqno, writes } = writeSets[i]!
    for (let j = 0; j < writes.length; j++) applyMapWrites(changes, writes[j]!, seqno)
  }
  return changes.finish()
}

function applyMapWrites(changes: KvChanges, map: MapWrites, seqno: number): void {
  const { writes, removes } = map
  if (writes.length === 0 && removes.length === 0) return
  const edit = changes.edit(map.name, seqno)
  for (let i = 0; i < writes.length; i++) {
    const { key, value } = writes[i]!
    // A copy: a view would keep the whole received batch alive, and small arrays live on V8's own heap (measurements §1.7).
    edit.set(toByteString(key), { value: new Uint8Array(value), version: seqno })
  }
  for (let i = 0; i < removes.length; i++) edit.delete(toByteString(removes[i]!))
}

interface MapEdit {
  readonly rows: SortedMapEdit<Versioned>
  version: number
}

/** Collects the edits of a state's maps. Internal to store/kv. */
export class KvChanges {
  readonly #base: KvState
  readonly #edits = new Map<string, MapEdit>()
  constructor(base: KvState) {
    this.#base = base
  }

  /** `version`: seqno of the transaction that changes the map; not below the one before. */
  edit(name: string, version: number): SortedMapEdit<Versioned> {
    let edit = this.#edits.get(name)
    if (edit === undefined) {
      edit = { rows: (this.#base.maps.get(name)?.tree ?? emptySortedMap<Versioned>()).edit(), version }
      this.#edits.set(name, edit)
    }
    edit.version = version
    return edit.rows
  }

  finish(): KvState {
    if (this.#edits.size === 0) return this.#base
    const maps = this.#base.maps.edit()
    for (const [name, { rows, version }] of this.#edits) maps.set(name, { tree: rows.finish(), version })
    return new KvState(maps.finish())
  }
}

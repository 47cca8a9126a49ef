// The key-value store's content at one seqno: named maps from bytes to bytes. Not a transaction (transaction.ts), not
// durable: what survives a crash is the ledger, and this is replayed from it.
// The rule to remember: a KvState never changes. Keeping the old one is the snapshot and the rollback.
import { fromByteString, toByteString } from '../../protocols/codec/bytes.ts'
import type { MapWrites, WriteSet } from '../../protocols/ledger/write-set.ts'
import { compareNames, emptySortedMap, type SortedMap, type SortedMapEdit } from './sorted-map.ts'

/** A value and the seqno of the transaction that wrote it. */
export interface Versioned {
  readonly value: Uint8Array
  readonly version: number
}

export type MapTree = SortedMap<Versioned>

/** Opaque outside store/kv. Immutable; O(1) to keep, since states share structure. */
export class KvState {
  /** Internal to store/kv. Maps by name; a map without keys is absent. */
  readonly maps: SortedMap<MapTree>
  constructor(maps: SortedMap<MapTree>) {
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
export const readMap = (state: KvState, name: string): MapReader => new StateReader(state.maps.get(name))

/** Names of all maps that hold a key, in ascending byte order. */
export function mapNames(state: KvState): string[] {
  const names: string[] = []
  state.maps.scan(undefined, undefined, (name) => void names.push(name))
  return names.sort(compareNames)
}

export interface SequencedWriteSet {
  readonly seqno: number
  readonly writeSet: WriteSet
}

/**
 * The state after a transaction: its writes get version `seqno`. Values are copied, so they may be views on a received
 * buffer. Removing an absent key changes nothing (old CCF ledgers do it).
 */
export const applyWriteSet = (state: KvState, writeSet: WriteSet, seqno: number): KvState =>
  applyWriteSets(state, [{ seqno, writeSet }])

/** The state after several transactions in order. Copies each touched path once, so it is cheaper than one by one. */
export function applyWriteSets(state: KvState, writeSets: readonly SequencedWriteSet[]): KvState {
  const changes = new KvChanges(state)
  for (let i = 0; i < writeSets.length; i++) {
    const { seqno, writeSet } = writeSets[i]!
    for (let j = 0; j < writeSet.length; j++) applyMapWrites(changes, writeSet[j]!, seqno)
  }
  return changes.finish()
}

function applyMapWrites(changes: KvChanges, map: MapWrites, seqno: number): void {
  const { writes, removes } = map
  if (writes.length === 0 && removes.length === 0) return
  const edit = changes.edit(map.name)
  for (let i = 0; i < writes.length; i++) {
    const { key, value } = writes[i]!
    // A copy: a view would keep the whole received batch alive, and small arrays live on V8's own heap (measurements §1.7).
    edit.set(toByteString(key), { value: new Uint8Array(value), version: seqno })
  }
  for (let i = 0; i < removes.length; i++) edit.delete(toByteString(removes[i]!))
}

/** Collects the edits of a state's maps. Internal to store/kv. */
export class KvChanges {
  readonly #base: KvState
  readonly #edits = new Map<string, SortedMapEdit<Versioned>>()
  constructor(base: KvState) {
    this.#base = base
  }

  edit(name: string): SortedMapEdit<Versioned> {
    let edit = this.#edits.get(name)
    if (edit === undefined) {
      edit = (this.#base.maps.get(name) ?? emptySortedMap<Versioned>()).edit()
      this.#edits.set(name, edit)
    }
    return edit
  }

  finish(): KvState {
    if (this.#edits.size === 0) return this.#base
    const maps = this.#base.maps.edit()
    for (const [name, edit] of this.#edits) {
      const tree = edit.finish()
      if (tree.size === 0) maps.delete(name)
      else maps.set(name, tree)
    }
    return new KvState(maps.finish())
  }
}

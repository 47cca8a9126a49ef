// A transaction over the KV: sees its own writes, changes nothing until it is applied, and states its write set. Not
// concurrency control: transactions execute one after the other (DESIGN §6), so flags stand for a read set.
// The rule to remember: dropping a transaction is the whole rollback.
import type { TableHandle } from '../../protocols/app.ts'
import { fromByteString, toByteString } from '../../protocols/codec/bytes.ts'
import { invariant } from '../../protocols/errors.ts'
import type { MapWrites, Write, WriteSet } from '../../protocols/ledger/write-set.ts'
import { ENTRY_BYTES_MAX } from '../../protocols/limits.ts'
import { KvChanges, KvState, type MapTree, type Versioned } from './kv-state.ts'
import { compareNames, type SortedMapEdit } from './sorted-map.ts'

/** UTF-16 units of a map's name. */
export const MAP_NAME_LENGTH_MAX = 1024
/** Bytes that length fields and counters add to one write in the ledger (CCF facts §3.4). */
const WRITE_OVERHEAD_BYTES = 16

/** A transaction outgrew what one ledger entry may hold, or a map's name is unusable. The caller answers with a refusal. */
export class KvLimitError extends Error {
  override readonly name = 'KvLimitError'
}

/** What an overlay lies upon: a map of a state, or the overlay of an outer transaction. Keys are byte strings. */
interface Layer {
  find(key: string): Uint8Array | undefined
  version(key: string): number | undefined
  scan(
    from: string | undefined,
    to: string | undefined,
    visit: (key: string, value: Uint8Array) => boolean | void,
  ): boolean
  readonly size: number
}

class TreeLayer implements Layer {
  readonly #tree: MapTree
  constructor(tree: MapTree) {
    this.#tree = tree
  }
  find(key: string): Uint8Array | undefined {
    return this.#tree.get(key)?.value
  }
  version(key: string): number | undefined {
    return this.#tree.get(key)?.version
  }
  scan(
    from: string | undefined,
    to: string | undefined,
    visit: (key: string, value: Uint8Array) => boolean | void,
  ): boolean {
    return this.#tree.scan(from, to, (key, { value }) => visit(key, value))
  }
  get size(): number {
    return this.#tree.size
  }
}

const EMPTY_LAYER: Layer = { find: () => undefined, version: () => undefined, scan: () => true, size: 0 }

/** Bytes a transaction's overlays hold, shared by its maps. */
interface Budget {
  bytes: number
  readonly bytesMax: number
  touched: boolean
}

/** One map as a transaction sees it. Byte arrays it returns belong to the store: never write into them. */
export class MapHandle implements TableHandle, Layer {
  readonly #base: Layer
  readonly #budget: Budget
  /** Own writes; undefined means deleted. A deletion is recorded only for a key the base has. */
  readonly #writes = new Map<string, Uint8Array | undefined>()
  /** The base is hidden. */
  #cleared = false
  /** This map's share of the budget. */
  #bytes = 0

  constructor(base: Layer, budget: Budget) {
    this.#base = base
    this.#budget = budget
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#budget.touched = true
    return this.find(toByteString(key))
  }

  has(key: Uint8Array): boolean {
    return this.get(key) !== undefined
  }

  /** Of the state below all uncommitted writes: unaffected by the transaction's own. */
  versionOfPreviousWrite(key: Uint8Array): number | undefined {
    this.#budget.touched = true
    return this.#base.version(toByteString(key))
  }

  /** Keys are those at the time of the call: writes made by `visit` do not show. */
  range(
    from: Uint8Array | undefined,
    to: Uint8Array | undefined,
    visit: (key: Uint8Array, value: Uint8Array) => boolean | void,
  ): void {
    this.#budget.touched = true
    const low = from === undefined ? undefined : toByteString(from)
    const high = to === undefined ? undefined : toByteString(to)
    this.scan(low, high, (key, value) => visit(fromByteString(key), value))
  }

  get size(): number {
    this.#budget.touched = true
    let size = this.#cleared ? 0 : this.#base.size
    for (const [key, value] of this.#writes) {
      const before = !this.#cleared && this.#base.find(key) !== undefined
      size += (value === undefined ? 0 : 1) - (before ? 1 : 0)
    }
    return size
  }

  /** Copies the value. @throws KvLimitError when the transaction would no longer fit a ledger entry. */
  put(key: Uint8Array, value: Uint8Array): void {
    this.#budget.touched = true
    const name = toByteString(key)
    this.#charge(name, name.length + value.length + WRITE_OVERHEAD_BYTES)
    this.#writes.set(name, new Uint8Array(value))
  }

  /** True when the key was there. */
  delete(key: Uint8Array): boolean {
    this.#budget.touched = true
    const name = toByteString(key)
    if (this.find(name) === undefined) return false
    const inBase = !this.#cleared && this.#base.find(name) !== undefined
    this.#charge(name, inBase ? name.length + WRITE_OVERHEAD_BYTES : 0)
    if (inBase) this.#writes.set(name, undefined)
    else this.#writes.delete(name)
    return true
  }

  /** O(1) here; the ledger has no "clear", so the write set lists every key of the base as removed (CCF facts §3.4). */
  clear(): void {
    this.#budget.touched = true
    this.#budget.bytes -= this.#bytes
    this.#bytes = 0
    this.#writes.clear()
    this.#cleared = true
  }

  #charge(key: string, cost: number): void {
    let delta = cost
    if (this.#writes.has(key)) delta -= key.length + (this.#writes.get(key)?.length ?? 0) + WRITE_OVERHEAD_BYTES
    if (delta > 0 && this.#budget.bytes + delta > this.#budget.bytesMax)
      throw new KvLimitError(`a transaction may write at most ${this.#budget.bytesMax} bytes`)
    this.#bytes += delta
    this.#budget.bytes += delta
  }

  /** Internal to store/kv, as all below. */
  find(key: string): Uint8Array | undefined {
    const own = this.#writes.get(key)
    if (own !== undefined) return own
    return this.#cleared || this.#writes.has(key) ? undefined : this.#base.find(key)
  }

  version(key: string): number | undefined {
    return this.#base.version(key)
  }

  scan(
    from: string | undefined,
    to: string | undefined,
    visit: (key: string, value: Uint8Array) => boolean | void,
  ): boolean {
    if (this.#writes.size === 0) return this.#cleared || this.#base.scan(from, to, visit)
    const own = [...this.#writes].filter(
      ([key]) => (from === undefined || key >= from) && (to === undefined || key < to),
    )
    own.sort(([a], [b]) => (a < b ? -1 : 1))
    let next = 0
    const visitOwnBelow = (limit: string | undefined): boolean => {
      for (; next < own.length; next++) {
        const [key, value] = own[next]!
        if (limit !== undefined && key >= limit) return true
        if (value !== undefined && visit(key, value) === false) return false
      }
      return true
    }
    const inBase = (key: string, value: Uint8Array): boolean => {
      if (!visitOwnBelow(key)) return false
      if (own[next]?.[0] !== key) return visit(key, value) !== false
      const mine = own[next++]![1]
      return mine === undefined || visit(key, mine) !== false
    }
    if (!this.#cleared && !this.#base.scan(from, to, inBase)) return false
    return visitOwnBelow(undefined)
  }

  get hasWrites(): boolean {
    return this.#writes.size > 0 || (this.#cleared && this.#base.size > 0)
  }

  mapWrites(name: string): MapWrites {
    const writes: Write[] = []
    const removes: Uint8Array[] = []
    const keys = [...this.#writes.keys()]
    if (keys.length > 1) keys.sort()
    for (const key of keys) {
      const value = this.#writes.get(key)
      if (value !== undefined) writes.push({ key: fromByteString(key), value })
      else if (!this.#cleared) removes.push(fromByteString(key))
    }
    if (this.#cleared) this.#collectCleared(removes)
    return { name, writes, removes }
  }

  #collectCleared(removes: Uint8Array[]): void {
    let bytes = this.#budget.bytes
    this.#base.scan(undefined, undefined, (key) => {
      if (this.#writes.has(key)) return
      bytes += key.length + WRITE_OVERHEAD_BYTES
      if (bytes > this.#budget.bytesMax)
        throw new KvLimitError(`clearing this map removes more than ${this.#budget.bytesMax} bytes of keys`)
      removes.push(fromByteString(key))
    })
  }

  /** Does to `target` what was done to this map. */
  replayInto(target: MapHandle): void {
    if (this.#cleared) target.clear()
    for (const [key, value] of this.#writes) {
      if (value === undefined) target.delete(fromByteString(key))
      else target.put(fromByteString(key), value)
    }
  }

  /** Writes straight into an edit of the base's tree; values need no copy, `put` made one. */
  applyTo(edit: SortedMapEdit<Versioned>, seqno: number): void {
    if (this.#cleared) edit.clear()
    for (const [key, value] of this.#writes) {
      if (value === undefined) edit.delete(key)
      else edit.set(key, { value, version: seqno })
    }
  }
}

const LONE_SURROGATE = /\p{Surrogate}/u

/** Changes on top of a state, or of another transaction (then `promote` hands them to it). */
export class Transaction {
  readonly #base: KvState | Transaction
  readonly #budget: Budget
  readonly #maps = new Map<string, MapHandle>()

  /** `bytesMax`: keys and values it may write, with their length fields; by default what one ledger entry holds. */
  constructor(base: KvState | Transaction, bytesMax: number = ENTRY_BYTES_MAX) {
    this.#base = base
    this.#budget = { bytes: 0, bytesMax, touched: false }
  }

  /** The same handle for the same name. @throws KvLimitError for a name that cannot be written to the ledger. */
  map(name: string): MapHandle {
    let handle = this.#maps.get(name)
    if (handle === undefined) {
      handle = new MapHandle(this.#layer(name), this.#budget)
      this.#maps.set(name, handle)
    }
    return handle
  }

  #layer(name: string): Layer {
    if (this.#base instanceof Transaction) return this.#base.map(name)
    const tree = this.#base.maps.get(name)?.tree
    if (tree !== undefined) return new TreeLayer(tree)
    if (name.length === 0 || name.length > MAP_NAME_LENGTH_MAX || LONE_SURROGATE.test(name))
      throw new KvLimitError(`a map's name is 1 to ${MAP_NAME_LENGTH_MAX} characters of well-formed text`)
    return EMPTY_LAYER
  }

  /** Whether it read or wrote anything; a response without that carries no transaction id (CCF facts §1). */
  get touched(): boolean {
    return this.#budget.touched
  }

  /** Whether it changes anything: false means its write set is empty and nothing need be replicated. */
  get wrote(): boolean {
    for (const handle of this.#maps.values()) if (handle.hasWrites) return true
    return false
  }

  /**
   * What it changes relative to its base: maps and keys in ascending byte order, unchanged maps left out, cleared maps
   * as removals of every key. @throws KvLimitError when clearing would not fit an entry.
   */
  writeSet(): WriteSet {
    const result: MapWrites[] = []
    for (const [name, handle] of this.#maps) {
      if (handle.hasWrites) result.push(handle.mapWrites(name))
    }
    if (result.length > 1) result.sort((a, b) => compareNames(a.name, b.name))
    return result
  }

  /** Equal to applyWriteSet(base, writeSet(), seqno), without the way through it. Only on a transaction over a state. */
  apply(seqno: number): KvState {
    invariant(this.#base instanceof KvState, 'a nested transaction is promoted, not applied')
    const changes = new KvChanges(this.#base)
    for (const [name, handle] of this.#maps) if (handle.hasWrites) handle.applyTo(changes.edit(name, seqno), seqno)
    return changes.finish()
  }

  /** Hands a nested transaction's changes to the outer one, against whose budget they count. Not to be used afterwards. */
  promote(): void {
    invariant(this.#base instanceof Transaction, 'only a nested transaction is promoted')
    for (const [name, handle] of this.#maps) handle.replayInto(this.#base.map(name))
  }
}

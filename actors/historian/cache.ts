// Verified transactions, kept for later requests: bounded in bytes, the least recently used go first. Grouped by the signature that covers
// them, since they share its tree. An immutable value.
// The rule to remember: only what verification.ts returned enters.
import { emptySortedMap, type SortedMap } from '../../store/kv/sorted-map.ts'
import type { Loaded, Signed } from './verification.ts'

/** A tree in memory is nodes and hashes: about so many times the bytes of the transaction that holds it. */
const TREE_FACTOR = 8
/** What an entry costs besides its bytes: decoded maps, keys, nodes of this map. */
const ENTRY_OVERHEAD_BYTES = 512

interface Group {
  readonly signed: Signed
  readonly entries: SortedMap<Loaded>
  readonly bytes: number
  /** When it was last used; the key of `order`. */
  readonly tick: number
}

export interface Cache {
  readonly bytesMax: number
  readonly bytes: number
  readonly tick: number
  /** By the signature's seqno. */
  readonly groups: SortedMap<Group>
  /** Keys of groups, by tick. */
  readonly order: SortedMap<string>
}

export const emptyCache = (bytesMax: number): Cache => ({
  bytesMax,
  bytes: 0,
  tick: 0,
  groups: emptySortedMap(),
  order: emptySortedMap(),
})

/** In the order of numbers, up to 2^53. */
const keyOf = (n: number): string => n.toString(16).padStart(14, '0')

const weightOf = ({ bytes, next }: Loaded): number =>
  bytes.length + ENTRY_OVERHEAD_BYTES + (next?.sizeBytes ?? 0) * TREE_FACTOR

/** Bytes that holding a transaction with its signature costs. */
export const loadedBytes = (loaded: Loaded): number => weightOf(loaded) + loaded.signed.sizeBytes * TREE_FACTOR

/** The first group at or after `seqno`: what covers `seqno`, if that is there. */
function groupOf(cache: Cache, seqno: number): readonly [string, Group] | undefined {
  let found: readonly [string, Group] | undefined
  cache.groups.scan(keyOf(seqno), undefined, (key, group) => {
    found = [key, group]
    return false
  })
  return found
}

/** The signature transaction at `seqno`, if it was verified. */
export const signedAt = (cache: Cache, seqno: number): Signed | undefined => cache.groups.get(keyOf(seqno))?.signed

/** The transaction at `seqno`, and the cache that remembers its use. */
export function lookUp(cache: Cache, seqno: number): { readonly cache: Cache; readonly loaded: Loaded | undefined } {
  const [key, group] = groupOf(cache, seqno) ?? []
  const loaded = group?.entries.get(keyOf(seqno))
  if (loaded === undefined || key === undefined || group === undefined) return { cache, loaded: undefined }
  return { cache: replace(cache, key, group, group), loaded }
}

/** Keeps a transaction; what was not used for longest makes room. One that is larger than the cache is not kept. */
export function keep(cache: Cache, loaded: Loaded): Cache {
  const key = keyOf(loaded.signed.content.seqno)
  const before = cache.groups.get(key)
  if (before?.entries.get(keyOf(loaded.seqno)) !== undefined) return replace(cache, key, before, before)
  const entries = (before?.entries ?? emptySortedMap<Loaded>()).edit()
  entries.set(keyOf(loaded.seqno), loaded)
  const bytes = before === undefined ? loadedBytes(loaded) : before.bytes + weightOf(loaded)
  return evict(
    replace(cache, key, before, { signed: before?.signed ?? loaded.signed, entries: entries.finish(), bytes }),
  )
}

function replace(cache: Cache, key: string, before: Group | undefined, after: Omit<Group, 'tick'>): Cache {
  const tick = cache.tick + 1
  const groups = cache.groups.edit()
  groups.set(key, { signed: after.signed, entries: after.entries, bytes: after.bytes, tick })
  const order = cache.order.edit()
  if (before !== undefined) order.delete(keyOf(before.tick))
  order.set(keyOf(tick), key)
  const bytes = cache.bytes - (before?.bytes ?? 0) + after.bytes
  return { ...cache, tick, bytes, groups: groups.finish(), order: order.finish() }
}

function evict(cache: Cache): Cache {
  if (cache.bytes <= cache.bytesMax) return cache
  const groups = cache.groups.edit()
  const order = cache.order.edit()
  let { bytes } = cache
  cache.order.scan(undefined, undefined, (tick, key) => {
    bytes -= cache.groups.get(key)!.bytes
    groups.delete(key)
    order.delete(tick)
    return bytes > cache.bytesMax
  })
  return { ...cache, bytes, groups: groups.finish(), order: order.finish() }
}

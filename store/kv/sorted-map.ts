// The sorted map under the KV: sorted-btree, whose clone() shares nodes. Not a store: no names, versions or transactions.
// The rule to remember: a tree reachable from a KvState is never changed again; change a clone.
import BTreeModule from 'sorted-btree'

// sorted-btree is CommonJS: node hands its whole module.exports as the default import, some bundlers unwrap it once more.
type BTreeClass = typeof BTreeModule.default
const BTree: BTreeClass = (BTreeModule as { default?: BTreeClass }).default ?? (BTreeModule as unknown as BTreeClass)

export type SortedMap<V> = BTreeModule.default<string, V>

/** Items in a node. 16 to 32 measured alike at 100,000 keys; more makes a copied path dearer, fewer makes it deeper. */
const NODE_ITEMS_MAX = 32

const compareUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** An empty map from strings, ordered by UTF-16 code unit: for byte strings (codec/bytes.ts) that is byte order. */
export const sortedMap = <V>(): SortedMap<V> => new BTree<string, V>(undefined, compareUnits, NODE_ITEMS_MAX)

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff

/**
 * Orders names as their UTF-8 bytes (the ledger's order, CCF facts §3.4). UTF-16 agrees except that surrogates, which
 * stand for the largest code points, sort before U+E000–U+FFFF.
 */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(x) ? 1 : -1
  }
  return a.length - b.length
}

const STOP = { break: true }

/**
 * Visits keys in [from, to) in order until `visit` returns false; undefined leaves a side open.
 * @returns false when the visitor stopped it.
 */
export function scan<V>(
  map: SortedMap<V>,
  from: string | undefined,
  to: string | undefined,
  visit: (key: string, value: V) => boolean | void,
): boolean {
  const high = to ?? map.maxKey()
  const low = from ?? ''
  if (high === undefined || low > high) return true
  const visitor = (key: string, value: V): { break: boolean } | undefined =>
    visit(key, value) === false ? STOP : undefined
  // The typings leave out that forRange's visitor may answer {break}, which its documentation and code allow.
  const result: unknown = map.forRange(low, high, to === undefined, visitor as (key: string, value: V) => void)
  return result !== true
}

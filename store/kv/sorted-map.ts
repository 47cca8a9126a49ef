// A persistent sorted map: a B+ tree whose nodes are never changed once another map can see them. Not a store: no names,
// versions or transactions. Why our own: sorted-btree's clone() marks every child of a copied node as shared and keeps
// the newest of equal keys, which costs a third more per write (store/README.md).
// The rule to remember: a node belongs to the one edit that made it; every other edit copies it.

/** Items in a node. 32 and 64 measured alike at 100,000 keys, 32 better at 1,000. */
const ITEMS_MAX = 32
/** A node with fewer is merged into its neighbour when both fit one. */
const ITEMS_MIN = ITEMS_MAX >> 2

/** Marks the nodes one edit made. */
type Owner = object

interface Leaf<V> {
  readonly leaf: true
  owner: Owner | undefined
  keys: string[]
  values: V[]
}

interface Inner<V> {
  readonly leaf: false
  owner: Owner | undefined
  /** `keys[i]`: no key below child i is smaller; keys[0] is not looked at. */
  keys: string[]
  children: Node<V>[]
}

type Node<V> = Leaf<V> | Inner<V>

/** Index of the first key not less than `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}

/** Index of the child that holds `key` if any does. */
function childIndex(keys: readonly string[], key: string): number {
  let low = 1
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (keys[middle]! <= key) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** What an edit of one node did to it; module-wide, because returning it would cost an allocation per level. */
let splitOff: unknown
let sizeChange = 0

/** An immutable map from strings, ordered by UTF-16 code unit: for byte strings (codec/bytes.ts) that is byte order. */
export class SortedMap<V> {
  readonly size: number
  /** Internal to this file. */
  readonly root: Node<V>

  constructor(root: Node<V>, size: number) {
    this.root = root
    this.size = size
  }

  get(key: string): V | undefined {
    let node = this.root
    while (!node.leaf) node = node.children[childIndex(node.keys, key)]!
    const index = lowerBound(node.keys, key)
    return node.keys[index] === key ? node.values[index] : undefined
  }

  /**
   * Visits keys in [from, to) in order until `visit` returns false; undefined leaves a side open.
   * @returns false when the visitor stopped it.
   */
  scan(from: string | undefined, to: string | undefined, visit: (key: string, value: V) => boolean | void): boolean {
    return scanNode(this.root, from, to, visit) !== STOPPED
  }

  edit(): SortedMapEdit<V> {
    return new SortedMapEdit(this)
  }
}

const STOPPED = 1
const PASSED_END = 2
const GO_ON = 0

function scanNode<V>(
  node: Node<V>,
  from: string | undefined,
  to: string | undefined,
  visit: (key: string, value: V) => boolean | void,
): number {
  if (node.leaf) {
    for (let i = from === undefined ? 0 : lowerBound(node.keys, from); i < node.keys.length; i++) {
      const key = node.keys[i]!
      if (to !== undefined && key >= to) return PASSED_END
      if (visit(key, node.values[i]!) === false) return STOPPED
    }
    return GO_ON
  }
  const first = from === undefined ? 0 : childIndex(node.keys, from)
  for (let i = first; i < node.children.length; i++) {
    const result = scanNode(node.children[i]!, i === first ? from : undefined, to, visit)
    if (result !== GO_ON) return result
  }
  return GO_ON
}

/** Several changes to a map, copying each touched node once. `finish` gives the new map; the old one stays as it was. */
export class SortedMapEdit<V> {
  #root: Node<V>
  #size: number
  #owner: Owner = {}

  constructor(base: SortedMap<V>) {
    this.#root = base.root
    this.#size = base.size
  }

  set(key: string, value: V): void {
    sizeChange = 0
    const root = setIn(this.#root, key, value, this.#owner)
    this.#size += sizeChange
    if (splitOff === undefined) this.#root = root
    else {
      const right = splitOff as Node<V>
      this.#root = { leaf: false, owner: this.#owner, keys: [root.keys[0]!, right.keys[0]!], children: [root, right] }
      splitOff = undefined
    }
  }

  delete(key: string): void {
    sizeChange = 0
    let root = deleteIn(this.#root, key, this.#owner)
    this.#size += sizeChange
    while (!root.leaf && root.children.length === 1) root = root.children[0]!
    this.#root = root
  }

  clear(): void {
    this.#root = EMPTY_ROOT as Node<V>
    this.#size = 0
  }

  /** Further changes to this edit copy again what the returned map can see. */
  finish(): SortedMap<V> {
    this.#owner = {}
    return new SortedMap(this.#root, this.#size)
  }
}

const EMPTY_ROOT: Leaf<never> = { leaf: true, owner: undefined, keys: [], values: [] }
const EMPTY_MAP = new SortedMap<never>(EMPTY_ROOT, 0)

export const emptySortedMap = <V>(): SortedMap<V> => EMPTY_MAP as SortedMap<V>

function setIn<V>(node: Node<V>, key: string, value: V, owner: Owner): Node<V> {
  if (node.leaf) return setInLeaf(node, key, value, owner)
  const index = childIndex(node.keys, key)
  const child = setIn(node.children[index]!, key, value, owner)
  const right = splitOff as Node<V> | undefined
  if (right === undefined && child === node.children[index]) return node
  const own: Inner<V> =
    node.owner === owner ? node : { leaf: false, owner, keys: node.keys, children: node.children.slice() }
  own.children[index] = child
  if (right === undefined) return own
  splitOff = undefined
  // An own node may still share its keys with the node it was copied from.
  own.keys = own.keys.slice()
  own.keys.splice(index + 1, 0, right.keys[0]!)
  own.children.splice(index + 1, 0, right)
  if (own.keys.length > ITEMS_MAX) {
    const half = own.keys.length >> 1
    splitOff = {
      leaf: false,
      owner,
      keys: own.keys.splice(half),
      children: own.children.splice(half),
    } satisfies Inner<V>
  }
  return own
}

function setInLeaf<V>(node: Leaf<V>, key: string, value: V, owner: Owner): Leaf<V> {
  const index = lowerBound(node.keys, key)
  const own: Leaf<V> = node.owner === owner ? node : { leaf: true, owner, keys: node.keys, values: node.values.slice() }
  if (node.keys[index] === key) {
    own.values[index] = value
    return own
  }
  sizeChange = 1
  own.keys = own.keys.slice()
  own.keys.splice(index, 0, key)
  own.values.splice(index, 0, value)
  if (own.keys.length > ITEMS_MAX) {
    // Ascending keys (counters, seqnos) fill leaves instead of leaving every one half empty.
    const half = index === own.keys.length - 1 ? index : own.keys.length >> 1
    splitOff = { leaf: true, owner, keys: own.keys.splice(half), values: own.values.splice(half) } satisfies Leaf<V>
  }
  return own
}

function deleteIn<V>(node: Node<V>, key: string, owner: Owner): Node<V> {
  if (node.leaf) {
    const index = lowerBound(node.keys, key)
    if (node.keys[index] !== key) return node
    sizeChange = -1
    const keys = node.keys.slice()
    const values = node.values.slice()
    keys.splice(index, 1)
    values.splice(index, 1)
    return { leaf: true, owner, keys, values }
  }
  const index = childIndex(node.keys, key)
  const child = deleteIn(node.children[index]!, key, owner)
  if (child === node.children[index]) return node
  const own: Inner<V> = { leaf: false, owner, keys: node.keys.slice(), children: node.children.slice() }
  own.children[index] = child
  if (child.keys.length < ITEMS_MIN) shrink(own, index, owner)
  return own
}

/** Merges a small child into a neighbour, or drops it when it is empty and alone. `parent` is owned with its arrays. */
function shrink<V>(parent: Inner<V>, index: number, owner: Owner): void {
  const { children, keys } = parent
  if (children.length === 1) return
  const left = index > 0 ? index - 1 : 0
  const a = children[left]!
  const b = children[left + 1]!
  if (a.keys.length + b.keys.length > ITEMS_MAX) return
  if (a.leaf && b.leaf)
    children[left] = { leaf: true, owner, keys: a.keys.concat(b.keys), values: a.values.concat(b.values) }
  // The right child's keys[0] is its bound: it was the parent's key for it when it was split off, and still is.
  else if (!a.leaf && !b.leaf)
    children[left] = { leaf: false, owner, keys: a.keys.concat(b.keys), children: a.children.concat(b.children) }
  children.splice(left + 1, 1)
  keys.splice(left + 1, 1)
}

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

// The Merkle tree over the ledger (CCF facts §4.1, §4.3) as an immutable value: every version stays valid, versions
// share structure, and rolling back means keeping an older one. A version costs what its last appends added.
// Shape: perfect subtrees ("peaks"), smallest first, as in a binary counter; the root bags them from the right, which
// equals CCF's rule that an odd node is promoted unchanged. Indices are numbers up to 2^53, so no 32-bit operators here.
import { ByteReader, ByteWriter, DecodeError } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'

const HASH_BYTES = 32

/** A perfect subtree. A leaf has no children; neither has a subtree whose leaves were flushed. */
interface Node {
  readonly hash: Uint8Array
  readonly left: Node | undefined
  readonly right: Node | undefined
}

/** Peaks from the newest and smallest to the oldest and largest. */
interface Peak {
  /** Leaves below it: a power of two, strictly growing along the list. */
  readonly size: number
  readonly node: Node
  readonly next: Peak | undefined
}

export interface MerkleTree {
  /** Leaves ever appended, leaf 0 (32 zero bytes) included: the index of the next leaf, i.e. its transaction's seqno. */
  readonly size: number
  /** Index of the first leaf still kept (F of CCF facts §4.3). */
  readonly flushed: number
  readonly peaks: Peak
}

export interface RootPreimage {
  readonly left: Uint8Array
  readonly right: Uint8Array
}

/** One sibling on the way from a leaf to the root, named by the side on which it stands (CCF facts §5.1). */
export interface ProofStep {
  readonly side: 'left' | 'right'
  readonly hash: Uint8Array
}

const leafNode = (hash: Uint8Array): Node => ({ hash, left: undefined, right: undefined })

/** The tree of an empty ledger: leaf 0, 32 zero bytes, is there from the start. */
export const emptyTree: MerkleTree = {
  size: 1,
  flushed: 0,
  peaks: { size: 1, node: leafNode(new Uint8Array(HASH_BYTES)), next: undefined },
}

function pushLeaf(crypto: Crypto, peaks: Peak | undefined, leaf: Uint8Array): Peak {
  let node = leafNode(leaf)
  let size = 1
  let rest = peaks
  while (rest !== undefined && rest.size === size) {
    node = { hash: crypto.sha256(rest.node.hash, node.hash), left: rest.node, right: node }
    size *= 2
    rest = rest.next
  }
  return { size, node, next: rest }
}

/** The tree with one more leaf (32 bytes, kept, not copied). On average one hash. */
export function append(crypto: Crypto, tree: MerkleTree, leaf: Uint8Array): MerkleTree {
  return { size: tree.size + 1, flushed: tree.flushed, peaks: pushLeaf(crypto, tree.peaks, leaf) }
}

/** The tree with all `leaves` appended in order; the versions in between are not made. */
export function appendAll(crypto: Crypto, tree: MerkleTree, leaves: readonly Uint8Array[]): MerkleTree {
  let { peaks } = tree
  for (const leaf of leaves) peaks = pushLeaf(crypto, peaks, leaf)
  return { size: tree.size + leaves.length, flushed: tree.flushed, peaks }
}

/** Hash of the peaks up to, and not including, `end`; undefined when there are none. */
function bag(crypto: Crypto, peaks: Peak, end: Peak | undefined): Uint8Array | undefined {
  let bagged: Uint8Array | undefined
  for (let peak: Peak | undefined = peaks; peak !== undefined && peak !== end; peak = peak.next) {
    bagged = bagged === undefined ? peak.node.hash : crypto.sha256(peak.node.hash, bagged)
  }
  return bagged
}

/**
 * The root over all leaves, and the two hashes it is the hash of. A signature over the root as a digest (CCF facts
 * §4.2) is an ordinary ECDSA-SHA256 signature over `left ‖ right`, which is what native signers offer.
 * No preimage when the tree is a single leaf, or a single peak whose children were flushed.
 */
export function root(crypto: Crypto, tree: MerkleTree): { root: Uint8Array; preimage: RootPreimage | undefined } {
  let oldest = tree.peaks
  while (oldest.next !== undefined) oldest = oldest.next
  const right = bag(crypto, tree.peaks, oldest)
  if (right !== undefined) {
    const left = oldest.node.hash
    return { root: crypto.sha256(left, right), preimage: { left, right } }
  }
  const { hash, left, right: child } = oldest.node
  return {
    root: hash,
    preimage: left !== undefined && child !== undefined ? { left: left.hash, right: child.hash } : undefined,
  }
}

function prune(node: Node, start: number, size: number, flushTo: number): Node {
  if (start >= flushTo || node.left === undefined || node.right === undefined) return node
  if (start + size <= flushTo) return leafNode(node.hash)
  const half = size / 2
  return {
    hash: node.hash,
    left: prune(node.left, start, half, flushTo),
    right: prune(node.right, start + half, half, flushTo),
  }
}

function prunePeaks(peak: Peak, end: number, flushTo: number): Peak {
  const start = end - peak.size
  const next = peak.next === undefined ? undefined : prunePeaks(peak.next, start, flushTo)
  return { size: peak.size, node: prune(peak.node, start, peak.size, flushTo), next }
}

/**
 * Forgets the leaves below `firstKept`, keeping the subtree roots that cover them. Proofs for them can no longer be
 * made; roots stay the same. `firstKept` is clamped to the leaves that are there.
 */
export function flush(tree: MerkleTree, firstKept: number): MerkleTree {
  const flushed = Math.min(firstKept, tree.size)
  if (flushed <= tree.flushed) return tree
  return { size: tree.size, flushed, peaks: prunePeaks(tree.peaks, tree.size, flushed) }
}

/** Peaks with the index of their first leaf, oldest first. */
function spans(tree: MerkleTree): { peak: Peak; start: number }[] {
  const list: { peak: Peak; start: number }[] = []
  let end = tree.size
  for (let peak: Peak | undefined = tree.peaks; peak !== undefined; peak = peak.next) {
    end -= peak.size
    list.push({ peak, start: end })
  }
  return list.reverse()
}

function collect(
  node: Node,
  start: number,
  size: number,
  flushed: number,
  roots: Uint8Array[],
  leaves: Uint8Array[],
): void {
  if (start + size <= flushed) roots.push(node.hash)
  else if (size === 1) leaves.push(node.hash)
  else if (node.left !== undefined && node.right !== undefined) {
    collect(node.left, start, size / 2, flushed, roots, leaves)
    collect(node.right, start + size / 2, size / 2, flushed, roots, leaves)
  }
}

/** CCF's serialised tree, the value of `public:ccf.internal.tree` (CCF facts §4.3; big-endian). */
export function serialiseTree(tree: MerkleTree): Uint8Array {
  const roots: Uint8Array[] = []
  const leaves: Uint8Array[] = []
  for (const { peak, start } of spans(tree)) collect(peak.node, start, peak.size, tree.flushed, roots, leaves)
  const writer = new ByteWriter(16 + HASH_BYTES * (roots.length + leaves.length))
    .u64be(leaves.length)
    .u64be(tree.flushed)
  for (const leaf of leaves) writer.raw(leaf)
  // Found from the largest subtree to the smallest; stored lowest set bit of F, that is smallest subtree, first.
  for (const hash of roots.reverse()) writer.raw(hash)
  return writer.finish()
}

/**
 * Rebuilds a tree from `serialiseTree`'s form; hashes once per kept leaf. Hashes are views on `bytes`.
 * @throws DecodeError when the lengths do not agree.
 */
export function deserialiseTree(crypto: Crypto, bytes: Uint8Array): MerkleTree {
  const reader = new ByteReader(bytes)
  const count = reader.u64be()
  const flushed = reader.u64be()
  if (count > reader.remaining / HASH_BYTES) throw new DecodeError('more leaves than bytes', 0)
  if (count + flushed < 1) throw new DecodeError('tree without leaves', 0)
  if (!Number.isSafeInteger(count + flushed)) throw new DecodeError('more leaves than can be numbered', 0)
  const leaves: Uint8Array[] = []
  for (let i = 0; i < count; i++) leaves.push(reader.take(HASH_BYTES))
  const stubs: { size: number; node: Node }[] = []
  for (let rest = flushed, size = 1; rest > 0; rest = Math.floor(rest / 2), size *= 2) {
    if (rest % 2 === 1) stubs.push({ size, node: leafNode(reader.take(HASH_BYTES)) })
  }
  reader.end()
  let peaks: Peak | undefined
  for (const stub of stubs.reverse()) peaks = { ...stub, next: peaks }
  for (const leaf of leaves) peaks = pushLeaf(crypto, peaks, leaf)
  if (peaks === undefined) throw new DecodeError('tree without leaves', 0)
  return { size: count + flushed, flushed, peaks }
}

/** Descends to the leaf, adding siblings from the peak downwards; undefined when the leaf was flushed. */
function descend(node: Node, size: number, index: number, steps: ProofStep[]): Node | undefined {
  if (size === 1) return node
  if (node.left === undefined || node.right === undefined) return undefined
  const half = size / 2
  const goesLeft = index < half
  steps.push(goesLeft ? { side: 'right', hash: node.right.hash } : { side: 'left', hash: node.left.hash })
  return goesLeft ? descend(node.left, half, index, steps) : descend(node.right, half, index - half, steps)
}

function locate(tree: MerkleTree, index: number): { peak: Peak; start: number } | undefined {
  if (!Number.isSafeInteger(index) || index < tree.flushed || index >= tree.size) return undefined
  let end = tree.size
  for (let peak: Peak | undefined = tree.peaks; peak !== undefined; peak = peak.next) {
    end -= peak.size
    if (index >= end) return { peak, start: end }
  }
  return undefined
}

/** The leaf at `index`, or undefined when it was flushed or never appended. */
export function leafAt(tree: MerkleTree, index: number): Uint8Array | undefined {
  const found = locate(tree, index)
  return found && descend(found.peak.node, found.peak.size, index - found.start, [])?.hash
}

/** The siblings from the leaf at `index` up to the root; undefined when the leaf was flushed or never appended. */
export function proof(crypto: Crypto, tree: MerkleTree, index: number): ProofStep[] | undefined {
  const found = locate(tree, index)
  if (found === undefined) return undefined
  const steps: ProofStep[] = []
  if (descend(found.peak.node, found.peak.size, index - found.start, steps) === undefined) return undefined
  steps.reverse()
  const right = bag(crypto, tree.peaks, found.peak)
  if (right !== undefined) steps.push({ side: 'right', hash: right })
  for (let peak = found.peak.next; peak !== undefined; peak = peak.next)
    steps.push({ side: 'left', hash: peak.node.hash })
  return steps
}

/** Folds a proof from its leaf: the root, with the preimage of its last hash (none when the proof is empty). */
export function foldProof(
  crypto: Crypto,
  leaf: Uint8Array,
  steps: readonly ProofStep[],
): { root: Uint8Array; preimage: RootPreimage | undefined } {
  let hash = leaf
  let preimage: RootPreimage | undefined
  for (const step of steps) {
    preimage = step.side === 'left' ? { left: step.hash, right: hash } : { left: hash, right: step.hash }
    hash = crypto.sha256(preimage.left, preimage.right)
  }
  return { root: hash, preimage }
}

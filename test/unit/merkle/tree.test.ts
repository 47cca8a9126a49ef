// Goal: the persistent tree equals a dumb recursive Merkle tree built from CCF facts §4.1 alone — roots, proofs, serialised
// form — under any mixture of appends, batches, flushes and returns to older versions.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, DecodeError, toHex } from '../../../protocols/codec/bytes.ts'
import {
  append,
  appendAll,
  deserialiseTree,
  emptyTree,
  flush,
  foldProof,
  leafAt,
  type MerkleTree,
  proof,
  root,
  serialiseTree,
} from '../../../protocols/merkle/tree.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'

const leafOf = (n: number): Uint8Array => (n === 0 ? new Uint8Array(32) : crypto.sha256(new Uint8Array([n, n >> 8])))
const leavesOf = (from: number, to: number): Uint8Array[] =>
  Array.from({ length: to - from }, (_, i) => leafOf(from + i))

/** Level by level, an odd node promoted unchanged. */
function dumbRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0]!
  const level: Uint8Array[] = []
  for (let i = 0; i < leaves.length; i += 2) {
    level.push(i + 1 < leaves.length ? crypto.sha256(leaves[i]!, leaves[i + 1]!) : leaves[i]!)
  }
  return dumbRoot(level)
}

/** CCF facts §4.3, spelt out: counts, kept leaves, then for each set bit of F from the lowest the subtree ending there. */
function dumbSerialised(leaves: readonly Uint8Array[], flushed: number): Uint8Array {
  const counts = new Uint8Array(16)
  new DataView(counts.buffer).setBigUint64(0, BigInt(leaves.length - flushed))
  new DataView(counts.buffer).setBigUint64(8, BigInt(flushed))
  const roots: Uint8Array[] = []
  let end = flushed
  for (let bit = 1; bit <= flushed; bit *= 2) {
    if ((flushed & bit) === 0) continue
    roots.push(dumbRoot(leaves.slice(end - bit, end)))
    end -= bit
  }
  return concat(counts, ...leaves.slice(flushed), ...roots)
}

function expectEqualsTwin(tree: MerkleTree): void {
  const leaves = leavesOf(0, tree.size)
  const found = root(crypto, tree)
  expect(toHex(found.root)).toBe(toHex(dumbRoot(leaves)))
  if (found.preimage !== undefined) {
    expect(toHex(crypto.sha256(found.preimage.left, found.preimage.right))).toBe(toHex(found.root))
  }
  expect(toHex(serialiseTree(tree))).toBe(toHex(dumbSerialised(leaves, tree.flushed)))
}

describe('tree', () => {
  test('of an empty ledger is leaf 0', () => {
    expect(root(crypto, emptyTree)).toEqual({ root: new Uint8Array(32), preimage: undefined })
    expect(emptyTree.size).toBe(1)
    expect(proof(crypto, emptyTree, 0)).toEqual([])
  })

  test('every size up to 130: root, serialised form, every proof', () => {
    let tree = emptyTree
    for (let size = 1; size <= 130; size++) {
      expectEqualsTwin(tree)
      const expected = toHex(root(crypto, tree).root)
      for (let index = 0; index < size; index++) {
        expect(toHex(foldProof(crypto, leafOf(index), proof(crypto, tree, index)!).root)).toBe(expected)
        expect(toHex(leafAt(tree, index)!)).toBe(toHex(leafOf(index)))
      }
      expect(proof(crypto, tree, size)).toBeUndefined()
      tree = append(crypto, tree, leafOf(size))
    }
  })

  test('one append hashes once on average, one batch the same', () => {
    let hashes = 0
    const counting = { ...crypto, sha256: (...parts: Uint8Array[]) => (hashes++, crypto.sha256(...parts)) }
    let tree = emptyTree
    for (let n = 1; n < 1024; n++) tree = append(counting, tree, leafOf(n))
    expect(hashes).toBe(1023)
    hashes = 0
    appendAll(counting, emptyTree, leavesOf(1, 1024))
    expect(hashes).toBe(1023)
  })

  const command = fc.oneof(
    fc.record({ type: fc.constant('append' as const), count: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ type: fc.constant('flush' as const), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ type: fc.constant('rollback' as const), back: fc.nat(5) }),
    fc.record({ type: fc.constant('reload' as const) }),
  )

  test('any history equals the twin, and older versions stay what they were', () => {
    const history = fc.array(command, { maxLength: 40 })
    fc.assert(
      fc.property(history, (commands) => {
        const versions = [emptyTree]
        for (const step of commands) {
          const tree = versions.at(-1)!
          if (step.type === 'append') {
            versions.push(appendAll(crypto, tree, leavesOf(tree.size, tree.size + step.count)))
          } else if (step.type === 'flush') {
            versions.push(flush(tree, Math.floor(step.part * tree.size)))
          } else if (step.type === 'reload') {
            versions.push(deserialiseTree(crypto, serialiseTree(tree)))
          } else {
            versions.push(versions[Math.max(0, versions.length - 1 - step.back)]!)
          }
        }
        for (const tree of versions) expectEqualsTwin(tree)
        const last = versions.at(-1)!
        const expected = toHex(root(crypto, last).root)
        for (let index = 0; index < last.size; index++) {
          const steps = proof(crypto, last, index)
          expect(steps === undefined).toBe(index < last.flushed)
          if (steps !== undefined) expect(toHex(foldProof(crypto, leafOf(index), steps).root)).toBe(expected)
        }
      }),
      { seed: 1, numRuns: 150 },
    )
  })

  test('a flushed tree keeps nothing of the leaves below', () => {
    const full = appendAll(crypto, emptyTree, leavesOf(1, 1000))
    const flushed = flush(full, 990)
    let nodes = 0
    const count = (node: MerkleTree['peaks']['node'] | undefined): void => {
      if (node === undefined) return
      nodes++
      count(node.left)
      count(node.right)
    }
    for (let peak: MerkleTree['peaks'] | undefined = flushed.peaks; peak !== undefined; peak = peak.next)
      count(peak.node)
    expect(nodes).toBeLessThan(60)
    expect(flush(flushed, 10)).toBe(flushed)
    expect(flush(flushed, 5000).flushed).toBe(1000)
  })

  test('a proof does not hold for another leaf or with a step changed', () => {
    const tree = appendAll(crypto, emptyTree, leavesOf(1, 77))
    const expected = toHex(root(crypto, tree).root)
    const steps = proof(crypto, tree, 42)!
    expect(toHex(foldProof(crypto, leafOf(43), steps).root)).not.toBe(expected)
    steps.forEach((step, at) => {
      const flipped = steps.with(at, { side: step.side === 'left' ? 'right' : 'left', hash: step.hash })
      expect(toHex(foldProof(crypto, leafOf(42), flipped).root)).not.toBe(expected)
    })
  })
})

describe('deserialiseTree', () => {
  test('refuses every length that does not fit, and huge counts, without allocating for them', () => {
    const bytes = serialiseTree(flush(appendAll(crypto, emptyTree, leavesOf(1, 50)), 37))
    for (let length = 0; length < bytes.length; length++) {
      expect(() => deserialiseTree(crypto, bytes.subarray(0, length))).toThrow(DecodeError)
    }
    expect(() => deserialiseTree(crypto, concat(bytes, new Uint8Array(1)))).toThrow(DecodeError)
    expect(() => deserialiseTree(crypto, new Uint8Array(16))).toThrow(DecodeError)
    const huge = bytes.slice()
    huge[3] = 1
    expect(() => deserialiseTree(crypto, huge)).toThrow(DecodeError)
    huge[3] = 0
    huge[0] = 0xff
    expect(() => deserialiseTree(crypto, huge)).toThrow(DecodeError)
  })

  test('any bytes either decode to a tree that serialises to them, or are refused', () => {
    const sized = fc.tuple(
      fc.nat(3),
      fc.nat(5),
      fc.integer({ min: 0, max: 6 }).chain((n) => fc.uint8Array({ minLength: 32 * n, maxLength: 32 * n })),
    )
    fc.assert(
      fc.property(sized, ([count, flushed, rest]) => {
        const head = new Uint8Array(16)
        head[7] = count
        head[15] = flushed
        const bytes = concat(head, rest)
        let tree: MerkleTree
        try {
          tree = deserialiseTree(crypto, bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
          return
        }
        expect(toHex(serialiseTree(tree))).toBe(toHex(bytes))
      }),
      { seed: 1, numRuns: 300 },
    )
  })
})

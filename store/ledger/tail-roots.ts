// Checks uncommitted entries against the Merkle roots that the signatures among them state (CCF facts §4): a crash may lose a sector inside an
// entry whose header and whose signature survived, and nothing but the root notices. Not the signatures themselves: replaying checks those.
// The rule to remember: a signature whose root is another than that of the entries before it signs nothing of this ledger.
import { DecodeError, equalBytes } from '../../protocols/codec/bytes.ts'
import { nativeCrypto as crypto } from '../../protocols/crypto/native.ts'
import { decodeEntry } from '../../protocols/ledger/entry.ts'
import { entryLeaf } from '../../protocols/ledger/leaf.ts'
import { parseSignature } from '../../protocols/ledger/signature.ts'
import {
  append,
  deserialiseTree,
  emptyTree,
  flush,
  leafAt,
  type MerkleTree,
  root,
} from '../../protocols/merkle/tree.ts'

export class TailRoots {
  /** Over all entries before the next one; undefined until the first signature of a ledger that began after a snapshot. */
  #tree: MerkleTree | undefined
  /** Leaves seen while there is no tree. */
  #waiting: { readonly seqno: number; readonly leaf: Uint8Array }[] = []

  private constructor(tree: MerkleTree | undefined) {
    this.#tree = tree
  }

  /** For a tail that begins at `first` and has no committed chunk before it. */
  static from(first: number): TailRoots {
    return new TailRoots(first === 1 ? emptyTree : undefined)
  }

  /** For what follows a committed chunk: `lastEntry`, its signature. @throws DecodeError when that is none, or does not fit itself. */
  static after(lastEntry: Uint8Array): TailRoots {
    const roots = new TailRoots(undefined)
    const reason = roots.wrong(lastEntry)
    if (reason !== undefined) throw new DecodeError(reason, 0)
    if (roots.#tree === undefined) throw new DecodeError('does not end in a signature', 0)
    return roots
  }

  /** Takes the next entry, whose structure was checked; or says why it cannot be. Then nothing more may be asked. */
  wrong(bytes: Uint8Array): string | undefined {
    try {
      const entry = decodeEntry(bytes)
      const signature = parseSignature(entry)
      if (signature !== undefined) {
        // The tree it carries must be of the same root: nothing else would notice a lost sector of it.
        const carried = deserialiseTree(crypto, signature.treeBytes)
        if (carried.size !== entry.seqno || !equalBytes(root(crypto, carried).root, signature.root))
          return 'carries another tree than the one it signs'
        const tree = this.#tree ?? this.#adopt(carried)
        if (!equalBytes(root(crypto, tree).root, signature.root))
          return 'signs another root than that of the entries before it'
        // Older leaves are not needed again, and a ledger may have very many.
        this.#tree = flush(tree, entry.seqno)
      }
      const leaf = entryLeaf(crypto, bytes, entry)
      if (this.#tree === undefined) this.#waiting.push({ seqno: entry.seqno, leaf })
      else this.#tree = append(crypto, this.#tree, leaf)
      return undefined
    } catch (error) {
      if (error instanceof DecodeError) return error.message
      throw error
    }
  }

  #adopt(tree: MerkleTree): MerkleTree {
    for (const { seqno, leaf } of this.#waiting) {
      const theirs = leafAt(tree, seqno)
      if (theirs !== undefined && !equalBytes(theirs, leaf))
        throw new DecodeError(`seqno ${seqno} is not what it signs`, 0)
    }
    this.#waiting = []
    return tree
  }
}

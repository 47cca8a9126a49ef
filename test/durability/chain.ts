// A ledger's entries as a service would write them: true roots and trees, so that recovery has something to check; signed by nobody, since the
// store checks no signatures and thousands are made a second. Deterministic.
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { seqno as asSeqno, nodeId, view as asView } from '../../protocols/ids.ts'
import { decodeEntryHeader, encodeEntry } from '../../protocols/ledger/entry.ts'
import { entryLeaf } from '../../protocols/ledger/leaf.ts'
import { signatureWrites } from '../../protocols/ledger/signature.ts'
import { SINGLE_KEY } from '../../protocols/ledger/tables.ts'
import { append, emptyTree, flush, type MerkleTree, root, serialiseTree } from '../../protocols/merkle/tree.ts'
import type { LedgerEntry } from '../../store/ledger/ledger-types.ts'
import { isSignatureEntry } from '../../store/ledger/scan.ts'

const SECRET = new Uint8Array(32).fill(7)
const EVIDENCE = new Uint8Array(32).fill(9)
const NOBODY = nodeId('00'.repeat(32))

export type Log = readonly LedgerEntry[]

export interface EntryShape {
  readonly view: number
  readonly signature?: boolean
  /** Of the value it writes; its bytes follow from seqno and view. */
  readonly valueBytes?: number
  readonly flags?: number
}

/** Grows and is cut like the ledger it is written to; `log` is never changed in place. */
export class Chain {
  log: Log = []
  /** trees[n]: over the first n entries. */
  readonly #trees: MerkleTree[] = [emptyTree]

  /** The entry at the end of what is there. `knownCommitted`: leaves before it are left out of a signature's tree. */
  add({ view, signature = false, valueBytes = 20, flags = 0 }: EntryShape, knownCommitted = 0): LedgerEntry {
    const seqno = asSeqno(this.log.length + 1)
    const tree = this.#trees.at(-1)!
    const value = new Uint8Array(valueBytes).map((_, i) => seqno * 31 + view * 7 + i)
    const writes = signature
      ? signatureWrites({
          nodeId: NOBODY,
          nodeCertPem: '',
          root: root(nativeCrypto, tree).root,
          view: asView(view),
          seqno,
          signatureDer: value.slice(0, 64),
          coseSign1: undefined,
          treeBytes: serialiseTree(flush(tree, knownCommitted)),
        })
      : [{ name: 'records', writes: [{ key: SINGLE_KEY, value }], removes: [] }]
    const content = {
      view: asView(view),
      seqno,
      flags,
      claimsDigest: undefined,
      commitEvidenceDigest: EVIDENCE,
      writes,
    }
    const { bytes } = encodeEntry(nativeCrypto, SECRET, content)
    this.#grow(bytes)
    const entry = { seqno, bytes, committable: signature }
    this.log = [...this.log, entry]
    return entry
  }

  /** Takes what a ledger holds, from its first entry on. */
  load(entries: readonly { readonly bytes: Uint8Array }[]): void {
    this.log = entries.map(({ bytes }, i) => ({ seqno: i + 1, bytes, committable: isSignatureEntry(bytes) }))
    for (const { bytes } of entries) this.#grow(bytes)
  }

  #grow(bytes: Uint8Array): void {
    this.#trees.push(
      append(nativeCrypto, this.#trees.at(-1)!, entryLeaf(nativeCrypto, bytes, decodeEntryHeader(bytes))),
    )
  }

  cutAfter(seqno: number): void {
    this.log = this.log.slice(0, seqno)
    this.#trees.length = seqno + 1
  }
}

export const lastSignature = (log: Log, upTo: number): number =>
  log.findLast(({ seqno, committable }) => committable && seqno <= upTo)?.seqno ?? 0

// Whether what was read from the ledger is what the service committed: the entry's leaf stands in the tree of the signature after it, that
// tree has the signed root, and a node of the service signed it (CCF facts §4.1, §4.2, §5.3: checked before use).
// Not where entries come from. The rule to remember: a file may lie; nothing of it is used, cached or shown before it is verified here.
import { DecodeError, equalBytes } from '../../protocols/codec/bytes.ts'
import type { Certificate } from '../../protocols/crypto/certificate.ts'
import { viewAt, type ViewHistory } from '../../protocols/consensus/view-history.ts'
import type { Crypto, EcPublicKey } from '../../protocols/crypto/crypto.ts'
import { decodeEntry, openPrivateDomain, type Entry } from '../../protocols/ledger/entry.ts'
import { entryLeaf } from '../../protocols/ledger/leaf.ts'
import { parseSignature, type SignatureContent } from '../../protocols/ledger/signature.ts'
import { isSignedRoot, signerKey } from '../../protocols/ledger/signer.ts'
import { secretAt, type LedgerSecrets } from '../../protocols/secrets/ledger-secrets.ts'
import type { WriteSet } from '../../protocols/ledger/write-set.ts'
import { deserialiseTree, leafAt, root, type MerkleTree } from '../../protocols/merkle/tree.ts'

/** A signature transaction that holds, with the tree it signed. */
export interface Signed {
  readonly content: SignatureContent
  /** Rebuilt from the transaction; its size is the signature's seqno. */
  readonly tree: MerkleTree
  /** Of the entry. */
  readonly sizeBytes: number
}

/** A transaction that was verified. Everything in it is a view on `bytes` or was decrypted from it. */
export interface Loaded {
  readonly seqno: number
  readonly view: number
  /** The entry as it stands in the ledger. */
  readonly bytes: Uint8Array
  /** Public and private maps, in order within each. */
  readonly writes: WriteSet
  /** The first signature after it; its own, if it is one. */
  readonly signed: Signed
  /** Of a signature transaction: the first one after it, which covers it; undefined while none is committed. */
  readonly next: Signed | undefined
}

/** What is wrong, in a sentence about the entry. */
export interface Corrupt {
  readonly corrupt: string
}

/** Keys of signers found to be the service's, by their certificate; few, so it is kept for good. */
export type Signers = Readonly<Record<string, EcPublicKey>>

export interface Verifier {
  readonly crypto: Crypto
  /** Identities of the service that may have endorsed a signing node. */
  readonly services: readonly Certificate[]
  /** SECRET. */
  readonly secrets: LedgerSecrets
  /** As committed: an entry of another view was rolled back, whoever signed it. */
  readonly viewHistory: ViewHistory
}

const isCorrupt = <T extends object>(value: T | Corrupt): value is Corrupt => 'corrupt' in value

/** `verify`, with what a decoder throws at changed bytes as a verdict. */
function orCorrupt<T extends object>(verify: () => T | Corrupt): T | Corrupt {
  try {
    return verify()
  } catch (error) {
    if (error instanceof DecodeError) return { corrupt: error.message }
    throw error
  }
}

function entryOf(verifier: Verifier, bytes: Uint8Array, seqno: number): Entry | Corrupt {
  const entry = decodeEntry(bytes)
  if (entry.seqno !== seqno)
    return { corrupt: `another transaction, ${entry.view}.${entry.seqno}, stands in its place` }
  if (entry.view !== viewAt(verifier.viewHistory, seqno)) {
    return { corrupt: `it is of view ${entry.view}, which did not commit it` }
  }
  return entry
}

/** The signature that an entry carries, if it is one of the service over the tree it states. `seqno`: where it was read. */
export const verifySignature = (
  verifier: Verifier,
  signers: Signers,
  bytes: Uint8Array,
  seqno: number,
): { readonly signed: Signed; readonly signers: Signers } | Corrupt =>
  orCorrupt(() => {
    const entry = entryOf(verifier, bytes, seqno)
    return isCorrupt(entry) ? entry : checkSignature(verifier, signers, entry, bytes.length)
  })

function checkSignature(verifier: Verifier, signers: Signers, entry: Entry, sizeBytes: number) {
  const { crypto } = verifier
  const content = parseSignature(entry)
  if (content === undefined) return { corrupt: 'it is no signature transaction' }
  const tree = deserialiseTree(crypto, content.treeBytes)
  const { root: signedRoot, preimage } = root(crypto, tree)
  if (tree.size !== content.seqno || preimage === undefined) return { corrupt: 'its tree is not the one before it' }
  if (!equalBytes(signedRoot, content.root)) return { corrupt: 'its tree has another root than the one it signs' }
  const known = signers[content.nodeCertPem]
  const key = known ?? signerKey(crypto, content, verifier.services)
  if (typeof key === 'string') return { corrupt: key }
  if (!isSignedRoot(crypto, key, preimage, content)) return { corrupt: 'the node’s signature does not hold' }
  return {
    signed: { content, tree, sizeBytes },
    signers: known === undefined ? { ...signers, [content.nodeCertPem]: key } : signers,
  }
}

/** A transaction, held against a signature after it: leaf, position, and the seal of its private maps. */
export const verifyEntry = (verifier: Verifier, bytes: Uint8Array, seqno: number, signed: Signed): Loaded | Corrupt =>
  orCorrupt(() => {
    const { crypto } = verifier
    const entry = entryOf(verifier, bytes, seqno)
    if (isCorrupt(entry)) return entry
    const isItsOwn = signed.content.seqno === seqno
    const leaf = leafAt(signed.tree, seqno)
    if (!isItsOwn && (leaf === undefined || !equalBytes(leaf, entryLeaf(crypto, bytes, entry)))) {
      return { corrupt: `it is not what signature ${signed.content.view}.${signed.content.seqno} covers` }
    }
    const writes = allWrites(verifier, entry)
    return isCorrupt(writes)
      ? writes
      : { seqno, view: entry.view, bytes, writes: writes.writes, signed, next: undefined }
  })

/** Public and private writes of an entry whose seal holds. */
export function allWrites(verifier: Verifier, entry: Entry): { readonly writes: WriteSet } | Corrupt {
  const secret = secretAt(verifier.secrets, entry.seqno)?.secret
  if (secret === undefined) return { corrupt: 'the ledger secret it was sealed with is not known here' }
  const privateWrites = openPrivateDomain(verifier.crypto, secret, entry)
  if (privateWrites === undefined) return { corrupt: 'its seal does not hold' }
  return { writes: privateWrites.length === 0 ? entry.publicWrites : [...entry.publicWrites, ...privateWrites] }
}

export { isCorrupt }

// What the index of the past is made of: a row for each key that a transaction wrote, under a keyed hash, so that neither tables nor keys of
// private maps can be read from the operator's disk; and a mark that says how far it goes, and whose it is.
// Not where rows are kept (store). The rule to remember: rows are hints; what they point to is verified before anyone sees it. The mark carries
// a MAC, so that an index of another service, or one that was tampered with, is built anew.
import { ByteReader, ByteWriter, concat, DecodeError, equalBytes, utf8 } from '../../protocols/codec/bytes.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { invariant } from '../../protocols/errors.ts'
import { isSignature } from '../../protocols/ledger/signature.ts'
import type { SequencedWrites } from '../../protocols/ledger/write-set.ts'
import { deserialiseTree, flush, serialiseTree, type MerkleTree } from '../../protocols/merkle/tree.ts'
import type { LedgerSecrets } from '../../protocols/secrets/ledger-secrets.ts'
import type { IndexRow } from '../effects.ts'

const LABEL = utf8('Concordat index of the past, 2')
const KEY_BYTES = 16
const MAC_BYTES = 32

/** 32 bytes, from the first secret of the service, which every node has. SECRET. */
export function indexKey(crypto: Crypto, secrets: LedgerSecrets): Uint8Array {
  const [first] = secrets
  invariant(first !== undefined, 'a node that commits has ledger secrets')
  return crypto.hmacSha256(first.secret, LABEL)
}

/**
 * The name of a key in the index: 16 bytes. The table's length keeps `a|bc` and `ab|c` apart. One hash, keyed by its first bytes and cut to half, where
 * HMAC takes two for every write of a service: cutting is what keeps others from going on hashing (AMAC; Bellare, Bernstein, Tessaro, 2016).
 */
export const keyOfWrite = (crypto: Crypto, secret: Uint8Array, table: string, key: Uint8Array): Uint8Array =>
  keyIn(crypto, beginningOf(secret, table), key)

/** What is hashed before each key of a table. */
function beginningOf(secret: Uint8Array, table: string): Uint8Array {
  const name = utf8(table)
  return concat(secret, new Uint8Array([name.length >>> 8, name.length]), name)
}

const keyIn = (crypto: Crypto, beginning: Uint8Array, key: Uint8Array): Uint8Array =>
  crypto.sha256(beginning, key).subarray(0, KEY_BYTES)

/** The rows of transactions, in order. A signature's own tables are the ledger's, written each time: they have none. */
export function rowsOf(crypto: Crypto, secret: Uint8Array, transactions: readonly SequencedWrites[]): IndexRow[] {
  const rows: IndexRow[] = []
  // Most transactions of a batch write the same few tables.
  const beginnings = new Map<string, Uint8Array>()
  for (const { seqno, writes } of transactions) {
    if (isSignature(writes)) continue
    for (const { name, writes: written, removes } of writes) {
      let beginning = beginnings.get(name)
      if (beginning === undefined) beginnings.set(name, (beginning = beginningOf(secret, name)))
      for (const { key } of written) rows.push({ key: keyIn(crypto, beginning, key), seqno })
      for (const key of removes) rows.push({ key: keyIn(crypto, beginning, key), seqno })
    }
  }
  return rows
}

/** How far an index goes. */
export interface Mark {
  /** First transaction that it tells of. */
  readonly begin: number
  /** Last one, with its view: by these two the past of a service is known (Raft's log matching). */
  readonly upTo: number
  readonly view: number
  /** Over all leaves up to `upTo`: what comes next continues it, or does not belong to it. */
  readonly tree: MerkleTree
}

export function encodeMark(crypto: Crypto, secret: Uint8Array, { begin, upTo, view, tree }: Mark): Uint8Array {
  const treeBytes = serialiseTree(flush(tree, tree.size))
  const writer = new ByteWriter(24 + treeBytes.length)
  const body = writer.u64be(begin).u64be(upTo).u64be(view).raw(treeBytes).finish()
  return concat(body, crypto.hmacSha256(secret, body))
}

/** Undefined for anything that was not made with this secret. Total. */
export function decodeMark(crypto: Crypto, secret: Uint8Array, bytes: Uint8Array): Mark | undefined {
  if (bytes.length <= MAC_BYTES) return undefined
  const body = bytes.subarray(0, bytes.length - MAC_BYTES)
  if (!equalBytes(crypto.hmacSha256(secret, body), bytes.subarray(body.length))) return undefined
  try {
    const reader = new ByteReader(body)
    const [begin, upTo, view] = [reader.u64be(), reader.u64be(), reader.u64be()]
    return { begin, upTo, view, tree: deserialiseTree(crypto, reader.take(reader.remaining)) }
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

// From an entry to its Merkle leaf, and the commit evidence that goes into it (CCF facts §3.5, §4.1).
// Not the tree (protocols/merkle). The commit secret is a secret: it never leaves the node.
// The rule to remember: the evidence text is revealed only in receipts, that is after commit; before, only its digest.
import { toHex, utf8 } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'
import type { Seqno, View } from '../ids.ts'
import type { EntryHeader } from './entry.ts'

// CCF takes `sizeof` of a pointer over "Commit Secret Label", so only 8 bytes are used; kept for byte compatibility (CCF facts §20.1).
const COMMIT_SECRET_LABEL = utf8('Commit S')

/** SHA-256 of the whole serialised entry, its header, tag and IV included: 32 bytes. */
export const writeSetDigest = (crypto: Crypto, bytes: Uint8Array): Uint8Array => crypto.sha256(bytes)

/**
 * The Merkle leaf of a transaction: 32 bytes. Current entries have both digests; the entry types of old ledgers lack
 * one or both, and their leaf is the hash of what there is (CCF facts §4.1).
 */
export function leafHash(
  crypto: Crypto,
  digest: Uint8Array,
  evidenceDigest: Uint8Array | undefined,
  claimsDigest: Uint8Array | undefined,
): Uint8Array {
  if (evidenceDigest !== undefined) {
    return claimsDigest === undefined
      ? crypto.sha256(digest, evidenceDigest)
      : crypto.sha256(digest, evidenceDigest, claimsDigest)
  }
  return claimsDigest === undefined ? digest : crypto.sha256(digest, claimsDigest)
}

/** The leaf of an encoded entry whose header was decoded. */
export function entryLeaf(crypto: Crypto, bytes: Uint8Array, header: EntryHeader): Uint8Array {
  return leafHash(crypto, writeSetDigest(crypto, bytes), header.commitEvidenceDigest, header.claimsDigest)
}

/** Derived once per ledger secret (32 bytes). SECRET. */
export const commitSecret = (crypto: Crypto, ledgerSecret: Uint8Array): Uint8Array =>
  crypto.hmacSha256(ledgerSecret, COMMIT_SECRET_LABEL)

/** `ce:<view>.<seqno>:<hex nonce>`, ASCII. */
export function commitEvidence(crypto: Crypto, secret: Uint8Array, view: View, seqno: Seqno): string {
  const txId = `${view}.${seqno}`
  return `ce:${txId}:${toHex(crypto.hmacSha256(secret, utf8(txId)))}`
}

const HEX_DIGITS = utf8('0123456789abcdef')

/** SHA-256 of `commitEvidence(…)`, without building the text: this runs once per transaction. */
export function commitEvidenceDigest(crypto: Crypto, secret: Uint8Array, view: View, seqno: Seqno): Uint8Array {
  const txId = `${view}.${seqno}`
  const length = txId.length
  // Two parts of at most 64 bytes each: V8 allocates those on its heap, several times cheaper than larger ones.
  const prefix = new Uint8Array(length + 4)
  prefix[0] = 0x63
  prefix[1] = 0x65
  prefix[2] = 0x3a
  for (let i = 0; i < length; i++) prefix[3 + i] = txId.charCodeAt(i)
  prefix[3 + length] = 0x3a
  const nonce = crypto.hmacSha256(secret, prefix.subarray(3, 3 + length))
  const hex = new Uint8Array(64)
  for (let i = 0; i < 32; i++) {
    const byte = nonce[i]!
    hex[2 * i] = HEX_DIGITS[byte >>> 4]!
    hex[2 * i + 1] = HEX_DIGITS[byte & 15]!
  }
  return crypto.sha256(prefix, hex)
}

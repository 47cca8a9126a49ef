// One ledger entry, byte for byte as CCF writes it (CCF facts §3.3, §3.4): 8-byte header, AES-GCM tag and IV, public
// domain in clear (and authenticated), private domain encrypted. Not the chunk around it (chunk.ts).
// The rule to remember: header, tag and IV are outside the AAD but inside the write set digest. Encoding runs once per
// transaction: one buffer, no intermediate arrays; the private domain is sealed where it stands.
import { ByteReader, DecodeError } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { seqno, type Seqno, view, type View } from '../ids.ts'
import { domainLength, putDomain, takeDomain, type WriteSet } from './write-set.ts'

export const ENTRY_HEADER_BYTES = 8
/** Header, tag, IV and the length of the public domain. */
export const ENTRY_PREFIX_BYTES = 44
const TAG_OFFSET = 8
const IV_OFFSET = 24
const PUBLIC_LENGTH_OFFSET = 36
const ENTRY_VERSION = 1
/** Type, version, claims digest, commit evidence digest, max conflict version of a type-4 entry. */
const PUBLIC_PREFIX_BYTES = 81

/** Flag bits of the entry header (CCF facts §3.3). */
export const ENTRY_FLAGS = { forceChunkAfter: 0x01, forceChunkBefore: 0x02 } as const

export const ENTRY_TYPES = {
  writeSet: 0,
  snapshot: 1,
  withClaims: 2,
  withCommitEvidence: 3,
  withCommitEvidenceAndClaims: 4,
} as const

export interface EntryContent {
  readonly view: View
  readonly seqno: Seqno
  /** Bits of ENTRY_FLAGS. */
  readonly flags: number
  /** 32 bytes, or undefined for the 32 zero bytes of "no claims". */
  readonly claimsDigest: Uint8Array | undefined
  /** 32 bytes: SHA-256 of the commit evidence. */
  readonly commitEvidenceDigest: Uint8Array
  readonly writes: WriteSet
}

/** Everything of an entry except its maps. All byte fields are views on the entry's buffer. */
export interface EntryHeader {
  readonly flags: number
  readonly tag: Uint8Array
  readonly iv: Uint8Array
  /** View in the IV; 0 in snapshots. */
  readonly view: View
  readonly seqno: Seqno
  /** One of ENTRY_TYPES. */
  readonly type: number
  readonly claimsDigest: Uint8Array | undefined
  readonly commitEvidenceDigest: Uint8Array | undefined
  /** The whole public domain: the AAD of the seal. */
  readonly publicDomain: Uint8Array
  readonly ciphertext: Uint8Array
  /** Offset within the public domain at which its maps begin. */
  readonly mapsOffset: number
}

export interface Entry extends EntryHeader {
  /** Public maps; empty for a snapshot, whose public domain has another layout (CCF facts §15). */
  readonly publicWrites: WriteSet
}

/** Writes u64le; the eight bytes must be zero before. */
function putU64(out: Uint8Array, at: number, value: number): void {
  const high = value > 0xffff_ffff ? Math.floor(value / 2 ** 32) : 0
  out[at] = value
  out[at + 1] = value >>> 8
  out[at + 2] = value >>> 16
  out[at + 3] = value >>> 24
  if (high === 0) return
  out[at + 4] = high
  out[at + 5] = high >>> 8
  out[at + 6] = high >>> 16
  out[at + 7] = high >>> 24
}

function putIv(out: Uint8Array, at: number, inView: number, inSeqno: number): void {
  putU64(out, at, inSeqno)
  out[at + 8] = inView
  out[at + 9] = inView >>> 8
  out[at + 10] = inView >>> 16
  out[at + 11] = inView >>> 24
}

/**
 * Serialises and seals one transaction as an entry of type 4.
 * `ledgerSecret`: the 32 bytes in force at this seqno. `writes` must be in order (see write-set.ts).
 */
export function encodeEntry(crypto: Crypto, ledgerSecret: Uint8Array, content: EntryContent): { bytes: Uint8Array } {
  const { writes } = content
  const publicLength = PUBLIC_PREFIX_BYTES + domainLength(writes, true)
  const privateOffset = ENTRY_PREFIX_BYTES + publicLength
  const length = privateOffset + domainLength(writes, false)
  const bytes = new Uint8Array(length)
  bytes[0] = ENTRY_VERSION
  bytes[1] = content.flags
  const following = length - ENTRY_HEADER_BYTES
  bytes[2] = following
  bytes[3] = following >>> 8
  bytes[4] = following >>> 16
  bytes[5] = following >>> 24
  putIv(bytes, IV_OFFSET, content.view, content.seqno)
  putU64(bytes, PUBLIC_LENGTH_OFFSET, publicLength)
  let at = ENTRY_PREFIX_BYTES
  bytes[at++] = ENTRY_TYPES.withCommitEvidenceAndClaims
  putU64(bytes, at, content.seqno)
  at += 8
  if (content.claimsDigest !== undefined) bytes.set(content.claimsDigest, at)
  bytes.set(content.commitEvidenceDigest, at + 32)
  at = putDomain(bytes, at + 72, writes, true)
  if (length > privateOffset) putDomain(bytes, at, writes, false)
  const { ciphertext, tag } = crypto.aesGcmSeal(
    ledgerSecret,
    bytes.subarray(IV_OFFSET, IV_OFFSET + 12),
    bytes.subarray(ENTRY_PREFIX_BYTES, privateOffset),
    bytes.subarray(privateOffset),
  )
  bytes.set(tag, TAG_OFFSET)
  if (ciphertext.length > 0) bytes.set(ciphertext, privateOffset)
  return { bytes }
}

/** Total length of the entry that starts at `offset`, or undefined while fewer than its 8 header bytes are there. */
export function entryLengthAt(bytes: Uint8Array, offset: number): number | undefined {
  if (offset + ENTRY_HEADER_BYTES > bytes.length) return undefined
  const low =
    (bytes[offset + 2]! | (bytes[offset + 3]! << 8) | (bytes[offset + 4]! << 16)) + bytes[offset + 5]! * 2 ** 24
  return ENTRY_HEADER_BYTES + low + (bytes[offset + 6]! | (bytes[offset + 7]! << 8)) * 2 ** 32
}

const ZERO_CONFLICT_TYPES: readonly number[] = [ENTRY_TYPES.withCommitEvidence, ENTRY_TYPES.withCommitEvidenceAndClaims]
const hasClaims = (type: number): boolean =>
  type === ENTRY_TYPES.withClaims || type === ENTRY_TYPES.withCommitEvidenceAndClaims
const hasCommitEvidence = (type: number): boolean =>
  type === ENTRY_TYPES.withCommitEvidence || type === ENTRY_TYPES.withCommitEvidenceAndClaims

/**
 * Reads an entry's fields without looking at its maps: what a backup needs to hash and store it.
 * @throws DecodeError when `bytes` is not exactly one entry.
 */
export function decodeEntryHeader(bytes: Uint8Array): EntryHeader {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== ENTRY_VERSION) throw new DecodeError('unknown entry version', 0)
  const flags = reader.u8()
  if (flags > 3) throw new DecodeError('unknown entry flags', 1)
  if (reader.u48le() !== bytes.length - ENTRY_HEADER_BYTES) throw new DecodeError('entry size does not fit', 2)
  const tag = reader.take(16)
  const iv = reader.take(12)
  const publicLength = reader.u64le()
  const publicDomain = reader.take(publicLength)
  const ciphertext = reader.take(reader.remaining)
  reader.offset = ENTRY_PREFIX_BYTES
  const end = ENTRY_PREFIX_BYTES + publicLength
  const type = reader.u8()
  if (type > ENTRY_TYPES.withCommitEvidenceAndClaims) throw new DecodeError('unknown entry type', ENTRY_PREFIX_BYTES)
  const inSeqno = seqno(reader.u64le())
  const claimsDigest = hasClaims(type) ? reader.take(32) : undefined
  const commitEvidenceDigest = hasCommitEvidence(type) ? reader.take(32) : undefined
  const conflictOffset = reader.offset
  if (reader.take(8).some((byte) => byte !== 0) && ZERO_CONFLICT_TYPES.includes(type))
    throw new DecodeError('max conflict version is not 0', conflictOffset)
  if (reader.offset > end) throw new DecodeError('public domain too short', PUBLIC_LENGTH_OFFSET)
  const inView = checkIv(iv, inSeqno, type)
  const mapsOffset = reader.offset - ENTRY_PREFIX_BYTES
  return {
    flags,
    tag,
    iv,
    view: inView,
    seqno: inSeqno,
    type,
    claimsDigest,
    commitEvidenceDigest,
    publicDomain,
    ciphertext,
    mapsOffset,
  }
}

/** The IV must repeat the version, and mark snapshots, or two entries could share one (CCF facts §3.3). */
function checkIv(iv: Uint8Array, inSeqno: Seqno, type: number): View {
  const reader = new ByteReader(iv)
  if (reader.u64le() !== inSeqno) throw new DecodeError('seqno of IV and version differ', IV_OFFSET)
  const word = reader.u32le()
  if (word >= 2 ** 31 !== (type === ENTRY_TYPES.snapshot))
    throw new DecodeError('snapshot mark of IV is wrong', IV_OFFSET + 8)
  return view(word % 2 ** 31)
}

/**
 * Decodes an entry with its public maps. Byte fields are views on `bytes`.
 * @throws DecodeError when `bytes` is not exactly one well-formed entry.
 */
export function decodeEntry(bytes: Uint8Array): Entry {
  return withPublicWrites(decodeEntryHeader(bytes))
}

/** Adds the public maps to a header already decoded. @throws DecodeError, offsets relative to the public domain. */
export function withPublicWrites(header: EntryHeader): Entry {
  if (header.type === ENTRY_TYPES.snapshot) return { ...header, publicWrites: [] }
  return { ...header, publicWrites: takeDomain(new ByteReader(header.publicDomain, header.mapsOffset), true) }
}

/**
 * Authenticates the entry under the ledger secret in force at its seqno and decrypts its private maps (an empty list
 * when it has none: the tag then authenticates the public domain alone). Undefined when the tag does not hold.
 * @throws DecodeError when the authentic plaintext is malformed.
 */
export function openPrivateDomain(crypto: Crypto, ledgerSecret: Uint8Array, entry: EntryHeader): WriteSet | undefined {
  const plaintext = crypto.aesGcmOpen(ledgerSecret, entry.iv, entry.publicDomain, entry.ciphertext, entry.tag)
  return plaintext === undefined ? undefined : takeDomain(new ByteReader(plaintext), false)
}

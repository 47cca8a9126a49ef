// One ledger entry, byte for byte as CCF writes it (CCF facts §3.3, §3.4): 8-byte header, AES-GCM tag and IV, public
// domain in clear (and authenticated), private domain encrypted. Not the chunk around it (chunk.ts).
// The rule to remember: header, tag and IV are outside the AAD but inside the write set digest. Encoding runs once per
// transaction: one buffer, no intermediate arrays; the private domain is sealed where it stands.
import { ByteReader, DecodeError } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { seqno, type Seqno, view, type View } from '../ids.ts'
import type { Slab } from './slab.ts'
import { domainLength, putDomain, takeDomain, takePublicMap, type MapWrites, type WriteSet } from './write-set.ts'

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
 * `slab`: where to put the entry; a batch that shares one saves an allocation per entry and lies contiguous in memory.
 */
export function encodeEntry(
  crypto: Crypto,
  ledgerSecret: Uint8Array,
  content: EntryContent,
  slab?: Slab,
): { bytes: Uint8Array } {
  const { writes } = content
  const publicLength = PUBLIC_PREFIX_BYTES + domainLength(writes, true)
  const privateOffset = ENTRY_PREFIX_BYTES + publicLength
  const length = privateOffset + domainLength(writes, false)
  const bytes = slab === undefined ? new Uint8Array(length) : slab.take(length)
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

const hasClaims = (type: number): boolean =>
  type === ENTRY_TYPES.withClaims || type === ENTRY_TYPES.withCommitEvidenceAndClaims
const hasCommitEvidence = (type: number): boolean => type >= ENTRY_TYPES.withCommitEvidence

const u32At = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0

/** The caller has checked that eight bytes are there. */
function u64At(bytes: Uint8Array, at: number): number {
  const value = u32At(bytes, at) + u32At(bytes, at + 4) * 2 ** 32
  if (!Number.isSafeInteger(value)) throw new DecodeError('integer too large', at)
  return value
}

/** The IV must repeat the version, and mark snapshots, or two entries could share one (CCF facts §3.3). */
function checkIv(bytes: Uint8Array, inSeqno: number, type: number): View {
  if (u64At(bytes, IV_OFFSET) !== inSeqno) throw new DecodeError('seqno of IV and version differ', IV_OFFSET)
  const word = u32At(bytes, IV_OFFSET + 8)
  if (word >= 2 ** 31 !== (type === ENTRY_TYPES.snapshot)) {
    throw new DecodeError('snapshot mark of IV is wrong', IV_OFFSET + 8)
  }
  return view(word % 2 ** 31)
}

/**
 * Reads an entry's fields without looking at its maps: what a backup needs to hash and store it.
 * @throws DecodeError when `bytes` is not exactly one entry.
 */
export function decodeEntryHeader(bytes: Uint8Array): EntryHeader {
  const length = bytes.length
  // The shortest public domain is that of type 0: type, version, max conflict version.
  if (length < ENTRY_PREFIX_BYTES + 17) throw new DecodeError('entry too short', length)
  if (bytes[0] !== ENTRY_VERSION) throw new DecodeError('unknown entry version', 0)
  const flags = bytes[1]!
  if (flags > 3) throw new DecodeError('unknown entry flags', 1)
  if (entryLengthAt(bytes, 0) !== length) throw new DecodeError('entry size does not fit', 2)
  const publicLength = u64At(bytes, PUBLIC_LENGTH_OFFSET)
  if (publicLength > length - ENTRY_PREFIX_BYTES) throw new DecodeError('public domain too long', PUBLIC_LENGTH_OFFSET)
  const end = ENTRY_PREFIX_BYTES + publicLength
  const type = bytes[ENTRY_PREFIX_BYTES]!
  if (type > ENTRY_TYPES.withCommitEvidenceAndClaims) throw new DecodeError('unknown entry type', ENTRY_PREFIX_BYTES)
  const claimsOffset = ENTRY_PREFIX_BYTES + 9
  const evidenceOffset = hasClaims(type) ? claimsOffset + 32 : claimsOffset
  const conflictOffset = hasCommitEvidence(type) ? evidenceOffset + 32 : evidenceOffset
  if (conflictOffset + 8 > end) throw new DecodeError('public domain too short', PUBLIC_LENGTH_OFFSET)
  const inSeqno = u64At(bytes, ENTRY_PREFIX_BYTES + 1)
  // Entries of type 0 and 2 carry other values here, without meaning (CCF facts §3.4).
  if (hasCommitEvidence(type) && (u32At(bytes, conflictOffset) | u32At(bytes, conflictOffset + 4)) !== 0) {
    throw new DecodeError('max conflict version is not 0', conflictOffset)
  }
  return {
    flags,
    tag: bytes.subarray(TAG_OFFSET, IV_OFFSET),
    iv: bytes.subarray(IV_OFFSET, PUBLIC_LENGTH_OFFSET),
    view: checkIv(bytes, inSeqno, type),
    seqno: seqno(inSeqno),
    type,
    claimsDigest: hasClaims(type) ? bytes.subarray(claimsOffset, claimsOffset + 32) : undefined,
    commitEvidenceDigest: hasCommitEvidence(type) ? bytes.subarray(evidenceOffset, evidenceOffset + 32) : undefined,
    publicDomain: bytes.subarray(ENTRY_PREFIX_BYTES, end),
    ciphertext: bytes.subarray(end),
    mapsOffset: conflictOffset + 8 - ENTRY_PREFIX_BYTES,
  }
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
  // Field by field, not by spreading: an auditor does this for every entry, and it showed.
  return {
    flags: header.flags,
    tag: header.tag,
    iv: header.iv,
    view: header.view,
    seqno: header.seqno,
    type: header.type,
    claimsDigest: header.claimsDigest,
    commitEvidenceDigest: header.commitEvidenceDigest,
    publicDomain: header.publicDomain,
    ciphertext: header.ciphertext,
    mapsOffset: header.mapsOffset,
    publicWrites: publicMapsOf(header),
  }
}

const NO_MAPS: WriteSet = []

function publicMapsOf({ type, publicDomain, mapsOffset }: EntryHeader): WriteSet {
  if (type === ENTRY_TYPES.snapshot || mapsOffset === publicDomain.length) return NO_MAPS
  return takeDomain(new ByteReader(publicDomain, mapsOffset), true)
}

/** What an entry writes to one public map, without decoding the others: what a backup may do for every entry. @throws DecodeError */
export function publicMapOf({ type, publicDomain, mapsOffset }: EntryHeader, name: string): MapWrites | undefined {
  if (type === ENTRY_TYPES.snapshot || mapsOffset === publicDomain.length) return undefined
  return takePublicMap(new ByteReader(publicDomain, mapsOffset), name)
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

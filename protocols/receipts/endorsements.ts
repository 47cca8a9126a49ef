// Endorsements of earlier service identities (CCF facts §4.5): after a recovery, the new service key signs the key before it and the
// transactions that one spoke for. Here: reading them, and walking from the trusted key backwards to the one that signed a receipt.
// The rule to remember: every step is signed by the key the step before it led to, and an earlier key is believed in its own epoch only.
import { DecodeError, equalBytes, fromBase64 } from '../codec/bytes.ts'
import {
  CCF_V1,
  COSE_HEADERS,
  coseAlgorithm,
  type CoseSign1,
  CWT_CLAIMS,
  encodeCbor,
  parseSign1,
  toBeSigned,
  verifySign1,
} from '../crypto/cose.ts'
import type { Crypto, EcCurve, EcPublicKey } from '../crypto/crypto.ts'
import { formatTxId, parseTxId, type TxId } from '../ids.ts'
import { decodeJsonObject, INTERNAL_TABLES, singleValue } from '../ledger/tables.ts'
import { mapWrites, type WriteSet } from '../ledger/write-set.ts'
import { Refused } from './trust.ts'

/** Recoveries of one service, and doubled records, that a verifier follows. */
export const ENDORSEMENTS_MAX = 64
/** CCF's have below 400. */
const ENDORSEMENT_BYTES_MAX = 1024
const EPOCH = { begin: 'epoch.start.txid', end: 'epoch.end.txid', endRoot: 'epoch.end.merkle.root' } as const

export interface Epoch {
  readonly begin: TxId
  /** Last signature transaction of that service; undefined: it endorses itself, its epoch goes on. */
  readonly end: TxId | undefined
}

export interface Endorsement extends Epoch {
  readonly sign1: CoseSign1
  /** Of the endorsed service. */
  readonly key: EcPublicKey
}

/** An earlier service that the trusted one vouches for, from `begin` to `end`. */
export interface EndorsedService {
  readonly key: EcPublicKey
  readonly begin: TxId
  readonly end: TxId
}

export interface EndorsementToSign {
  /** Curve of the newer service key, which signs. */
  readonly curve: EcCurve
  readonly iatSeconds: number
  /** SPKI of the key endorsed. */
  readonly spki: Uint8Array
  readonly begin: TxId
  /** The last signature transaction of that service, and the root (32 bytes) it signed; absent when a service endorses itself. */
  readonly end?: { readonly txId: TxId; readonly root: Uint8Array }
}

/** Protected header in CCF's order, and what the newer service key signs; `encodeSign1` then makes the endorsement, payload `spki`. */
export function endorsementToBeSigned({ curve, iatSeconds, spki, begin, end }: EndorsementToSign) {
  const epoch = new Map<string, unknown>([[EPOCH.begin, formatTxId(begin)]])
  if (end !== undefined) epoch.set(EPOCH.end, formatTxId(end.txId)).set(EPOCH.endRoot, end.root)
  const protectedHeader = encodeCbor(
    new Map<number | string, unknown>([
      [COSE_HEADERS.alg, coseAlgorithm(curve).alg],
      [COSE_HEADERS.cwtClaims, new Map([[CWT_CLAIMS.iat, iatSeconds]])],
      [CCF_V1, epoch],
    ]),
  )
  return { protectedHeader, toBeSigned: toBeSigned(protectedHeader, spki) }
}

function txIdField(ccf: ReadonlyMap<unknown, unknown>, name: string): TxId {
  const text = ccf.get(name)
  const txId = typeof text === 'string' ? parseTxId(text) : undefined
  if (txId === undefined) throw new DecodeError(`endorsement: bad ${name}`, 0)
  return txId
}

/** Reads one endorsement without judging its signature. @throws DecodeError */
export function decodeEndorsement(crypto: Crypto, bytes: Uint8Array): Endorsement {
  if (bytes.length > ENDORSEMENT_BYTES_MAX) throw new DecodeError(`endorsement of ${bytes.length} bytes`, 0)
  const sign1 = parseSign1(bytes)
  const ccf = sign1.protectedHeader.get(CCF_V1)
  if (!(ccf instanceof Map)) throw new DecodeError('endorsement: no epoch', 0)
  const key = sign1.payload && crypto.importEcPublicKey(sign1.payload)
  if (key === undefined) throw new DecodeError('endorsement: no supported EC key', 0)
  const begin = txIdField(ccf, EPOCH.begin)
  const hasEnd = ccf.has(EPOCH.end)
  const endRoot: unknown = ccf.get(EPOCH.endRoot)
  if (hasEnd !== (endRoot instanceof Uint8Array && endRoot.length === 32)) {
    throw new DecodeError('endorsement: an end needs a Merkle root of 32 bytes', 0)
  }
  return { sign1, key, begin, end: hasEnd ? txIdField(ccf, EPOCH.end) : undefined }
}

/** The endorsement (base64) that a transaction records; undefined when it records none. @throws DecodeError when malformed. */
export function recordedEndorsement(writes: WriteSet): string | undefined {
  const value = singleValue(mapWrites(writes, INTERNAL_TABLES.previousServiceIdentityEndorsement))
  if (value === undefined) return undefined
  const { endorsement } = decodeJsonObject(value)
  if (typeof endorsement !== 'string') throw new DecodeError('endorsement record: bad endorsement', 0)
  return endorsement
}

/** True when `key` signed it. */
const isSignedBy = (crypto: Crypto, { sign1 }: Endorsement, key: EcPublicKey): boolean =>
  sign1.payload !== undefined && verifySign1(crypto, key, sign1, sign1.payload)

/** Endorsements as a file or an application holds them: base64 of each, newest first. @throws DecodeError */
export function parseEndorsements(crypto: Crypto, list: unknown): Endorsement[] {
  if (!Array.isArray(list) || list.length > ENDORSEMENTS_MAX) {
    throw new DecodeError(`endorsements are not a list of at most ${ENDORSEMENTS_MAX}`, 0)
  }
  return (list as unknown[]).map((text) => {
    if (typeof text !== 'string' || text.length > 2 * ENDORSEMENT_BYTES_MAX) {
      throw new DecodeError('endorsement is not base64 of an acceptable size', 0)
    }
    return decodeEndorsement(crypto, fromBase64(text))
  })
}

/** Views grow with seqnos, so a transaction within an epoch is so by both. */
const isWithin = ({ view, seqno }: TxId, begin: TxId, end: TxId): boolean =>
  begin.seqno <= seqno && seqno <= end.seqno && begin.view <= view && view <= end.view

const sameKey = (a: EcPublicKey, b: EcPublicKey): boolean => equalBytes(a.spki, b.spki)

/** A recovery continues two views later, at the next seqno (CCF facts §4.5, §16 step 4). */
const follows = (newer: TxId, older: TxId): boolean => newer.view === older.view + 2 && newer.seqno === older.seqno + 1

/**
 * The endorsed service with the wanted key, walking from `trusted` backwards. Endorsements that add nothing are passed over: of a key
 * already reached (a service that endorses itself, a record written twice, a circle), and of epochs that end before they begin, which CCF
 * writes when an election interrupts a recovery (CCF facts §20.24).
 * @throws Refused when a step is not signed by the service after it, the epochs leave a gap, or the walk ends elsewhere.
 */
export function findEndorsed(
  crypto: Crypto,
  trusted: EcPublicKey,
  endorsements: readonly Endorsement[],
  isWanted: (key: EcPublicKey) => boolean,
): EndorsedService {
  const reached: EcPublicKey[] = [trusted]
  let last: EndorsedService | undefined
  for (const endorsement of endorsements) {
    const { key, begin, end } = endorsement
    if (reached.some((known) => sameKey(known, key))) continue
    if (end !== undefined && end.seqno < begin.seqno) continue
    if (!isSignedBy(crypto, endorsement, reached.at(-1)!)) {
      throw new Refused('an endorsement is not signed by the service after it')
    }
    if (end === undefined) throw new Refused('the endorsement of an earlier service has no end')
    if (last !== undefined && !follows(last.begin, end)) {
      throw new Refused(`endorsed epochs do not follow: ${formatTxId(end)}, then ${formatTxId(last.begin)}`)
    }
    last = { key, begin, end }
    if (isWanted(key)) return last
    reached.push(key)
  }
  throw new Refused('no endorsement leads to the service that signed')
}

/** Whether an earlier service signed at that transaction id. @throws Refused */
export function requireInEpoch(txId: TxId, { begin, end }: EndorsedService): void {
  if (isWithin(txId, begin, end)) return
  const epoch = `${formatTxId(begin)} to ${formatTxId(end)}`
  throw new Refused(`transaction ${formatTxId(txId)} is outside the epoch of the service that signed, ${epoch}`)
}

/**
 * Whether receipts of that transaction are an earlier service's to sign: those of its epoch, and of the signature transaction with which the
 * epoch before ended, since only the signature after it covers that one. @throws Refused
 */
export function requireCovered(txId: TxId, service: EndorsedService): void {
  const { begin } = service
  const endedTheEpochBefore = txId.seqno === begin.seqno - 1 && txId.view < begin.view
  if (!endedTheEpochBefore) requireInEpoch(txId, service)
}

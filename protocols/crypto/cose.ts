// COSE_Sign1 (RFC 9052 §4.2, tag 18) as CCF uses it: detached signatures over Merkle roots (CCF facts §4.4), and the
// generic form that governance envelopes and identity endorsements share. Not the meaning of those two.
// The rule to remember: what was signed are the protected header's bytes as received (CCF does not order its maps
// canonically), so nothing is ever re-encoded before it is verified.
import { decode, encode } from 'cborg'
import { DecodeError, equalBytes, toHex, utf8 } from '../codec/bytes.ts'
import { isCborDeeperThan } from '../codec/cbor-depth.ts'
import { type Seqno, parseTxId, type TxId, type View } from '../ids.ts'
import type { Crypto, EcCurve, EcPublicKey, HashName } from './crypto.ts'

/** COSE header labels (IANA; 395 and 396: draft-ietf-cose-merkle-tree-proofs). */
export const COSE_HEADERS = { alg: 1, kid: 4, cwtClaims: 15, vds: 395, vdp: 396 } as const
/** `vds` of CCF's ledger tree. */
export const VDS_CCF_LEDGER = 2
export const CWT_CLAIMS = { iss: 1, sub: 2, iat: 6 } as const
/** Header with what only CCF says. */
export const CCF_V1 = 'ccf.v1'

/** Largest COSE_Sign1 read: a governance proposal with a whole application fits. */
export const SIGN1_BYTES_MAX = 1024 * 1024

interface CoseAlgorithm {
  readonly alg: number
  readonly hash: HashName
  /** Length of r ‖ s. */
  readonly signatureBytes: number
}

const ALGORITHMS: Readonly<Record<EcCurve, CoseAlgorithm>> = {
  'P-256': { alg: -7, hash: 'sha256', signatureBytes: 64 },
  'P-384': { alg: -35, hash: 'sha384', signatureBytes: 96 },
  'P-521': { alg: -36, hash: 'sha512', signatureBytes: 132 },
}

/** The one algorithm CCF uses with keys of a curve, e.g. −35 (ES384) and sha384 for P-384. */
export const coseAlgorithm = (curve: EcCurve): { readonly alg: number; readonly hash: HashName } => ALGORITHMS[curve]

/** CBOR with map entries in insertion order. Keys of a Map keep their type. */
export const encodeCbor = (value: unknown): Uint8Array => encode(value, { mapSorter: () => 0 })

export type CborMap = ReadonlyMap<unknown, unknown>

const SIGN1_TAG = 18

/** Arrays and maps inside one another; a receipt has 4. */
const CBOR_DEPTH_MAX = 32

/**
 * Decodes one CBOR item of at most `bytesMax` bytes; maps become Maps. Allocates at most some 250 bytes a byte (nested maps of one entry).
 * @throws DecodeError for anything else, tags, duplicate map keys, indefinite lengths and nesting beyond CBOR_DEPTH_MAX included.
 */
export function decodeCbor(bytes: Uint8Array, bytesMax: number): unknown {
  if (bytes.length > bytesMax) throw new DecodeError(`CBOR of ${bytes.length} bytes exceeds ${bytesMax}`, 0)
  if (isCborDeeperThan(bytes, CBOR_DEPTH_MAX)) throw new DecodeError(`CBOR nested deeper than ${CBOR_DEPTH_MAX}`, 0)
  try {
    return decode(bytes, {
      useMaps: true,
      rejectDuplicateMapKeys: true,
      allowIndefinite: false,
      allowUndefined: false,
    }) as unknown
  } catch {
    // cborg throws errors of several classes: whatever happens while decoding is the input's fault.
    throw new DecodeError('not well-formed CBOR', 0)
  }
}

export interface CoseSign1 {
  /** As received: what the signature covers. */
  readonly protectedBytes: Uint8Array
  readonly protectedHeader: CborMap
  readonly unprotectedHeader: CborMap
  /** Undefined when detached. */
  readonly payload: Uint8Array | undefined
  readonly signature: Uint8Array
}

/**
 * Parses a tagged COSE_Sign1 without judging its signature. Bounded by SIGN1_BYTES_MAX.
 * @throws DecodeError
 */
export function parseSign1(bytes: Uint8Array): CoseSign1 {
  if (bytes[0] !== 0xc0 + SIGN1_TAG) throw new DecodeError('not a tagged COSE_Sign1', 0)
  // Without its tag: inside, and a second time, a tag would be another spelling of the same.
  const item = decodeCbor(bytes.subarray(1), SIGN1_BYTES_MAX)
  if (!Array.isArray(item) || item.length !== 4) throw new DecodeError('COSE_Sign1 is not an array of 4', 0)
  const [protectedBytes, unprotectedHeader, payload, signature] = item as unknown[]
  if (!(protectedBytes instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    throw new DecodeError('COSE_Sign1: byte string expected', 0)
  }
  if (payload !== null && !(payload instanceof Uint8Array)) throw new DecodeError('COSE_Sign1: bad payload', 0)
  const protectedHeader = protectedBytes.length === 0 ? new Map() : decodeCbor(protectedBytes, SIGN1_BYTES_MAX)
  if (!(protectedHeader instanceof Map) || !(unprotectedHeader instanceof Map)) {
    throw new DecodeError('COSE_Sign1: header is not a map', 0)
  }
  return { protectedBytes, protectedHeader, unprotectedHeader, payload: payload ?? undefined, signature }
}

/** The Sig_structure of RFC 9052 §4.4 without external data: the bytes to be hashed and signed. */
export const toBeSigned = (protectedBytes: Uint8Array, payload: Uint8Array): Uint8Array =>
  encodeCbor(['Signature1', protectedBytes, new Uint8Array(0), payload])

/** Serialises a COSE_Sign1; `payload` undefined means detached. */
export function encodeSign1(
  protectedBytes: Uint8Array,
  unprotectedHeader: CborMap,
  payload: Uint8Array | undefined,
  signatureRaw: Uint8Array,
): Uint8Array {
  const array = encodeCbor([protectedBytes, unprotectedHeader, payload ?? null, signatureRaw])
  const bytes = new Uint8Array(array.length + 1)
  bytes[0] = 0xc0 + SIGN1_TAG
  bytes.set(array, 1)
  return bytes
}

/** True when `alg` fits the key and the signature over `payload` (attached or detached) holds. */
export function verifySign1(crypto: Crypto, key: EcPublicKey, sign1: CoseSign1, payload: Uint8Array): boolean {
  const algorithm = ALGORITHMS[key.curve]
  if (sign1.protectedHeader.get(COSE_HEADERS.alg) !== algorithm.alg) return false
  if (sign1.signature.length !== algorithm.signatureBytes) return false
  return crypto.verifyEcdsa(key, algorithm.hash, toBeSigned(sign1.protectedBytes, payload), sign1.signature, 'raw')
}

/** Key id of a service key: lower-case hex of SHA-256(SPKI), 64 characters. */
export const serviceKeyId = (crypto: Crypto, spki: Uint8Array): string => toHex(crypto.sha256(spki))

export interface RootToSign {
  /** Curve of the service key. */
  readonly curve: EcCurve
  /** `serviceKeyId` of the service key. */
  readonly kid: string
  readonly iatSeconds: number
  /** From the configuration's `cose_signatures`; may be empty. */
  readonly issuer: string
  readonly subject: string
  /** Transaction id of the signature transaction. */
  readonly view: View
  readonly seqno: Seqno
  /** 32 bytes. */
  readonly root: Uint8Array
}

/** Protected header of a root signature in CCF's order, and the bytes the service key has to sign with `coseAlgorithm(curve).hash`. */
export function rootToBeSigned(input: RootToSign): { protectedHeader: Uint8Array; toBeSigned: Uint8Array } {
  const claims = new Map<number, unknown>([
    [CWT_CLAIMS.iat, input.iatSeconds],
    [CWT_CLAIMS.iss, input.issuer],
    [CWT_CLAIMS.sub, input.subject],
  ])
  const protectedHeader = encodeCbor(
    new Map<number | string, unknown>([
      [COSE_HEADERS.alg, ALGORITHMS[input.curve].alg],
      [COSE_HEADERS.kid, utf8(input.kid)],
      [COSE_HEADERS.vds, VDS_CCF_LEDGER],
      [COSE_HEADERS.cwtClaims, claims],
      [CCF_V1, new Map([['txid', `${input.view}.${input.seqno}`]])],
    ]),
  )
  return { protectedHeader, toBeSigned: toBeSigned(protectedHeader, input.root) }
}

/** The stored form of a root signature: payload detached, unprotected header empty. `signatureRaw`: r ‖ s. */
export const assembleRootSignature = (protectedHeader: Uint8Array, signatureRaw: Uint8Array): Uint8Array =>
  encodeSign1(protectedHeader, new Map(), undefined, signatureRaw)

export interface RootSignature {
  readonly ok: true
  readonly txId: TxId
  readonly iatSeconds: number
  readonly issuer: string
  readonly subject: string
}

export type RootVerification = RootSignature | { readonly ok: false; readonly reason: string }

const no = (reason: string): RootVerification => ({ ok: false, reason })

/** Verifies a root signature already parsed; its unprotected header is not looked at (receipts put the proof there). */
export function checkRootSignature(
  crypto: Crypto,
  serviceKey: EcPublicKey,
  sign1: CoseSign1,
  root: Uint8Array,
): RootVerification {
  const header = sign1.protectedHeader
  if (sign1.payload !== undefined) return no('payload is not detached')
  if (header.get(COSE_HEADERS.vds) !== VDS_CCF_LEDGER) return no('not a CCF ledger tree')
  const kid = header.get(COSE_HEADERS.kid)
  if (!(kid instanceof Uint8Array) || !equalBytes(kid, utf8(serviceKeyId(crypto, serviceKey.spki)))) {
    return no('signed by another service identity')
  }
  const claims = header.get(COSE_HEADERS.cwtClaims)
  const ccf = header.get(CCF_V1)
  if (!(claims instanceof Map) || !(ccf instanceof Map)) return no('header incomplete')
  const [iat, iss, sub] = [CWT_CLAIMS.iat, CWT_CLAIMS.iss, CWT_CLAIMS.sub].map((label) => claims.get(label) as unknown)
  const txIdText = ccf.get('txid') as unknown
  const txId = typeof txIdText === 'string' ? parseTxId(txIdText) : undefined
  if (txId === undefined || typeof iat !== 'number' || typeof iss !== 'string' || typeof sub !== 'string') {
    return no('header incomplete')
  }
  if (!verifySign1(crypto, serviceKey, sign1, root)) return no('signature does not hold')
  return { ok: true, txId, iatSeconds: iat, issuer: iss, subject: sub }
}

/** Verifies a stored root signature (`cose_signatures`) over `root` (32 bytes) with the service key in force. Never throws on bad input. */
export function verifyRootSignature(
  crypto: Crypto,
  serviceKey: EcPublicKey,
  bytes: Uint8Array,
  root: Uint8Array,
): RootVerification {
  let sign1: CoseSign1
  try {
    sign1 = parseSign1(bytes)
  } catch (error) {
    if (error instanceof DecodeError) return no(error.message)
    throw error
  }
  return checkRootSignature(crypto, serviceKey, sign1, root)
}

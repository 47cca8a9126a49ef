// Encodings of EC keys on the three NIST curves: SubjectPublicKeyInfo (RFC 5480) and PKCS#8 (RFC 5958, RFC 5915).
// Not arithmetic: whether a point lies on its curve is checked by the implementation that imports it.
// The rule to remember: one key has one SPKI (named curve, uncompressed point), because node ids are its hash (CCF facts §6.6).
import { DecodeError, equalBytes } from '../codec/bytes.ts'
import { contextTag, der, derBits, derOctets, derOid, DerReader, derSequence, derUnsigned, TAG } from '../codec/der.ts'
import type { EcCurve, HashName } from './crypto.ts'

interface CurveInfo {
  readonly oid: string
  /** Size of a scalar and of a coordinate; a raw signature has twice as many bytes. */
  readonly scalarBytes: number
  /** The hash CCF signs with on this curve (CCF facts §4.4). */
  readonly hash: HashName
}

export const EC_CURVES: Readonly<Record<EcCurve, CurveInfo>> = {
  'P-256': { oid: '1.2.840.10045.3.1.7', scalarBytes: 32, hash: 'sha256' },
  'P-384': { oid: '1.3.132.0.34', scalarBytes: 48, hash: 'sha384' },
  'P-521': { oid: '1.3.132.0.35', scalarBytes: 66, hash: 'sha512' },
}

const CURVE_NAMES: readonly EcCurve[] = ['P-256', 'P-384', 'P-521']
const EC_PUBLIC_KEY = derOid('1.2.840.10045.2.1')
const CURVE_OIDS = CURVE_NAMES.map((curve) => derOid(EC_CURVES[curve].oid))
const ONE = Uint8Array.of(1)
const ZERO = Uint8Array.of(0)

const pointBytes = (curve: EcCurve): number => 1 + 2 * EC_CURVES[curve].scalarBytes
const algorithm = (curve: EcCurve): Uint8Array => derSequence(EC_PUBLIC_KEY, derOid(EC_CURVES[curve].oid))

/** SubjectPublicKeyInfo of an uncompressed point (04 ‖ x ‖ y). */
export const encodeEcSpki = (curve: EcCurve, point: Uint8Array): Uint8Array =>
  derSequence(algorithm(curve), derBits(point))

// Everything before the point is fixed, so parsing an SPKI is comparing its first bytes.
const SPKI_PREFIXES = CURVE_NAMES.map((curve) => {
  const spki = encodeEcSpki(curve, new Uint8Array(pointBytes(curve)))
  return { curve, length: spki.length, prefix: spki.subarray(0, spki.length - pointBytes(curve)) }
})

/** Curve and uncompressed point of an SPKI; undefined for any other kind or encoding. The point may be off the curve. */
export function parseEcSpki(spki: Uint8Array): { readonly curve: EcCurve; readonly point: Uint8Array } | undefined {
  for (const { curve, length, prefix } of SPKI_PREFIXES) {
    if (spki.length === length && equalBytes(spki.subarray(0, prefix.length), prefix)) {
      const point = spki.subarray(prefix.length)
      return point[0] === 4 ? { curve, point } : undefined
    }
  }
  return undefined
}

/** PKCS#8 of an EC private key together with its public point. */
export function encodeEcPkcs8(curve: EcCurve, scalar: Uint8Array, point: Uint8Array): Uint8Array {
  const ecPrivateKey = derSequence(derUnsigned(ONE), derOctets(scalar), der(contextTag(1), derBits(point)))
  return derSequence(derUnsigned(ZERO), algorithm(curve), derOctets(ecPrivateKey))
}

/** Curve and scalar of a PKCS#8 EC private key. Throws DecodeError, whose message never shows key material. */
export function parseEcPkcs8(pkcs8: Uint8Array): { readonly curve: EcCurve; readonly scalar: Uint8Array } {
  const outer = new DerReader(pkcs8)
  const info = outer.inside()
  outer.end()
  if (info.smallInteger() !== 0) throw new DecodeError('PKCS#8 version is not 0', 0)
  const algorithmReader = info.inside()
  if (!equalBytes(algorithmReader.element(TAG.oid).raw, EC_PUBLIC_KEY))
    throw new DecodeError('not an EC private key', 0)
  const curveOid = algorithmReader.element(TAG.oid).raw
  const curve = CURVE_NAMES[CURVE_OIDS.findIndex((oid) => equalBytes(oid, curveOid))]
  if (curve === undefined) throw new DecodeError('unsupported curve', 0)
  algorithmReader.end()
  const keyOctets = info.inside(TAG.octetString)
  const key = keyOctets.inside()
  keyOctets.end()
  if (key.smallInteger() !== 1) throw new DecodeError('EC private key version is not 1', 0)
  const scalar = key.element(TAG.octetString).content
  if (scalar.length !== EC_CURVES[curve].scalarBytes) throw new DecodeError('EC private key of the wrong size', 0)
  return { curve, scalar }
}

/** Signature size in the `raw` format. */
export const rawSignatureBytes = (curve: EcCurve): number => 2 * EC_CURVES[curve].scalarBytes

// Who owns a Noise static key: the payload of the handshake's sealed messages, which binds the key to an X.509 identity by a signature.
//   u8 version ‖ u8 role ‖ blob certificate (DER) ‖ blob signature (DER)        both empty: anonymous, for clients only
// Whether the identity is registered, and what it may do, is decided at execution, not here.
// The rule to remember: believe a payload only together with the static key its own handshake proved.
import { ByteReader, ByteWriter, DecodeError, EMPTY } from '../codec/bytes.ts'
import type { Certificate } from '../crypto/certificate.ts'
import { certificateId, isValidAt, nodeIdOf, tryParseCertificate, verifyIssuedBy } from '../crypto/certificate.ts'
import type { Crypto, EcCurve, HashName } from '../crypto/crypto.ts'
import { EC_CURVES } from '../crypto/ec-keys.ts'
import { invariant } from '../errors.ts'
import type { NodeId } from '../ids.ts'

export type SessionRole = 'node' | 'client'

export interface IdentityPayload {
  readonly role: SessionRole
  /** Absent for anonymous clients. */
  readonly proof: { readonly certificate: Uint8Array; readonly signature: Uint8Array } | undefined
}

const VERSION = 1
const ROLES: readonly SessionRole[] = ['node', 'client']
/** Largest certificate of an identity; CCF's have below 1 KiB, and a Noise message must hold it. */
export const IDENTITY_CERTIFICATE_BYTES_MAX = 8192
/** ECDSA over P-521 in DER takes at most 139 bytes. */
export const SIGNATURE_BYTES_MAX = 160
const STATIC_KEY_BYTES = 32

/**
 * 32 bytes that name the service: SHA-256 of its public key (SubjectPublicKeyInfo). Not of its certificate, because governance renews
 * that with the same key (CCF facts §6.6), and a client that holds last month's certificate must still get in.
 */
export const serviceIdentity = (crypto: Crypto, serviceCertificate: Certificate): Uint8Array =>
  crypto.sha256(serviceCertificate.spki)

/** The bytes an identity's key signs, with the hash of `identityHash`, as a DER signature. The static key is 32 bytes. */
export function staticKeyStatement(
  role: SessionRole,
  serviceIdentity: Uint8Array,
  staticPublicKey: Uint8Array,
): Uint8Array {
  invariant(staticPublicKey.length === STATIC_KEY_BYTES, 'a static key has 32 bytes')
  const writer = new ByteWriter().text('concordat-noise-static/1').text(role)
  return writer.blob(serviceIdentity).raw(staticPublicKey).finish()
}

/** The hash that goes with a curve, as in X.509 and COSE practice. */
export const identityHash = (curve: EcCurve): HashName => EC_CURVES[curve].hash

/** Throws InvariantViolation for what would not decode again. */
export function encodeIdentityPayload(payload: IdentityPayload): Uint8Array {
  const { certificate, signature } = payload.proof ?? { certificate: EMPTY, signature: EMPTY }
  invariant(payload.proof === undefined ? payload.role === 'client' : certificate.length > 0, 'a node has an identity')
  invariant(certificate.length <= IDENTITY_CERTIFICATE_BYTES_MAX, 'certificate too long')
  invariant(signature.length <= SIGNATURE_BYTES_MAX, 'signature too long')
  const writer = new ByteWriter(64 + certificate.length + signature.length).u8(VERSION)
  return writer.u8(ROLES.indexOf(payload.role)).blob(certificate).blob(signature).finish()
}

/** Undefined when the bytes do not follow the format. Certificate and signature are views on `bytes`. */
export function decodeIdentityPayload(bytes: Uint8Array): IdentityPayload | undefined {
  try {
    const reader = new ByteReader(bytes)
    const version = reader.u8()
    const role = ROLES[reader.u8()]
    const certificate = reader.blob(IDENTITY_CERTIFICATE_BYTES_MAX)
    const signature = reader.blob(SIGNATURE_BYTES_MAX)
    reader.end()
    if (version !== VERSION || role === undefined) return undefined
    if (certificate.length > 0) return { role, proof: { certificate, signature } }
    return role === 'client' && signature.length === 0 ? { role, proof: undefined } : undefined
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

export type PeerIdentity =
  | { readonly kind: 'node'; readonly nodeId: NodeId }
  /** `id`: lower-case hex of SHA-256(certificate DER). */
  | { readonly kind: 'certificate'; readonly id: string }
  | { readonly kind: 'anonymous' }

export type IdentityRefusal =
  | 'malformed'
  | 'wrongRole'
  | 'badCertificate'
  | 'badSignature'
  /** A node's certificate is neither issued by the service nor one of the pinned nodes'. */
  | 'notEndorsed'
  | 'notValidNow'

export interface VerifyIdentityOptions {
  /** The payload as read from the handshake. */
  readonly payload: Uint8Array
  /** The peer's static key, proven by the same handshake. */
  readonly remoteStatic: Uint8Array
  readonly serviceCertificate: Certificate
  readonly expect: SessionRole
  /** Seconds since 1970. When given, the certificate must be valid then; CCF ignores dates between nodes (facts §11). */
  readonly nowSeconds?: number
  /** Nodes accepted by their key alone, for channels before the service has endorsed a certificate. */
  readonly trustedNodeIds?: ReadonlySet<NodeId>
}

/** Who the peer is, or why that is not believed. Total: any bytes may be given. Costs two ECDSA verifications for a node, one for a client. */
export function verifyIdentityPayload(
  crypto: Crypto,
  options: VerifyIdentityOptions,
): PeerIdentity | { readonly refused: IdentityRefusal } {
  const { remoteStatic, serviceCertificate, expect } = options
  const payload = decodeIdentityPayload(options.payload)
  if (payload === undefined || remoteStatic.length !== STATIC_KEY_BYTES) return { refused: 'malformed' }
  if (payload.role !== expect) return { refused: 'wrongRole' }
  if (payload.proof === undefined) return { kind: 'anonymous' }
  const certificate = tryParseCertificate(payload.proof.certificate)
  const key = certificate && crypto.importEcPublicKey(certificate.spki)
  if (certificate === undefined || key === undefined) return { refused: 'badCertificate' }
  if (options.nowSeconds !== undefined && !isValidAt(certificate, options.nowSeconds)) return { refused: 'notValidNow' }
  const statement = staticKeyStatement(expect, serviceIdentity(crypto, serviceCertificate), remoteStatic)
  if (!crypto.verifyEcdsa(key, identityHash(key.curve), statement, payload.proof.signature, 'der')) {
    return { refused: 'badSignature' }
  }
  if (expect === 'client') return { kind: 'certificate', id: certificateId(crypto, certificate) }
  const id = nodeIdOf(crypto, certificate)
  if (options.trustedNodeIds?.has(id) || verifyIssuedBy(crypto, certificate, serviceCertificate)) {
    return { kind: 'node', nodeId: id }
  }
  return { refused: 'notEndorsed' }
}

// X.509 certificates (RFC 5280), as much as CCF needs: who it names, which key, since when, until when, and who signed it.
// Not path validation: no revocation, no name constraints; CCF's chains are a service certificate and what it endorsed.
// The rule to remember: parsing believes nothing; only verifyIssuedBy, given a certificate that is trusted already, does.
import { DecodeError, equalBytes, toHex } from '../codec/bytes.ts'
import { contextPrimitiveTag, contextTag, DerReader, TAG, tryDecode } from '../codec/der.ts'
import { parsePem } from '../codec/pem.ts'
import { type NodeId, nodeId } from '../ids.ts'
import type { Crypto, EcPublicKey, HashName } from './crypto.ts'
import { readAltNames, readName } from './x509-name.ts'
import { readTime } from './x509-time.ts'

/** Largest certificate accepted; CCF's have below 1 KiB. */
export const CERTIFICATE_BYTES_MAX = 32 * 1024
const SERIAL_BYTES_MAX = 20
const EXTENSIONS_MAX = 32
const VERSION_3 = 2
const KEY_CERT_SIGN = 0x04

export const OID = {
  ecdsaSha256: '1.2.840.10045.4.3.2',
  ecdsaSha384: '1.2.840.10045.4.3.3',
  ecdsaSha512: '1.2.840.10045.4.3.4',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  extensionRequest: '1.2.840.113549.1.9.14',
} as const

const SIGNATURE_HASHES: ReadonlyMap<string, HashName> = new Map([
  [OID.ecdsaSha256, 'sha256'],
  [OID.ecdsaSha384, 'sha384'],
  [OID.ecdsaSha512, 'sha512'],
])
/** Extensions that may be critical without making the certificate unusable: read here, or of no weight outside TLS. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID.keyUsage,
  OID.subjectAltName,
  OID.basicConstraints,
  OID.extendedKeyUsage,
])

export interface Certificate {
  readonly der: Uint8Array
  /** The signed part, as it stands in `der`. */
  readonly tbs: Uint8Array
  /** SubjectPublicKeyInfo DER, of any algorithm. */
  readonly spki: Uint8Array
  /** RFC 4514 text, e.g. `CN=CCF Service`. For people; compare `subjectDer`. */
  readonly subject: string
  readonly issuer: string
  readonly subjectDer: Uint8Array
  readonly issuerDer: Uint8Array
  /** Lower-case hex without leading zero bytes. */
  readonly serial: string
  /** Unix seconds; both ends are inclusive. */
  readonly notBeforeSeconds: number
  readonly notAfterSeconds: number
  readonly isCa: boolean
  /** How many CAs may follow below this one; undefined: any number. */
  readonly pathLength: number | undefined
  /** False when a key usage extension is present and does not allow signing certificates. */
  readonly maySignCertificates: boolean
  /** `dNSName:…` and `iPAddress:…`. */
  readonly subjectAltNames: readonly string[]
  /** A critical extension we do not understand: never accepted by verifyIssuedBy (RFC 5280 §4.2). */
  readonly hasUnknownCriticalExtension: boolean
  /** Undefined when it is not signed with ECDSA and SHA-2. */
  readonly signatureHash: HashName | undefined
  readonly signature: Uint8Array
}

/** A certificate whose key is an EC key, imported. */
export interface EcCertificate extends Certificate {
  readonly publicKey: EcPublicKey
}

interface Extensions {
  isCa: boolean
  pathLength: number | undefined
  maySignCertificates: boolean
  subjectAltNames: readonly string[]
  hasUnknownCriticalExtension: boolean
}

/** Reads an AlgorithmIdentifier: the hash if it is ECDSA with SHA-2 (RFC 5758 §3.2: no parameters). */
export function readSignatureHash(reader: DerReader): {
  readonly hash: HashName | undefined
  readonly raw: Uint8Array
} {
  const element = reader.element(TAG.sequence)
  const algorithm = reader.within(element)
  const hash = SIGNATURE_HASHES.get(algorithm.oid())
  return { hash: algorithm.done ? hash : undefined, raw: element.raw }
}

const noExtensions = (): Extensions => ({
  isCa: false,
  pathLength: undefined,
  maySignCertificates: true,
  subjectAltNames: [],
  hasUnknownCriticalExtension: false,
})

function readExtensionValue(oid: string, value: DerReader, found: Extensions): void {
  if (oid === OID.basicConstraints) {
    const constraints = value.inside()
    found.isCa = constraints.peek() === TAG.boolean && constraints.boolean()
    found.pathLength = constraints.peek() === TAG.integer ? constraints.smallInteger() : undefined
    constraints.end()
  } else if (oid === OID.keyUsage) {
    const { content, offset } = value.element(TAG.bitString)
    const [unused, bits] = content
    if (unused === undefined || unused > 7 || bits === undefined) value.fail('bad key usage', offset)
    found.maySignCertificates = (bits & KEY_CERT_SIGN) !== 0
  } else if (oid === OID.subjectAltName) {
    found.subjectAltNames = readAltNames(value)
  } else {
    return
  }
  value.end()
}

/** Reads `Extensions` (a SEQUENCE OF Extension). */
export function readExtensions(reader: DerReader): Extensions {
  const found = noExtensions()
  const seen = new Set<string>()
  const list = reader.inside()
  while (!list.done) {
    const extension = list.inside()
    const oid = extension.oid()
    if (seen.has(oid) || seen.size === EXTENSIONS_MAX) list.fail('repeated or too many extensions')
    seen.add(oid)
    const critical = extension.peek() === TAG.boolean && extension.boolean()
    const value = extension.inside(TAG.octetString)
    extension.end()
    if (critical && !UNDERSTOOD.has(oid)) found.hasUnknownCriticalExtension = true
    readExtensionValue(oid, value, found)
  }
  return found
}

function readVersion(tbs: DerReader): number {
  if (tbs.peek() !== contextTag(0)) return 0
  const explicit = tbs.inside(contextTag(0))
  const version = explicit.smallInteger()
  explicit.end()
  if (version > VERSION_3) tbs.fail('unknown certificate version')
  return version
}

function readExplicitExtensions(tbs: DerReader, version: number): Extensions {
  if (version !== VERSION_3) tbs.fail('extensions in a certificate before version 3')
  const explicit = tbs.inside(contextTag(3))
  const extensions = readExtensions(explicit)
  explicit.end()
  return extensions
}

function readTbs(tbs: DerReader) {
  const version = readVersion(tbs)
  const serial = tbs.unsigned()
  if (serial.length > SERIAL_BYTES_MAX) tbs.fail('serial number too long')
  const algorithm = readSignatureHash(tbs)
  const issuer = readName(tbs)
  const validity = tbs.inside()
  const notBeforeSeconds = readTime(validity)
  const notAfterSeconds = readTime(validity)
  validity.end()
  const subject = readName(tbs)
  const spki = tbs.element(TAG.sequence).raw
  tbs.optional(contextPrimitiveTag(1)) // unique identifiers, obsolete
  tbs.optional(contextPrimitiveTag(2))
  const extensions = tbs.done ? noExtensions() : readExplicitExtensions(tbs, version)
  tbs.end()
  return { serial: toHex(serial), algorithm, issuer, subject, spki, notBeforeSeconds, notAfterSeconds, extensions }
}

/** Reads the outer form that certificates and requests share: body, algorithm, signature. Throws DecodeError. */
export function readSigned(der: Uint8Array) {
  if (der.length > CERTIFICATE_BYTES_MAX)
    throw new DecodeError(`${der.length} bytes exceed ${CERTIFICATE_BYTES_MAX}`, 0)
  const outer = new DerReader(der)
  const signed = outer.inside()
  outer.end()
  const body = signed.element(TAG.sequence)
  const fields = signed.within(body)
  const algorithm = readSignatureHash(signed)
  const signature = signed.octetAlignedBits()
  signed.end()
  return { body: body.raw, fields, algorithm, signature }
}

/**
 * Parses one certificate, DER or PEM; the result keeps no reference to the input.
 * @throws DecodeError, and nothing else, for any input.
 */
export function parseCertificate(input: Uint8Array | string): Certificate {
  const der = typeof input === 'string' ? parsePem(input, 'CERTIFICATE') : input.slice()
  const { body, fields, algorithm, signature } = readSigned(der)
  const { extensions, algorithm: inner, issuer, subject, ...rest } = readTbs(fields)
  if (!equalBytes(inner.raw, algorithm.raw)) throw new DecodeError('signature algorithms differ', 0)
  return {
    der,
    tbs: body,
    ...rest,
    ...extensions,
    subject: subject.text,
    subjectDer: subject.der,
    issuer: issuer.text,
    issuerDer: issuer.der,
    signatureHash: algorithm.hash,
    signature,
  }
}

/** As parseCertificate, but undefined instead of DecodeError. */
export const tryParseCertificate = (input: Uint8Array | string): Certificate | undefined =>
  tryDecode(() => parseCertificate(input))

/**
 * Parses a certificate and imports its key.
 * @throws DecodeError for any other input, also when the key is not an EC key on a supported curve.
 */
export function parseEcCertificate(crypto: Crypto, input: Uint8Array | string): EcCertificate {
  const certificate = parseCertificate(input)
  const publicKey = crypto.importEcPublicKey(certificate.spki)
  if (publicKey === undefined) throw new DecodeError('the key of the certificate is not a supported EC key', 0)
  return { ...certificate, publicKey }
}

/** True when `key` made the certificate's signature. Says nothing about names, dates or the right to issue. */
export function verifySignedBy(crypto: Crypto, certificate: Certificate, key: EcPublicKey): boolean {
  const { signatureHash, tbs, signature } = certificate
  return signatureHash !== undefined && crypto.verifyEcdsa(key, signatureHash, tbs, signature, 'der')
}

/**
 * True when `issuer` issued `certificate` and was allowed to (RFC 5280 §6.1: names chain, CA, key usage, path length, no
 * unknown critical extension, signature). A certificate may also be its own issuer without being a CA (self-signed members,
 * users and nodes). Dates are not looked at: see isValidAt.
 */
export function verifyIssuedBy(crypto: Crypto, certificate: Certificate, issuer: Certificate): boolean {
  if (!equalBytes(certificate.issuerDer, issuer.subjectDer) || certificate.hasUnknownCriticalExtension) return false
  const selfSigned = equalBytes(certificate.der, issuer.der)
  if (!selfSigned) {
    if (!issuer.isCa || !issuer.maySignCertificates || issuer.hasUnknownCriticalExtension) return false
    if (certificate.isCa && issuer.pathLength === 0) return false
  }
  const key = crypto.importEcPublicKey(issuer.spki)
  return key !== undefined && verifySignedBy(crypto, certificate, key)
}

export const isValidAt = (certificate: Certificate, nowSeconds: number): boolean =>
  certificate.notBeforeSeconds <= nowSeconds && nowSeconds <= certificate.notAfterSeconds

/** Id of a member or user: lower-case hex SHA-256 of the certificate's DER (CCF facts §6.6). */
export const certificateId = (crypto: Crypto, certificate: Certificate | Uint8Array): string =>
  toHex(crypto.sha256(certificate instanceof Uint8Array ? certificate : certificate.der))

/** Id of a node: lower-case hex SHA-256 of its SubjectPublicKeyInfo (CCF facts §6.6). */
export const nodeIdOf = (crypto: Crypto, node: Certificate | Uint8Array): NodeId =>
  nodeId(toHex(crypto.sha256(node instanceof Uint8Array ? node : node.spki)))

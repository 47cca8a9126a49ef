// Issuing: the bodies of certificates and certificate requests (PKCS#10, RFC 2986), to be signed by whoever holds the key.
// No key and no randomness here: build a body, have it signed (the `sign` effect on live nodes), attach the signature. That
// is why it is ours and not a library's: libraries issue through promises, and actors cannot await.
// The rule to remember: the serial number is a hash of everything else, so equal serials mean equal certificates.
import { DecodeError } from '../codec/bytes.ts'
import {
  contextPrimitiveTag,
  contextTag,
  der,
  derBits,
  derOctets,
  derOid,
  DerReader,
  derSequence,
  derSet,
  derTrue,
  derUnsigned,
  TAG,
} from '../codec/der.ts'
import { parsePem } from '../codec/pem.ts'
import { OID, readExtensions, readSigned } from './certificate.ts'
import type { Crypto, HashName } from './crypto.ts'
import { encodeAltNames, encodeName, readName } from './x509-name.ts'
import { DAY_SECONDS, encodeTime } from './x509-time.ts'

const SERIAL_BYTES = 16
const KEY_ID_BYTES = 20
/** CCF's service certificate allows one CA below it. */
const SERVICE_PATH_LENGTH = Uint8Array.of(1)
/** BIT STRING with two unused bits: digitalSignature (bit 0) and keyCertSign (bit 5). */
const CA_KEY_USAGE = Uint8Array.of(2, 0x84)

const SIGNATURE_OIDS: Readonly<Record<HashName, string>> = {
  sha256: OID.ecdsaSha256,
  sha384: OID.ecdsaSha384,
  sha512: OID.ecdsaSha512,
}

export interface CertificateFields {
  /** Name as text (`CN=CCF Node`) or as DER. */
  readonly subject: string | Uint8Array
  /** Must be the issuing certificate's `subjectDer`; the subject itself when self-signed. */
  readonly issuer: string | Uint8Array
  readonly spki: Uint8Array
  /** The issuer's key; `spki` itself when self-signed. */
  readonly issuerSpki: Uint8Array
  /** Unix seconds, both ends inclusive. */
  readonly notBeforeSeconds: number
  readonly notAfterSeconds: number
  /** True for service certificates. */
  readonly isCa: boolean
  /** `dNSName:…`, `iPAddress:…`. */
  readonly subjectAltNames?: readonly string[]
  /** What the body will be signed with, by ECDSA. */
  readonly signatureHash: HashName
}

/** CCF's validity (CCF facts §6.6): the last second is one before `days` have passed. */
export function validityFrom(fromSeconds: number, days: number): { notBeforeSeconds: number; notAfterSeconds: number } {
  if (!Number.isInteger(days) || days < 1) throw new RangeError('validity is a whole number of days, at least 1')
  return { notBeforeSeconds: fromSeconds, notAfterSeconds: fromSeconds + days * DAY_SECONDS - 1 }
}

const nameDer = (name: string | Uint8Array): Uint8Array => (typeof name === 'string' ? encodeName(name) : name)
const algorithmOf = (hash: HashName): Uint8Array => derSequence(derOid(SIGNATURE_OIDS[hash]))

const extension = (oid: string, value: Uint8Array): Uint8Array => derSequence(derOid(oid), derOctets(value))
const criticalExtension = (oid: string, value: Uint8Array): Uint8Array =>
  derSequence(derOid(oid), derTrue(), derOctets(value))

/** RFC 7093 §2 method 1: the leftmost 160 bits of SHA-256 of the public key's bits. */
function keyIdOf(crypto: Crypto, spki: Uint8Array): Uint8Array {
  const fields = new DerReader(spki).inside()
  fields.element(TAG.sequence)
  return crypto.sha256(fields.octetAlignedBits()).subarray(0, KEY_ID_BYTES)
}

function extensionsOf(crypto: Crypto, fields: CertificateFields): Uint8Array {
  const { isCa, spki, issuerSpki, subjectAltNames = [] } = fields
  const constraints = isCa ? derSequence(derTrue(), derUnsigned(SERVICE_PATH_LENGTH)) : derSequence()
  const list = [criticalExtension(OID.basicConstraints, constraints)]
  if (isCa) list.push(criticalExtension(OID.keyUsage, der(TAG.bitString, CA_KEY_USAGE)))
  list.push(extension(OID.subjectKeyId, derOctets(keyIdOf(crypto, spki))))
  list.push(extension(OID.authorityKeyId, derSequence(der(contextPrimitiveTag(0), keyIdOf(crypto, issuerSpki)))))
  if (subjectAltNames.length > 0) list.push(extension(OID.subjectAltName, encodeAltNames(subjectAltNames)))
  return der(contextTag(3), derSequence(...list))
}

/**
 * The part of a certificate that is signed, with `signatureHash`. Version 3.
 * @throws DecodeError for a name, alternative name or SPKI it cannot encode; RangeError for a time outside 1950 … 9999.
 */
export function certificateBody(crypto: Crypto, fields: CertificateFields): Uint8Array {
  const afterSerial = [
    algorithmOf(fields.signatureHash),
    nameDer(fields.issuer),
    derSequence(encodeTime(fields.notBeforeSeconds), encodeTime(fields.notAfterSeconds)),
    nameDer(fields.subject),
    fields.spki,
    extensionsOf(crypto, fields),
  ]
  const serial = crypto.sha256(...afterSerial).subarray(0, SERIAL_BYTES)
  const version = der(contextTag(0), derUnsigned(Uint8Array.of(2)))
  return derSequence(version, derUnsigned(serial), ...afterSerial)
}

/** The part of a certificate request that is signed. Throws DecodeError as certificateBody does. */
export function requestBody(fields: Pick<CertificateFields, 'subject' | 'spki' | 'subjectAltNames'>): Uint8Array {
  const { subject, spki, subjectAltNames = [] } = fields
  const attributes: Uint8Array[] = []
  if (subjectAltNames.length > 0) {
    const wanted = derSequence(extension(OID.subjectAltName, encodeAltNames(subjectAltNames)))
    attributes.push(derSequence(derOid(OID.extensionRequest), derSet(wanted)))
  }
  return derSequence(derUnsigned(Uint8Array.of(0)), nameDer(subject), spki, der(contextTag(0), ...attributes))
}

/** Certificate or request DER from its body and a DER ECDSA signature over it. */
export const attachSignature = (body: Uint8Array, hash: HashName, signature: Uint8Array): Uint8Array =>
  derSequence(body, algorithmOf(hash), derBits(signature))

/** In one step, for whoever holds the issuer's key: certificate DER. */
export function issueCertificate(crypto: Crypto, fields: CertificateFields, issuerPkcs8: Uint8Array): Uint8Array {
  const body = certificateBody(crypto, fields)
  return attachSignature(body, fields.signatureHash, crypto.signEcdsa(issuerPkcs8, fields.signatureHash, body, 'der'))
}

export interface CertificateRequest {
  readonly der: Uint8Array
  /** The signed part. */
  readonly body: Uint8Array
  readonly subject: string
  readonly subjectDer: Uint8Array
  readonly spki: Uint8Array
  readonly subjectAltNames: readonly string[]
  readonly signatureHash: HashName | undefined
  readonly signature: Uint8Array
}

const ATTRIBUTES_MAX = 16

function readRequestedAltNames(attributes: DerReader): readonly string[] {
  let names: readonly string[] = []
  for (let count = 0; !attributes.done; count++) {
    if (count === ATTRIBUTES_MAX) attributes.fail('too many attributes')
    const attribute = attributes.inside()
    const oid = attribute.oid()
    const values = attribute.inside(TAG.set)
    attribute.end()
    if (oid !== OID.extensionRequest) continue
    names = readExtensions(values).subjectAltNames
    values.end()
  }
  return names
}

/** Parses a certificate request, DER or PEM. Throws DecodeError, and nothing else, for any input. */
export function parseRequest(input: Uint8Array | string): CertificateRequest {
  const bytes = typeof input === 'string' ? parsePem(input, 'CERTIFICATE REQUEST') : input.slice()
  const { body, fields, algorithm, signature } = readSigned(bytes)
  if (fields.smallInteger() !== 0) throw new DecodeError('unknown version of a certificate request', 0)
  const subject = readName(fields)
  const spki = fields.element(TAG.sequence).raw
  const subjectAltNames = readRequestedAltNames(fields.inside(contextTag(0)))
  fields.end()
  return {
    der: bytes,
    body,
    subject: subject.text,
    subjectDer: subject.der,
    spki,
    subjectAltNames,
    signatureHash: algorithm.hash,
    signature,
  }
}

/** True when the request was signed by the key it carries: proof that the requester holds that key. */
export function verifyRequest(crypto: Crypto, request: CertificateRequest): boolean {
  const key = crypto.importEcPublicKey(request.spki)
  if (key === undefined || request.signatureHash === undefined) return false
  return crypto.verifyEcdsa(key, request.signatureHash, request.body, request.signature, 'der')
}

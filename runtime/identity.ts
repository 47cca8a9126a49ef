// Making identities: EC key pairs and their certificates for service, nodes, members and users, and RSA keys for encryption.
// Not a key store: nothing is written, and what is returned as `privateKeyPkcs8` is secret and the caller's to keep.
// The rule to remember: a node's id is the hash of its key, a member's and a user's the hash of the certificate (CCF facts §6.6).
import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { toHex } from '../protocols/codec/bytes.ts'
import { formatPem } from '../protocols/codec/pem.ts'
import { certificateId, nodeIdOf, parseCertificate } from '../protocols/crypto/certificate.ts'
import { EC_CURVES, parseEcPkcs8 } from '../protocols/crypto/ec-keys.ts'
import type { CertificateRequest } from '../protocols/crypto/issue.ts'
import {
  attachSignature,
  issueCertificate,
  parseRequest,
  requestBody,
  validityFrom,
  verifyRequest,
} from '../protocols/crypto/issue.ts'
import { nativeCrypto } from '../protocols/crypto/native.ts'
import type { NodeId } from '../protocols/ids.ts'
import type { HashName } from '../protocols/crypto/crypto.ts'

/** Curves CCF makes keys on; P-384 unless configured otherwise. */
export type IdentityCurve = 'P-256' | 'P-384'

/** PKCS#8 and SubjectPublicKeyInfo, both DER. */
export interface KeyPair {
  /** Secret. */
  readonly privateKeyPkcs8: Uint8Array
  readonly spki: Uint8Array
}

/** A key pair and a certificate for it. */
export interface Identity extends KeyPair {
  readonly certificatePem: string
  readonly certificateDer: Uint8Array
  /** Lower-case hex SHA-256: of the certificate for members and users, of the SPKI for nodes and services. */
  readonly id: string
}

export interface NodeKeys extends KeyPair {
  readonly nodeId: NodeId
}

/** What a certificate says, apart from the key. */
export interface CertificateOptions {
  /** Unix seconds: the beginning of the validity. */
  readonly nowSeconds: number
  /** Default 1, as CCF's initial certificates; the end is `nowSeconds` + days − 1 s. */
  readonly validityDays?: number
  /** RFC 4514 text, e.g. `CN=member0`. */
  readonly subject?: string
  /** CCF's form: `dNSName:…`, `iPAddress:…`. */
  readonly subjectAltNames?: readonly string[]
}

const generate = promisify(generateKeyPair)
const RSA_MODULUS_BITS = 2048

export const SERVICE_SUBJECT = 'CN=CCF Service'
export const NODE_SUBJECT = 'CN=CCF Node'

/** A fresh EC key pair, made off the main thread. */
export async function generateEcKeys(curve: IdentityCurve = 'P-384'): Promise<KeyPair> {
  const { privateKey, publicKey } = await generate('ec', { namedCurve: curve })
  return exported(
    privateKey.export({ format: 'der', type: 'pkcs8' }),
    publicKey.export({ format: 'der', type: 'spki' }),
  )
}

/** A fresh RSA-2048 key pair, made off the main thread: a node's or member's encryption key (CCF facts §6.2, §6.4). */
export async function generateEncryptionKeys(): Promise<KeyPair> {
  const { privateKey, publicKey } = await generate('rsa', { modulusLength: RSA_MODULUS_BITS })
  return exported(
    privateKey.export({ format: 'der', type: 'pkcs8' }),
    publicKey.export({ format: 'der', type: 'spki' }),
  )
}

const exported = (pkcs8: Buffer, spki: Buffer): KeyPair => ({
  privateKeyPkcs8: new Uint8Array(pkcs8),
  spki: new Uint8Array(spki),
})

/** PEM of a public key, the form CCF's tables and `/gov` endpoints use. */
export const publicKeyPem = (spki: Uint8Array): string => formatPem('PUBLIC KEY', spki)
/** PEM of a private key. Secret. */
export const privateKeyPem = (pkcs8: Uint8Array): string => formatPem('PRIVATE KEY', pkcs8)

const hashFor = (pkcs8: Uint8Array): HashName => EC_CURVES[parseEcPkcs8(pkcs8).curve].hash

/** A self-signed certificate for `keys`. Throws DecodeError when a name cannot be encoded. */
function selfSign(keys: KeyPair, isCa: boolean, subject: string, options: CertificateOptions): Uint8Array {
  const { nowSeconds, validityDays = 1, subjectAltNames } = options
  const fields = {
    subject,
    issuer: subject,
    spki: keys.spki,
    issuerSpki: keys.spki,
    ...validityFrom(nowSeconds, validityDays),
    isCa,
    ...(subjectAltNames && { subjectAltNames }),
    signatureHash: hashFor(keys.privateKeyPkcs8),
  }
  return issueCertificate(nativeCrypto, fields, keys.privateKeyPkcs8)
}

function identityOf(keys: KeyPair, certificateDer: Uint8Array, id: string): Identity {
  return { ...keys, certificateDer, certificatePem: formatPem('CERTIFICATE', certificateDer), id }
}

const spkiId = (spki: Uint8Array): string => toHex(nativeCrypto.sha256(spki))

/** A service identity: fresh key, self-signed CA certificate. Also used by governance to renew: pass the old `keys`. */
export async function createServiceIdentity(
  options: CertificateOptions & { readonly curve?: IdentityCurve; readonly keys?: KeyPair },
): Promise<Identity> {
  const keys = options.keys ?? (await generateEcKeys(options.curve))
  return identityOf(keys, selfSign(keys, true, options.subject ?? SERVICE_SUBJECT, options), spkiId(keys.spki))
}

/** A member's or user's identity: fresh key, self-signed certificate, not a CA. */
export async function createMemberIdentity(
  options: CertificateOptions & { readonly subject: string; readonly curve?: IdentityCurve; readonly keys?: KeyPair },
): Promise<Identity> {
  const keys = options.keys ?? (await generateEcKeys(options.curve))
  const certificate = selfSign(keys, false, options.subject, options)
  return identityOf(keys, certificate, certificateId(nativeCrypto, certificate))
}

/** Users are identified exactly as members are. */
export const createUserIdentity = createMemberIdentity

/** A node's key pair, fresh on every start (CCF facts §6.6). */
export async function createNodeKeys(curve: IdentityCurve = 'P-384'): Promise<NodeKeys> {
  const keys = await generateEcKeys(curve)
  return { ...keys, nodeId: nodeIdOf(nativeCrypto, keys.spki) }
}

/** A node's certificate from before the service endorses it. */
export function selfSignNode(keys: KeyPair, options: CertificateOptions): Identity {
  return identityOf(keys, selfSign(keys, false, options.subject ?? NODE_SUBJECT, options), spkiId(keys.spki))
}

/** A node's certificate request, PEM. */
export function createNodeRequest(
  keys: KeyPair,
  options: Pick<CertificateOptions, 'subject' | 'subjectAltNames'> = {},
): string {
  const { subject = NODE_SUBJECT, subjectAltNames = [] } = options
  const body = requestBody({ subject, spki: keys.spki, subjectAltNames })
  const hash = hashFor(keys.privateKeyPkcs8)
  const signature = nativeCrypto.signEcdsa(keys.privateKeyPkcs8, hash, body, 'der')
  return formatPem('CERTIFICATE REQUEST', attachSignature(body, hash, signature))
}

/**
 * The node certificate for a request, issued by the service: PEM; undefined when the request is not signed by its own key.
 * Subject and alternative names are the request's.
 * @throws DecodeError when the request is malformed.
 */
export function endorseNode(
  service: Identity,
  request: string | CertificateRequest,
  options: Pick<CertificateOptions, 'nowSeconds' | 'validityDays'>,
): string | undefined {
  const parsed = typeof request === 'string' ? parseRequest(request) : request
  if (!verifyRequest(nativeCrypto, parsed)) return undefined
  const fields = {
    subject: parsed.subjectDer,
    issuer: parseCertificate(service.certificateDer).subjectDer,
    spki: parsed.spki,
    issuerSpki: service.spki,
    ...validityFrom(options.nowSeconds, options.validityDays ?? 1),
    isCa: false,
    subjectAltNames: parsed.subjectAltNames,
    signatureHash: hashFor(service.privateKeyPkcs8),
  }
  return formatPem('CERTIFICATE', issueCertificate(nativeCrypto, fields, service.privateKeyPkcs8))
}

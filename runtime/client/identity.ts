// Who the client is, and whom it trusts: certificates and keys turned into what a session's handshake needs, checked before anything is sent.
// The rule to remember: the Noise key is drawn anew for each client; the identity's key signs it once and is not kept.
import { DecodeError } from '../../protocols/codec/bytes.ts'
import { parsePem } from '../../protocols/codec/pem.ts'
import { parseCertificate, type Certificate } from '../../protocols/crypto/certificate.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import {
  encodeIdentityPayload,
  identityHash,
  serviceIdentity,
  staticKeyStatement,
} from '../../protocols/session/identity-payload.ts'
import { noiseKeyPair, type NoiseKeyPair } from '../../protocols/session/noise.ts'
import { ConcordatError } from './errors.ts'
import { randomBytes } from './platform.ts'

export type ClientIdentity = {
  /** PEM of the user's or member's certificate. */
  readonly certificatePem: string
} & (
  | {
      /** PKCS#8 of its key, DER. Secret. */
      readonly privateKeyPkcs8: Uint8Array
    }
  | {
      /** PKCS#8 of its key, PEM (`BEGIN PRIVATE KEY`). Secret. */
      readonly privateKeyPem: string
    }
)

/** What every handshake of one client uses. */
export interface Credentials {
  readonly serviceCertificate: Certificate
  readonly staticKey: NoiseKeyPair
  readonly identityPayload: Uint8Array
}

const STATIC_KEY_BYTES = 32

/** Throws ConcordatError InvalidInput when a certificate cannot be read, or a private key is not the certificate's. */
export function makeCredentials(crypto: Crypto, trust: string, identity: ClientIdentity | undefined): Credentials {
  const serviceCertificate = readCertificate(trust, 'trust: the service certificate')
  const staticKey = noiseKeyPair(crypto, randomBytes(STATIC_KEY_BYTES))
  const proof = identity && proofOf(crypto, identity, serviceCertificate, staticKey)
  return { serviceCertificate, staticKey, identityPayload: encodeIdentityPayload({ role: 'client', proof }) }
}

function proofOf(crypto: Crypto, identity: ClientIdentity, service: Certificate, staticKey: NoiseKeyPair) {
  const certificate = readCertificate(identity.certificatePem, 'identity: the certificate')
  const key = crypto.importEcPublicKey(certificate.spki)
  if (key === undefined)
    throw new ConcordatError('InvalidInput', 'identity: the key of the certificate is not on a supported curve')
  const statement = staticKeyStatement('client', serviceIdentity(crypto, service), staticKey.publicKey)
  const hash = identityHash(key.curve)
  let signature: Uint8Array
  try {
    const pkcs8 =
      'privateKeyPem' in identity ? parsePem(identity.privateKeyPem, 'PRIVATE KEY') : identity.privateKeyPkcs8
    signature = crypto.signEcdsa(pkcs8, hash, statement, 'der')
  } catch (cause) {
    throw new ConcordatError('InvalidInput', 'identity: the private key cannot be read as PKCS#8', { cause })
  }
  if (!crypto.verifyEcdsa(key, hash, statement, signature, 'der')) {
    throw new ConcordatError('InvalidInput', 'identity: the private key does not belong to the certificate')
  }
  return { certificate: certificate.der, signature }
}

function readCertificate(pem: string, what: string): Certificate {
  try {
    return parseCertificate(pem)
  } catch (cause) {
    if (cause instanceof DecodeError)
      throw new ConcordatError('InvalidInput', `${what} cannot be read: ${cause.message}`, { cause })
    throw cause
  }
}

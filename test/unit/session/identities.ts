// The X.509 identities of test/golden/noise and the handshake payloads they would send.
import { readFileSync } from 'node:fs'
import { fromBase64 } from '../../../protocols/codec/bytes.ts'
import type { Certificate } from '../../../protocols/crypto/certificate.ts'
import { parseCertificate } from '../../../protocols/crypto/certificate.ts'
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
import type { SessionRole } from '../../../protocols/session/identity-payload.ts'
import {
  encodeIdentityPayload,
  identityHash,
  serviceIdentity,
  staticKeyStatement,
} from '../../../protocols/session/identity-payload.ts'

interface Identity {
  readonly certificate: string
  readonly pkcs8?: string
  readonly certificateId: string
  readonly spkiSha256: string
}

const file = new URL('../../golden/noise/identities.json', import.meta.url)
const identities = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, Identity>>

export function identity(name: string): Identity {
  const found = identities[name]
  if (found === undefined) throw new Error(`no identity ${name}`)
  return found
}

export const der = (name: string): Uint8Array => fromBase64(identity(name).certificate)
export const certificate = (name: string): Certificate => parseCertificate(der(name))

/** What `name` sends to prove that `staticKey` is its own; the options make it lie. */
export function payloadOf(
  crypto: Crypto,
  name: string,
  role: SessionRole,
  staticKey: Uint8Array,
  { signedRole = role, service = certificate('service'), signer = name } = {},
): Uint8Array {
  const statement = staticKeyStatement(signedRole, serviceIdentity(crypto, service), staticKey)
  const { curve } = crypto.importEcPublicKey(certificate(signer).spki)!
  const pkcs8 = fromBase64(identity(signer).pkcs8!)
  const signature = crypto.signEcdsa(pkcs8, identityHash(curve), statement, 'der')
  return encodeIdentityPayload({ role, proof: { certificate: der(name), signature } })
}

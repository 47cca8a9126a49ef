// Keys and certificates for session and channel tests, the same in every run.
import { channelBinding } from '../../../actors/channel/identity.ts'
import { utf8 } from '../../../protocols/codec/bytes.ts'
import { nodeIdOf, parseCertificate, type Certificate } from '../../../protocols/crypto/certificate.ts'
import type { Crypto, EcCurve } from '../../../protocols/crypto/crypto.ts'
import { issueCertificate } from '../../../protocols/crypto/issue.ts'
import { ecKeyPairFromSeed } from '../../../protocols/crypto/noble.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import {
  encodeIdentityPayload,
  identityHash,
  serviceIdentity,
  staticKeyStatement,
  type SessionRole,
} from '../../../protocols/session/identity-payload.ts'
import { noiseKeyPair, type NoiseKeyPair } from '../../../protocols/session/noise.ts'

export const crypto: Crypto = nativeCrypto
export const SERVICE = 'test'

export interface Identity {
  readonly pkcs8: Uint8Array
  readonly der: Uint8Array
  readonly certificate: Certificate
  readonly curve: EcCurve
  readonly staticKey: NoiseKeyPair
}

const NOT_BEFORE_SECONDS = Date.UTC(2020, 0, 1) / 1000
const NOT_AFTER_SECONDS = Date.UTC(2099, 0, 1) / 1000

/** An identity of its own key; self-signed, or issued by `issuer`. */
export function identity(
  name: string,
  options: { readonly issuer?: Identity; readonly isCa?: boolean; readonly curve?: EcCurve } = {},
): Identity {
  const curve = options.curve ?? 'P-384'
  const { pkcs8, spki } = ecKeyPairFromSeed(curve, utf8(`test key of ${name}`))
  const { issuer } = options
  const der = issueCertificate(
    crypto,
    {
      subject: `CN=${name}`,
      issuer: issuer?.certificate.subjectDer ?? `CN=${name}`,
      spki,
      issuerSpki: issuer?.certificate.spki ?? spki,
      notBeforeSeconds: NOT_BEFORE_SECONDS,
      notAfterSeconds: NOT_AFTER_SECONDS,
      isCa: options.isCa ?? false,
      signatureHash: identityHash(issuer?.curve ?? curve),
    },
    issuer?.pkcs8 ?? pkcs8,
  )
  const staticKey = noiseKeyPair(crypto, crypto.sha256(utf8(`test static key of ${name}`)))
  return { pkcs8, der, certificate: parseCertificate(der), curve, staticKey }
}

export const service = identity('CCF Service', { isCa: true })
export const otherService = identity('Other Service', { isCa: true })
export const node = identity('CCF Node', { issuer: service })
export const user = identity('user0')
export const nodeId: NodeId = nodeIdOf(crypto, node.certificate)

function payload(role: SessionRole, who: Identity, binding: Uint8Array): Uint8Array {
  const statement = staticKeyStatement(role, binding, who.staticKey.publicKey)
  const signature = crypto.signEcdsa(who.pkcs8, identityHash(who.curve), statement, 'der')
  return encodeIdentityPayload({ role, proof: { certificate: who.der, signature } })
}

/** Proves `who`'s static key to parties that trust `of`. */
export const sessionPayload = (role: SessionRole, who: Identity, of: Identity = service): Uint8Array =>
  payload(role, who, serviceIdentity(crypto, of.certificate))

export const channelPayload = (who: Identity): Uint8Array => payload('node', who, channelBinding(crypto, SERVICE))

export const toPem = (who: Identity): string => {
  const base64 = Buffer.from(who.der).toString('base64').replace(/.{64}/g, '$&\n').trimEnd()
  return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`
}

// The certificate by which a service endorses a node's key (CCF facts §6.6): its content, to be signed with the service's key by whoever holds it.
// The rule to remember: valid from now on; the service says for how long at most.
import type { Certificate } from '../crypto/certificate.ts'
import type { Crypto, EcCurve, HashName } from '../crypto/crypto.ts'
import { EC_CURVES } from '../crypto/ec-keys.ts'
import { certificateBody, validityFrom } from '../crypto/issue.ts'

/** CCF's default name (facts §17). */
export const NODE_SUBJECT = 'CN=CCF Node'

export interface Endorsement {
  /** SubjectPublicKeyInfo DER of the node's key. */
  readonly spki: Uint8Array
  readonly serviceCertificate: Pick<Certificate, 'subjectDer' | 'spki'>
  readonly serviceCurve: EcCurve
  /** Unix seconds. */
  readonly nowSeconds: number
  readonly validityDays: number
}

/** What the service's key signs (DER signature, `hash`); `attachSignature` makes the certificate of it. @throws DecodeError, RangeError */
export function nodeCertificateBody(
  crypto: Crypto,
  { spki, serviceCertificate, serviceCurve, nowSeconds, validityDays }: Endorsement,
): { readonly body: Uint8Array; readonly hash: HashName } {
  const { hash } = EC_CURVES[serviceCurve]
  const body = certificateBody(crypto, {
    subject: NODE_SUBJECT,
    issuer: serviceCertificate.subjectDer,
    spki,
    issuerSpki: serviceCertificate.spki,
    isCa: false,
    signatureHash: hash,
    ...validityFrom(nowSeconds, validityDays),
  })
  return { body, hash }
}

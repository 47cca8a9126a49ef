// Whether a signature transaction was signed by a node of the service (CCF facts §4.2). Not whether it signs the right tree.
// The rule to remember: a certificate counts only if its key is the node's id and the service issued it.
import { concat } from '../codec/bytes.ts'
import { nodeIdOf, tryParseCertificate, verifyIssuedBy, type Certificate } from '../crypto/certificate.ts'
import type { Crypto, EcPublicKey } from '../crypto/crypto.ts'
import type { RootPreimage } from '../merkle/tree.ts'
import type { SignatureContent } from './signature.ts'

/** The key of the node that signed, or what is wrong with its certificate. `services`: any of them may have issued it. */
export function signerKey(
  crypto: Crypto,
  content: SignatureContent,
  services: readonly Certificate[],
): EcPublicKey | string {
  const certificate = tryParseCertificate(content.nodeCertPem)
  const key = certificate && crypto.importEcPublicKey(certificate.spki)
  if (certificate === undefined || key === undefined || nodeIdOf(crypto, certificate.spki) !== content.nodeId) {
    return 'the certificate is not the signing node’s'
  }
  const isIssued = services.some((service) => verifyIssuedBy(crypto, certificate, service))
  return isIssued ? key : 'the signing node was not endorsed by the service'
}

/** True if `key` signed the root that has this preimage. */
export const isSignedRoot = (
  crypto: Crypto,
  key: EcPublicKey,
  { left, right }: RootPreimage,
  { signatureDer }: SignatureContent,
): boolean => crypto.verifyEcdsa(key, 'sha256', concat(left, right), signatureDer, 'der')

// Who is at the other end of a channel: the one node it was made for, known by the hash of its public key.
// Endorsement by the service is not asked for: nodes meet before there is a service certificate, and a pinned key says more.
// The rule to remember: the signature binds the Noise static key that this very handshake proved.
import { utf8 } from '../../protocols/codec/bytes.ts'
import { nodeIdOf, tryParseCertificate } from '../../protocols/crypto/certificate.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { NodeId } from '../../protocols/ids.ts'
import { decodeIdentityPayload, identityHash, staticKeyStatement } from '../../protocols/session/identity-payload.ts'

/** What channels of a service are bound to: 32 bytes, known before the service has a key. Sessions are bound to that key instead. */
export const channelBinding = (crypto: Crypto, service: string): Uint8Array =>
  crypto.sha256(utf8(`concordat-channels-of/1 ${service}`))

/** The bytes a node's identity key signs (DER, with `identityHash` of its curve) so that its channels' static key is believed. */
export const channelKeyStatement = (crypto: Crypto, service: string, staticPublicKey: Uint8Array): Uint8Array =>
  staticKeyStatement('node', channelBinding(crypto, service), staticPublicKey)

/** True if `payload` proves that `remoteStatic` belongs to `peer`. Total: any bytes may be given. */
export function provesPeer(
  crypto: Crypto,
  options: {
    readonly payload: Uint8Array
    readonly remoteStatic: Uint8Array
    readonly binding: Uint8Array
    readonly peer: NodeId
  },
): boolean {
  const { proof, role } = decodeIdentityPayload(options.payload) ?? {}
  const certificate = proof && tryParseCertificate(proof.certificate)
  const key = certificate && crypto.importEcPublicKey(certificate.spki)
  if (proof === undefined || key === undefined || certificate === undefined || role !== 'node') return false
  if (nodeIdOf(crypto, certificate) !== options.peer) return false
  const statement = staticKeyStatement('node', options.binding, options.remoteStatic)
  return crypto.verifyEcdsa(key, identityHash(key.curve), statement, proof.signature, 'der')
}

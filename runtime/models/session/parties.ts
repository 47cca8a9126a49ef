// Who talks in the session's model: one node of a service and one client, with fixed keys, and a cryptography that notes every seal.
// The rule to remember: everything here is the same in every run; what differs between runs is only the order of events.
import type { SessionConfig } from '../../../actors/session/state.ts'
import { toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { parsePem } from '../../../protocols/codec/pem.ts'
import { parseCertificate } from '../../../protocols/crypto/certificate.ts'
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
import { sessionPrologue } from '../../../protocols/session/hello.ts'
import {
  encodeIdentityPayload,
  identityHash,
  serviceIdentity,
  staticKeyStatement,
} from '../../../protocols/session/identity-payload.ts'
import { noiseKeyPair } from '../../../protocols/session/noise.ts'
import { fastCrypto } from '../service/crypto.ts'
import { CURVE, identitiesOf } from '../service/identities.ts'

let noted: string[] = []

/** What the model's parties use. It computes what `fastCrypto` does; a step that seals is told by `sealsOf`. */
export const crypto: Crypto = {
  ...fastCrypto,
  aesGcmSeal(key, iv, aad, plaintext) {
    noted.push(toHex(fastCrypto.sha256(key, iv).subarray(0, 6)))
    return fastCrypto.aesGcmSeal(key, iv, aad, plaintext)
  },
}

/** Does `take`. @returns a digest of key and nonce for each seal meanwhile */
export function sealsOf(take: () => void): readonly string[] {
  noted = []
  take()
  return noted
}

const SERVICE = 'model'
const identities = identitiesOf(crypto, 1, [])
const [node] = identities.setup.nodes
export const serviceCertificate = parseCertificate(parsePem(identities.setup.serviceCertificatePem, 'CERTIFICATE'))
const binding = serviceIdentity(crypto, serviceCertificate)
export const prologue = sessionPrologue(SERVICE, binding)

const secret = (name: string): Uint8Array => fastCrypto.sha256(utf8(name))
const nodeStatic = noiseKeyPair(crypto, secret('static key of the node'))
export const clientStatic = noiseKeyPair(crypto, secret('static key of the client'))
export const NODE_EPHEMERAL = secret('ephemeral key of the node')
export const CLIENT_EPHEMERAL = secret('ephemeral key of the client')

const nodeProof = encodeIdentityPayload({
  role: 'node',
  proof: {
    certificate: parsePem(node!.certificatePem, 'CERTIFICATE'),
    signature: crypto.signEcdsa(
      identities.nodeKeys[0]!.pkcs8,
      identityHash(CURVE),
      staticKeyStatement('node', binding, nodeStatic.publicKey),
      'der',
    ),
  },
})

export const ANONYMOUS = encodeIdentityPayload({ role: 'client', proof: undefined })
/** Somebody else's proof: the node's own, sent back. */
export const NOT_ITS_OWN = nodeProof

export const SESSION_ID = 's1'
export const SESSION = `session/${SESSION_ID}`
export const REPLY_SUBJECT = '_INBOX.client'
export const IDLE_MS = 60_000

export const configOf = (hello: Pick<SessionConfig, 'clientNoise' | 'replySubject'>): SessionConfig => ({
  crypto,
  service: SERVICE,
  serviceCertificate,
  nodeId: node!.nodeId,
  sessionId: SESSION_ID,
  staticKey: nodeStatic,
  identityPayload: nodeProof,
  primaryHint: node!.nodeId,
  handshakeTimeoutMs: 5000,
  idleTimeoutMs: IDLE_MS,
  ...hello,
})

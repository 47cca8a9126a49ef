// Goal: the identities runtime/identity.ts makes are CCF's: right curve, subject, authority, validity, id; and other tools
// (OpenSSL, @peculiar/x509) accept what it issues.
import 'reflect-metadata'
import {
  constants,
  createPrivateKey,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
  X509Certificate,
} from 'node:crypto'
import { Pkcs10CertificateRequest } from '@peculiar/x509'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import {
  certificateId,
  nodeIdOf,
  parseCertificate,
  parseEcCertificate,
  verifyIssuedBy,
} from '../../../protocols/crypto/certificate.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import {
  createMemberIdentity,
  createNodeKeys,
  createNodeRequest,
  createServiceIdentity,
  createUserIdentity,
  endorseNode,
  generateEncryptionKeys,
  privateKeyPem,
  publicKeyPem,
  selfSignNode,
} from '../../../runtime/identity.ts'
import type { Identity } from '../../../runtime/identity.ts'

const nowSeconds = 1_750_000_000

/** The private key belongs to the certificate, and the PEM to the DER. */
function expectConsistent(identity: Identity): void {
  const { publicKey } = parseEcCertificate(nativeCrypto, identity.certificatePem)
  const signature = nativeCrypto.signEcdsa(identity.privateKeyPkcs8, 'sha256', utf8('m'), 'der')
  expect(nativeCrypto.verifyEcdsa(publicKey, 'sha256', utf8('m'), signature, 'der')).toBe(true)
  expect(toHex(publicKey.spki)).toBe(toHex(identity.spki))
  expect(toHex(parseCertificate(identity.certificatePem).der)).toBe(toHex(identity.certificateDer))
  expect(
    new X509Certificate(identity.certificatePem).checkPrivateKey(
      createPrivateKey(privateKeyPem(identity.privateKeyPkcs8)),
    ),
  ).toBe(true)
}

describe('identities', () => {
  it('service: P-384 CA for one day', async () => {
    const service = await createServiceIdentity({ nowSeconds })
    expectConsistent(service)
    const certificate = parseEcCertificate(nativeCrypto, service.certificatePem)
    expect(certificate).toMatchObject({
      subject: 'CN=CCF Service',
      issuer: 'CN=CCF Service',
      isCa: true,
      signatureHash: 'sha384',
    })
    expect(certificate.publicKey.curve).toBe('P-384')
    expect([certificate.notBeforeSeconds, certificate.notAfterSeconds]).toEqual([nowSeconds, nowSeconds + 86_399])
    expect(verifyIssuedBy(nativeCrypto, certificate, certificate)).toBe(true)
    expect(service.id).toBe(nodeIdOf(nativeCrypto, service.spki))
    const renewed = await createServiceIdentity({ nowSeconds: nowSeconds + 1000, validityDays: 365, keys: service })
    expect([renewed.id, toHex(renewed.spki)]).toEqual([service.id, toHex(service.spki)])
    expect(parseCertificate(renewed.certificatePem).notAfterSeconds).toBe(nowSeconds + 1000 + 365 * 86_400 - 1)
  })

  it('members and users: self-signed, id is the hash of the certificate, either curve', async () => {
    for (const [create, curve, hash] of [
      [createMemberIdentity, 'P-384', 'sha384'],
      [createUserIdentity, 'P-256', 'sha256'],
    ] as const) {
      const identity = await create({ nowSeconds, subject: 'CN=member0', curve, validityDays: 30 })
      expectConsistent(identity)
      expect(parseCertificate(identity.certificatePem)).toMatchObject({
        subject: 'CN=member0',
        isCa: false,
        signatureHash: hash,
      })
      expect(identity.id).toBe(certificateId(nativeCrypto, identity.certificateDer))
      expect(identity.id).toBe(
        new X509Certificate(identity.certificatePem).fingerprint256.replaceAll(':', '').toLowerCase(),
      )
    }
  })

  it('nodes: self-signed first, then endorsed by the service for their request', async () => {
    const [service, keys] = await Promise.all([createServiceIdentity({ nowSeconds }), createNodeKeys()])
    const subjectAltNames = ['dNSName:node0.example', 'iPAddress:127.0.0.1']
    const alone = selfSignNode(keys, { nowSeconds, subjectAltNames })
    expectConsistent(alone)
    expect(alone.id).toBe(keys.nodeId)
    const request = createNodeRequest(keys, { subjectAltNames })
    const foreign = new Pkcs10CertificateRequest(request)
    expect([foreign.subject, await foreign.verify()]).toEqual(['CN=CCF Node', true])
    const pem = endorseNode(service, request, { nowSeconds, validityDays: 2 })!
    const endorsed = parseCertificate(pem)
    expect(endorsed).toMatchObject({ subject: 'CN=CCF Node', issuer: 'CN=CCF Service', isCa: false, subjectAltNames })
    expect(nodeIdOf(nativeCrypto, endorsed)).toBe(keys.nodeId)
    expect(verifyIssuedBy(nativeCrypto, endorsed, parseCertificate(service.certificatePem))).toBe(true)
    expect(new X509Certificate(pem).verify(createPublicKey(publicKeyPem(service.spki)))).toBe(true)
    const other = await createServiceIdentity({ nowSeconds })
    expect(verifyIssuedBy(nativeCrypto, endorsed, parseCertificate(other.certificatePem))).toBe(false)
  })

  it('a request by a key its sender does not hold is not endorsed', async () => {
    const [service, mine, yours] = await Promise.all([
      createServiceIdentity({ nowSeconds }),
      createNodeKeys('P-256'),
      createNodeKeys('P-256'),
    ])
    const request = createNodeRequest({ privateKeyPkcs8: mine.privateKeyPkcs8, spki: yours.spki })
    expect(endorseNode(service, request, { nowSeconds })).toBeUndefined()
    expect(endorseNode(service, createNodeRequest(mine), { nowSeconds })).toContain('BEGIN CERTIFICATE')
  })

  it('encryption keys: RSA-2048 that does OAEP with SHA-256', async () => {
    const keys = await generateEncryptionKeys()
    const publicKey = createPublicKey(publicKeyPem(keys.spki))
    expect(publicKey.asymmetricKeyDetails).toMatchObject({ modulusLength: 2048 })
    const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
    const sealed = publicEncrypt({ key: publicKey, ...oaep }, utf8('secret'))
    const opened = privateDecrypt({ key: createPrivateKey(privateKeyPem(keys.privateKeyPkcs8)), ...oaep }, sealed)
    expect(opened.toString()).toBe('secret')
  })
})

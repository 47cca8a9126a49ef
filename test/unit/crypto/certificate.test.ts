// Goal: certificates of CCF's own services and of ours are read as OpenSSL reads them; issuing and chain rules hold; whatever
// else is fed to the parsers ends in DecodeError.
import { createPublicKey, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecodeError, EMPTY, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import {
  der,
  derBits,
  derOctets,
  derOid,
  derSequence,
  derTrue,
  derUnsigned,
  TAG,
} from '../../../protocols/codec/der.ts'
import { formatPem } from '../../../protocols/codec/pem.ts'
import type { Certificate } from '../../../protocols/crypto/certificate.ts'
import {
  certificateId,
  isValidAt,
  nodeIdOf,
  parseCertificate,
  parseEcCertificate,
  tryParseCertificate,
  verifyIssuedBy,
  verifySignedBy,
} from '../../../protocols/crypto/certificate.ts'
import type { CertificateFields } from '../../../protocols/crypto/issue.ts'
import {
  attachSignature,
  issueCertificate,
  parseRequest,
  requestBody,
  validityFrom,
  verifyRequest,
} from '../../../protocols/crypto/issue.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { ecKeyPairFromSeed, nobleCrypto } from '../../../protocols/crypto/noble.ts'
import { encodeName } from '../../../protocols/crypto/x509-name.ts'
import { encodeTime } from '../../../protocols/crypto/x509-time.ts'
import { golden, IMPLEMENTATIONS } from './vectors.ts'

const NOW = Date.parse('2025-06-01T12:00:00Z') / 1000
const keys = { service: ecKeyPairFromSeed('P-384', utf8('service')), node: ecKeyPairFromSeed('P-256', utf8('node')) }

type Changes = Partial<CertificateFields>
function service(changes: Changes = {}): Certificate {
  const { pkcs8, spki } = keys.service
  const subject = changes.subject ?? 'CN=CCF Service'
  const fields = {
    subject,
    issuer: subject,
    spki,
    issuerSpki: spki,
    ...validityFrom(NOW, 1),
    isCa: true,
    signatureHash: 'sha384' as const,
  }
  return parseCertificate(issueCertificate(nativeCrypto, { ...fields, ...changes }, pkcs8))
}
function node(changes: Changes = {}): Certificate {
  const [spki, issuerSpki] = [keys.node.spki, keys.service.spki]
  const names = { subject: 'CN=CCF Node', issuer: 'CN=CCF Service' }
  const fields = { ...names, spki, issuerSpki, ...validityFrom(NOW, 1), isCa: false, signatureHash: 'sha384' as const }
  return parseCertificate(issueCertificate(nativeCrypto, { ...fields, ...changes }, keys.service.pkcs8))
}

/** What OpenSSL says of the same certificate. */
function opensslView(certificate: Certificate) {
  const x509 = new X509Certificate(certificate.der)
  return {
    serial: x509.serialNumber.toLowerCase(),
    isCa: x509.ca,
    notBeforeSeconds: Date.parse(x509.validFrom) / 1000,
    notAfterSeconds: Date.parse(x509.validTo) / 1000,
    spki: toHex(x509.publicKey.export({ format: 'der', type: 'spki' })),
    subject: x509.subject.split('\n').reverse().join(','),
    issuer: x509.issuer.split('\n').reverse().join(','),
    id: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
  }
}
function ourView(certificate: Certificate) {
  const { serial, isCa, notBeforeSeconds, notAfterSeconds, subject, issuer } = certificate
  const id = certificateId(nativeCrypto, certificate)
  return { serial, isCa, notBeforeSeconds, notAfterSeconds, spki: toHex(certificate.spki), subject, issuer, id }
}

describe.each(IMPLEMENTATIONS)('CCF’s service certificates, $name', (crypto) => {
  it.each([
    [
      'acme_containing_service',
      'CN=CCF Test Service',
      '3c9d882422926a2686fe1673b08972ec',
      '2025-10-28T16:40:41Z',
      false,
    ],
    ['expired_service', 'CN=CCF Network', '94b7ece32eafef835ffbc4cc640d6f30', '2025-01-06T15:01:53Z', true],
  ])('%s', (name, subject, serial, notBefore, expired) => {
    const certificate = parseCertificate(golden(`${name}.pem`))
    const from = Date.parse(notBefore) / 1000
    expect(certificate).toMatchObject({
      subject,
      issuer: subject,
      serial,
      isCa: true,
      pathLength: 1,
      signatureHash: 'sha384',
    })
    expect([certificate.notBeforeSeconds, certificate.notAfterSeconds]).toEqual([from, from + 86_400 - 1])
    expect(ourView(certificate)).toEqual(opensslView(certificate))
    expect(verifyIssuedBy(crypto, certificate, certificate)).toBe(true)
    expect(isValidAt(certificate, NOW)).toBe(false)
    expect(certificate.notAfterSeconds < NOW).toBe(expired)
    expect(parseEcCertificate(crypto, golden(`${name}.pem`)).publicKey.curve).toBe('P-384')
    const [id, spkiId] = [certificateId(crypto, certificate), nodeIdOf(crypto, certificate)]
    expect([certificateId(crypto, certificate.der), nodeIdOf(crypto, certificate.spki)]).toEqual([id, spkiId])
    expect(formatPem('CERTIFICATE', certificate.der)).toBe(golden(`${name}.pem`))
  })
})

describe('certificates we issue', () => {
  it('OpenSSL reads them as we do and accepts their signatures', () => {
    for (const certificate of [service(), node(), node({ subject: 'CN=a,O=Ex\\, Inc.,C=GB' })]) {
      const view = ourView(certificate)
      expect({ ...view, subject: view.subject.replace('\\,', ',') }).toEqual({
        ...opensslView(certificate),
        subject: opensslView(certificate).subject.replace('\\,', ','),
      })
      const x509 = new X509Certificate(certificate.der)
      const issuer = new X509Certificate(service().der)
      expect(x509.verify(createPublicKey({ key: Buffer.from(keys.service.spki), format: 'der', type: 'spki' }))).toBe(
        true,
      )
      expect(x509.checkIssued(issuer)).toBe(true)
    }
  })

  it('carry alternative names, CCF’s CA form and a validity that ends one second early', () => {
    const subjectAltNames = ['dNSName:node0.example', 'iPAddress:127.0.0.1', 'iPAddress:2001:db8::1']
    const certificate = node({ subjectAltNames })
    expect(certificate.subjectAltNames).toEqual([
      'dNSName:node0.example',
      'iPAddress:127.0.0.1',
      'iPAddress:2001:db8:0:0:0:0:0:1',
    ])
    expect(new X509Certificate(certificate.der).subjectAltName).toBe(
      'DNS:node0.example, IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1',
    )
    expect(service()).toMatchObject({
      isCa: true,
      pathLength: 1,
      maySignCertificates: true,
      hasUnknownCriticalExtension: false,
    })
    expect(certificate.notAfterSeconds - certificate.notBeforeSeconds).toBe(86_399)
    const times = [NOW - 1, NOW, NOW + 86_399, NOW + 86_400]
    expect(times.map((time) => isValidAt(certificate, time))).toEqual([false, true, true, false])
    expect(() => validityFrom(NOW, 0)).toThrow(RangeError)
    expect(() => validityFrom(NOW, 1.5)).toThrow(RangeError)
  })

  it('are the same bytes with the same key and noble, and have another serial when anything differs', () => {
    const { pkcs8, spki } = keys.node
    const fields = {
      subject: 'CN=x',
      issuer: 'CN=x',
      spki,
      issuerSpki: spki,
      ...validityFrom(NOW, 1),
      isCa: false,
      signatureHash: 'sha256' as const,
    }
    const issue = (changes: Changes): Uint8Array => issueCertificate(nobleCrypto, { ...fields, ...changes }, pkcs8)
    expect(toHex(issue({}))).toBe(toHex(issue({})))
    const serials = [{}, { subject: 'CN=y' }, { isCa: true }, validityFrom(NOW + 1, 1)].map(
      (c) => parseCertificate(issue(c)).serial,
    )
    expect(new Set(serials).size).toBe(4)
  })
})

describe('verifyIssuedBy', () => {
  it('follows name, authority and signature', () => {
    const ca = service()
    const cases: ReadonlyArray<readonly [string, boolean, Certificate, Certificate]> = [
      ['a node by its service', true, node(), ca],
      ['a service by itself', true, ca, ca],
      ['another name of the issuer', false, node({ issuer: 'CN=Other' }), ca],
      ['an issuer that is no CA', false, node(), service({ isCa: false })],
      ['a node by itself', false, node(), node()],
      ['a service by a node', false, ca, node()],
      ['the right name, another key', false, node(), service({ spki: keys.node.spki })],
      ['a self-signed node', true, selfSignedNode(), selfSignedNode()],
      ['a self-signed node as issuer', false, node({ issuer: 'CN=CCF Node' }), selfSignedNode()],
    ]
    for (const [name, expected, certificate, issuer] of cases) {
      expect(
        IMPLEMENTATIONS.map((crypto) => verifyIssuedBy(crypto, certificate, issuer)),
        name,
      ).toEqual([expected, expected])
    }
    const key = nativeCrypto.importEcPublicKey(keys.service.spki)!
    expect(verifySignedBy(nativeCrypto, node({ issuer: 'CN=Other' }), key)).toBe(true)
  })

  function selfSignedNode(): Certificate {
    const { pkcs8, spki } = keys.node
    const names = { subject: 'CN=CCF Node', issuer: 'CN=CCF Node' }
    const fields = {
      ...names,
      spki,
      issuerSpki: spki,
      ...validityFrom(NOW, 1),
      isCa: false,
      signatureHash: 'sha256' as const,
    }
    return parseCertificate(issueCertificate(nobleCrypto, fields, pkcs8))
  }

  it('follows path length, key usage and unknown critical extensions', () => {
    const basic = (content: Uint8Array): Uint8Array => extension('2.5.29.19', content, true)
    const ca = derSequence(derTrue())
    const usage = (bits: number): Uint8Array => extension('2.5.29.15', der(TAG.bitString, Uint8Array.of(0, bits)), true)
    const issuers = {
      any: handMade([basic(ca)]),
      noPath: handMade([basic(derSequence(derTrue(), derUnsigned(Uint8Array.of(0))))]),
      noSigning: handMade([basic(ca), usage(0x80)]),
      signing: handMade([basic(ca), usage(0x04)]),
      unknown: handMade([basic(ca), extension('1.2.3.4', EMPTY, true)]),
      harmless: handMade([basic(ca), extension('1.2.3.4', EMPTY, false)]),
      none: handMade([]),
    }
    const accepted = (certificate: Certificate) =>
      Object.entries(issuers).flatMap(([name, issuer]) =>
        verifyIssuedBy(nativeCrypto, certificate, issuer) ? [name] : [],
      )
    expect(accepted(node())).toEqual(['any', 'noPath', 'signing', 'harmless'])
    expect(accepted(node({ isCa: true }))).toEqual(['any', 'signing', 'harmless'])
    expect(accepted(issuers.unknown)).toEqual([])
    expect(issuers.unknown.hasUnknownCriticalExtension).toBe(true)
  })
})

function extension(oid: string, value: Uint8Array, critical: boolean): Uint8Array {
  return critical ? derSequence(derOid(oid), derTrue(), derOctets(value)) : derSequence(derOid(oid), derOctets(value))
}

/** A certificate of the service's key with these extensions, or with no version 3 fields at all. */
function handMade(
  extensions: readonly Uint8Array[],
  algorithm = '1.2.840.10045.4.3.3',
  outer = algorithm,
): Certificate {
  const name = encodeName('CN=CCF Service')
  const version = der(0xa0, derUnsigned(Uint8Array.of(2)))
  const validity = derSequence(encodeTime(NOW), encodeTime(NOW + 1))
  const fields = [
    derUnsigned(Uint8Array.of(7)),
    derSequence(derOid(algorithm)),
    name,
    validity,
    name,
    keys.service.spki,
  ]
  const tbs =
    extensions.length === 0
      ? derSequence(...fields)
      : derSequence(version, ...fields, der(0xa3, derSequence(...extensions)))
  const signature = nativeCrypto.signEcdsa(keys.service.pkcs8, 'sha384', tbs, 'der')
  return parseCertificate(derSequence(tbs, derSequence(derOid(outer)), derBits(signature)))
}

describe('parsing', () => {
  it('keeps certificates of other algorithms readable, but verifies nothing with them', () => {
    const strange = handMade([], '1.2.840.113549.1.1.11')
    expect(strange.signatureHash).toBeUndefined()
    expect(verifyIssuedBy(nativeCrypto, strange, strange)).toBe(false)
    expect(() => handMade([], '1.2.840.10045.4.3.3', '1.2.840.10045.4.3.2')).toThrow(DecodeError)
  })

  it('refuses repeated extensions and sizes beyond the bounds', () => {
    const one = extension('1.2.3', EMPTY, false)
    expect(() => handMade([one, one])).toThrow(DecodeError)
    expect(() => handMade([extension('1.2.3', new Uint8Array(33_000), false)])).toThrow(DecodeError)
    const many = Array.from({ length: 33 }, (_, i) => extension(`1.2.${i}`, EMPTY, false))
    expect(() => handMade(many)).toThrow(DecodeError)
    expect(handMade(many.slice(1)).isCa).toBe(false)
  })

  it('any damage: DecodeError or a certificate whose signature no longer holds', () => {
    const originals = [
      service().der,
      node({ subjectAltNames: ['dNSName:x', 'iPAddress:1.2.3.4'] }).der,
      parseCertificate(golden('expired_service.pem')).der,
    ]
    const damage = fc.tuple(
      fc.constantFrom(...originals),
      fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(3),
    )
    const issuer = service()
    let parsed = 0
    const property = fc.property(damage, ([original, edits, cut]) => {
      const bytes = original.slice(0, cut === 0 ? edits[0]![0] % original.length : original.length)
      for (const [at, value] of edits) if (bytes.length > 0) bytes[at % bytes.length] = value
      const certificate = tryParseCertificate(bytes)
      if (certificate === undefined || toHex(bytes) === toHex(original)) return
      parsed++
      expect(verifyIssuedBy(nativeCrypto, certificate, issuer)).toBe(false)
    })
    fc.assert(property, { seed: 1, numRuns: 3000 })
    expect(parsed).toBeGreaterThan(300)
  })

  it('any bytes and any text: only DecodeError', () => {
    const bytes = fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
      expect(() => parseCertificate(body)).toThrow(DecodeError)
      expect(() => parseRequest(derSequence(body))).toThrow(DecodeError)
      expect(tryParseCertificate(der(TAG.sequence, body, body))).toBeUndefined()
    })
    fc.assert(bytes, { seed: 2, numRuns: 500 })
    const text = fc.property(fc.string({ maxLength: 200 }), (content) => {
      expect(() => parseCertificate(content)).toThrow(DecodeError)
    })
    fc.assert(text, { seed: 3, numRuns: 300 })
    expect(() => parseEcCertificate(nativeCrypto, formatPem('PUBLIC KEY', keys.node.spki))).toThrow(DecodeError)
  })

  it('keeps no reference to the bytes it was given', () => {
    const input = node().der.slice()
    const certificate = parseCertificate(input)
    const before = ourView(certificate)
    input.fill(0)
    expect(ourView(certificate)).toEqual(before)
  })
})

describe('certificate requests', () => {
  const body = (changes: Changes = {}): Uint8Array =>
    requestBody({ subject: 'CN=CCF Node', spki: keys.node.spki, ...changes })
  const signed = (b: Uint8Array): Uint8Array =>
    attachSignature(b, 'sha256', nobleCrypto.signEcdsa(keys.node.pkcs8, 'sha256', b, 'der'))

  it.each(IMPLEMENTATIONS)('$name: round trip, with and without alternative names; only the key’s holder', (crypto) => {
    for (const subjectAltNames of [[], ['dNSName:a.example', 'iPAddress:10.0.0.1']]) {
      const request = parseRequest(formatPem('CERTIFICATE REQUEST', signed(body({ subjectAltNames }))))
      expect(request).toMatchObject({ subject: 'CN=CCF Node', subjectAltNames, signatureHash: 'sha256' })
      expect(toHex(request.spki)).toBe(toHex(keys.node.spki))
      expect(verifyRequest(crypto, request)).toBe(true)
    }
    const stolen = parseRequest(signed(body({ spki: keys.service.spki })))
    expect(verifyRequest(crypto, stolen)).toBe(false)
  })

  it('any damage: DecodeError or a signature that no longer holds', () => {
    const original = signed(body({ subjectAltNames: ['dNSName:a.example'] }))
    const property = fc.property(fc.nat(original.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bytes = original.slice()
      bytes[at]! ^= change
      let holds = false
      try {
        holds = verifyRequest(nativeCrypto, parseRequest(bytes))
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
      }
      expect(holds).toBe(false)
    })
    fc.assert(property, { seed: 1, numRuns: 800 })
  })
})

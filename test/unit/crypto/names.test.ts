// Goal: X.509 names, alternative names and times are read and written as RFC 5280 says, total on malformed input.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, DecodeError, EMPTY, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { der, derOid, DerReader, derSequence, TAG } from '../../../protocols/codec/der.ts'
import type { EcCurve } from '../../../protocols/crypto/crypto.ts'
import { EC_CURVES } from '../../../protocols/crypto/ec-keys.ts'
import { certificateBody, validityFrom } from '../../../protocols/crypto/issue.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { ecKeyPairFromSeed } from '../../../protocols/crypto/noble.ts'
import { encodeAltNames, encodeName, readAltNames, readName } from '../../../protocols/crypto/x509-name.ts'
import { encodeTime, readTime } from '../../../protocols/crypto/x509-time.ts'

const NOW = Date.parse('2025-06-01T12:00:00Z') / 1000

describe('names and times', () => {
  it('names read back, whatever they contain', () => {
    const part = fc.tuple(
      fc.constantFrom('CN', 'O', 'OU', 'L', 'ST', 'UID'),
      fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }),
    )
    const escaped = (value: string): string => value.replace(/[\\"+,;<>]/g, '\\$&').replace(/^[ #]/, '\\$&')
    const property = fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
      const text = parts.map(([name, value]) => `${name}=${escaped(value)}`).join(',')
      const encoded = encodeName(text)
      const read = readName(new DerReader(encoded))
      expect(toHex(read.der)).toBe(toHex(encoded))
      expect(toHex(encodeName(read.text))).toBe(toHex(encoded))
    })
    fc.assert(property, { seed: 1, numRuns: 300 })
    for (const bad of [
      'CN',
      'CN=',
      '=x',
      'XX=y',
      'CN=a,',
      ',CN=a',
      'CN=a,,O=b',
      'CN=#05',
      'CN=a+O=b',
      'C=ü',
      'CN=a\\',
      'CN=\\x',
      'CN=a\\\\+b',
      'CN=\\8g',
      Array(33).fill('CN=a').join(','),
    ]) {
      expect(() => encodeName(bad), bad).toThrow(DecodeError)
    }
  })

  it('names of other tools: several attributes in a part, unknown types, other strings', () => {
    const attribute = (oid: string, tag: number, value: string): Uint8Array =>
      derSequence(derOid(oid), der(tag, utf8(value)))
    const name = derSequence(
      der(TAG.set, attribute('2.5.4.6', TAG.printableString, 'GB')),
      der(TAG.set, attribute('2.5.4.10', TAG.teletexString, 'a,b'), attribute('2.5.4.99', TAG.ia5String, 'x')),
      der(TAG.set, attribute('2.5.4.3', TAG.bmpString, 'ab')),
    )
    expect(readName(new DerReader(name)).text).toBe('CN=#1e026162,O=a\\,b+2.5.4.99=x,C=GB')
    expect(readName(new DerReader(derSequence())).text).toBe('')
    const long = derSequence(...Array<Uint8Array>(33).fill(der(TAG.set, attribute('2.5.4.3', TAG.utf8String, 'x'))))
    expect(() => readName(new DerReader(long))).toThrow(DecodeError)
    expect(() => readName(new DerReader(derSequence(der(TAG.set))))).toThrow(DecodeError)
  })

  it('alternative names read back; malformed ones are refused', () => {
    const read = (names: readonly string[]): string[] => readAltNames(new DerReader(encodeAltNames(names)))
    expect(read(['iPAddress:::1', 'iPAddress:fe80::a:b', 'iPAddress:1:2:3:4:5:6:7:8'])).toEqual([
      'iPAddress:0:0:0:0:0:0:0:1',
      'iPAddress:fe80:0:0:0:0:0:a:b',
      'iPAddress:1:2:3:4:5:6:7:8',
    ])
    for (const bad of [
      'x',
      'dNSName:',
      'dNSName:a b',
      'iPAddress:1.2.3',
      'iPAddress:1.2.3.256',
      'iPAddress:1::2::3',
      'iPAddress:12345::',
      'iPAddress:1:2',
      'iPAddress:1:2:3:4:5:6:7:8:9',
      'iPAddress:',
      'iPAddress::',
    ]) {
      expect(() => encodeAltNames([bad]), bad).toThrow(DecodeError)
    }
  })

  it('times are Date’s, in the form RFC 5280 asks for', () => {
    const max = Date.UTC(9999, 11, 31, 23, 59, 59) / 1000
    const property = fc.property(fc.integer({ min: Date.UTC(1950, 0, 1) / 1000, max }), (seconds) => {
      const encoded = encodeTime(seconds)
      const digits = new Date(seconds * 1000).toISOString().replace(/[-:T]|\.000/g, '')
      const expected = seconds < Date.UTC(2050, 0, 1) / 1000 ? digits.slice(2) : digits
      expect(new TextDecoder().decode(encoded.subarray(2))).toBe(expected)
      expect(readTime(new DerReader(encoded))).toBe(seconds)
    })
    fc.assert(property, {
      seed: 1,
      numRuns: 1000,
      examples: [[0], [-1], [951782400], [2524607999], [2524608000], [max], [4107542400]],
    })
    for (const bad of [
      '250230120000Z',
      '251301120000Z',
      '250001120000Z',
      '250100120000Z',
      '250101240000Z',
      '250101126000Z',
      '2501011200Z',
      '250101120000+',
      '25010112000 Z',
      '250101120060Z',
    ]) {
      expect(() => readTime(new DerReader(der(TAG.utcTime, utf8(bad)))), bad).toThrow(DecodeError)
    }
    expect(() => readTime(new DerReader(der(TAG.generalizedTime, utf8('250101120000Z'))))).toThrow(DecodeError)
    expect(() => encodeTime(max + 1)).toThrow(RangeError)
    expect(() => encodeTime(1.5)).toThrow(RangeError)
  })
})

it('a PKCS#8 key we encode is the one OpenSSL uses', () => {
  for (const curve of ['P-256', 'P-384', 'P-521'] as const satisfies readonly EcCurve[]) {
    const { pkcs8, spki } = ecKeyPairFromSeed(curve, utf8('seed'))
    const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
    expect(toHex(createPublicKey(key).export({ format: 'der', type: 'spki' }))).toBe(toHex(spki))
    const { hash } = EC_CURVES[curve]
    const signature = sign(hash, utf8('m'), key)
    expect(nativeCrypto.verifyEcdsa(nativeCrypto.importEcPublicKey(spki)!, hash, utf8('m'), signature, 'der')).toBe(
      true,
    )
    expect(concat(key.export({ format: 'der', type: 'pkcs8' }))).toEqual(pkcs8)
  }
  expect(() =>
    certificateBody(nativeCrypto, {
      subject: 'CN=x',
      issuer: 'CN=x',
      spki: EMPTY,
      issuerSpki: EMPTY,
      ...validityFrom(NOW, 1),
      isCa: false,
      signatureHash: 'sha256',
    }),
  ).toThrow(DecodeError)
})

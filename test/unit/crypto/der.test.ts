// Goal: the DER reader accepts the one canonical encoding and nothing else, and never throws anything but DecodeError;
// the PEM reader likewise.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, DecodeError, fromHex, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import {
  der,
  derOid,
  DerReader,
  derUnsigned,
  ecdsaDerToRaw,
  ecdsaRawToDer,
  TAG,
  tryDecode,
} from '../../../protocols/codec/der.ts'
import {
  formatPem,
  parsePem,
  parsePemBlocks,
  parsePemMany,
  PEM_BLOCKS_MAX,
  PEM_CHARS_MAX,
} from '../../../protocols/codec/pem.ts'

const reader = (hex: string): DerReader => new DerReader(fromHex(hex))

describe('DER', () => {
  it('lengths: every size reads back; forms that are not minimal, indefinite or cut are refused', () => {
    for (const size of [0, 1, 127, 128, 255, 256, 65535, 65536, 70000]) {
      const content = new Uint8Array(size).fill(5)
      const element = new DerReader(der(TAG.octetString, content)).element(TAG.octetString)
      expect(element.content.length).toBe(size)
    }
    for (const bad of [
      '',
      '04',
      '0480',
      '048100',
      '04817f',
      '0482007f',
      '048200ff',
      '0483000100',
      '048401000000',
      '0402ff',
      '1f0100',
      '3f8100',
    ]) {
      expect(() => reader(bad).element(), bad).toThrow(DecodeError)
    }
  })

  it('integers: minimal and non-negative', () => {
    expect(['020100', '02017f', '02020080', '020300ffff'].map((h) => toHex(reader(h).unsigned()))).toEqual([
      '00',
      '7f',
      '80',
      'ffff',
    ])
    for (const bad of ['0200', '020180', '0202007f', '02020000', '020300', '0304000000']) {
      expect(() => reader(bad).unsigned(), bad).toThrow(DecodeError)
    }
    expect(() => reader('020401000000').smallInteger()).toThrow(DecodeError)
    const property = fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (magnitude) => {
      const read = new DerReader(derUnsigned(magnitude)).unsigned()
      const number = (b: Uint8Array): bigint => BigInt('0x' + toHex(b))
      expect(number(read)).toBe(number(magnitude))
    })
    fc.assert(property, { seed: 1, numRuns: 200 })
  })

  it('object identifiers, Booleans, bit strings', () => {
    for (const oid of ['1.2.840.10045.4.3.3', '2.5.29.19', '0.9.2342.19200300.100.1.25', '2.999.1', '1.3.132.0.34']) {
      expect(new DerReader(derOid(oid)).oid()).toBe(oid)
    }
    // ITU X.667: an identifier made of a UUID, beyond 2^53.
    expect(reader('06146981bcb5f5d7e1a2b3c4d5e6f7a8b9cadbec3e0f').oid()).toMatch(/^2\.25\./)
    for (const bad of ['0600', '060180', '06028001', '060281ff']) {
      expect(() => reader(bad).oid(), bad).toThrow(DecodeError)
    }
    expect([reader('0101ff').boolean(), reader('010100').boolean()]).toEqual([true, false])
    for (const bad of ['010101', '0100', '0102ffff']) expect(() => reader(bad).boolean(), bad).toThrow(DecodeError)
    expect(toHex(reader('030200aa').octetAlignedBits())).toBe('aa')
    for (const bad of ['0300', '030201aa']) expect(() => reader(bad).octetAlignedBits(), bad).toThrow(DecodeError)
  })

  it('a nested reader ends with its element and reports offsets in the whole buffer', () => {
    const outer = reader('3006020105300204')
    const inner = outer.inside()
    expect(inner.smallInteger()).toBe(5)
    expect(() => inner.inside()).toThrow(expect.objectContaining({ offset: 5 }) as Error)
    expect(outer.done).toBe(true)
    expect(() => reader('05000500').inside(TAG.null).element()).toThrow(DecodeError)
  })

  it('any bytes: only DecodeError', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      for (const read of [
        'element',
        'unsigned',
        'oid',
        'boolean',
        'octetAlignedBits',
        'inside',
        'smallInteger',
      ] as const) {
        tryDecode(() => new DerReader(bytes)[read]())
      }
    })
    fc.assert(property, { seed: 2, numRuns: 1000 })
    expect(() => tryDecode(() => JSON.parse('{') as unknown)).toThrow(SyntaxError)
  })

  it('ECDSA signatures: raw to DER and back, and only the canonical DER', () => {
    const raws = fc.constantFrom(32, 48, 66).chain((n) => fc.uint8Array({ minLength: 2 * n, maxLength: 2 * n }))
    const property = fc.property(raws, fc.nat(3), (raw, zeros) => {
      raw.fill(0, 0, zeros)
      const encoded = ecdsaRawToDer(raw)
      expect(toHex(ecdsaDerToRaw(encoded, raw.length / 2)!)).toBe(toHex(raw))
      expect(ecdsaDerToRaw(concat(encoded, Uint8Array.of(0)), raw.length / 2)).toBeUndefined()
      expect(ecdsaDerToRaw(encoded.subarray(0, -1), raw.length / 2)).toBeUndefined()
    })
    fc.assert(property, { seed: 3, numRuns: 200 })
    for (const bad of ['3006020101020180', '300702010102020001', '30080201010201010500', '3006020101040101']) {
      expect(ecdsaDerToRaw(fromHex(bad), 32), bad).toBeUndefined()
    }
    expect(ecdsaDerToRaw(concat(fromHex('30260201010221'), new Uint8Array(33).fill(1)), 32)).toBeUndefined()
    expect(() => ecdsaRawToDer(new Uint8Array(63))).toThrow(RangeError)
    expect(() => ecdsaRawToDer(new Uint8Array(0))).toThrow(RangeError)
  })
})

describe('PEM', () => {
  const pem = formatPem('CERTIFICATE', new Uint8Array(60).fill(1))

  it('round trip, LF and CRLF, one and many', () => {
    const property = fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
      const text = formatPem('EC KEY', bytes)
      expect(text.split('\n').every((line) => line.length <= 64)).toBe(true)
      expect(toHex(parsePem(text, 'EC KEY'))).toBe(toHex(bytes))
      expect(toHex(parsePem(text.replaceAll('\n', '\r\n').trimEnd(), 'EC KEY'))).toBe(toHex(bytes))
      expect(parsePemMany(`\n${text}\n \n${text}`, 'EC KEY').map(toHex)).toEqual([toHex(bytes), toHex(bytes)])
    })
    fc.assert(property, { seed: 1, numRuns: 100 })
  })

  it('refuses what is not strictly that', () => {
    const bad = {
      empty: '',
      'no end': pem.slice(0, -20),
      'text before': 'Subject: x\n' + pem,
      'text after': pem + 'x',
      'other label at the end': pem.replace('END CERTIFICATE', 'END KEY'),
      'blank line inside': pem.replace('AQEB', 'AQ\n\nEB'),
      'space inside': pem.replace('AQEB', 'AQ EB'),
      'header inside': pem.replace('-----\nA', '-----\nProc-Type: 4\n\nA'),
      'no body': '-----BEGIN X-----\n-----END X-----\n',
      'not base64': pem.replace('AQEB', 'AQ!B'),
      'wrong padding': pem.replace('AQEB', 'AQE'),
      'lower-case label': pem.replaceAll('CERTIFICATE', 'certificate'),
      'too long': pem + '\n'.repeat(PEM_CHARS_MAX),
      'too many blocks': pem.repeat(PEM_BLOCKS_MAX + 1),
    }
    for (const [name, text] of Object.entries(bad)) expect(() => parsePemBlocks(text), name).toThrow(DecodeError)
    expect(parsePemBlocks(pem.repeat(PEM_BLOCKS_MAX))).toHaveLength(PEM_BLOCKS_MAX)
    expect(() => parsePem(pem + pem, 'CERTIFICATE')).toThrow(DecodeError)
    expect(() => parsePem(pem, 'PUBLIC KEY')).toThrow(DecodeError)
    expect(() => parsePemMany(pem + formatPem('PUBLIC KEY', utf8('x')), 'CERTIFICATE')).toThrow(DecodeError)
  })
})

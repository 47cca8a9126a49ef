// X.501 names (`CN=CCF Service`) and subject alternative names (`dNSName:…`, `iPAddress:…`), as text and as DER.
// Not a comparison: two names are the same when their DER is the same (RFC 5280 §7.1 allows that, and CCF does so).
// The rule to remember: the text is RFC 4514's, most specific part first, escaped so that it can be read back.
import { DecodeError, fromByteString, fromUtf8, toByteString, toHex, utf8 } from '../codec/bytes.ts'
import {
  contextPrimitiveTag,
  der,
  type DerElement,
  derOid,
  type DerReader,
  derSequence,
  derSet,
  derUtf8,
  TAG,
  tryDecode,
} from '../codec/der.ts'

const ATTRIBUTES: ReadonlyArray<readonly [name: string, oid: string]> = [
  ['CN', '2.5.4.3'],
  ['C', '2.5.4.6'],
  ['L', '2.5.4.7'],
  ['ST', '2.5.4.8'],
  ['STREET', '2.5.4.9'],
  ['O', '2.5.4.10'],
  ['OU', '2.5.4.11'],
  ['DC', '0.9.2342.19200300.100.1.25'],
  ['UID', '0.9.2342.19200300.100.1.1'],
]
const NAMES = new Map(ATTRIBUTES.map(([name, oid]) => [oid, name]))
const OIDS = new Map(ATTRIBUTES)

const NAME_PARTS_MAX = 32
const ALT_NAMES_MAX = 64
const DNS_TAG = contextPrimitiveTag(2)
const IP_TAG = contextPrimitiveTag(7)

/** Text of a directory string; undefined for a type or content that has none. */
function stringOf({ tag, content }: DerElement): string | undefined {
  switch (tag) {
    case TAG.utf8String:
      return tryDecode(() => fromUtf8(content))
    case TAG.printableString:
    case TAG.ia5String:
      return content.every((byte) => byte < 0x80) ? toByteString(content) : undefined
    case TAG.teletexString:
      return toByteString(content)
    default:
      return undefined
  }
}

/** RFC 4514 §2.4. */
function escapeValue(value: string): string {
  return value
    .replace(/[\\"+,;<>]/g, '\\$&')
    .replace(/[\0-\x1f\x7f]/g, (c) => '\\' + c.charCodeAt(0).toString(16).padStart(2, '0'))
    .replace(/^[ #]/, '\\$&')
    .replace(/ $/, '\\ ')
}

function readAttribute(set: DerReader): string {
  const pair = set.inside()
  const oid = pair.oid()
  const value = pair.element()
  pair.end()
  const text = stringOf(value)
  return `${NAMES.get(oid) ?? oid}=${text === undefined ? '#' + toHex(value.raw) : escapeValue(text)}`
}

/** Reads a Name: its text and its DER. Throws DecodeError. */
export function readName(reader: DerReader): { readonly text: string; readonly der: Uint8Array } {
  const element = reader.element(TAG.sequence)
  const sequence = reader.within(element)
  const parts: string[] = []
  while (!sequence.done) {
    if (parts.length === NAME_PARTS_MAX) sequence.fail('name of too many parts')
    const set = sequence.inside(TAG.set)
    const attributes = [readAttribute(set)]
    while (!set.done && attributes.length < NAME_PARTS_MAX) attributes.push(readAttribute(set))
    set.end()
    parts.unshift(attributes.join('+'))
  }
  return { text: parts.join(','), der: element.raw }
}

/** Reads one value up to an unescaped comma, undoing `escapeValue`; returns it and where it ended. */
function readValue(text: string, start: number): { readonly value: string; readonly end: number } {
  let value = ''
  let at = start
  for (; at < text.length && text[at] !== ','; at++) {
    const character = text[at]!
    if (character !== '\\') {
      if ('+;<>"'.includes(character) || (character === '#' && at === start))
        throw new DecodeError('unsupported name', at)
      value += character
      continue
    }
    const hex = /^[0-7][0-9a-fA-F]/.exec(text.slice(at + 1, at + 3))?.[0]
    const special = text[at + 1]
    if (hex === undefined && (special === undefined || !'\\"+,;<>#= '.includes(special))) {
      throw new DecodeError('bad escape in a name', at)
    }
    value += hex === undefined ? special : String.fromCharCode(Number.parseInt(hex, 16))
    at += hex === undefined ? 1 : 2
  }
  return { value, end: at }
}

/**
 * DER of a name given as text, e.g. `CN=CCF Node,O=Example`; one attribute a part, ASCII escapes only.
 * @throws DecodeError for anything else; its offset counts characters.
 */
export function encodeName(text: string): Uint8Array {
  const parts: Uint8Array[] = []
  for (let at = 0; at < text.length || parts.length > 0;) {
    if (parts.length === NAME_PARTS_MAX) throw new DecodeError('name of too many parts', at)
    const equals = text.indexOf('=', at)
    const name = text.slice(at, Math.max(equals, at)).trim()
    const oid = OIDS.get(name)
    if (oid === undefined) throw new DecodeError('unsupported name', at)
    const { value, end } = readValue(text, equals + 1)
    if (value === '') throw new DecodeError('empty value in a name', end)
    parts.unshift(derSet(derSequence(derOid(oid), encodeAttributeValue(name, value))))
    if (end === text.length) break
    at = end + 1
  }
  return derSequence(...parts)
}

/** RFC 5280 appendix A: countries are PrintableString, domain components IA5String, the rest may be UTF8String. */
function encodeAttributeValue(name: string, value: string): Uint8Array {
  if (name !== 'C' && name !== 'DC') return derUtf8(value)
  if (!/^[A-Za-z0-9 '()+,./:=?-]+$/.test(value)) throw new DecodeError(`unsupported characters in ${name}`, 0)
  return der(name === 'C' ? TAG.printableString : TAG.ia5String, utf8(value))
}

function ipText(address: Uint8Array): string | undefined {
  if (address.length === 4) return address.join('.')
  if (address.length !== 16) return undefined
  const groups = Array.from({ length: 8 }, (_, i) => (address[2 * i]! * 256 + address[2 * i + 1]!).toString(16))
  return groups.join(':')
}

function ipBytes(text: string): Uint8Array | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const octets = text.split('.').map(Number)
    return octets.every((octet) => octet < 256) ? Uint8Array.from(octets) : undefined
  }
  const [head, tail, extra] = text.split('::')
  if (extra !== undefined || !/^[0-9a-fA-F:]+$/.test(text)) return undefined
  const groupsOf = (part: string | undefined): string[] => (part === undefined || part === '' ? [] : part.split(':'))
  const before = groupsOf(head)
  const after = groupsOf(tail)
  const missing = 8 - before.length - after.length
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  const groups = [...before, ...Array<string>(missing).fill('0'), ...after]
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined
  return Uint8Array.from(
    groups.flatMap((group) => [Number.parseInt(group, 16) >>> 8, Number.parseInt(group, 16) & 0xff]),
  )
}

/** Reads GeneralNames: DNS names and IP addresses as text, others left out. Throws DecodeError. */
export function readAltNames(reader: DerReader): string[] {
  const names: string[] = []
  const sequence = reader.inside()
  for (let count = 0; !sequence.done; count++) {
    if (count === ALT_NAMES_MAX) sequence.fail('too many alternative names')
    const { tag, content } = sequence.element()
    if (tag === DNS_TAG && content.every((byte) => byte > 0x20 && byte < 0x7f))
      names.push(`dNSName:${toByteString(content)}`)
    const address = tag === IP_TAG ? ipText(content) : undefined
    if (address !== undefined) names.push(`iPAddress:${address}`)
  }
  return names
}

/**
 * GeneralNames from CCF's configuration form: `dNSName:node0.example`, `iPAddress:10.0.0.1`.
 * @throws DecodeError for anything else.
 */
export function encodeAltNames(names: readonly string[]): Uint8Array {
  if (names.length > ALT_NAMES_MAX) throw new DecodeError('too many alternative names', 0)
  const encoded = names.map((name) => {
    const dns = /^dNSName:([\x21-\x7e]{1,253})$/.exec(name)?.[1]
    if (dns !== undefined) return der(DNS_TAG, fromByteString(dns))
    const address = name.startsWith('iPAddress:') ? ipBytes(name.slice('iPAddress:'.length)) : undefined
    if (address === undefined) throw new DecodeError('unsupported alternative name', 0)
    return der(IP_TAG, address)
  })
  return derSequence(...encoded)
}

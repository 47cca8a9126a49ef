// Bytes of a ledger in a form that is safe to print: JSON, text or hexadecimal, cut at a stated length.
// Not an encoding to be read back from a terminal (`--json` is). The rule to remember: whoever writes to a ledger writes to the
// auditor's screen, so no control character, no bidirectional override and nothing invisible may get through as it is.
import { DecodeError, fromUtf8, toHex } from '../../protocols/codec/bytes.ts'
import { tryDecode } from '../../protocols/codec/der.ts'
import { parseJson } from '../../protocols/codec/json.ts'

/** Characters shown of a key or value unless everything is asked for. */
export const SHOWN_CHARS_MAX = 160

/** What could move a cursor, hide or reorder text: controls, format characters, separators of lines, surrogates, private use. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu
const UNSAFE_BUT_LINES = /[^\P{Cc}\t\n\r]|[\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u

const unicodeEscape = (text: string): string => {
  let escaped = ''
  for (let i = 0; i < text.length; i++) escaped += `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`
  return escaped
}

const PICTURES: Readonly<Record<string, string>> = { '\n': '␊', '\r': '␍', '\t': '␉' }

/** Text for a terminal: line ends and tabs as pictures (␊ ␍ ␉), everything else that is unsafe as an escape. */
export const safeText = (text: string): string => text.replace(UNSAFE, (c) => PICTURES[c] ?? unicodeEscape(c))

/** JSON text made safe and put on one line; still JSON, and of the same value: controls stand between tokens or in strings. */
export const safeJson = (json: string): string =>
  json.replace(UNSAFE, (c) => (PICTURES[c] === undefined ? unicodeEscape(c) : ' '))

/** A value as one line of JSON that is safe to print. */
export const jsonLine = (value: unknown): string => safeJson(JSON.stringify(value))

/** `complete` is false when it was cut. */
export type Shown = (
  | { readonly form: 'json'; readonly text: string; readonly value: unknown }
  | { readonly form: 'text' | 'hex'; readonly text: string }
) & { readonly complete: boolean }

/** Not JSON is an answer here, not a fault. Deeply nested JSON is shown as text: V8 could not write it again. */
function parsed(text: string): { value: unknown } | undefined {
  return tryDecode(() => ({ value: parseJson(text) }))
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = fromUtf8(bytes)
    return UNSAFE_BUT_LINES.test(text) ? undefined : text
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** JSON may hold any character in its strings, so it is decoded without asking whether it is printable. */
function jsonOf(bytes: Uint8Array): { text: string; value: unknown } | undefined {
  try {
    const text = fromUtf8(bytes)
    const found = parsed(text)
    return found && { text, value: found.value }
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

const isHighSurrogate = (text: string, at: number): boolean => (text.charCodeAt(at) & 0xfc00) === 0xd800

const cut = (text: string, charsMax: number): string =>
  text.length <= charsMax ? text : text.slice(0, isHighSurrogate(text, charsMax - 1) ? charsMax - 1 : charsMax)

function showHex(bytes: Uint8Array, charsMax: number): Shown {
  const shownBytes = Math.min(bytes.length, Math.ceil(charsMax / 2))
  return { form: 'hex', text: toHex(bytes.subarray(0, shownBytes)), complete: shownBytes === bytes.length }
}

/** A key: text when it is printable, else hexadecimal. `charsMax` Infinity shows everything. */
export function showKey(bytes: Uint8Array, charsMax: number): Shown {
  const text = bytes.length === 0 ? undefined : textOf(bytes)
  // Text that looks like hexadecimal is shown as such, or the two could not be told apart.
  if (text === undefined || text.startsWith('0x')) return showHex(bytes, charsMax)
  const shown = cut(text, charsMax)
  return { form: 'text', text: shown, complete: shown.length === text.length }
}

/** A value: JSON when it parses as such, else as a key. */
export function showValue(bytes: Uint8Array, charsMax: number): Shown {
  const json = jsonOf(bytes)
  if (json === undefined) return showKey(bytes, charsMax)
  if (json.text.length <= charsMax) return { form: 'json', ...json, complete: true }
  return { form: 'text', text: cut(json.text, charsMax), complete: false }
}

/** For a terminal. JSON stands as it is, text too, bytes after 0x; what was cut ends in … and the whole length. */
export function printable(shown: Shown, bytes: number): string {
  const { form, text, complete } = shown
  const safe = form === 'hex' ? `0x${text}` : form === 'json' ? safeJson(text) : safeText(text)
  return complete ? safe : `${safe}… (${bytes} bytes)`
}

/** For JSON. Where numbers or spacing would be lost by parsing, the text goes with the value. */
export function shownAsJson(shown: Shown, bytes: number): object {
  const cutMark = shown.complete ? {} : { cut: true, bytes }
  if (shown.form !== 'json') return { [shown.form]: shown.text, ...cutMark }
  return JSON.stringify(shown.value) === shown.text ? { json: shown.value } : { json: shown.value, text: shown.text }
}

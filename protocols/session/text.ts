// Short texts on the hot path. Paths are nearly always short ASCII, for which TextEncoder and TextDecoder cost more than the text itself.
// Same bytes and strings as protocols/codec/bytes.ts `utf8` and `fromUtf8`, only cheaper.
// The rule to remember: anything that is not short ASCII goes the ordinary way.
import { fromUtf8, utf8 } from '../codec/bytes.ts'

const SHORT = 64

/** Bytes of `text` in UTF-8. */
export function utf8Length(text: string): number {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return utf8(text).length
  return text.length
}

/** Writes `text` at `offset`, where `length = utf8Length(text)` bytes are free; returns the offset after it. */
export function writeUtf8(out: Uint8Array, offset: number, text: string, length: number): number {
  if (length === text.length) for (let i = 0; i < length; i++) out[offset + i] = text.charCodeAt(i)
  else out.set(utf8(text), offset)
  return offset + length
}

/** Reads `length` bytes at `offset`, which the caller has checked to exist. Throws DecodeError on malformed UTF-8. */
export function readUtf8(bytes: Uint8Array, offset: number, length: number): string {
  if (length > SHORT) return fromUtf8(bytes.subarray(offset, offset + length))
  let text = ''
  for (let i = offset; i < offset + length; i++) {
    const byte = bytes[i]!
    if (byte > 0x7f) return fromUtf8(bytes.subarray(offset, offset + length))
    text += String.fromCharCode(byte)
  }
  return text
}

/** UTF-8 of the longest prefix of `text` that fits `max` bytes; no character is cut in two. */
export function cutUtf8(text: string, max: number): Uint8Array {
  const bytes = utf8(text)
  if (bytes.length <= max) return bytes
  let end = max
  // Continuation bytes are 10xxxxxx.
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}

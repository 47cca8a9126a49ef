// Unsigned little-endian integers written into and read from a byte array of known size: the hot path's ByteReader and ByteWriter.
// No bounds are checked here: a reader must have checked its end, a writer must have sized its array.
// The rule to remember: outside messages.ts use protocols/codec/bytes.ts.

export function putU16(out: Uint8Array, at: number, value: number): void {
  out[at] = value
  out[at + 1] = value >>> 8
}

export function putU32(out: Uint8Array, at: number, value: number): void {
  out[at] = value
  out[at + 1] = value >>> 8
  out[at + 2] = value >>> 16
  out[at + 3] = value >>> 24
}

/** A safe integer in 8 bytes. */
export function putU64(out: Uint8Array, at: number, value: number): void {
  putU32(out, at, (value % 2 ** 32) >>> 0)
  putU32(out, at + 4, Math.floor(value / 2 ** 32))
}

export const getU16 = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8)

export const getU32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0

/** Above 2^53 − 1 the result is not a safe integer: check with Number.isSafeInteger. */
export const getU64 = (bytes: Uint8Array, at: number): number => getU32(bytes, at) + getU32(bytes, at + 4) * 2 ** 32

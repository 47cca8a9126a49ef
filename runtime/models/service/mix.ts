// A fast digest of 32 bytes for simulation: 128 bits of state mixed as MurmurHash3_x86_128 does (public domain, A. Appleby), then spread.
// Not cryptographic: collisions do not happen by accident, but anyone could make one. Nothing outside simulations may use it.

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by))

function finish(word: number): number {
  let w = word
  w = Math.imul(w ^ (w >>> 16), 0x85ebca6b)
  w = Math.imul(w ^ (w >>> 13), 0xc2b2ae35)
  return w ^ (w >>> 16)
}

const scratch = new Uint8Array(16 * 1024)

/** The digest of `length` bytes of `bytes`, under a key of 32 bits, into `out`: 4 bytes for each of `words`. */
function digestInto(out: Uint8Array, bytes: Uint8Array, length: number, key: number): Uint8Array {
  let a = key ^ 0x239b961b
  let b = key ^ 0x6a09e667
  let c = ~key
  let d = key ^ length
  const whole = length & ~3
  let i = 0
  while (i < whole) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    i += 4
    // Each word goes through one lane, and the lanes take turns.
    const mixed = Math.imul(rotate(Math.imul(word, 0xab0e9789), 15), 0x38b34ae5)
    const next = (Math.imul(rotate(a ^ mixed, 19), 5) + b) | 0
    a = b
    b = c ^ mixed
    c = d
    d = next
  }
  let rest = length & 3
  let tail = rest
  while (rest-- > 0) tail = (tail << 8) | bytes[i++]!
  a ^= Math.imul(tail, 0x9e3779b1)
  a = finish(a + Math.imul(d, 5))
  b = finish(b + a)
  c = finish(c + b)
  d = finish(d + c)
  a = (a + d) | 0
  for (let at = 0; at < out.length; at += 4) {
    const word = finish(a + Math.imul(at, 0x9e3779b1)) ^ ((at & 4) === 0 ? b : c) ^ ((at & 8) === 0 ? d : ~a)
    out[at] = word
    out[at + 1] = word >>> 8
    out[at + 2] = word >>> 16
    out[at + 3] = word >>> 24
  }
  return out
}

function joined(parts: readonly Uint8Array[]): { readonly bytes: Uint8Array; readonly length: number } {
  if (parts.length === 1) return { bytes: parts[0]!, length: parts[0]!.length }
  let length = 0
  for (const part of parts) length += part.length
  const bytes = length <= scratch.length ? scratch : new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return { bytes, length }
}

/** Digest of the concatenation of the parts; `size`: bytes wanted, a multiple of 4. */
export function mix(size: number, key: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const { bytes, length } = joined(parts)
  return digestInto(new Uint8Array(size), bytes, length, key)
}

/** XORs a key stream of 32-bit words over `bytes`, in a copy. The same call undoes it. */
export function cipher(bytes: Uint8Array, seed: number): Uint8Array {
  const out = new Uint8Array(bytes.length)
  let state = seed | 1
  for (let i = 0; i < bytes.length; i++) {
    if ((i & 3) === 0) state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9
    out[i] = bytes[i]! ^ (state >>> (8 * (i & 3)))
  }
  return out
}

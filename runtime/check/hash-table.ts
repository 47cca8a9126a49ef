// Sets of 64-bit hashes, numbered in order of insertion: what a search has seen. 20 bytes a state, whatever the state's size.
// Two states with one hash would be taken for one: below one chance in 10^6 for the 10^6.6 states of a search (birthday bound), as in TLC.

/** Two 32-bit hashes of a sequence of integers. */
export interface Hash {
  low: number
  high: number
}

const mix = (h: number): number => {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Hashes `length` integers of `words` into `into`. */
export function hashWords(words: ArrayLike<number>, length: number, into: Hash): void {
  let a = length | 0
  let b = ~length
  for (let i = 0; i < length; i++) {
    const word = words[i]!
    a = Math.imul(a ^ word, 0x9e3779b1)
    a = (a << 13) | (a >>> 19)
    b = Math.imul(b + word, 0x27d4eb2f)
    b ^= b >>> 15
  }
  into.low = mix(a ^ (b << 7))
  into.high = mix(b + Math.imul(a, 0x165667b1))
}

const FIRST_SLOTS = 1 << 16

export class HashTable {
  #slots = new Int32Array(FIRST_SLOTS)
  #low = new Int32Array(FIRST_SLOTS / 2)
  #high = new Int32Array(FIRST_SLOTS / 2)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The number of the hash, or −1. */
  find({ low, high }: Hash): number {
    const mask = this.#slots.length - 1
    for (let at = low & mask; ; at = (at + 1) & mask) {
      const index = this.#slots[at]! - 1
      if (index < 0) return -1
      if (this.#low[index] === low && this.#high[index] === high) return index
    }
  }

  /** Its new number, or −1 if it was there already. */
  add(hash: Hash): number {
    if (this.find(hash) >= 0) return -1
    if (this.#size === this.#low.length) this.#grow()
    const index = this.#size++
    this.#low[index] = hash.low
    this.#high[index] = hash.high
    this.#place(index)
    return index
  }

  isAt(index: number, { low, high }: Hash): boolean {
    return this.#low[index] === low && this.#high[index] === high
  }

  #place(index: number): void {
    const mask = this.#slots.length - 1
    let at = this.#low[index]! & mask
    while (this.#slots[at] !== 0) at = (at + 1) & mask
    this.#slots[at] = index + 1
  }

  #grow(): void {
    const slots = this.#slots.length * 2
    const enlarge = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const larger = new Int32Array(slots / 2)
      larger.set(old)
      return larger
    }
    this.#low = enlarge(this.#low)
    this.#high = enlarge(this.#high)
    this.#slots = new Int32Array(slots)
    for (let index = 0; index < this.#size; index++) this.#place(index)
  }
}

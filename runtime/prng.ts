// Seeded randomness for simulation: sfc32 seeded through splitmix32. Integers only, so that every machine draws the same.
// Not for keys. Streams are forked by label, so that one more draw in one place does not shift the others.
// (sfc32: C. Doty-Humphrey, PractRand; splitmix: Steele, Lea, Flood, OOPSLA 2014.)

export class Prng {
  #a: number
  #b: number
  #c: number
  #counter: number

  constructor(seed: number) {
    let state = seed | 0
    const splitmix = (): number => {
      state = (state + 0x9e3779b9) | 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      return (z ^ (z >>> 15)) | 0
    }
    this.#a = splitmix()
    this.#b = splitmix()
    this.#c = splitmix()
    this.#counter = 1
    for (let i = 0; i < 12; i++) this.u32()
  }

  /** Uniform in [0, 2^32). */
  u32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (this.#c << 21) | (this.#c >>> 11)
    this.#c = (this.#c + t) | 0
    return t >>> 0
  }

  /** Uniform in [low, high], both integers. The bias of the multiplication is below 2^-20 for the small ranges used here. */
  integer(low: number, high: number): number {
    return low + Math.floor((this.u32() * (high - low + 1)) / 2 ** 32)
  }

  /** True with probability numerator/denominator. */
  chance(numerator: number, denominator: number): boolean {
    return this.integer(1, denominator) <= numerator
  }

  bytes(count: number): Uint8Array {
    const out = new Uint8Array(count)
    for (let i = 0; i < count; i++) out[i] = this.u32() & 0xff
    return out
  }

  /** An independent stream named by `label`; drawing from it does not change this one's later draws. */
  fork(label: string): Prng {
    let hash = this.#a ^ 0x811c9dc5
    for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193)
    return new Prng(hash)
  }
}

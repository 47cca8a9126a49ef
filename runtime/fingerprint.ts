// A short digest of plain data: equal data, equal digest, on every machine. For journals, traces and same-seed tests.
// Not cryptographic. Functions count by name only; keys of objects in the order in which they were made.

const FNV = 0x01000193

/** Accumulates data into 2 × 32 bits. */
export class Fingerprint {
  #a = 0x811c9dc5 | 0
  #b = 0x2545f491 | 0

  #byte(value: number): void {
    this.#a = Math.imul(this.#a ^ value, FNV)
    this.#b = Math.imul(this.#b ^ (value + 0x9d), 0x85ebca6b)
    this.#b ^= this.#b >>> 13
  }

  #word(value: number): void {
    this.#byte(value & 0xff)
    this.#byte((value >>> 8) & 0xff)
    this.#byte((value >>> 16) & 0xff)
    this.#byte(value >>> 24)
  }

  text(value: string): this {
    this.#word(value.length)
    for (let i = 0; i < value.length; i++) this.#byte(value.charCodeAt(i) & 0xff)
    return this
  }

  number(value: number): this {
    const low = value >>> 0
    this.#word(low)
    return Number.isInteger(value) ? (this.#word(Math.floor(value / 2 ** 32)), this) : this.text(String(value))
  }

  /** Plain data: null, booleans, numbers, strings, byte arrays, arrays, records, maps and sets. Class instances count by their own fields. */
  add(value: unknown): this {
    if (value === null || value === undefined) this.#byte(value === null ? 1 : 2)
    else if (typeof value === 'boolean') this.#byte(value ? 3 : 4)
    else if (typeof value === 'number') {
      this.#byte(5)
      this.number(value)
    } else if (typeof value === 'string') {
      this.#byte(6)
      this.text(value)
    } else if (typeof value === 'function') {
      this.#byte(7)
      this.text(value.name)
    } else if (value instanceof Uint8Array) {
      this.#byte(8)
      this.#word(value.length)
      for (let i = 0; i < value.length; i++) this.#byte(value[i]!)
    } else if (Array.isArray(value)) {
      this.#byte(9)
      this.#word(value.length)
      for (const item of value) this.add(item)
    } else {
      this.#byte(10)
      for (const [key, item] of Object.entries(value as Record<string, unknown>)) {
        this.text(key)
        this.add(item)
      }
      this.#byte(11)
    }
    return this
  }

  /** 16 hexadecimal digits. */
  digest(): string {
    const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, '0')
    return hex(this.#a) + hex(this.#b)
  }
}

export const fingerprint = (value: unknown): string => new Fingerprint().add(value).digest()

// Gives equal things one small number: local states and messages are compared, hashed and renamed once, however many worlds hold them.

export class Interner<T> {
  readonly #numbers = new Map<string, number>()
  readonly #values: T[] = []
  readonly #keys: string[] = []
  readonly #keyOf: (value: T) => string

  constructor(keyOf: (value: T) => string) {
    this.#keyOf = keyOf
  }

  get size(): number {
    return this.#values.length
  }

  number(value: T): number {
    const key = this.#keyOf(value)
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.#numbers.set(key, this.#values.length)
    this.#values.push(value)
    this.#keys.push(key)
    return this.#values.length - 1
  }

  value(number: number): T {
    return this.#values[number]!
  }

  key(number: number): string {
    return this.#keys[number]!
  }
}

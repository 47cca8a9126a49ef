// A list that is appended to at the end and cut at both ends, as an immutable value: the log, pending entries, checkpoints.
// Values share one backing array, as slices of Go do: appending to the newest value writes in place beyond what any value can see;
// appending to an older one copies. So append is O(1) amortised and keeping an old version is free.
// The rule to remember: indices are absolute (the first element of a log may have index 4711).

export class AppendList<T> {
  /** Index of the first element. */
  readonly first: number
  /** Index after the last element. */
  readonly end: number
  readonly #backing: T[]
  /** Absolute index of #backing[0]. */
  readonly #base: number

  private constructor(backing: T[], base: number, first: number, end: number) {
    this.#backing = backing
    this.#base = base
    this.first = first
    this.end = end
  }

  /** An empty list whose first element will have index `first`. */
  static startingAt<T>(first: number): AppendList<T> {
    return new AppendList<T>([], first, first, first)
  }

  get length(): number {
    return this.end - this.first
  }

  at(index: number): T | undefined {
    return index < this.first || index >= this.end ? undefined : this.#backing[index - this.#base]
  }

  last(): T | undefined {
    return this.at(this.end - 1)
  }

  append(items: readonly T[]): AppendList<T> {
    if (items.length === 0) return this
    if (this.#backing.length === this.end - this.#base) {
      for (const item of items) this.#backing.push(item)
      return new AppendList(this.#backing, this.#base, this.first, this.end + items.length)
    }
    const copy = this.toArray()
    for (const item of items) copy.push(item)
    return new AppendList(copy, this.first, this.first, this.end + items.length)
  }

  /** Drops elements from `end` on. */
  cutEnd(end: number): AppendList<T> {
    if (end >= this.end) return this
    return new AppendList(this.#backing, this.#base, Math.min(this.first, end), Math.max(end, this.first))
  }

  /** Drops elements before `first`. Memory is given back once half of the backing array is unused. */
  cutStart(first: number): AppendList<T> {
    if (first <= this.first) return this
    const from = Math.min(first, this.end)
    const unused = from - this.#base
    if (unused > 1024 && unused * 2 > this.#backing.length) {
      return new AppendList(this.#backing.slice(unused, this.end - this.#base), from, from, this.end)
    }
    return new AppendList(this.#backing, this.#base, from, this.end)
  }

  /** Elements with indices in [from, to). */
  slice(from: number, to: number): T[] {
    return this.#backing.slice(Math.max(from, this.first) - this.#base, Math.min(to, this.end) - this.#base)
  }

  toArray(): T[] {
    return this.slice(this.first, this.end)
  }
}

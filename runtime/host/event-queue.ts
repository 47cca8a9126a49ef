// A priority queue by time, first in first out among equals: the heart of virtual time.

interface Item<T> {
  readonly time: number
  readonly order: number
  readonly value: T
}

/** Binary heap. */
export class EventQueue<T> {
  readonly #heap: Item<T>[] = []
  #order = 0

  get size(): number {
    return this.#heap.length
  }

  peekTime(): number | undefined {
    return this.#heap[0]?.time
  }

  push(time: number, value: T): void {
    const heap = this.#heap
    heap.push({ time, order: this.#order++, value })
    let i = heap.length - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(heap[i]!, heap[parent]!)) break
      ;[heap[i], heap[parent]] = [heap[parent]!, heap[i]!]
      i = parent
    }
  }

  pop(): T | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined) return undefined
    if (heap.length > 0) {
      heap[0] = last
      this.#sink()
    }
    return top.value
  }

  #sink(): void {
    const heap = this.#heap
    let i = 0
    for (;;) {
      const left = 2 * i + 1
      if (left >= heap.length) return
      const right = left + 1
      const smaller = right < heap.length && before(heap[right]!, heap[left]!) ? right : left
      if (!before(heap[smaller]!, heap[i]!)) return
      ;[heap[i], heap[smaller]] = [heap[smaller]!, heap[i]!]
      i = smaller
    }
  }
}

const before = <T>(a: Item<T>, b: Item<T>): boolean => (a.time !== b.time ? a.time < b.time : a.order < b.order)

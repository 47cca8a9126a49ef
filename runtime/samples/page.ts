// One page of a list: bounded in items and in bytes, so that any response fits one frame (protocols/limits.ts).
import { FRAME_BYTES_MAX } from '../../protocols/limits.ts'
import { utf8Length } from './fields.ts'

/** UTF-8 bytes of JSON items in one page; a single larger item travels alone. */
export const PAGE_BYTES_MAX = FRAME_BYTES_MAX / 4

export interface Page<Item, Cursor> {
  readonly items: readonly Item[]
  /** Where the next page begins; absent on the last. */
  readonly next?: Cursor
}

export class PageBuilder<Item, Cursor> {
  readonly #itemsMax: number
  readonly #items: Item[] = []
  #bytes = 0
  #next: Cursor | undefined

  constructor(itemsMax: number) {
    this.#itemsMax = itemsMax
  }

  /** False when the page is full; the item then begins the next page. For use as the result of a range visitor. */
  add(item: Item, cursor: Cursor): boolean {
    const size = utf8Length(JSON.stringify(item))
    if (this.#items.length >= this.#itemsMax || (this.#items.length > 0 && this.#bytes + size > PAGE_BYTES_MAX)) {
      this.#next = cursor
      return false
    }
    this.#items.push(item)
    this.#bytes += size
    return true
  }

  finish(): Page<Item, Cursor> {
    return this.#next === undefined ? { items: this.#items } : { items: this.#items, next: this.#next }
  }
}

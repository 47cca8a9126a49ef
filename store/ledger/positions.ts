// Offsets of the entries of one chunk: four bytes an entry, growing. In memory for chunks being written; for committed
// ones it is the table at the end of the file, checked when read.
// The rule to remember: index 0 is the chunk's first entry, whatever its seqno.
import { CorruptDataError } from '../../protocols/errors.ts'
import { CHUNK_HEADER_BYTES } from '../../protocols/ledger/chunk.ts'
import { ENTRY_PREFIX_BYTES } from '../../protocols/ledger/entry.ts'
import type { File } from './files.ts'

export class Positions {
  #offsets: Uint32Array
  length: number

  constructor(offsets: Uint32Array = new Uint32Array(0), length = offsets.length) {
    this.#offsets = offsets
    this.length = length
  }

  push(offset: number): void {
    if (this.length === this.#offsets.length) {
      const grown = new Uint32Array(Math.max(256, 2 * this.length))
      grown.set(this.#offsets)
      this.#offsets = grown
    }
    this.#offsets[this.length++] = offset
  }

  /** Offset of the entry at `index`, or `end` (where the entries end) for the index behind the last. */
  at(index: number, end: number): number {
    return index < this.length ? this.#offsets[index]! : end
  }

  toArray(): number[] {
    return Array.from(this.#offsets.subarray(0, this.length))
  }
}

/** Where a file says its positions table starts; 0 while it is open. @throws CorruptDataError when it has no header. */
export function readTableOffset(file: File): number {
  const header = file.read(0, CHUNK_HEADER_BYTES)
  if (header.length < CHUNK_HEADER_BYTES)
    throw new CorruptDataError(file.path, header.length, 'incomplete chunk header')
  const view = new DataView(header.buffer, header.byteOffset, CHUNK_HEADER_BYTES)
  return view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32
}

/**
 * Reads and checks the positions table of a chunk that must hold `count` entries.
 * @throws CorruptDataError naming the file and the offset of what cannot be right.
 */
export function readPositions(file: File, count: number): { positions: Positions; end: number } {
  const size = file.size()
  const end = readTableOffset(file)
  if (end < CHUNK_HEADER_BYTES || end > size) throw new CorruptDataError(file.path, 0, `positions table at ${end}`)
  if (size - end !== 4 * count)
    throw new CorruptDataError(file.path, end, `positions table of ${size - end} bytes for ${count} entries`)
  const table = file.read(end, 4 * count)
  if (table.length !== 4 * count) throw new CorruptDataError(file.path, end, 'positions table cannot be read')
  const view = new DataView(table.buffer, table.byteOffset, table.length)
  const offsets = new Uint32Array(count)
  let least = CHUNK_HEADER_BYTES
  for (let i = 0; i < count; i++) {
    const offset = view.getUint32(4 * i, true)
    const wrong = i === 0 ? offset !== CHUNK_HEADER_BYTES : offset < least
    if (wrong || offset + ENTRY_PREFIX_BYTES > end)
      throw new CorruptDataError(file.path, end + 4 * i, 'impossible position')
    offsets[i] = offset
    least = offset + ENTRY_PREFIX_BYTES
  }
  return { positions: new Positions(offsets), end }
}

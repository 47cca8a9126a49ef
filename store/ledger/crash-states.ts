// What a disk may hold of files and names after a power failure: every state that POSIX allows of what was not synchronised. Not a file system:
// memory-files.ts keeps the histories, tests draw states from them, at random or one after the other.
// The rule to remember: of bytes not synchronised, each sector is as it was at some moment since the last synchronisation, whatever became of its
// neighbours; the size of the file is any it had; sectors never written before may hold zeros or what the disk held there earlier.

/** Disks write a sector whole or not at all (512 bytes on all; many write 4096). */
export const SECTOR_BYTES = 512
/** What lay on the disk before. Not zero, or it would look like the end of data. */
const STALE_BYTE = 0xa5

/** A write, or (`length`) a change of the file's size. */
export type Change = { readonly offset: number; readonly bytes: Uint8Array } | { readonly length: number }

/** Picks one of `count` possibilities, 0 … count − 1: the first is what was durable, the last what readers saw. */
export type Choose = (count: number) => number

/** Bytes that grow and shrink in place. */
export class Content {
  #bytes: Uint8Array
  length: number

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#bytes = bytes.slice()
    this.length = bytes.length
  }

  apply(change: Change): void {
    if ('length' in change) return this.#resize(change.length)
    const end = change.offset + change.bytes.length
    if (end > this.length) this.#resize(end)
    this.#bytes.set(change.bytes, change.offset)
  }

  #resize(length: number): void {
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(64, length, 2 * this.#bytes.length))
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    // What a file is cut to and then extended beyond reads as zeros.
    if (length < this.length) this.#bytes.fill(0, length, this.length)
    this.length = length
  }

  slice(start = 0, end = this.length): Uint8Array {
    return this.#bytes.slice(start, Math.max(start, Math.min(end, this.length)))
  }

  flip(offset: number, mask: number): void {
    if (offset < this.length) this.#bytes[offset] = this.#bytes[offset]! ^ mask
  }
}

/** A file apart from its names. `changes`: since the last synchronisation, in order. */
export interface FileHistory {
  readonly durable: Uint8Array
  readonly changes: readonly Change[]
}

/** The sectors a change touches, given the sizes before and after it. */
function sectorsOf(change: Change, sizeBefore: number): readonly [number, number] {
  const [from, to] =
    'length' in change
      ? [Math.min(change.length, sizeBefore), Math.max(change.length, sizeBefore)]
      : [Math.min(change.offset, sizeBefore), change.offset + change.bytes.length]
  return [Math.floor(from / SECTOR_BYTES), Math.ceil(to / SECTOR_BYTES)]
}

/** One content the file may have after a power failure. */
export function crashedContent({ durable, changes }: FileHistory, choose: Choose): Uint8Array {
  if (changes.length === 0) return durable
  const content = new Content(durable)
  const sizes = [durable.length]
  const versions = new Map<number, Uint8Array[]>()
  const sectorNow = (index: number): Uint8Array => {
    const sector = new Uint8Array(SECTOR_BYTES)
    sector.set(content.slice(index * SECTOR_BYTES, (index + 1) * SECTOR_BYTES))
    return sector
  }
  for (const change of changes) {
    const [from, to] = sectorsOf(change, content.length)
    for (let index = from; index < to; index++) {
      if (versions.has(index)) continue
      // A sector the durable file reaches holds its bytes; any other one zeros, or what the disk held there before.
      const isNew = index * SECTOR_BYTES >= durable.length
      versions.set(
        index,
        isNew ? [new Uint8Array(SECTOR_BYTES).fill(STALE_BYTE), sectorNow(index)] : [sectorNow(index)],
      )
    }
    content.apply(change)
    for (let index = from; index < to; index++) versions.get(index)!.push(sectorNow(index))
    if (content.length !== sizes.at(-1)) sizes.push(content.length)
  }
  const size = sizes[choose(sizes.length)]!
  const crashed = new Uint8Array(size)
  crashed.set(durable.subarray(0, size))
  for (const [index, seen] of [...versions].sort(([a], [b]) => a - b)) {
    const at = index * SECTOR_BYTES
    if (at < size) crashed.set(seen[choose(seen.length)]!.subarray(0, size - at), at)
  }
  return crashed
}

export type NameChange<T> =
  | { readonly type: 'set'; readonly path: string; readonly file: T }
  | { readonly type: 'rename'; readonly from: string; readonly path: string; readonly file: T }
  | { readonly type: 'remove'; readonly path: string }

export function applyName<T>(names: Map<string, T>, change: NameChange<T>): void {
  if (change.type === 'remove') return void names.delete(change.path)
  if (change.type === 'rename') names.delete(change.from)
  names.set(change.path, change.file)
}

/**
 * The names there may be after a power failure: changes in one directory become durable in their order. POSIX does not promise that; ext4, XFS, btrfs
 * and ZFS keep it, since each has one journal or one tree.
 */
export function crashedNames<T>(
  durable: ReadonlyMap<string, T>,
  changes: readonly NameChange<T>[],
  choose: Choose,
): Map<string, T> {
  const names = new Map(durable)
  for (const change of changes.slice(0, choose(changes.length + 1))) applyName(names, change)
  return names
}

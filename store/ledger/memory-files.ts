// FileSystem in memory with the faults of real ones, drawn from a seed: a crash loses or tears what was not
// synchronised, disks fill up, writes fall short, devices fail, directories are read-only. For simulation and tests.
// The rule to remember: like a disk, it keeps two truths, what readers see and what would survive a crash.
import {
  type File,
  type FileSystem,
  type OpenMode,
  StorageError,
  type StorageFailureKind,
  type SyncDone,
} from './files.ts'

export type FileOperation = 'open' | 'write' | 'read' | 'datasync' | 'truncate' | 'rename' | 'unlink' | 'syncDirectory'

type Change = { readonly offset: number; readonly bytes: Uint8Array } | { readonly length: number }

/** Bytes that grow and shrink in place. */
class Content {
  #bytes = new Uint8Array(64)
  length = 0

  apply(change: Change): void {
    if ('length' in change) return this.#resize(change.length)
    const end = change.offset + change.bytes.length
    if (end > this.length) this.#resize(end)
    this.#bytes.set(change.bytes, change.offset)
  }

  #resize(length: number): void {
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#bytes.length))
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

/** A file apart from its names. */
class Inode {
  content = new Content()
  durable = new Content()
  /** Changes since the last synchronisation, in order. */
  unsynced: Change[] = []
}

type NameChange =
  | { readonly type: 'set'; readonly path: string; readonly inode: Inode }
  | { readonly type: 'rename'; readonly from: string; readonly path: string; readonly inode: Inode }
  | { readonly type: 'remove'; readonly path: string }

const CODES: Readonly<Record<StorageFailureKind, string>> = {
  full: 'ENOSPC',
  readonly: 'EROFS',
  missing: 'ENOENT',
  exists: 'EEXIST',
  io: 'EIO',
}

/** mulberry32: small, seeded, good enough for choosing faults. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface MemoryFilesOptions {
  readonly seed: number
  /** Sum of all file sizes the disk holds. */
  readonly capacityBytes?: number
  /** Runs completions; a simulation passes its own to make the disk slow. Default: setImmediate or setTimeout. */
  readonly defer?: (task: () => void, delayMs: number | undefined) => void
}

export class MemoryFiles implements FileSystem {
  capacityBytes: number
  readonly #random: () => number
  readonly #defer: (task: () => void, delayMs: number | undefined) => void
  #names = new Map<string, Inode>()
  readonly #durableNames = new Map<string, Inode>()
  #unsyncedNames: NameChange[] = []
  readonly #directories = new Set<string>()
  readonly #failures: { operation: FileOperation; kind: StorageFailureKind; skip: number }[] = []
  #readOnly = false
  /** Handles of an earlier boot are dead. */
  boot = 0

  constructor(options: MemoryFilesOptions) {
    this.capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER
    this.#random = generator(options.seed)
    this.#defer =
      options.defer ??
      ((task, delayMs) => void (delayMs === undefined ? setImmediate(task) : setTimeout(task, delayMs)))
  }

  set readOnly(value: boolean) {
    this.#readOnly = value
  }

  /** Makes a later operation of that name fail: the next one, or the one after `skip` others. */
  failNext(operation: FileOperation, kind: StorageFailureKind, skip = 0): void {
    this.#failures.push({ operation, kind, skip })
  }

  /** Flips bits of a stored byte, as a decaying medium would. */
  corrupt(path: string, offset: number, mask = 0xff): void {
    const inode = this.#inode('read', path)
    inode.content.flip(offset, mask)
    inode.durable.flip(offset, mask)
  }

  /** What readers see of a file. */
  contentOf(path: string): Uint8Array {
    return this.#inode('read', path).content.slice()
  }

  /**
   * Power failure: open handles die, and of everything not synchronised a random part survives. Name changes survive
   * as a prefix (journalling file systems keep their order); writes mostly in order with the last one torn, sometimes
   * out of order, which leaves zeros.
   */
  crash(): void {
    this.boot++
    this.#failures.length = 0
    const survivors = Math.floor(this.#random() * (this.#unsyncedNames.length + 1))
    for (const change of this.#unsyncedNames.slice(0, survivors)) applyName(this.#durableNames, change)
    this.#unsyncedNames = []
    this.#names = new Map(this.#durableNames)
    for (const inode of this.#names.values()) this.#loseUnsynced(inode)
  }

  #loseUnsynced(inode: Inode): void {
    const inOrder = this.#random() < 0.7
    const cut = Math.floor(this.#random() * (inode.unsynced.length + 1))
    inode.unsynced.forEach((change, index) => {
      if (inOrder ? index > cut : this.#random() < 0.5) return
      const torn = 'bytes' in change && (inOrder ? index === cut : this.#random() < 0.3)
      if (!torn) return inode.durable.apply(change)
      const kept = change.bytes.subarray(0, Math.floor(this.#random() * (change.bytes.length + 1)))
      inode.durable.apply({ offset: change.offset, bytes: kept })
    })
    inode.unsynced = []
    inode.content = new Content()
    inode.content.apply({ offset: 0, bytes: inode.durable.slice() })
  }

  #usedBytes(): number {
    let used = 0
    for (const inode of new Set(this.#names.values())) used += inode.content.length
    return used
  }

  #inode(operation: string, path: string): Inode {
    const inode = this.#names.get(path)
    if (inode === undefined) throw new StorageError('missing', operation, path, CODES.missing)
    return inode
  }

  /** Throws the failure that was ordered for this operation, if any. Internal to this file, as all below. */
  check(operation: FileOperation, path: string, changes: boolean): void {
    if (changes && this.#readOnly) throw new StorageError('readonly', operation, path, CODES.readonly)
    const index = this.#failures.findIndex((failure) => failure.operation === operation)
    if (index < 0) return
    const failure = this.#failures[index]!
    if (failure.skip-- > 0) return
    this.#failures.splice(index, 1)
    throw new StorageError(failure.kind, operation, path, CODES[failure.kind])
  }

  change(inode: Inode, change: Change): void {
    inode.content.apply(change)
    inode.unsynced.push(change)
  }

  /** Writes what fits, then fails when that was not all. */
  writeTo(inode: Inode, path: string, bytes: Uint8Array, offset: number): void {
    let failure: StorageError | undefined
    try {
      this.check('write', path, true)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      failure = error
    }
    const growth = Math.max(0, offset + bytes.length - inode.content.length)
    const room = this.capacityBytes - this.#usedBytes()
    if (growth > room) failure ??= new StorageError('full', 'write', path, CODES.full)
    const fits = growth > room ? Math.max(0, bytes.length - (growth - room)) : bytes.length
    const written = failure === undefined ? bytes.length : Math.floor(this.#random() * (fits + 1))
    if (failure?.kind !== 'readonly' && written > 0) this.change(inode, { offset, bytes: bytes.slice(0, written) })
    if (failure !== undefined) throw failure
  }

  #changeName(change: NameChange): void {
    applyName(this.#names, change)
    this.#unsyncedNames.push(change)
  }

  open(path: string, mode: OpenMode): File {
    this.check('open', path, mode === 'create')
    if (mode === 'create') {
      if (this.#names.has(path)) throw new StorageError('exists', 'open', path, CODES.exists)
      this.#changeName({ type: 'set', path, inode: new Inode() })
    }
    return new MemoryFile(this, path, this.#inode('open', path), mode !== 'read')
  }

  readdir(directory: string): string[] {
    const prefix = `${directory}/`
    const names = [...this.#names.keys()]
      .filter((path) => path.startsWith(prefix))
      .map((path) => path.slice(prefix.length))
    if (names.length === 0 && !this.#directories.has(directory))
      throw new StorageError('missing', 'readdir', directory, CODES.missing)
    return names
  }

  mkdir(directory: string): void {
    if (this.#readOnly && !this.#directories.has(directory))
      throw new StorageError('readonly', 'mkdir', directory, CODES.readonly)
    this.#directories.add(directory)
  }

  rename(from: string, to: string): void {
    this.check('rename', from, true)
    const inode = this.#inode('rename', from)
    this.#changeName({ type: 'rename', from, path: to, inode })
  }

  unlink(path: string): void {
    this.check('unlink', path, true)
    this.#inode('unlink', path)
    this.#changeName({ type: 'remove', path })
  }

  syncDirectoryNow(directory: string): void {
    this.check('syncDirectory', directory, false)
    for (const change of this.#unsyncedNames) applyName(this.#durableNames, change)
    this.#unsyncedNames = []
  }

  syncDirectory(directory: string, done: SyncDone): void {
    this.complete(done, () => this.syncDirectoryNow(directory))
  }

  /** Performs later, and reports as a callback. A crash in between means it never happened. */
  complete(done: SyncDone, action: () => void): void {
    const boot = this.boot
    this.defer(() => {
      if (boot !== this.boot) return
      try {
        action()
      } catch (error) {
        if (!(error instanceof StorageError)) throw error
        return done(error)
      }
      done(undefined)
    })
  }

  defer(task: () => void, delayMs?: number): void {
    this.#defer(task, delayMs)
  }
}

function applyName(names: Map<string, Inode>, change: NameChange): void {
  if (change.type === 'remove') return void names.delete(change.path)
  if (change.type === 'rename') names.delete(change.from)
  names.set(change.path, change.inode)
}

class MemoryFile implements File {
  readonly path: string
  readonly #files: MemoryFiles
  readonly #inode: Inode
  readonly #boot: number
  readonly #writable: boolean
  #open = true

  constructor(files: MemoryFiles, path: string, inode: Inode, writable: boolean) {
    this.path = path
    this.#files = files
    this.#inode = inode
    this.#boot = files.boot
    this.#writable = writable
  }

  #alive(operation: string): void {
    if (!this.#open || this.#boot !== this.#files.boot) throw new StorageError('io', operation, this.path, 'EBADF')
  }

  write(bytes: Uint8Array, offset: number): void {
    this.#alive('write')
    if (!this.#writable) throw new StorageError('io', 'write', this.path, 'EBADF')
    this.#files.writeTo(this.#inode, this.path, bytes, offset)
  }

  read(offset: number, length: number): Uint8Array {
    this.#alive('read')
    this.#files.check('read', this.path, false)
    return this.#inode.content.slice(offset, offset + length)
  }

  /** What was written before the call becomes durable at its completion; what is written in between does not. */
  datasync(done: SyncDone): void {
    this.#alive('datasync')
    const count = this.#inode.unsynced.length
    this.#files.complete(done, () => this.#sync(count))
  }

  datasyncNow(): void {
    this.#alive('datasync')
    this.#sync(this.#inode.unsynced.length)
  }

  #sync(count: number): void {
    try {
      this.#files.check('datasync', this.path, false)
    } catch (error) {
      // fsyncgate: the kernel marks the pages clean although they never reached the medium.
      this.#inode.unsynced = []
      throw error
    }
    for (const change of this.#inode.unsynced.splice(0, count)) this.#inode.durable.apply(change)
  }

  truncate(length: number): void {
    this.#alive('truncate')
    this.#files.check('truncate', this.path, true)
    this.#files.change(this.#inode, { length })
  }

  size(): number {
    this.#alive('stat')
    return this.#inode.content.length
  }

  close(): void {
    this.#alive('close')
    this.#open = false
  }
}

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
import {
  applyName,
  type Change,
  type Choose,
  Content,
  crashedContent,
  crashedNames,
  type FileHistory,
  type NameChange,
} from './crash-states.ts'

export type FileOperation = 'open' | 'write' | 'read' | 'datasync' | 'truncate' | 'rename' | 'unlink' | 'syncDirectory'

/** A file apart from its names. */
class Inode {
  content: Content
  durable: Content
  /** Changes since the last synchronisation, in order. */
  unsynced: Change[] = []
  /** Changes ever made that are durable, or lost by a failed synchronisation. */
  settled = 0

  constructor(bytes?: Uint8Array) {
    this.content = new Content(bytes)
    this.durable = new Content(bytes)
  }
}

/** A disk at one moment: what is durable and what is not, apart from what becomes of either. */
export interface DiskHistory {
  readonly names: ReadonlyMap<string, FileHistory>
  readonly changes: readonly NameChange<FileHistory>[]
}

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
  /** Told after everything that changes what a power failure could leave. */
  readonly onChange?: () => void
}

export class MemoryFiles implements FileSystem {
  capacityBytes: number
  readonly #random: () => number
  readonly #defer: (task: () => void, delayMs: number | undefined) => void
  /** Internal to this file. */
  readonly changed: () => void
  readonly #names = new Map<string, Inode>()
  readonly #durableNames = new Map<string, Inode>()
  #unsyncedNames: NameChange<Inode>[] = []
  readonly #directories = new Set<string>()
  readonly #failures: { operation: FileOperation; kind: StorageFailureKind; skip: number }[] = []
  #readOnly = false
  /** Handles of an earlier boot are dead. */
  boot = 0

  constructor(options: MemoryFilesOptions) {
    this.capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER
    this.#random = generator(options.seed)
    this.changed = options.onChange ?? (() => undefined)
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

  /** Whether a failure that was ordered has not come yet. */
  get hasFailuresLeft(): boolean {
    return this.#failures.length > 0
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

  /** What a power failure at this moment has to choose from. */
  history(): DiskHistory {
    const histories = new Map<Inode, FileHistory>()
    const historyOf = (inode: Inode): FileHistory => {
      const known = histories.get(inode) ?? { durable: inode.durable.slice(), changes: [...inode.unsynced] }
      histories.set(inode, known)
      return known
    }
    return {
      names: new Map([...this.#durableNames].map(([path, inode]) => [path, historyOf(inode)])),
      changes: this.#unsyncedNames.map((change) =>
        change.type === 'remove' ? change : { ...change, file: historyOf(change.file) },
      ),
    }
  }

  /** Power failure: open handles die, and of everything not synchronised some state survives that a disk may leave (crash-states.ts). */
  crash(): void {
    const bias = this.#random()
    const choose: Choose = (count) => (this.#random() < bias ? count - 1 : Math.floor(this.#random() * count))
    this.crashTo(this.history(), choose)
  }

  /** The disk after a power failure at the moment of `history`, which may be another disk's. */
  crashTo(history: DiskHistory, choose: Choose): void {
    this.boot++
    this.#failures.length = 0
    this.#unsyncedNames = []
    this.#names.clear()
    this.#durableNames.clear()
    const inodes = new Map<FileHistory, Inode>()
    for (const [path, file] of crashedNames(history.names, history.changes, choose)) {
      const inode = inodes.get(file) ?? new Inode(crashedContent(file, choose))
      inodes.set(file, inode)
      this.#names.set(path, inode)
      this.#durableNames.set(path, inode)
      this.#directories.add(path.slice(0, path.lastIndexOf('/')))
    }
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
    this.changed()
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

  #changeName(change: NameChange<Inode>): void {
    applyName(this.#names, change)
    this.#unsyncedNames.push(change)
    this.changed()
  }

  open(path: string, mode: OpenMode): File {
    this.check('open', path, mode === 'create')
    if (mode === 'create') {
      if (this.#names.has(path)) throw new StorageError('exists', 'open', path, CODES.exists)
      this.#changeName({ type: 'set', path, file: new Inode() })
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
    this.#changeName({ type: 'rename', from, path: to, file: inode })
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
    this.changed()
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
    const upTo = this.#inode.settled + this.#inode.unsynced.length
    this.#files.complete(done, () => this.#sync(upTo))
  }

  datasyncNow(): void {
    this.#alive('datasync')
    this.#sync(this.#inode.settled + this.#inode.unsynced.length)
  }

  #sync(upTo: number): void {
    const inode = this.#inode
    // Another synchronisation may have been quicker.
    const settled = inode.unsynced.splice(0, Math.max(0, upTo - inode.settled))
    inode.settled += settled.length
    // fsyncgate: when it fails, the kernel marks the pages clean although they never reached the medium.
    this.#files.check('datasync', this.path, false)
    for (const change of settled) inode.durable.apply(change)
    this.#files.changed()
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

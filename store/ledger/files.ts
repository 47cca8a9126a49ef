// The few file operations a ledger needs, and how they fail. Two implementations: real-files.ts and memory-files.ts.
// The rule to remember: a written byte is not a durable byte, and a created, renamed or removed name is not durable
// either, before its directory was synchronised.

/** What the caller can do about it: make room, fix permissions, or stop trusting the device. */
export type StorageFailureKind = 'full' | 'readonly' | 'missing' | 'exists' | 'io'

/**
 * An operational failure of storage (DESIGN §11): an event for the actor, not a defect. `path` and `operation` say
 * where; `code` is the operating system's (ENOSPC, EIO, …).
 */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly kind: StorageFailureKind
  readonly operation: string
  readonly path: string
  readonly code: string
  constructor(kind: StorageFailureKind, operation: string, path: string, code: string) {
    super(`${operation} ${path}: ${EXPLANATIONS[kind]} (${code})`)
    this.kind = kind
    this.operation = operation
    this.path = path
    this.code = code
  }
}

const EXPLANATIONS: Record<StorageFailureKind, string> = {
  full: 'no space left',
  readonly: 'not writable',
  missing: 'not there',
  exists: 'already there',
  io: 'input/output error',
}

export type SyncDone = (error: StorageError | undefined) => void

/**
 * One open file. Reads and writes are synchronous: into and out of the page cache they cost about a microsecond
 * (measurements §6.5), less than handing them to another thread. Only synchronisation is asynchronous.
 * All methods but `datasync` throw StorageError.
 */
export interface File {
  readonly path: string
  /** Writes everything at `offset`, or throws; then a part may have been written. */
  write(bytes: Uint8Array, offset: number): void
  /** `length` bytes from `offset`; fewer only at the end of the file. */
  read(offset: number, length: number): Uint8Array
  /** Calls back when everything written before is durable. After a failure nothing about the file's cache is known. */
  datasync(done: SyncDone): void
  datasyncNow(): void
  truncate(length: number): void
  size(): number
  close(): void
}

/** `create`: must not exist; read and write. */
export type OpenMode = 'read' | 'write' | 'create'

export interface FileSystem {
  open(path: string, mode: OpenMode): File
  /** Names, in no particular order. */
  readdir(directory: string): string[]
  /** With all its parents; no error when it exists. */
  mkdir(directory: string): void
  rename(from: string, to: string): void
  unlink(path: string): void
  syncDirectory(directory: string, done: SyncDone): void
  syncDirectoryNow(directory: string): void
  /** Runs a task after the current one, or after `delayMs`. */
  defer(task: () => void, delayMs?: number): void
}

export const joinPath = (directory: string, name: string): string => `${directory}/${name}`

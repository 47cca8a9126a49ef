// FileSystem over node:fs. No buffering and no policy: every call is the system call.
// The rule to remember: errors become StorageError here, so that nobody above looks at errno.
import * as fs from 'node:fs'
import {
  type File,
  type FileSystem,
  type OpenMode,
  StorageError,
  type StorageFailureKind,
  type SyncDone,
} from './files.ts'

const KINDS: Readonly<Record<string, StorageFailureKind>> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  EFBIG: 'full',
  EROFS: 'readonly',
  EACCES: 'readonly',
  EPERM: 'readonly',
  ENOENT: 'missing',
  EEXIST: 'exists',
}

function storageError(error: unknown, operation: string, path: string): StorageError {
  const code = String((error as NodeJS.ErrnoException | null)?.code ?? 'EIO')
  return new StorageError(KINDS[code] ?? 'io', operation, path, code)
}

function attempt<T>(operation: string, path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw storageError(error, operation, path)
  }
}

class RealFile implements File {
  readonly path: string
  readonly #fd: number

  constructor(path: string, fd: number) {
    this.path = path
    this.#fd = fd
  }

  write(bytes: Uint8Array, offset: number): void {
    attempt('write', this.path, () => {
      // write(2) may take a part, typically just before the disk is full.
      let done = 0
      while (done < bytes.length) done += fs.writeSync(this.#fd, bytes, done, bytes.length - done, offset + done)
    })
  }

  read(offset: number, length: number): Uint8Array {
    return attempt('read', this.path, () => {
      const bytes = new Uint8Array(length)
      let done = 0
      while (done < length) {
        const count = fs.readSync(this.#fd, bytes, done, length - done, offset + done)
        if (count === 0) return bytes.subarray(0, done)
        done += count
      }
      return bytes
    })
  }

  datasync(done: SyncDone): void {
    fs.fdatasync(this.#fd, (error) => done(error === null ? undefined : storageError(error, 'fdatasync', this.path)))
  }

  datasyncNow(): void {
    attempt('fdatasync', this.path, () => fs.fdatasyncSync(this.#fd))
  }

  truncate(length: number): void {
    attempt('truncate', this.path, () => fs.ftruncateSync(this.#fd, length))
  }

  size(): number {
    return attempt('stat', this.path, () => fs.fstatSync(this.#fd).size)
  }

  close(): void {
    attempt('close', this.path, () => fs.closeSync(this.#fd))
  }
}

const FLAGS: Readonly<Record<OpenMode, string>> = { read: 'r', write: 'r+', create: 'wx+' }

/** Windows cannot open a directory; there, names are made durable with the files. */
const CAN_SYNC_DIRECTORIES = process.platform !== 'win32'

export const realFiles: FileSystem = {
  open: (path, mode) =>
    new RealFile(
      path,
      attempt('open', path, () => fs.openSync(path, FLAGS[mode], 0o600)),
    ),
  readdir: (directory) => attempt('readdir', directory, () => fs.readdirSync(directory)),
  mkdir: (directory) =>
    attempt('mkdir', directory, () => {
      fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
    }),
  rename: (from, to) => attempt('rename', from, () => fs.renameSync(from, to)),
  unlink: (path) => attempt('unlink', path, () => fs.unlinkSync(path)),
  syncDirectory(directory, done) {
    if (!CAN_SYNC_DIRECTORIES) return queueMicrotask(() => done(undefined))
    const failed = (error: Error): void => done(storageError(error, 'fsync directory', directory))
    fs.open(directory, 'r', (openError, fd) => {
      if (openError !== null) return failed(openError)
      fs.fsync(fd, (syncError) =>
        fs.close(fd, (closeError) => {
          const error = syncError ?? closeError ?? null
          if (error === null) done(undefined)
          else failed(error)
        }),
      )
    })
  },
  syncDirectoryNow(directory) {
    if (!CAN_SYNC_DIRECTORIES) return
    attempt('fsync directory', directory, () => {
      const fd = fs.openSync(directory, 'r')
      try {
        fs.fsyncSync(fd)
      } finally {
        fs.closeSync(fd)
      }
    })
  },
  defer(task, delayMs) {
    if (delayMs === undefined) queueMicrotask(task)
    else setTimeout(task, delayMs).unref()
  },
}

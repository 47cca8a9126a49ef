// How the indexes open LMDB, write seqnos into keys and wait for what they wrote. Not what is written.
// The rule to remember: every promise that lmdb makes must be heard, or a failed commit (EIO, a full disk) under a mere cache ends the process as a
// rejection nobody heard.
import { mkdirSync, realpathSync, rmSync } from 'node:fs'
import { open, type RootDatabase } from 'lmdb'
import { StorageError } from './ledger/files.ts'

/** A big-endian u64, so that LMDB's byte order is the order of seqnos. In two halves: big integers are allocated. */
export function putSeqno(key: Uint8Array, at: number, seqno: number): void {
  const view = new DataView(key.buffer, key.byteOffset + at, 8)
  view.setUint32(0, Math.floor(seqno / 2 ** 32))
  view.setUint32(4, seqno % 2 ** 32)
}

export function readSeqno(key: Uint8Array, at: number): number {
  const view = new DataView(key.buffer, key.byteOffset + at, 8)
  return view.getUint32(0) * 2 ** 32 + view.getUint32(4)
}

export type ByteDatabase = RootDatabase<Uint8Array, Uint8Array>

/**
 * Creates the directory if need be. `directory` of the result is its real path. Of an environment that is removed unread when its process is gone
 * (`isScratch`), nothing is synchronised: its fsyncs would only keep the ledger's waiting.
 */
export function openBytes(
  path: string,
  file: string,
  isScratch: boolean,
): { readonly directory: string; readonly db: ByteDatabase } {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const directory = realpathSync(path)
  const db = open<Uint8Array, Uint8Array>({
    path: `${directory}/${file}`,
    encoding: 'binary',
    keyEncoding: 'binary',
    // Its batches of an event turn have a promise of their own that nobody is given.
    eventTurnBatching: false,
    noSync: isScratch,
  })
  // Reader slots of a killed process would keep old pages alive and grow the file.
  db.readerCheck()
  return { directory, db }
}

/**
 * Removes what an earlier process left, unread. LMDB has no checksums and trusts its pages: a damaged one gives wrong answers or kills the
 * process (store/README.md), and everything in an index can be had again from the ledger.
 */
export const removeIndex = (path: string): void => rmSync(path, { recursive: true, force: true })

/**
 * Resolves when all of it is durable and can be read. `directory`: of the environment, for the error. After a failure nothing more may be asked:
 * LMDB never tells the cause of another.
 * @throws StorageError
 */
export async function durable(
  db: ByteDatabase,
  directory: string,
  written: readonly Promise<unknown>[],
): Promise<void> {
  const promises = [...new Set(written)]
  // Each failure brings a promise of its cause, which must be heard too.
  for (const promise of promises) promise.catch(commitReason)
  try {
    // Together: whichever fails first, the others' failures must not go unheard.
    await Promise.all([...promises, db.flushed])
  } catch (error) {
    throw new StorageError('io', `commit (${await commitReason(error)}) in`, directory, 'LMDB')
  }
  // A read transaction opened earlier in this turn would hide what has just been written.
  db.resetReadTxn()
}

/** LMDB puts the cause of a failed commit into a promise beside the error, which nobody else would listen to. */
async function commitReason(error: unknown): Promise<string> {
  const cause = (error as { commitError?: Promise<unknown> }).commitError
  return Promise.resolve(cause).then(
    () => String(error),
    (reason: unknown) => String(reason),
  )
}

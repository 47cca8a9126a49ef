// The index of the past, in LMDB: which transactions wrote a key, and a mark that says how far it goes (actors/historian/index-rows.ts).
// A cache of the ledger: it may be deleted at any time, and is built again from it. An environment of its own, so that clearing it touches
// nothing else. The rule to remember: rows and mark enter in one LMDB transaction, and count once that is flushed (exemplars §4.3).
import { invariant } from '../protocols/errors.ts'
import { type ByteDatabase, durable, openBytes, putSeqno, readSeqno, removeIndex } from './lmdb-commit.ts'

/** Which transaction wrote the key of that name (16 bytes). */
export interface PastRow {
  readonly key: Uint8Array
  readonly seqno: number
}

export interface PastRange {
  readonly key: Uint8Array
  /** Both included. */
  readonly from: number
  readonly to: number
  readonly limit: number
  readonly latestFirst: boolean
}

const KEY_BYTES = 16
const ROW_BYTES = KEY_BYTES + 8
/** Shorter than any row, and so apart from all of them. */
const MARK_KEY = new Uint8Array([0])
const NOTHING = new Uint8Array(0)

function rowKey(key: Uint8Array, seqno: number): Uint8Array {
  invariant(key.length === KEY_BYTES, `a row's key has ${KEY_BYTES} bytes`)
  const bytes = new Uint8Array(ROW_BYTES)
  bytes.set(key)
  putSeqno(bytes, KEY_BYTES, seqno)
  return bytes
}

const seqnoOf = (key: Uint8Array): number => readSeqno(key, KEY_BYTES)

/** Makes an index anew; what an earlier process left there is removed unread (see removeIndex). */
export function freshPastIndex(path: string): PastIndex {
  removeIndex(path)
  return new PastIndex(path, true)
}

export class PastIndex {
  readonly #db: ByteDatabase
  readonly #directory: string

  /** Opens or creates the index in a directory of its own; no process may open it twice. `isScratch`: see openBytes. */
  constructor(path: string, isScratch = false) {
    const { directory, db } = openBytes(path, 'past.mdb', isScratch)
    this.#directory = directory
    this.#db = db
  }

  /** Of the last write; undefined when it is empty. */
  get mark(): Uint8Array | undefined {
    const bytes = this.#db.getBinary(MARK_KEY)
    return bytes === undefined ? undefined : new Uint8Array(bytes)
  }

  /** Forgets everything. Resolves when that is durable. @throws StorageError */
  clear(): Promise<void> {
    return durable(this.#db, this.#directory, [this.#db.clearAsync()])
  }

  /** Resolves when rows and mark are durable. After a failure nothing more may be asked. @throws StorageError */
  write(rows: readonly PastRow[], mark: Uint8Array): Promise<void> {
    const written: Promise<unknown>[] = []
    const batch = this.#db.batch(() => {
      for (const { key, seqno } of rows) written.push(this.#db.put(rowKey(key, seqno), NOTHING))
      written.push(this.#db.put(MARK_KEY, mark))
    })
    return durable(this.#db, this.#directory, [batch, ...written])
  }

  /** Seqnos of rows of a key, in order. */
  read({ key, from, to, limit, latestFirst }: PastRange): number[] {
    const low = rowKey(key, from)
    const high = rowKey(key, to + 1)
    // LMDB's reverse ranges include their start and leave out their end.
    const range = latestFirst
      ? { start: rowKey(key, to), end: rowKey(key, Math.max(0, from - 1)), reverse: true, limit }
      : { start: low, end: high, limit }
    return [...this.#db.getKeys(range)].map(seqnoOf)
  }

  async close(): Promise<void> {
    await this.#db.flushed
    await this.#db.close()
  }
}

// Which transactions are signatures, in LMDB: the first one after a transaction is what its receipt is made from. Where an entry lies is said by
// the ledger's own files (positions.ts). A cache of them: made anew by each process, from what it appends.
// The rule to remember: what was put can be read once the returned promise resolves (`.flushed`, exemplars §4.3), and not before.
import { type ByteDatabase, durable, openBytes, putSeqno, readSeqno, removeIndex } from './lmdb-commit.ts'

const KEY_BYTES = 8
const NOTHING = new Uint8Array(0)

function keyOf(seqno: number): Uint8Array {
  const key = new Uint8Array(KEY_BYTES)
  putSeqno(key, 0, seqno)
  return key
}

/** Makes an index anew; what an earlier process left there is removed unread (see removeIndex). */
export function freshSignatures(path: string): SignatureSeqnos {
  removeIndex(path)
  return new SignatureSeqnos(path)
}

export class SignatureSeqnos {
  readonly #db: ByteDatabase
  readonly #directory: string

  /** Opens or creates the index in a directory of its own; no process may open it twice. */
  constructor(path: string) {
    const { directory, db } = openBytes(path, 'signatures.mdb', true)
    this.#directory = directory
    this.#db = db
  }

  /** Resolves when they can be read. After a failure nothing more may be asked. @throws StorageError */
  put(seqnos: readonly number[]): Promise<void> {
    return durable(
      this.#db,
      this.#directory,
      seqnos.map((seqno) => this.#db.put(keyOf(seqno), NOTHING)),
    )
  }

  /** Removes those after `after` among what can be read. Resolves when they are gone. @throws StorageError */
  truncate(after: number): Promise<void> {
    const cut = [...this.#db.getKeys({ start: keyOf(after + 1) })].map((key) => new Uint8Array(key))
    return durable(
      this.#db,
      this.#directory,
      cut.map((key) => this.#db.remove(key)),
    )
  }

  /** The first at or after `from`. */
  next(from: number): number | undefined {
    for (const key of this.#db.getKeys({ start: keyOf(from), limit: 1 })) return readSeqno(key, 0)
    return undefined
  }

  async close(): Promise<void> {
    await this.#db.flushed
    await this.#db.close()
  }
}

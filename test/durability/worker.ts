// The child of kills.ts and kernel-faults.ts: a node's store under load (lock, ledger, index of signatures) until it is killed or its disk fails.
// Says on stdout what it is about to do and what it was told is done, a line each, written before anything else happens:
// a SEQNO HASH [signed] (will append) · d SEQNO (durable) · c SEQNO (committed) · t SEQNO (will cut after) · T (has cut).
import { createHash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { Prng } from '../../runtime/prng.ts'
import { lockDirectory } from '../../store/directory-lock.ts'
import { type Ledger, openLedger } from '../../store/ledger/ledger.ts'
import { freshSignatures, type SignatureSeqnos } from '../../store/signatures-lmdb.ts'
import { Chain, lastSignature } from './chain.ts'

/** The process ends with it when the disk failed and that was reported: all as it should be. */
export const EXIT_DISK_FAILED = 70

const say = (line: string): void => void writeSync(1, `${line}\n`)

export const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16)

class Work {
  readonly #prng: Prng
  readonly #ledger: Ledger
  readonly #index: SignatureSeqnos
  readonly #chain = new Chain()
  readonly #view: number
  #durable: number
  #committed: number
  /** Up to where signatures were indexed. */
  #indexed: number
  #indexing: Promise<void> = Promise.resolve()
  #rollbacks = 0

  constructor(prng: Prng, ledger: Ledger, index: SignatureSeqnos, view: number) {
    this.#prng = prng
    this.#ledger = ledger
    this.#index = index
    this.#view = view
    this.#chain.load(ledger.readRange(1, ledger.lastSeqno, Infinity))
    this.#durable = ledger.durableSeqno
    this.#committed = ledger.committedSeqno
    this.#indexed = this.#durable
  }

  async run(turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn++) {
      this.#append()
      const flushed = this.#flush()
      // A rollback may fail first, and ends this then.
      flushed.catch(() => undefined)
      if (this.#prng.chance(1, 3)) this.#append()
      if (this.#prng.chance(1, 12)) this.#truncate()
      await flushed
      this.#commit()
      this.#put()
      if (this.#prng.chance(1, 4)) await this.#indexing
    }
    await this.#indexing
  }

  #append(): void {
    const count = this.#prng.integer(1, 12)
    const entries = []
    for (let i = 1; i <= count; i++) {
      const shape = { view: this.#view + this.#rollbacks, valueBytes: this.#prng.integer(0, 600) }
      const entry = this.#chain.add({ ...shape, signature: i === count && this.#prng.chance(3, 4) }, this.#committed)
      say(`a ${entry.seqno} ${hashOf(entry.bytes)}${entry.committable ? ' signed' : ''}`)
      entries.push(entry)
    }
    const refused = this.#ledger.append(entries)
    if (refused !== undefined) throw refused
  }

  #flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#ledger.flush((error, durable) => {
        if (error !== undefined) return reject(error)
        say(`d ${durable}`)
        this.#durable = durable
        resolve()
      })
    })
  }

  #truncate(): void {
    const after = Math.max(this.#committed, this.#chain.log.length - this.#prng.integer(1, 15))
    say(`t ${after}`)
    this.#chain.cutAfter(after)
    this.#durable = Math.min(this.#durable, after)
    this.#rollbacks++
    const refused = this.#ledger.truncate(after)
    if (refused !== undefined) throw refused
    say('T')
    this.#indexed = Math.min(this.#indexed, after)
    this.#then(() => this.#index.truncate(after))
  }

  #commit(): void {
    const seqno = lastSignature(this.#chain.log, Math.max(0, this.#durable - this.#prng.integer(0, 10)))
    if (seqno <= this.#committed) return
    this.#committed = seqno
    this.#ledger.commit(seqno)
    say(`c ${seqno}`)
  }

  /** Every durable signature that is not indexed. */
  #put(): void {
    const durable = this.#chain.log.slice(this.#indexed, this.#durable)
    this.#indexed = this.#durable
    const signatures = durable.filter(({ committable }) => committable).map(({ seqno }) => seqno)
    this.#then(() => this.#index.put(signatures))
  }

  #then(write: () => Promise<void>): void {
    this.#indexing = this.#indexing.then(write)
    // Heard by whoever waits for it; until then it must not be called unheard.
    this.#indexing.catch(() => undefined)
  }
}

/** `directory`, seed, view of its entries, turns. */
export async function work(args: readonly string[]): Promise<number> {
  const [directory = '', seed, view, turns] = args
  try {
    await lockDirectory(directory)
    const ledger = openLedger({
      directory: `${directory}/ledger`,
      chunkBytes: 6000,
      // The first word about a failure; what comes after may only be its consequence.
      onNotice: (notice) => {
        if (notice.type === 'failed') process.stderr.write(`${notice.reason}\n`)
      },
    })
    const index = freshSignatures(`${directory}/index`)
    await new Work(new Prng(Number(seed)), ledger, index, Number(view)).run(Number(turns))
    return 0
  } catch (error) {
    const name = error instanceof Error ? error.name : ''
    process.stderr.write(`${String(error)}\n`)
    return name === 'StorageError' || name === 'CorruptDataError' ? EXIT_DISK_FAILED : 1
  }
}

// Feeds the LMDB index of a live node in the background: entries are gathered and indexed in large batches, off the way of requests.
// The rule to remember: what is not indexed yet is answered from memory, so nobody notices that the index lags behind the files.
import type { LogRecord } from '../protocols/consensus/log.ts'
import { freshIndex, type IndexedEntry, type LedgerIndex } from '../store/index-lmdb.ts'
import type { Ledger } from '../store/ledger/ledger.ts'
import type { SignatureIndex } from './ledger-port.ts'

/** Entries gathered before they are indexed. */
const BATCH = 4096
/** Entries wait at most that long. */
const DELAY_MS = 1000

interface Gathered {
  readonly seqno: number
  readonly view: number
  readonly signature: boolean
}

export class BackgroundIndex implements SignatureIndex {
  readonly #index: LedgerIndex
  readonly #ledger: Ledger
  /** Not handed to the index yet, ascending. */
  #gathered: Gathered[] = []
  /** Handed to the index and not in it yet, ascending. LMDB shows a batch only some time after it was given. */
  #handed: Gathered[] = []
  /** Cuts the index has not made yet: what it holds beyond the lowest of them is of a past that was rolled back. */
  readonly #cuts: number[] = []
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #failure: Error | undefined

  constructor(path: string, ledger: Ledger) {
    this.#index = freshIndex(path)
    this.#ledger = ledger
  }

  add(records: readonly LogRecord[]): void {
    for (const { seqno, view, kind } of records) this.#gathered.push({ seqno, view, signature: kind === 'signature' })
    if (this.#gathered.length >= BATCH) this.#write()
    else this.#timer ??= setTimeout(() => this.#write(), DELAY_MS)
  }

  truncate(after: number): void {
    this.#gathered = this.#gathered.filter(({ seqno }) => seqno <= after)
    this.#handed = this.#handed.filter(({ seqno }) => seqno <= after)
    // Whether there is anything to cut is known only once the batches before it are in.
    this.#cuts.push(after)
    this.#then(async () => {
      if (this.#index.lastSeqno > after) await this.#index.truncate(after)
      this.#cuts.shift()
    })
  }

  signatureAfter(seqno: number): number | undefined {
    const indexed = this.#index.nextSignature(seqno + 1)
    if (indexed !== undefined && this.#cuts.every((after) => indexed <= after)) return indexed
    const isLater = (entry: Gathered): boolean => entry.signature && entry.seqno > seqno
    return (this.#handed.find(isLater) ?? this.#gathered.find(isLater))?.seqno
  }

  async close(): Promise<void> {
    this.#write()
    await this.#writing
    await this.#index.close()
  }

  /** Why indexing stopped; receipts of older transactions are then refused, nothing else suffers. */
  get failure(): Error | undefined {
    return this.#failure
  }

  #write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch = this.#gathered
    if (batch.length === 0) return
    this.#gathered = []
    const entries = batch.flatMap((entry): IndexedEntry[] => {
      const location = this.#ledger.locate(entry.seqno)
      return location === undefined ? [] : [{ ...entry, ...location }]
    })
    this.#handed.push(...batch)
    this.#then(async () => {
      await this.#index.put(entries)
      // Entries that took the place of these after a truncation are other objects, and wait for their own turn.
      const isIn = new Set(batch)
      this.#handed = this.#handed.filter((entry) => !isIn.has(entry))
    })
  }

  #then(write: () => Promise<void>): void {
    this.#writing = this.#writing.then(write).catch((error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(String(error))
    })
  }
}

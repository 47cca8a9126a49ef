// Feeds the LMDB index of a live node in the background: entries are gathered and indexed in large batches, off the way of requests.
// The rule to remember: what is not indexed yet is answered from memory, so nobody notices that the index lags behind the files.
import type { LogRecord } from '../protocols/consensus/log.ts'
import { LedgerIndex, type IndexedEntry } from '../store/index-lmdb.ts'
import type { Ledger } from '../store/ledger/ledger.ts'
import type { SignatureIndex } from './ledger-port.ts'

/** Entries gathered before they are indexed. */
const BATCH = 4096
/** Entries wait at most that long. */
const DELAY_MS = 1000

export class BackgroundIndex implements SignatureIndex {
  readonly #index: LedgerIndex
  readonly #ledger: Ledger
  /** Not indexed yet, ascending. */
  #gathered: { readonly seqno: number; readonly view: number; readonly signature: boolean }[] = []
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #failure: Error | undefined

  constructor(path: string, ledger: Ledger) {
    this.#index = new LedgerIndex(path)
    this.#ledger = ledger
  }

  add(records: readonly LogRecord[]): void {
    for (const { seqno, view, kind } of records) this.#gathered.push({ seqno, view, signature: kind === 'signature' })
    if (this.#gathered.length >= BATCH) this.#write()
    else this.#timer ??= setTimeout(() => this.#write(), DELAY_MS)
  }

  truncate(after: number): void {
    this.#gathered = this.#gathered.filter(({ seqno }) => seqno <= after)
    if (this.#index.lastSeqno > after) this.#then(() => this.#index.truncate(after))
  }

  signatureAfter(seqno: number): number | undefined {
    const indexed = this.#index.lastSeqno > seqno ? this.#index.nextSignature(seqno + 1) : undefined
    return indexed ?? this.#gathered.find((entry) => entry.signature && entry.seqno > seqno)?.seqno
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
    this.#then(() => this.#index.put(entries))
  }

  #then(write: () => Promise<void>): void {
    this.#writing = this.#writing.then(write).catch((error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(String(error))
    })
  }
}

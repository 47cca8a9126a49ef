// Feeds the LMDB index of a live node in the background: signatures are gathered and indexed together, off the way of requests.
// The rule to remember: what is not indexed yet is answered from memory, so nobody notices that the index lags behind the files.
import type { LogRecord } from '../protocols/consensus/log.ts'
import { freshSignatures, type SignatureSeqnos } from '../store/signatures-lmdb.ts'
import type { SignatureIndex } from './ledger-port.ts'

/** Signatures wait at most that long. */
const DELAY_MS = 1000

export class BackgroundIndex implements SignatureIndex {
  readonly #index: SignatureSeqnos
  /** Not handed to the index yet, ascending. */
  #gathered: number[] = []
  /** Handed to the index and not in it yet, ascending, without what was cut since. LMDB shows a batch only some time after it was given. */
  readonly #handed: number[][] = []
  /** Cuts the index has not made yet: what it holds beyond the lowest of them is of a past that was rolled back. */
  readonly #cuts: number[] = []
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #failure: Error | undefined

  constructor(path: string) {
    this.#index = freshSignatures(path)
  }

  add(records: readonly LogRecord[]): void {
    if (this.#failure !== undefined) return
    for (const { seqno, kind } of records) {
      if (kind !== 'signature') continue
      this.#gathered.push(seqno)
      this.#timer ??= setTimeout(() => this.#write(), DELAY_MS)
    }
  }

  truncate(after: number): void {
    this.#gathered = this.#gathered.filter((seqno) => seqno <= after)
    for (const [i, batch] of this.#handed.entries()) this.#handed[i] = batch.filter((seqno) => seqno <= after)
    this.#cuts.push(after)
    this.#then(async () => {
      await this.#index.truncate(after)
      this.#cuts.shift()
    })
  }

  signatureAfter(seqno: number): number | undefined {
    const indexed = this.#index.next(seqno + 1)
    if (indexed !== undefined && this.#cuts.every((after) => indexed <= after)) return indexed
    const isLater = (signature: number): boolean => signature > seqno
    return this.#handed.flat().find(isLater) ?? this.#gathered.find(isLater)
  }

  /** Resolves when everything handed to LMDB so far is in, or refused. */
  get settled(): Promise<void> {
    return this.#writing
  }

  async close(): Promise<void> {
    this.#write()
    await this.settled
    // After a failed commit LMDB would wait for ever for what it could not write.
    if (this.#failure === undefined) await this.#index.close()
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
    this.#handed.push(batch)
    this.#then(async () => {
      await this.#index.put(batch)
      // Batches go in one after the other, so the first is this one.
      this.#handed.shift()
    })
  }

  #then(write: () => Promise<void>): void {
    this.#writing = this.#writing
      .then(() => (this.#failure === undefined ? write() : undefined))
      .catch((error: unknown) => {
        this.#failure = error instanceof Error ? error : new Error(String(error))
      })
  }
}

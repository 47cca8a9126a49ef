// The ledger files and their index, as the live host uses them. Files are the truth; the index only says where the next signature is.
// The rule to remember: what is reported durable went through the files' fsync; the index may lag and is caught up when the ledger is opened.
import type { LogRecord } from '../protocols/consensus/log.ts'
import { recordOfEntry } from '../protocols/consensus/record.ts'
import type { Ledger } from '../store/ledger/ledger.ts'
import type { LedgerFound, LedgerPort } from './host/ports.ts'

/** Where signature transactions are, so that a receipt needs two reads and no search. */
export interface SignatureIndex {
  add(records: readonly LogRecord[]): void
  truncate(after: number): void
  /** The first signature transaction after `seqno`, if there is one. */
  signatureAfter(seqno: number): number | undefined
}

const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

export class LiveLedger implements LedgerPort {
  readonly #ledger: Ledger
  readonly #index: SignatureIndex

  constructor(ledger: Ledger, index: SignatureIndex) {
    this.#ledger = ledger
    this.#index = index
  }

  append(records: readonly LogRecord[], flush: boolean, done: (error: Error | undefined) => void): void {
    const refused = this.#ledger.append(
      records.map(({ seqno, bytes, kind }) => ({ seqno, bytes, committable: kind === 'signature' })),
    )
    if (refused !== undefined) {
      done(refused)
      return
    }
    this.#index.add(records)
    if (flush) this.#ledger.flush((error) => done(error))
  }

  truncate(after: number, done: (error: Error | undefined) => void): void {
    const refused = this.#ledger.truncate(after)
    if (refused !== undefined) done(refused)
    else this.#index.truncate(after)
  }

  markCommitted(seqno: number, done: (error: Error | undefined) => void): void {
    this.#ledger.commit(seqno)
    if (this.#ledger.failure !== undefined) done(this.#ledger.failure)
  }

  read(
    seqno: number,
    withSignature: boolean,
    done: (error: Error | undefined, found: LedgerFound | undefined) => void,
  ): void {
    try {
      const entry = this.#ledger.read(seqno)
      const signatureSeqno = withSignature ? this.#index.signatureAfter(seqno) : undefined
      const signatureEntry = signatureSeqno === undefined ? undefined : this.#ledger.read(signatureSeqno)
      done(undefined, { entry, signatureSeqno, signatureEntry })
    } catch (error) {
      done(toError(error), undefined)
    }
  }

  readRange(
    from: number,
    to: number,
    bytesMax: number,
    done: (error: Error | undefined, records: readonly LogRecord[]) => void,
  ): void {
    try {
      done(
        undefined,
        this.#ledger.readRange(from, to, bytesMax).map(({ bytes }) => recordOfEntry(bytes)),
      )
    } catch (error) {
      done(toError(error), [])
    }
  }
}

// What a host needs of the world besides a clock and a network: ledger files, signing keys, randomness. Live and simulated ones exist.
import type { IndexRow, SignItem, SigningKeyName } from '../../actors/effects.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type { StoredSnapshot } from '../../protocols/snapshot/format.ts'

/** Ledger files of one node. Calls are ordered: each takes effect after those before it. */
export interface LedgerPort {
  /** Calls back once; with `flush`, after the records are durable. An error means the ledger takes no more. */
  append(records: readonly LogRecord[], flush: boolean, done: (error: Error | undefined) => void): void
  truncate(after: number, done: (error: Error | undefined) => void): void
  markCommitted(seqno: number, done: (error: Error | undefined) => void): void
  /** The entry, and with `withSignature` the first signature transaction after it; undefined where there is none. */
  read(
    seqno: number,
    withSignature: boolean,
    done: (error: Error | undefined, found: LedgerFound | undefined) => void,
  ): void
  readRange(
    from: number,
    to: number,
    bytesMax: number,
    done: (error: Error | undefined, records: readonly LogRecord[]) => void,
  ): void
}

export interface LedgerFound {
  readonly entry: Uint8Array | undefined
  readonly signatureSeqno: number | undefined
  readonly signatureEntry: Uint8Array | undefined
}

/** Private keys of one node. They are in memory only and never leave it. */
export interface KeyringPort {
  install(name: SigningKeyName, pkcs8: Uint8Array): void
  /** Signs all items; the order of the answers is the order of the items. */
  sign(items: readonly SignItem[], done: (error: Error | undefined, signatures: readonly Uint8Array[]) => void): void
}

/** A question to the index of the past: rows of `key` with a seqno in [from, to], at most `limit`. */
export interface PastLookup {
  readonly key: Uint8Array
  readonly from: number
  readonly to: number
  readonly limit: number
  /** The last ones of the range, in descending order. */
  readonly latestFirst: boolean
}

/** The index of the past of one node: rows, and a mark that is of the same age as they. Calls are ordered. */
export interface PastIndexPort {
  /** Calls back with the mark of the last `write`; with `clear` everything is forgotten first. */
  open(clear: boolean, done: (error: Error | undefined, mark: Uint8Array | undefined) => void): void
  /** Calls back once, when rows and mark are durable; both or neither are. After an error it takes no more. */
  write(rows: readonly IndexRow[], mark: Uint8Array, done: (error: Error | undefined) => void): void
  /** Sees every write that has called back. */
  read(lookup: PastLookup, done: (error: Error | undefined, seqnos: readonly number[]) => void): void
}

/** Snapshot files of one node: see store/snapshots. */
export interface SnapshotsPort {
  /** @throws StorageError */
  list(): readonly StoredSnapshot[]
  /** @throws StorageError */
  read(fileName: string, offset: number, length: number): Uint8Array | undefined
  save(fileName: string, bytes: Uint8Array, keep: number, done: (error: Error | undefined) => void): void
}

// Two ledgers entry by entry: are they the same, is one longer, or where do they part, and which kind of parting is it?
// Not a judgement of either (`ledger verify`). The rule to remember: a view has one primary, so one transaction id has one content;
// two contents are equivocation, whereas another view at the same seqno is what elections leave behind in unsigned tails.
import { equalBytes } from '../../protocols/codec/bytes.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import type { StreamedEntry, StreamEnd } from './entry-stream.ts'
import { serviceAfter, unknownService } from './service-seen.ts'
import { type TransactionKind, transactionKind } from './transaction-kind.ts'

export type EntryWalk = Iterator<StreamedEntry, StreamEnd>

/** One side's first entry after the last common one. */
export interface Differing {
  readonly txId: string
  readonly view: number
  readonly seqno: number
  readonly kind: TransactionKind
  readonly file: string
  readonly offset: number
  readonly bytes: number
  /** It stands in a committed chunk. */
  readonly committed: boolean
}

export interface ComparedTo {
  /** Entries that are the same on both sides. */
  readonly common: number
  readonly lastCommon: string | undefined
}

export type Comparison = ComparedTo &
  (
    | { readonly verdict: 'identical' }
    | { readonly verdict: 'prefix'; readonly longer: 'a' | 'b'; readonly next: Differing }
    | {
        readonly verdict: 'fork'
        readonly a: Differing
        readonly b: Differing
        /** A later transaction id that both sides hold, after different histories. */
        readonly sameTxIdLater: string | undefined
        /** Why the search for that ended before either ledger did. */
        readonly searchEnded: string | undefined
      }
    | { readonly verdict: 'equivocation'; readonly a: Differing; readonly b: Differing }
    /** They begin as two services: their ids (SHA-256 of the public keys, hex). */
    | { readonly verdict: 'unrelated'; readonly serviceOfA: string; readonly serviceOfB: string }
  )

const txIdOf = ({ entry }: StreamedEntry): string => `${entry.view}.${entry.seqno}`

const differing = (source: StreamedEntry): Differing => ({
  txId: txIdOf(source),
  view: source.entry.view,
  seqno: source.entry.seqno,
  kind: transactionKind(source.entry),
  file: source.chunk.name,
  offset: source.offset,
  bytes: source.bytes.length,
  committed: source.chunk.committed,
})

/** Undefined unless both are the first transactions of services, of two. */
function otherServices(
  crypto: Crypto,
  a: StreamedEntry,
  b: StreamedEntry,
): { serviceOfA: string; serviceOfB: string } | undefined {
  const [x, y] = [a, b].map(({ entry }) => serviceAfter(crypto, unknownService, entry).id)
  return a.entry.seqno > 1 || x === undefined || y === undefined || x === y
    ? undefined
    : { serviceOfA: x, serviceOfB: y }
}

/**
 * After a fork no transaction id may be on both sides: a view's primary extends one history (the log matching property,
 * Raft §5.3). A fault found on the way ends the search, not the comparison, which is already decided.
 */
function searchSameTxId(a: EntryWalk, b: EntryWalk): { sameTxIdLater?: string; searchEnded?: string } {
  try {
    for (;;) {
      const [x, y] = [a.next(), b.next()]
      if (x.done === true || y.done === true) return {}
      if (x.value.entry.view === y.value.entry.view) return { sameTxIdLater: txIdOf(x.value) }
    }
  } catch (error) {
    if (error instanceof CorruptDataError) return { searchEnded: error.message }
    throw error
  }
}

/**
 * Compares two walks that start at the same seqno, yielding now and then so that a caller may breathe.
 * @throws CorruptDataError, StorageError when a ledger cannot be read up to where they part.
 */
export function* compareLedgers(crypto: Crypto, a: EntryWalk, b: EntryWalk): Generator<number, Comparison> {
  let common = 0
  let lastCommon: string | undefined
  for (;;) {
    const [x, y] = [a.next(), b.next()]
    if (x.done === true || y.done === true) {
      if (x.done === true && y.done === true) return { verdict: 'identical', common, lastCommon }
      const [longer, next] = x.done === true ? (['b', y.value] as const) : (['a', x.value] as const)
      return { verdict: 'prefix', longer, next: differing(next as StreamedEntry), common, lastCommon }
    }
    if (!equalBytes(x.value.bytes, y.value.bytes)) {
      const services = common === 0 ? otherServices(crypto, x.value, y.value) : undefined
      if (services !== undefined) return { verdict: 'unrelated', ...services, common, lastCommon }
      const sides = { a: differing(x.value), b: differing(y.value), common, lastCommon }
      if (sides.a.txId === sides.b.txId) return { verdict: 'equivocation', ...sides }
      const { sameTxIdLater, searchEnded } = searchSameTxId(a, b)
      return { verdict: 'fork', ...sides, sameTxIdLater, searchEnded }
    }
    lastCommon = txIdOf(x.value)
    common++
    yield common
  }
}

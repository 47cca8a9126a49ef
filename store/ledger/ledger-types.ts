// What goes into the ledger files and what is said about them.
// The rule to remember: `committable` means signature transaction; nothing else may end a chunk or be committed.
import type { StorageError } from './files.ts'
import type { TailCut } from './recover.ts'

/**
 * When written entries are made durable: before `flush` answers; at most `intervalMs` later (a crash of the machine may
 * lose that much, a crash of the process nothing); or when the operating system likes (as CCF, facts §3.1).
 */
export type FlushPolicy = 'commit' | 'interval' | 'never'

export interface LedgerEntry {
  readonly seqno: number
  /** The whole serialised entry. Not copied: must not change until it is durable. */
  readonly bytes: Uint8Array
  /** A signature transaction: only such an entry may end a chunk (CCF facts §3.2). */
  readonly committable: boolean
  /** Ends its chunk whatever the size, if committable. The entry's own force-chunk flags are obeyed too. */
  readonly closesChunk?: boolean
}

/** Things worth telling the operator. */
export type LedgerNotice =
  | { readonly type: 'tailCut'; readonly cut: TailCut }
  | { readonly type: 'fileSetAside'; readonly file: string }
  | { readonly type: 'chunkCompleted'; readonly first: number; readonly last: number; readonly bytes: number }
  | { readonly type: 'chunkCommitted'; readonly file: string }
  | { readonly type: 'failed'; readonly reason: string; readonly untilReopened: boolean }

/** `error`, or else the seqno up to which entries are durable, as the policy understands it. */
export type FlushDone = (error: StorageError | undefined, durableSeqno: number) => void

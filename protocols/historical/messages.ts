// What the historian is asked and answers, and what it is told of commits. The requests of clients come from the executor, which has checked
// who asks; they are answered straight to the session or door they came from.
// The rule to remember: one `executed` (or, for another node, `forwarded`) answers each query, exactly once.
import type { AppRequest, Caller } from '../app.ts'
import type { TxId } from '../ids.ts'
import type { SequencedWrites } from '../ledger/write-set.ts'
import type { MerkleTree } from '../merkle/tree.ts'
import type { LedgerSecrets } from '../secrets/ledger-secrets.ts'

/** How long the asker waits for the ledger before it is told 202 and to come again. */
export type Patience = 'untilReady' | 'briefly' | 'not'

/** From the executor: a client's request about the past. */
export interface HistoricalQuery {
  readonly type: 'historicalQuery'
  /** Who is answered, and the token it knows its batch by. */
  readonly origin: string
  readonly originToken: number
  readonly caller: Caller
  readonly request: AppRequest
  /** `strategies`: how far the index of the past has come (CCF: GET /node/index/strategies). */
  readonly wanted: 'receipt' | 'coseReceipt' | 'endpoint' | 'strategies'
  /** Committed, as far as it is given. */
  readonly target: TxId | undefined
  readonly patience: Patience
}

/** Transactions that follow one another, the last of them a signature, with the tree over everything up to there. SECRET: private maps included. */
export interface CommittedNow {
  readonly transactions: readonly SequencedWrites[]
  readonly tree: MerkleTree
}

/** From the executor, whenever the commit index moved. */
export interface HistoryCommitted {
  readonly type: 'historyCommitted'
  readonly seqno: number
  /** Element i is the first seqno of view i + 1. */
  readonly viewHistory: readonly number[]
  /** Those in force up to there, and perhaps later ones. SECRET. */
  readonly secrets: LedgerSecrets
  /** What has been committed since the last of these messages, so that it need not be read back; undefined if the executor does not know all of it. */
  readonly now: CommittedNow | undefined
}

/** The query parameters that belong to the platform, not to the endpoint. */
export const TRANSACTION_PARAMETER = 'transaction_id'
export const WAIT_PARAMETER = 'wait'

/** What is told with 202, in seconds: CCF's header of that name, in the body since frames have no headers. */
export const RETRY_AFTER_SECONDS = 1

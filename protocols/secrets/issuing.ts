// What executor and keeper say to one another when ledger secrets or shares are made anew. Both are of one node: none of this travels.
// The rule to remember: whoever asks gets exactly one answer, and what it holds was computed from the request alone.
import type { Refusal } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import type { WriteSet } from '../ledger/write-set.ts'
import type { LedgerSecret } from './ledger-secrets.ts'

/** `rekey`: a new secret, for every node, and shares of it. `shares`: new shares of the latest (CCF: trigger_recovery_shares_refresh). */
export type IssuePurpose = 'rekey' | 'shares'

/** Somebody to encrypt to. */
export interface Recipient<Id extends string = string> {
  readonly id: Id
  /** RSA, PEM. */
  readonly encryptionPublicKeyPem: string
}

/** Active members with an encryption key, by what they get (CCF facts §6.4). */
export interface RecoveryMembers {
  /** Shares needed, of those that participants hold. */
  readonly threshold: number
  readonly participants: readonly Recipient[]
  /** Hold the full secret. */
  readonly owners: readonly Recipient[]
}

/** Executor to keeper. */
export interface IssueSecrets {
  readonly type: 'issueSecrets'
  readonly token: number
  readonly purpose: IssuePurpose
  /** SECRET. */
  readonly latest: LedgerSecret
  /** Seqno of the last record of the historical chain. */
  readonly historicalStoredVersion: number | undefined
  readonly nodes: readonly Recipient<NodeId>[]
  /** Undefined when the service has no recovery members: then no shares are made. */
  readonly recovery: RecoveryMembers | undefined
}

/** Keeper to executor: the writes of one transaction, or why there are none. */
export type SecretsIssued = { readonly type: 'secretsIssued'; readonly token: number } & (
  { readonly writes: WriteSet } | { readonly refused: Refusal }
)

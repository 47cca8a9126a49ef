// Errors, in the six kinds of DESIGN §11. Refusals are values with CCF's codes; the classes here are for what must stop something.

/** CCF's error codes (CCF facts §8), plus the few Concordat adds for its own transport. */
export type ErrorCode =
  | 'AuthorizationFailed'
  | 'InternalError'
  | 'NotImplemented'
  | 'InvalidAuthenticationInfo'
  | 'InvalidInput'
  | 'InvalidQueryParameterValue'
  | 'InvalidResourceName'
  | 'ResourceNotFound'
  | 'UnsupportedHttpVerb'
  | 'RequestBodyTooLarge'
  | 'PreconditionFailed'
  | 'SessionCapExhausted'
  | 'FrontendNotOpen'
  | 'KeyNotFound'
  | 'TransactionNotFound'
  | 'TransactionReplicationFailed'
  | 'TransactionPendingOrUnknown'
  | 'TransactionInvalid'
  | 'PrimaryNotFound'
  | 'RequestAlreadyForwarded'
  | 'SessionConsistencyLost'
  | 'TooManyPendingTransactions'
  | 'InvalidNodeState'
  | 'MissingApiVersionParameter'
  | 'UnsupportedApiVersionValue'

/** The body of every refusal (OData form, as CCF's). */
export interface ErrorBody {
  readonly error: { readonly code: ErrorCode; readonly message: string }
}

export interface Refusal {
  readonly status: number
  readonly code: ErrorCode
  readonly message: string
}

export const refusal = (status: number, code: ErrorCode, message: string): Refusal => ({ status, code, message })
export const errorBody = (r: Refusal): ErrorBody => ({ error: { code: r.code, message: r.message } })

/** Stored data that is not what was stored. Never repaired silently: whoever meets it names the file and stops. */
export class CorruptDataError extends Error {
  override readonly name = 'CorruptDataError'
  readonly where: string
  readonly offset: number
  readonly reason: string
  constructor(where: string, offset: number, reason: string) {
    super(`${where}: corrupt at byte ${offset}: ${reason}`)
    this.where = where
    this.offset = offset
    this.reason = reason
  }
}

/** A replay or re-execution that did not reproduce what was recorded. */
export class DivergenceError extends Error {
  override readonly name = 'DivergenceError'
  readonly position: number
  readonly actor: string
  constructor(position: number, actor: string, difference: string) {
    super(`diverged at step ${position} in actor ${actor}: ${difference}`)
    this.position = position
    this.actor = actor
  }
}

/** A defect of ours: something the code holds to be impossible. The node stops and leaves a crash file. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation'
}

/** Wrong use of a command: one line and a hint, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message)
}

export function assertNever(value: never): never {
  throw new InvariantViolation(`unexpected value ${String((value as { type?: unknown }).type ?? value)}`)
}

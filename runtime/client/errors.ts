// What goes wrong for a client, as one class: refusals of the service under CCF's codes, and what only a client can meet.
// The rule to remember: `outcomeUnknown` is true exactly when a request may have been executed although nobody said so.
import type { ErrorCode } from '../../protocols/errors.ts'

export type ClientErrorCode =
  | ErrorCode
  /** NATS could not be reached. */
  | 'ConnectionFailed'
  /** No node answers, or the one that did is gone. */
  | 'NodeUnreachable'
  /** The node that answers does not belong to the service whose certificate the client trusts. */
  | 'ServiceNotTrusted'
  | 'RequestTimeout'
  | 'RequestAborted'
  | 'ClientClosed'

export class ConcordatError extends Error {
  override readonly name = 'ConcordatError'
  readonly code: ClientErrorCode
  /** HTTP status, when the service gave one. */
  readonly status: number | undefined
  /** The request may or may not have been executed: ask for its effects before repeating it. */
  readonly outcomeUnknown: boolean

  constructor(
    code: ClientErrorCode,
    message: string,
    options: { readonly status?: number; readonly outcomeUnknown?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = options.status
    this.outcomeUnknown = options.outcomeUnknown ?? false
  }
}

/** The same failure, seen from a request that was, or was not, on its way when it happened. */
export const asSeenBy = (error: ConcordatError, wasSent: boolean): ConcordatError => {
  if (error.outcomeUnknown === wasSent) return error
  const { code, message, status, cause } = error
  return new ConcordatError(code, message, {
    ...(status === undefined ? {} : { status }),
    cause,
    outcomeUnknown: wasSent,
  })
}

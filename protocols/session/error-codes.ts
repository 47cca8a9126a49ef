// The error codes a peer may name, for decoding. The type in protocols/errors.ts decides; the compiler keeps this list complete.
// The rule to remember: a code this version does not know is read as InternalError, so that a refusal always arrives.
import type { ErrorCode } from '../errors.ts'

const ERROR_CODES: Readonly<Record<ErrorCode, true>> = {
  AuthorizationFailed: true,
  InternalError: true,
  NotImplemented: true,
  InvalidAuthenticationInfo: true,
  InvalidInput: true,
  InvalidQueryParameterValue: true,
  InvalidResourceName: true,
  ResourceNotFound: true,
  UnsupportedHttpVerb: true,
  RequestBodyTooLarge: true,
  PreconditionFailed: true,
  SessionCapExhausted: true,
  FrontendNotOpen: true,
  KeyNotFound: true,
  TransactionNotFound: true,
  TransactionReplicationFailed: true,
  TransactionPendingOrUnknown: true,
  TransactionInvalid: true,
  PrimaryNotFound: true,
  RequestAlreadyForwarded: true,
  SessionConsistencyLost: true,
  TooManyPendingTransactions: true,
  InvalidNodeState: true,
  MissingApiVersionParameter: true,
  UnsupportedApiVersionValue: true,
}

const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(ERROR_CODES, text)

export const errorCodes = (): readonly ErrorCode[] => Object.keys(ERROR_CODES).filter(isErrorCode)
export const toErrorCode = (text: string): ErrorCode => (isErrorCode(text) ? text : 'InternalError')

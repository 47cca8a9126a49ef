// One response, as an application sees it. The body is decoded when it is asked for, so that those who do not look do not pay.
// The rule to remember: a response says what was executed; only `committed()` says that it will stay.
import type { AppResponse } from '../../protocols/app.ts'
import { DecodeError, fromUtf8 } from '../../protocols/codec/bytes.ts'
import { parseJson } from '../../protocols/codec/json.ts'
import { formatTxId, type TxId } from '../../protocols/ids.ts'
import type { Receipt } from '../../protocols/receipts/receipt.ts'
import { ConcordatError } from './errors.ts'

/** What a response can still ask its client for. */
export interface ResponseActions {
  committed(txId: TxId): Promise<void>
  receipt(txId: TxId): Promise<Receipt>
  coseReceipt(txId: TxId): Promise<Uint8Array>
}

/** Applications write what they like, also objects that cannot be turned into text. */
const textOr = (value: unknown, otherwise: string): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : otherwise

export class Response {
  /** HTTP status. */
  readonly status: number
  /** Position in the ledger; undefined when the request did not touch the store. */
  readonly transaction: TxId | undefined
  readonly #response: AppResponse
  readonly #actions: ResponseActions

  constructor(response: AppResponse, actions: ResponseActions) {
    this.status = response.status
    this.transaction = response.txId
    this.#response = response
    this.#actions = actions
  }

  /** True for status 2xx. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300
  }

  /** Transaction id as `<view>.<seqno>`. */
  get txId(): string | undefined {
    return this.transaction && formatTxId(this.transaction)
  }

  /** The parsed JSON value; bytes for a body that is not JSON; undefined for none. Decoded at every access. */
  get body(): unknown {
    const { contentType, body } = this.#response
    if (contentType === 'none') return undefined
    if (contentType === 'bytes') return body.slice()
    try {
      return parseJson(fromUtf8(body))
    } catch (cause) {
      if (!(cause instanceof DecodeError)) throw cause
      throw new ConcordatError('InternalError', 'the body of the response is not JSON', { status: this.status, cause })
    }
  }

  /** Code and message of a refusal, undefined for any other response. */
  get error(): { readonly code: string; readonly message: string } | undefined {
    if (this.status < 400 || this.#response.contentType !== 'json') return undefined
    const { error } = (this.body ?? {}) as { readonly error?: unknown }
    if (typeof error !== 'object' || error === null) return undefined
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
    return { code: textOr(code, 'InternalError'), message: textOr(message, '') }
  }

  /**
   * Resolves when the transaction is committed: it will stay, whatever happens. Rejects with TransactionInvalid when it was rolled back, with
   * RequestTimeout when that is still open after the client's request timeout. A response without transaction id has nothing to wait for.
   */
  committed(): Promise<void> {
    return this.transaction === undefined ? Promise.resolve() : this.#actions.committed(this.transaction)
  }

  /** The transaction's receipt, once it is committed. Verify it with `verifyReceipt`: it needs no network. */
  receipt(): Promise<Receipt> {
    return this.transaction === undefined ? noTransaction(this.status) : this.#actions.receipt(this.transaction)
  }

  /** The same in COSE: bytes to be verified with `verifyCoseReceipt`, or by anything that knows CCF's profile. */
  coseReceipt(): Promise<Uint8Array> {
    return this.transaction === undefined ? noTransaction(this.status) : this.#actions.coseReceipt(this.transaction)
  }
}

const noTransaction = (status: number): Promise<never> =>
  Promise.reject(new ConcordatError('TransactionNotFound', 'the response has no transaction id', { status }))

// What an application is: typed endpoints over the key-value store. Handlers are synchronous and deterministic; they may be
// executed again, on another node or in replay, and must give the same result. Authentication, modes and errors are CCF's (facts §8, §10).
import type { TxId } from './ids.ts'
import type { Refusal } from './errors.ts'
import type { MapWrites } from './ledger/write-set.ts'
import type { Receipt } from './receipts/receipt.ts'

export type Verb = 'GET' | 'POST' | 'PUT' | 'DELETE'
/** Any one of the listed policies suffices, as in CCF. `no_auth` accepts anyone. */
export type AuthPolicy = 'user_cert' | 'member_cert' | 'any_cert' | 'no_auth'

/** Who sent a request. Identities are proven by the session; whether they are registered is decided at execution. */
export type Caller =
  | { readonly kind: 'anonymous' }
  /** `id`: lower-case hex of SHA-256(certificate DER), CCF's user and member id. */
  | { readonly kind: 'certificate'; readonly id: string }

/** A table as a handler sees it. Keys and values are bytes; ranges are in ascending byte order of the key. */
export interface TableHandle {
  get(key: Uint8Array): Uint8Array | undefined
  has(key: Uint8Array): boolean
  /** Seqno of the last write of this key; undefined if it was never written or is deleted. */
  versionOfPreviousWrite(key: Uint8Array): number | undefined
  /** Calls back for keys in [from, to) in order, until the callback returns false. Both bounds optional. */
  range(
    from: Uint8Array | undefined,
    to: Uint8Array | undefined,
    visit: (key: Uint8Array, value: Uint8Array) => boolean | void,
  ): void
  readonly size: number
  /** The four below throw in a readonly endpoint. */
  put(key: Uint8Array, value: Uint8Array): void
  delete(key: Uint8Array): boolean
  clear(): void
}

/** What a handler may touch. */
export interface HandlerContext<Params, Input> {
  readonly caller: Caller
  /** Values of `{name}` segments of the path. */
  readonly params: Params
  /** Query and body after the schema accepted them. */
  readonly input: Input
  /** Opens a table; names beginning `ccf.` or `public:ccf.` are refused (facts §7.4). `public:` tables are in clear in the ledger. */
  table(name: string): TableHandle
  /** Binds 32 bytes into this transaction's Merkle leaf, so that its receipt proves them. */
  setClaimsDigest(digest: Uint8Array): void
  sha256(...parts: readonly Uint8Array[]): Uint8Array
}

/** What a handler returns: a body (JSON value, or bytes), or a refusal, which drops its writes. */
export type HandlerResult =
  | { readonly status?: number; readonly body?: unknown }
  | { readonly status?: number; readonly bytes: Uint8Array }
  | { readonly refused: Refusal }

/** Accepts or refuses decoded input; the message goes to the client, so it must not repeat secrets. */
export type InputSchema<Input> = (
  raw: RawInput,
) => { readonly ok: true; readonly value: Input } | { readonly ok: false; readonly message: string }

export interface RawInput {
  readonly query: Readonly<Record<string, string>>
  /** Bytes as sent; empty when there was no body. */
  readonly body: Uint8Array
}

/** A table as it was right after one transaction. Point reads only: the index of the past knows keys by a keyed hash, not in order. */
export interface HistoricalTable {
  get(key: Uint8Array): Uint8Array | undefined
  has(key: Uint8Array): boolean
  /** Seqno of the write that `get` shows; undefined if there was none or the key was deleted. */
  versionOf(key: Uint8Array): number | undefined
}

/** The service right after one committed transaction, from verified ledger entries (CCF: `historicalState`). */
export interface HistoricalState {
  readonly txId: TxId
  /** CCF's JSON receipt of this transaction. */
  readonly receipt: Receipt
  /** What the transaction itself changed in a table; undefined if nothing. */
  written(table: string): MapWrites | undefined
  /** The whole table as of this transaction. Reserved tables are refused, as in `HandlerContext.table`. */
  table(name: string): HistoricalTable
}

/** Seqnos from `from` to `to`, both included, in ascending order, at most `limit`. */
export interface SeqnoRange {
  readonly from: number
  readonly to: number
  readonly limit: number
}

/**
 * The committed past. What a handler asks for may have to be fetched first: then it is run again once that is there, so a handler should ask
 * for many states in one call rather than one after the other.
 */
export interface History {
  /** Last committed transaction when the request came: the end of the past, as far as this request sees it. */
  readonly committedSeqno: number
  /** Seqnos of the transactions in the range that wrote or removed this key. */
  writesOf(table: string, key: Uint8Array, range: SeqnoRange): readonly number[]
  /** The states after these transactions. */
  states(seqnos: readonly number[]): readonly HistoricalState[]
}

/** What a historical handler may touch: it writes nothing, and sees nothing uncommitted. */
export interface HistoricalContext<Params, Input> extends Pick<
  HandlerContext<Params, Input>,
  'caller' | 'params' | 'input' | 'sha256'
> {
  /** The transaction asked for. Only in endpoints with `transaction: 'required'`; others fail here. */
  readonly state: HistoricalState
  readonly history: History
}

interface Described {
  readonly verb: Verb
  /** Begins with `/`; segments `{name}` match one segment. Mounted below `/app`. */
  readonly path: string
  readonly auth: readonly AuthPolicy[]
  readonly schema: InputSchema<unknown>
}

/** Runs on the present state, as one transaction. */
export interface PresentEndpoint extends Described {
  readonly mode: 'readonly' | 'readwrite'
  readonly handler: (context: HandlerContext<Readonly<Record<string, string>>, unknown>) => HandlerResult
}

/** Runs on the committed past, on whatever node is asked (CCF: `mode: historical`). */
export interface HistoricalEndpoint extends Described {
  readonly mode: 'historical'
  /** `required`: the query parameter `transaction_id` says which. */
  readonly transaction: 'required' | 'none'
  readonly handler: (context: HistoricalContext<Readonly<Record<string, string>>, unknown>) => HandlerResult
}

export type Endpoint = PresentEndpoint | HistoricalEndpoint

export interface App {
  readonly name: string
  readonly endpoints: readonly Endpoint[]
}

/** One request, as a session delivers it. `path` carries the query. */
export interface AppRequest {
  readonly id: number
  readonly verb: string
  readonly path: string
  readonly body: Uint8Array
}

/** One response. `txId` is absent when the handler did not touch the store (facts §1). */
export interface AppResponse {
  readonly id: number
  readonly status: number
  readonly contentType: 'json' | 'bytes' | 'none'
  readonly body: Uint8Array
  readonly txId: TxId | undefined
}

// What an application is: typed endpoints over the key-value store. Handlers are synchronous and deterministic; they may be
// executed again, on another node or in replay, and must give the same result. Authentication, modes and errors are CCF's (facts §8, §10).
import type { TxId } from './ids.ts'
import type { Refusal } from './errors.ts'

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

export interface Endpoint {
  readonly verb: Verb
  /** Begins with `/`; segments `{name}` match one segment. Mounted below `/app`. */
  readonly path: string
  readonly auth: readonly AuthPolicy[]
  readonly mode: 'readonly' | 'readwrite'
  readonly schema: InputSchema<unknown>
  readonly handler: (context: HandlerContext<Readonly<Record<string, string>>, unknown>) => HandlerResult
}

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

// What a historian knows: which queries wait for what, which verified transactions it keeps, and how far its index of the past has come.
// The rule to remember: a query holds (`facts`) what it was given until it is answered, so that eviction from the cache cannot starve it.
import type { App, AppRequest, Caller, HistoricalEndpoint } from '../../protocols/app.ts'
import { toHex } from '../../protocols/codec/bytes.ts'
import type { Certificate } from '../../protocols/crypto/certificate.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { HistoricalQuery, HistoryCommitted } from '../../protocols/historical/messages.ts'
import type { TxId } from '../../protocols/ids.ts'
import { emptyTree, type MerkleTree } from '../../protocols/merkle/tree.ts'
import type { Router } from '../../protocols/router.ts'
import type { LedgerSecrets } from '../../protocols/secrets/ledger-secrets.ts'
import { AppendList } from '../../store/kv/append-list.ts'
import type { Address } from '../actor.ts'
import type { HostEvent, IndexRow } from '../effects.ts'
import { emptyCache, type Cache } from './cache.ts'
import type { Mark } from './index-rows.ts'
import type { Loaded, Signers } from './verification.ts'

export interface HistorianConfig {
  readonly crypto: Crypto
  readonly apps: readonly App[]
  /** Identities of the service that may have endorsed a signing node; the present one first. */
  readonly services: readonly Certificate[]
  readonly cacheBytesMax: number
  /** Between two readings for the index, so that it never keeps a loaded node from its work, ms. Nobody waits for that long. */
  readonly indexPauseMs: number
  /** How long a query that does not wait `untilReady` may take before it is answered 202, ms. */
  readonly briefMs: number
  /** How long a query is worked on at all; then it is answered 202, ms (CCF: 1800 s, for states that are kept). */
  readonly expiryMs: number
}

export type HistorianEvent =
  | HistoricalQuery
  | HistoryCommitted
  | { readonly type: 'expire' }
  | { readonly type: 'indexPause' }
  /** From itself: somebody waits for the index. */
  | { readonly type: 'hurryIndex' }
  | Extract<
      HostEvent,
      { readonly type: 'ledgerRead' | 'entriesRead' | 'indexOpened' | 'indexWritten' | 'indexFailed' | 'indexRead' }
    >

/** Who is answered. */
export interface Asker {
  readonly origin: Address
  readonly originToken: number
  readonly requestId: number
}

export type Wanted =
  | { readonly kind: 'receipt' | 'coseReceipt'; readonly target: TxId }
  | {
      readonly kind: 'endpoint'
      readonly request: AppRequest
      readonly caller: Caller
      readonly target: TxId | undefined
      /** Commit index when it was asked: the end of the past for this query. */
      readonly committedSeqno: number
    }

export type WantedReceipt = Exclude<Wanted, { readonly kind: 'endpoint' }>

/** Why a transaction cannot be had. */
export type Unavailable =
  /** The ledger of this node does not hold it. */
  | { readonly problem: 'absent' }
  /** The signature over it was not found. */
  | { readonly problem: 'unsigned' }
  /** `seqno`: the entry that is wrong, which may be the signature over the one that was asked for. */
  | { readonly problem: 'corrupt'; readonly seqno: number; readonly reason: string }

/** What a query has been given so far. */
export interface Facts {
  readonly entries: ReadonlyMap<number, Loaded | Unavailable>
  /** Bytes of `entries`. */
  readonly bytes: number
  /** What the index said, by the lookup's name. */
  readonly lookups: ReadonlyMap<string, readonly number[]>
}

export const NO_FACTS: Facts = { entries: new Map(), bytes: 0, lookups: new Map() }

/** A question to the index: which transactions wrote a key. */
export interface Lookup {
  /** keyOfWrite (index-rows.ts). */
  readonly key: Uint8Array
  readonly from: number
  readonly to: number
  readonly limit: number
  /** The last ones of the range, in descending order. */
  readonly latestFirst: boolean
}

export const nameOf = ({ key, from, to, limit, latestFirst }: Lookup): string =>
  `${toHex(key)} ${from} ${to} ${limit} ${latestFirst}`

export interface Query {
  readonly id: number
  readonly asker: Asker
  readonly wanted: Wanted
  readonly facts: Facts
  /** Seqnos it waits for. */
  readonly missing: ReadonlySet<number>
  /** Questions to the index that it waits for, by name. */
  readonly asks: ReadonlyMap<string, Lookup>
  /** Times that it was tried. */
  readonly rounds: number
  /** Host clock, ms: then it is told 202, unless it was. */
  readonly patientUntil: number
  /** Told 202: it goes on so that a retry finds what it needs in the cache, but answers no more. */
  readonly isAnswered: boolean
  /** Host clock, ms. */
  readonly expiresAt: number
}

/** Of a transaction that was read for the index and is not under a verified signature yet. */
export interface HeldLeaf {
  readonly seqno: number
  readonly leaf: Uint8Array
  readonly rows: readonly IndexRow[]
}

/** The rows of one commit, as the executor handed it over. */
export interface Handed {
  /** First transaction of the commit. */
  readonly from: number
  readonly end: Omit<Mark, 'begin'>
  readonly rows: readonly IndexRow[]
}

/** How far the index has come. What it is doing is the chart's state. */
export interface IndexState {
  /** Derived from the ledger secrets. SECRET. Undefined before anything was committed. */
  readonly secret: Uint8Array | undefined
  /** First transaction that it tells of; more than 1 if the ledger of this node begins at a snapshot. */
  readonly begin: number
  /** Last transaction in it, durably; 0 if there is none. */
  readonly upTo: number
  /** View of that transaction when the index was found on disk, until the commit index confirms it. */
  readonly unconfirmedView: number | undefined
  /** Nothing was added since it was found on disk. */
  readonly isResumed: boolean
  /** Over everything up to `upTo` and `held`; undefined if the ledger does not begin at 1 and no signature was reached. */
  readonly tree: MerkleTree | undefined
  readonly held: readonly HeldLeaf[]
  /** Commits that were not read but handed over, ascending, not in the index yet; and the number of their rows. */
  readonly handed: AppendList<Handed>
  readonly handedRows: number
  /** Being written. */
  readonly writing: Mark | undefined
  /** Questions under way, by token. */
  readonly reads: Readonly<Record<number, string>>
  /** Why it stopped. */
  readonly broken: string | undefined
}

export const EMPTY_INDEX: IndexState = {
  secret: undefined,
  begin: 1,
  upTo: 0,
  unconfirmedView: undefined,
  isResumed: false,
  tree: emptyTree,
  held: [],
  handed: AppendList.startingAt<Handed>(1),
  handedRows: 0,
  writing: undefined,
  reads: {},
  broken: undefined,
}

/** The transaction that the index needs next. */
export const nextOf = ({ upTo, held }: IndexState): number => (held.at(-1)?.seqno ?? upTo) + 1

export interface HistorianState {
  readonly config: HistorianConfig
  readonly router: Router<HistoricalEndpoint>
  /** SECRET. */
  readonly secrets: LedgerSecrets
  readonly committedSeqno: number
  readonly viewHistory: readonly number[]
  readonly cache: Cache
  readonly signers: Signers
  /** Being worked on, by id. */
  readonly active: Readonly<Record<number, Query>>
  readonly activeCount: number
  readonly queued: AppendList<Query>
  readonly nextId: number
  /** Reads under way: seqnos by token. */
  readonly reads: Readonly<Record<number, number>>
  readonly readCount: number
  /** Seqnos to be read when there is room. */
  readonly toRead: AppendList<number>
  /** Host clock, ms, of the `expire` timer that is set. */
  readonly timerAt: number | undefined
  readonly index: IndexState
}

export const initialState = (config: HistorianConfig, router: Router<HistoricalEndpoint>): HistorianState => ({
  config,
  router,
  secrets: [],
  committedSeqno: 0,
  viewHistory: [],
  cache: emptyCache(config.cacheBytesMax),
  signers: {},
  active: {},
  activeCount: 0,
  queued: AppendList.startingAt<Query>(1),
  nextId: 1,
  reads: {},
  readCount: 0,
  toRead: AppendList.startingAt<number>(1),
  timerAt: undefined,
  index: EMPTY_INDEX,
})

export const isLoaded = (found: Loaded | Unavailable): found is Loaded => !('problem' in found)

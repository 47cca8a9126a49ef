// Everything an actor can ask for: one closed union. Effects of a step are performed in the order given.
// The rule to remember: a `send` or `publish` listed after an `append` with `flush` waits until that append is durable; others do not wait.
import type { HashName, SignatureFormat } from '../protocols/crypto/crypto.ts'
import type { LogRecord } from '../protocols/consensus/log.ts'
import type { StoredSnapshot } from '../protocols/snapshot/format.ts'

/**
 * `replica`, `session/3f…`: an actor of this node. `replica@<node id>`: the actor of that name on another node;
 * the host carries it over the node-to-node channel (at most once, FIFO per pair while the channel lives).
 */
export type Address = string

export interface Message {
  readonly type: string
}

export type Effect =
  /**
   * At most once. To this node: appended to the mailbox now. To another node: handed to `channel/<node>` as `transmit`, may be lost.
   * `from` replaces the sender's address: a channel delivers on behalf of the remote actor (`replica@<node>`).
   */
  | { readonly type: 'send'; readonly to: Address; readonly message: Message; readonly from?: Address }
  /** Puts bytes on a NATS subject. May be lost. */
  | { readonly type: 'publish'; readonly subject: string; readonly payload: Uint8Array; readonly reply?: string }
  /** Replaces the actor's timer of that name; the host draws the delay in [min, max] milliseconds. Answer: an event of type `name`. */
  | { readonly type: 'setTimer'; readonly name: string; readonly afterMs: readonly [number, number] }
  | { readonly type: 'cancelTimer'; readonly name: string }
  /** Appends to the ledger files, in order. With `flush`, later sends of this step wait for fsync. Failure: `ledgerFailed {reason}`. */
  | { readonly type: 'append'; readonly records: readonly LogRecord[]; readonly flush: boolean }
  /** Removes everything after `after` from the ledger files. Never asked for committed entries. */
  | { readonly type: 'truncate'; readonly after: number }
  /** Tells the files that everything up to `seqno` is committed (complete chunks become immutable). */
  | { readonly type: 'markCommitted'; readonly seqno: number }
  /** Answer: `ledgerRead`, with the entry at `seqno` and, if asked, the first signature transaction after it. */
  | { readonly type: 'readLedger'; readonly token: number; readonly seqno: number; readonly withSignature: boolean }
  /** Answer: `entriesRead`: entries from `from` on, up to `to`, at most `bytesMax` of them (always at least one). */
  | {
      readonly type: 'readEntries'
      readonly token: string
      readonly from: number
      readonly to: number
      readonly bytesMax: number
    }
  /** Opens the index of the past, or with `clear` an empty one in its place. Answer: `indexOpened`. */
  | { readonly type: 'openIndex'; readonly clear: boolean }
  /** Adds rows and replaces the mark, both or neither. Answer, once it is durable: `indexWritten`; or `indexFailed {reason}`, after which it takes no more. */
  | { readonly type: 'writeIndex'; readonly rows: readonly IndexRow[]; readonly mark: Uint8Array }
  /** Answer: `indexRead {token, seqnos}`, of rows in [from, to], at most `limit`; with `latestFirst` the last ones, in descending order. */
  | {
      readonly type: 'readIndex'
      readonly token: number
      readonly key: Uint8Array
      readonly from: number
      readonly to: number
      readonly limit: number
      readonly latestFirst: boolean
    }
  /** The complete snapshots (`.committed`) of this node. Answer: `snapshotsListed`. */
  | { readonly type: 'listSnapshots' }
  /** Up to `length` bytes of one of them, from `offset` on. Answer: `snapshotRead {token, bytes}`. */
  | {
      readonly type: 'readSnapshot'
      readonly token: number
      readonly fileName: string
      readonly offset: number
      readonly length: number
    }
  /**
   * Writes a snapshot so that it is there whole and durable, or not at all; then the oldest beyond `keep` are removed,
   * but never the one that the ledger begins after. Answer: `snapshotSaved {fileName, reason}`.
   */
  | { readonly type: 'saveSnapshot'; readonly fileName: string; readonly bytes: Uint8Array; readonly keep: number }
  /** Signs off the main thread with keys the host holds. Answer: `signed {token, signatures}`, in the order of the items. */
  | { readonly type: 'sign'; readonly token: number; readonly items: readonly SignItem[] }
  /** Answer: `bytesDrawn {token, bytes}`. */
  | { readonly type: 'drawBytes'; readonly token: number; readonly count: number }
  /** Gives the host a private key (PKCS#8) to sign with. It is kept in memory only. */
  | { readonly type: 'installKey'; readonly name: SigningKeyName; readonly pkcs8: Uint8Array }
  | { readonly type: 'startActor'; readonly address: Address; readonly kind: string; readonly config: unknown }
  | { readonly type: 'stopActor'; readonly address: Address }
  /** Tells whoever runs the node what becomes of it. No answer. */
  | { readonly type: 'lifecycle'; readonly stage: LifecycleStage }
  /** A named point for traces, logs and metrics. Never carries secrets or application data. */
  | {
      readonly type: 'trace'
      readonly point: string
      readonly fields: Readonly<Record<string, string | number | boolean>>
    }

/** The transaction `seqno` wrote the key that has this name (16 bytes: actors/historian/index-rows.ts). */
export interface IndexRow {
  readonly key: Uint8Array
  readonly seqno: number
}

export type SigningKeyName = 'node' | 'service'

/**
 * `serving`: clients may be led here. `leaving`: no new ones, the node is being removed (an order that may be undone: `serving` again).
 * `retired`: it was removed for good, and its process may end. `outrun`: it never took part and cannot catch up any more; its process may end.
 */
export type LifecycleStage = 'serving' | 'leaving' | 'retired' | 'outrun'

export interface SignItem {
  readonly key: SigningKeyName
  readonly hash: HashName
  /** The bytes that are hashed and signed (for the Merkle root: its 64-byte preimage). */
  readonly message: Uint8Array
  readonly format: SignatureFormat
}

/** A `send`, with the message's type checked against what the receiver understands. */
export const send = <M extends Message>(to: Address, message: M): Effect => ({ type: 'send', to, message })

export const trace = (point: string, fields: Readonly<Record<string, string | number | boolean>> = {}): Effect => ({
  type: 'trace',
  point,
  fields,
})

/** Events every actor may get from its host, as answers to effects. A timer comes back as an event whose type is its name. */
export type HostEvent =
  | { readonly type: 'ledgerFailed'; readonly reason: string }
  | {
      readonly type: 'ledgerRead'
      readonly token: number
      /** Undefined when the ledger does not hold it. */
      readonly entry: Uint8Array | undefined
      readonly signatureSeqno: number | undefined
      readonly signatureEntry: Uint8Array | undefined
    }
  | { readonly type: 'entriesRead'; readonly token: string; readonly records: readonly LogRecord[] }
  /** `mark`: of the last `writeIndex`; undefined for an empty index. */
  | { readonly type: 'indexOpened'; readonly mark: Uint8Array | undefined }
  | { readonly type: 'indexWritten' }
  | { readonly type: 'indexFailed'; readonly reason: string }
  | { readonly type: 'indexRead'; readonly token: number; readonly seqnos: readonly number[] }
  | { readonly type: 'snapshotsListed'; readonly snapshots: readonly StoredSnapshot[] }
  /** Undefined when there is no such snapshot, or not any more. */
  | { readonly type: 'snapshotRead'; readonly token: number; readonly bytes: Uint8Array | undefined }
  /** `reason`: why it is not there; undefined when it is. */
  | { readonly type: 'snapshotSaved'; readonly fileName: string; readonly reason: string | undefined }
  | { readonly type: 'signed'; readonly token: number; readonly signatures: readonly Uint8Array[] }
  | { readonly type: 'bytesDrawn'; readonly token: number; readonly bytes: Uint8Array }
  /** A NATS message on one of the node's subjects, routed to this actor. */
  | {
      readonly type: 'received'
      readonly subject: string
      readonly reply: string | undefined
      readonly payload: Uint8Array
    }

// Names of things every part of Concordat talks about. Branded, so that a view is never passed where a seqno is meant.
// CCF facts §1: a transaction id is `<view>.<seqno>`, both decimal and greater than zero.

/** A consensus term. 0 means unknown; the first view is 2. 31 bits usable. */
export type View = number & { readonly __brand: 'View' }
/** Position of a transaction in the ledger, contiguous from 1. 0 means unknown. */
export type Seqno = number & { readonly __brand: 'Seqno' }
/** Lower-case hex of SHA-256(SubjectPublicKeyInfo) of the node's identity key: 64 characters. */
export type NodeId = string & { readonly __brand: 'NodeId' }

export const view = (n: number): View => n as View
export const seqno = (n: number): Seqno => n as Seqno
export const nodeId = (s: string): NodeId => s as NodeId

export const VIEW_UNKNOWN = view(0)
export const SEQNO_UNKNOWN = seqno(0)
/** View of the genesis transaction (CCF facts §1). */
export const FIRST_VIEW = view(2)

export interface TxId {
  readonly view: View
  readonly seqno: Seqno
}

export const formatTxId = (id: TxId): string => `${id.view}.${id.seqno}`

/** Parses `<view>.<seqno>`; undefined for anything else, including zero parts and numbers beyond 2^53. */
export function parseTxId(text: string): TxId | undefined {
  if (text.length > 40 || !/^[0-9]+\.[0-9]+$/.test(text)) return undefined
  const dot = text.indexOf('.')
  const v = Number(text.slice(0, dot))
  const s = Number(text.slice(dot + 1))
  if (v < 1 || s < 1 || v >= 2 ** 31 || !Number.isSafeInteger(s)) return undefined
  return { view: view(v), seqno: seqno(s) }
}

// What the verifying thread and its helpers tell each other. Plain data; leaves and entries are handed over, not copied.
import type { EcCurve, HashName, SignatureFormat } from '../../protocols/crypto/crypto.ts'
import type { ChunkEnd } from '../../protocols/ledger/chunk.ts'
import type { EntryRange } from '../../store/ledger/chunk-entries.ts'

/** Read this part of a file, and say what a verifier needs of its entries. */
export interface ReadPart {
  readonly type: 'read'
  readonly part: number
  readonly path: string
  readonly isCommitted: boolean
  readonly range: EntryRange | undefined
  /** Of the part's first entry. */
  readonly firstSeqno: number
  /** Entries up to this seqno are wanted whole. */
  readonly wholeUpTo: number
}

/** One more batch of this part may be sent. */
export interface More {
  readonly type: 'more'
  readonly part: number
}

export interface SignatureToVerify {
  readonly curve: EcCurve
  readonly spki: Uint8Array
  /** Undefined: `message` is the digest itself. */
  readonly hash: HashName | undefined
  readonly message: Uint8Array
  readonly signature: Uint8Array
  readonly format: SignatureFormat
}

export interface VerifySignatures {
  readonly type: 'verify'
  readonly signatures: readonly SignatureToVerify[]
}

export type ToHelper = ReadPart | More | VerifySignatures

/** Entries in order: runs of leaves of one view, and entries that are needed whole. */
export type Piece =
  | {
      readonly kind: 'leaves'
      readonly firstSeqno: number
      readonly view: number
      /** 32 bytes each. */
      readonly leaves: Uint8Array
    }
  | { readonly kind: 'whole'; readonly seqno: number; readonly offset: number; readonly bytes: Uint8Array }

export type FromHelper =
  | { readonly type: 'pieces'; readonly part: number; readonly pieces: readonly Piece[]; readonly endOffset: number }
  | { readonly type: 'end'; readonly part: number; readonly end: ChunkEnd; readonly lastOffset: number }
  /** Something is wrong in this part: whoever reads the ledger alone will say what. */
  | { readonly type: 'fault'; readonly part: number }
  | { readonly type: 'verified'; readonly allHold: boolean }

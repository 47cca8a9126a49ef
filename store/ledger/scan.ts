// Walks the entries of one chunk file and believes none of them: sizes, seqnos, views and public domains must follow
// from each other. Not a verifier: signatures and the Merkle tree are checked by whoever replays (protocols/ledger).
// The rule to remember: the walk stops at the first byte that cannot be right, says where and why, and touches nothing.
import { DecodeError } from '../../protocols/codec/bytes.ts'
import { CHUNK_HEADER_BYTES } from '../../protocols/ledger/chunk.ts'
import {
  decodeEntryHeader,
  ENTRY_HEADER_BYTES,
  ENTRY_TYPES,
  entryLengthAt,
  withPublicWrites,
} from '../../protocols/ledger/entry.ts'
import { isSignature } from '../../protocols/ledger/signature.ts'
import type { File } from './files.ts'

/** Bytes read at a time; a larger entry is read alone. */
const WINDOW_BYTES = 1024 * 1024

export interface ScannedEntry {
  readonly seqno: number
  readonly view: number
  /** In the file. */
  readonly offset: number
  readonly size: number
  /** It is a signature transaction: everything up to and including it may be committed. */
  readonly signature: boolean
  /** A view on the window: copy it to keep it. */
  readonly bytes: Uint8Array
}

export interface ScanEnd {
  /** Offset behind the last good entry. */
  readonly offset: number
  /** Why it ended before the limit. */
  readonly reason: string | undefined
}

/**
 * Visits entries from the start of the file to `limit` (the positions table, or the end of the file). The first must
 * have seqno `first`, and no view may be lower than the one before it (`viewAtLeast` for the first). `visit` may say why
 * an entry cannot be: the walk then ends before it.
 * @throws StorageError; and what `visit` throws.
 */
export function scanEntries(
  file: File,
  limit: number,
  first: number,
  viewAtLeast: number,
  visit: (entry: ScannedEntry) => string | undefined,
): ScanEnd {
  let offset = CHUNK_HEADER_BYTES
  let seqno = first
  let view = viewAtLeast
  let window = new Uint8Array(0)
  let windowAt = offset
  const fill = (needed: number): boolean => {
    if (offset + needed <= windowAt + window.length) return true
    if (offset + needed > limit) return false
    window = new Uint8Array(file.read(offset, Math.min(limit - offset, Math.max(needed, WINDOW_BYTES))))
    windowAt = offset
    return needed <= window.length
  }
  while (offset < limit) {
    if (!fill(ENTRY_HEADER_BYTES)) return { offset, reason: 'incomplete entry header' }
    const size = entryLengthAt(window, offset - windowAt)!
    if (!fill(size)) return { offset, reason: 'incomplete entry' }
    const bytes = window.subarray(offset - windowAt, offset - windowAt + size)
    const judged = judge(bytes, seqno, view)
    if ('reason' in judged) return { offset, reason: judged.reason }
    const refused = visit({ seqno, view: judged.view, offset, size, signature: judged.signature, bytes })
    if (refused !== undefined) return { offset, reason: refused }
    view = judged.view
    offset += size
    seqno++
  }
  return { offset, reason: undefined }
}

/** Whether `bytes` is a well-formed signature transaction. */
export function isSignatureEntry(bytes: Uint8Array): boolean {
  try {
    return isSignature(withPublicWrites(decodeEntryHeader(bytes)).publicWrites)
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}

type Judgement = { readonly view: number; readonly signature: boolean } | { readonly reason: string }

function judge(bytes: Uint8Array, seqno: number, viewAtLeast: number): Judgement {
  try {
    const header = decodeEntryHeader(bytes)
    if (header.type === ENTRY_TYPES.snapshot) return { reason: 'a snapshot among entries' }
    if (header.seqno !== seqno) return { reason: `entry of seqno ${header.seqno} instead of ${seqno}` }
    if (header.view < viewAtLeast) return { reason: `view ${header.view} after view ${viewAtLeast}` }
    return { view: header.view, signature: isSignature(withPublicWrites(header).publicWrites) }
  } catch (error) {
    if (error instanceof DecodeError) return { reason: error.message }
    throw error
  }
}

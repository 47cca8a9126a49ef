// Which bytes of a ledger's last signature transaction nobody vouches for. Every entry is in the tree that the next signature signs, header, tag
// and all; the last signature has none after it, and its own signatures cover the root before it, not itself.
// The rule to remember: these bytes say nothing that anyone relies on, and the ledger secret (tag) or the next signature settles them.
import { toByteString } from '../codec/bytes.ts'
import { decodeEntryHeader, ENTRY_PREFIX_BYTES } from './entry.ts'

export interface ByteRange {
  readonly what: 'flags' | 'GCM tag' | 'commit evidence digest' | 'commit_seqno and commit_view'
  /** Offsets in the entry; `to` is not part of it. */
  readonly from: number
  readonly to: number
}

/** `entryBytes`: a signature transaction that was found good. Ascending, without overlap. */
export function unauthenticatedRanges(entryBytes: Uint8Array): ByteRange[] {
  const { commitEvidenceDigest, tag } = decodeEntryHeader(entryBytes)
  const offsetOf = (view: Uint8Array): number => view.byteOffset - entryBytes.byteOffset
  const ranges: ByteRange[] = [
    { what: 'flags', from: 1, to: 2 },
    { what: 'GCM tag', from: offsetOf(tag), to: offsetOf(tag) + tag.length },
  ]
  if (commitEvidenceDigest !== undefined) {
    const from = offsetOf(commitEvidenceDigest)
    ranges.push({ what: 'commit evidence digest', from, to: from + commitEvidenceDigest.length })
  }
  // CCF no longer uses them; the decoder has seen that they are numbers and nothing else.
  const text = toByteString(entryBytes)
  for (const match of text.slice(ENTRY_PREFIX_BYTES).matchAll(/"commit_(?:seqno|view)":([0-9]+)/g)) {
    const to = ENTRY_PREFIX_BYTES + match.index + match[0].length
    ranges.push({ what: 'commit_seqno and commit_view', from: to - match[1]!.length, to })
  }
  return ranges
}

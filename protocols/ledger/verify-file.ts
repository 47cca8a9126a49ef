// Offline verification of one ledger file: its name, its shape, and every entry by the rules of verify.ts.
// Not the reading: entries come one after the other from whoever holds the file, whole in memory or through a window.
// The rule to remember: a file that has a positions table is complete, and a complete file ends in a signature.
import { DecodeError } from '../codec/bytes.ts'
import { CorruptDataError } from '../errors.ts'
import { CHUNK_HEADER_BYTES, type ChunkEnd, decodeChunk, type EntrySlice, parseLedgerFileName } from './chunk.ts'
import { type EntryVisitor, type Verification, verifyEntry } from './verify.ts'

/** The whole entries of a file in order, and then what its end looks like. May throw CorruptDataError. */
export type EntrySource = Iterator<EntrySlice, ChunkEnd>

/**
 * Checks a whole ledger file. A torn entry at the end of an open chunk is not a fault: it was never acknowledged.
 * @throws CorruptDataError
 */
export function verifyFile(
  state: Verification,
  fileName: string,
  entries: EntrySource,
  visit?: EntryVisitor,
): { readonly state: Verification; readonly end: ChunkEnd } {
  checkFileName(state, fileName)
  let after = state
  let lastOffset = CHUNK_HEADER_BYTES
  let next = entries.next()
  for (; next.done !== true; next = entries.next()) {
    const { offset, bytes } = next.value
    after = verifyEntry(after, bytes, { file: fileName, offset }, visit)
    lastOffset = offset
  }
  checkFileEnd(after, fileName, next.value, lastOffset)
  return { state: after, end: next.value }
}

/** The same for a file that is in memory. @throws CorruptDataError */
export const verifyChunk = (
  state: Verification,
  fileName: string,
  bytes: Uint8Array,
  visit?: EntryVisitor,
): Verification => verifyFile(state, fileName, entriesOf(fileName, bytes), visit).state

/** @throws CorruptDataError unless the file continues what was verified so far */
export function checkFileName({ lastSeqno }: Verification, fileName: string): void {
  const name = parseLedgerFileName(fileName)
  if (name === undefined) throw new CorruptDataError(fileName, 0, 'not a ledger file name')
  if (name.first !== lastSeqno + 1) throw new CorruptDataError(fileName, 0, `follows seqno ${lastSeqno}`)
}

/** What can only be said after the last entry; `lastOffset` is that entry's. @throws CorruptDataError */
export function checkFileEnd(state: Verification, fileName: string, end: ChunkEnd, lastOffset: number): void {
  const name = parseLedgerFileName(fileName)
  if (name?.committed === true && !end.complete)
    throw new CorruptDataError(fileName, 0, 'committed, but without positions table')
  if (name?.last !== undefined && name.last !== state.lastSeqno)
    throw new CorruptDataError(fileName, end.end, `ends at seqno ${state.lastSeqno}`)
  if (end.complete && state.epochs.at(-1)?.lastSignedSeqno !== state.lastSeqno)
    throw new CorruptDataError(fileName, lastOffset, 'does not end in a signature')
}

function* entriesOf(fileName: string, bytes: Uint8Array): Generator<EntrySlice, ChunkEnd> {
  try {
    const chunk = decodeChunk(bytes)
    yield* chunk.entries
    return chunk
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new CorruptDataError(fileName, error.offset, error.message)
  }
}

// Verifies a ledger with helper threads: they read, decode, hash and check signatures; this thread keeps the tree and the service's state.
// Not another verifier: only "all is well" is believed. At any doubt the ledger is verified again by one thread, which names the first fault.
// The rule to remember: it says yes exactly when verifyLedger does.
import { availableParallelism } from 'node:os'
import { DecodeError } from '../../protocols/codec/bytes.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import { CHUNK_HEADER_BYTES } from '../../protocols/ledger/chunk.ts'
import { seqno as asSeqno, view as asView } from '../../protocols/ids.ts'
import { LedgerFault } from '../../protocols/ledger/service-record.ts'
import { type Verification, verifyEntry, verifyLeaves } from '../../protocols/ledger/verify.ts'
import { checkFileEnd, checkFileName } from '../../protocols/ledger/verify-file.ts'
import { StorageError } from '../../store/ledger/files.ts'
import { Audit, type LedgerReport, verifyLedger, type VerifyLedgerOptions } from '../verify-ledger.ts'
import type { Piece } from './messages.ts'
import { type FilePart, partsOf } from './parts.ts'
import { HelperPool } from './pool.ts'
import { deferring } from './signatures.ts'

export interface ParallelOptions extends VerifyLedgerOptions {
  /** The bundle of helper.ts. */
  readonly helperProgram: string
  /** Helper threads; default: one for each core, at most THREADS_MAX. 0: none, this thread does it all. */
  readonly threads?: number | undefined
}

export const THREADS_MAX = 16
/** Starting threads for less is slower than reading it. */
const WORTH_IT_BYTES = 4 * 1024 * 1024

/** @throws as verifyLedger */
export async function verifyLedgerInParallel(directory: string, options: ParallelOptions): Promise<LedgerReport> {
  const threads = options.threads ?? Math.min(THREADS_MAX, availableParallelism())
  try {
    const audit = new Audit(directory, options)
    const isWorthIt = options.threads !== undefined || audit.bytesTotal >= WORTH_IT_BYTES
    const report = threads > 0 && isWorthIt ? await verifyWithHelpers(audit, threads, options) : undefined
    if (report !== undefined) return report
  } catch (error) {
    if (!isFault(error)) throw error
  }
  return verifyLedger(directory, options)
}

const isFault = (error: unknown): boolean =>
  error instanceof CorruptDataError ||
  error instanceof DecodeError ||
  error instanceof LedgerFault ||
  error instanceof StorageError

/** Undefined when a helper found something wrong. @throws CorruptDataError, LedgerFault where this thread did */
async function verifyWithHelpers(
  audit: Audit,
  threads: number,
  { crypto, helperProgram }: ParallelOptions,
): Promise<LedgerReport | undefined> {
  const parts = partsOf(audit.files, audit.lastSnapshotSeqno)
  const pool = new HelperPool(
    helperProgram,
    threads,
    parts.map(({ request }) => request),
  )
  try {
    let state: Verification | undefined = audit.begin(deferring(crypto, (signature) => pool.verifyLater(signature)))
    for (const part of parts) {
      state = await verifyPart(state, part, pool, audit)
      if (state === undefined) return undefined
    }
    return (await pool.settle()) ? audit.report(state) : undefined
  } finally {
    await pool.close()
  }
}

async function verifyPart(
  before: Verification,
  { file, fileBytes, isFirst, isLast, request: { part } }: FilePart,
  pool: HelperPool,
  audit: Audit,
): Promise<Verification | undefined> {
  if (isFirst) checkFileName(before, file.name)
  let state = before
  for (;;) {
    const message = await pool.next(part)
    if (message.type === 'fault') return undefined
    if (message.type === 'end') {
      if (!isLast) return state
      checkFileEnd(state, file.name, message.end, Math.max(CHUNK_HEADER_BYTES, message.lastOffset))
      audit.fileDone(fileBytes, message.end)
      return state
    }
    for (const piece of message.pieces) state = verifyPiece(state, file.name, piece, audit)
    audit.reached(message.endOffset)
    await pool.breathe()
  }
}

function verifyPiece(state: Verification, file: string, piece: Piece, audit: Audit): Verification {
  if (piece.kind === 'leaves') {
    const { leaves, firstSeqno, view } = piece
    const count = leaves.length / 32
    const list = Array.from({ length: count }, (_, i) => leaves.subarray(32 * i, 32 * (i + 1)))
    return verifyLeaves(state, asSeqno(firstSeqno), asView(view), list)
  }
  const place = { file, ...piece }
  return verifyEntry(state, piece.bytes, place, (entry, after) => audit.visit(entry, after, place))
}

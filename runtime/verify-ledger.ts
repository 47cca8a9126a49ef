// Verifies a ledger directory offline, one file at a time: what `concordat ledger verify` and the demo do.
// Not the rules (protocols/ledger/verify.ts). Nothing is decrypted, no secret is needed, nothing is written.
// The rule to remember: without a trusted service certificate a ledger only vouches for itself.
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DecodeError, toHex } from '../protocols/codec/bytes.ts'
import type { Crypto } from '../protocols/crypto/crypto.ts'
import { CorruptDataError } from '../protocols/errors.ts'
import { CHUNK_HEADER_BYTES, decodeChunk, type EntrySlice, parseLedgerFileName } from '../protocols/ledger/chunk.ts'
import { unauthenticatedRanges, type ByteRange } from '../protocols/ledger/unauthenticated.ts'
import { parseSnapshotFileName } from '../protocols/snapshot/format.ts'
import { beginningAfter, SnapshotsInLedger } from '../protocols/snapshot/in-ledger.ts'
import {
  type EntryVisitor,
  finishVerification,
  startVerification,
  verifyChunk,
  type LedgerSummary,
  type Verification,
} from '../protocols/ledger/verify.ts'
import { verifySnapshot, type VerifiedSnapshot } from '../protocols/snapshot/verify.ts'
import { listLedger } from '../store/ledger/directory.ts'
import { realFiles } from '../store/ledger/real-files.ts'

export interface LedgerFailure {
  readonly file: string
  /** Of the entry in the file, in bytes. */
  readonly offset: number
  /** Undefined when the fault is in no entry. */
  readonly seqno: number | undefined
  readonly reason: string
}

export interface SnapshotReport {
  readonly file: string
  readonly seqno: number
  /** `<view>.<seqno>` of the transaction that holds its digest. */
  readonly evidence: string
  /**
   * `agrees`: it says what the ledger says. `beginning`: the ledger continues it, so its tree and its service hold. `alone`: the ledger does
   * not hold its seqno; only its receipt and its service vouch for it.
   */
  readonly standing: 'agrees' | 'beginning' | 'alone'
}

export type LedgerReport =
  | ({
      readonly ok: true
      readonly files: number
      /** Of those, files of a recovery that has not been completed. */
      readonly recoveryFiles: number
      /** Bytes that belong to no whole entry of an open chunk: never acknowledged, cut at the next start. */
      readonly tornBytes: number
      readonly snapshots: readonly SnapshotReport[]
      /** Bytes of the last signature transaction, at these offsets of its file, that nobody vouches for. */
      readonly unauthenticated: readonly (ByteRange & { readonly file: string })[]
      /** Snapshot files without a receipt: they prove nothing yet. */
      readonly uncommittedSnapshots: readonly string[]
    } & LedgerSummary)
  | { readonly ok: false; readonly files: number; readonly failure: LedgerFailure }

export interface VerifyLedgerOptions {
  readonly crypto: Crypto
  readonly serviceCertificatePem?: string | undefined
  /** Directory of snapshots to verify too. A ledger that does not begin at seqno 1 is verified from the one before its first entry. */
  readonly snapshots?: string | undefined
  /** Told after each file. */
  readonly onProgress?: (bytesDone: number, bytesTotal: number) => void
}

/**
 * Committed, open and recovery chunks, in order, and snapshots.
 * @throws StorageError when a directory cannot be read, DecodeError when the service certificate cannot.
 */
export function verifyLedger(directory: string, options: VerifyLedgerOptions): LedgerReport {
  let files = 0
  try {
    const names = filesOf(directory)
    const { verified, uncommitted } = readSnapshots(options)
    const from = beginning(directory, names[0]!, verified)
    const { crypto, serviceCertificatePem } = options
    const held = new SnapshotsInLedger(crypto, verified, from)
    let state = startVerification({
      crypto,
      ...(serviceCertificatePem !== undefined && { serviceCertificatePem }),
      ...(from !== undefined && { from: beginningAfter(from) }),
    })
    const bytesTotal = names.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)
    let tornBytes = 0
    let bytesDone = 0
    let lastSigned: { readonly file: string; readonly entry: EntrySlice } | undefined
    for (const name of names) {
      const bytes = new Uint8Array(readFileSync(join(directory, name)))
      if (isJustCreated(name, bytes)) tornBytes += bytes.length
      else {
        const before = state.lastSeqno
        state = verifyFile(state, name, bytes, (entry, after) => held.visit(entry, after))
        const chunk = decodeChunk(bytes)
        tornBytes += chunk.tornBytes
        const entry = chunk.entries[(state.epochs.at(-1)?.lastSignedSeqno ?? 0) - before - 1]
        if (entry !== undefined) lastSigned = { file: name, entry }
      }
      files++
      bytesDone += bytes.length
      options.onProgress?.(bytesDone, bytesTotal)
    }
    const summary = finishVerification(state)
    const recoveryFiles = names.filter((name) => parseLedgerFileName(name)?.recovery === true).length
    const snapshots = verified.map((snapshot) => describeSnapshot(snapshot, held, from, state))
    const unauthenticated = lastSigned === undefined ? [] : rangesIn(lastSigned.file, lastSigned.entry)
    const found = { files, recoveryFiles, tornBytes, snapshots, unauthenticated, uncommittedSnapshots: uncommitted }
    return { ok: true, ...found, ...summary }
  } catch (error) {
    if (error instanceof EntryFault) return { ok: false, files, failure: error.failure }
    if (error instanceof CorruptDataError) return { ok: false, files, failure: failureOf(error, undefined) }
    throw error
  }
}

const rangesIn = (file: string, { offset, bytes }: EntrySlice): (ByteRange & { readonly file: string })[] =>
  unauthenticatedRanges(bytes).map(({ what, from, to }) => ({ file, what, from: offset + from, to: offset + to }))

/** Files of a ledger in the order in which they are read. Those of an unfinished recovery continue what was there before. */
function filesOf(directory: string): string[] {
  const { committed, uncommitted, recovery } = listLedger(realFiles, directory)
  const firstOf = (name: string): number => parseLedgerFileName(name)?.first ?? 0
  const names = [
    ...[...committed, ...uncommitted].map((file) => file.name),
    ...[...recovery].sort((a, b) => firstOf(a) - firstOf(b)),
  ]
  if (names.length === 0) throw new CorruptDataError(directory, 0, 'holds no ledger files')
  return names
}

function readSnapshots({ crypto, snapshots }: VerifyLedgerOptions) {
  const verified: VerifiedSnapshot[] = []
  const uncommitted: string[] = []
  for (const name of snapshots === undefined ? [] : realFiles.readdir(snapshots)) {
    const parsed = parseSnapshotFileName(name)
    if (parsed === undefined) continue
    if (!parsed.committed) uncommitted.push(name)
    else verified.push(verifySnapshot(crypto, name, new Uint8Array(readFileSync(join(snapshots!, name)))))
  }
  verified.sort((a, b) => a.snapshot.seqno - b.snapshot.seqno)
  return { verified, uncommitted: uncommitted.sort() }
}

/** The snapshot that a ledger begins after; undefined if it begins with the first transaction of the service. */
function beginning(directory: string, firstFile: string, snapshots: readonly VerifiedSnapshot[]) {
  const first = parseLedgerFileName(firstFile)?.first ?? 1
  if (first === 1) return undefined
  const from = snapshots.find(({ snapshot }) => snapshot.seqno === first - 1)
  if (from !== undefined) return from
  const needed = `the ledger begins at seqno ${first}: a snapshot of seqno ${first - 1} is needed to verify it`
  throw new CorruptDataError(join(directory, firstFile), 0, needed)
}

/** @throws CorruptDataError if it is later than the ledger and of another service */
function describeSnapshot(
  verified: VerifiedSnapshot,
  held: SnapshotsInLedger,
  from: VerifiedSnapshot | undefined,
  state: Verification,
): SnapshotReport {
  const { fileName, snapshot, evidence } = verified
  const [own, other] = [state.service.certificate, verified.service.certificate].map(
    (c) => c && toHex(c.publicKey.spki),
  )
  if (snapshot.seqno > state.lastSeqno && own !== other)
    throw new CorruptDataError(fileName, 0, 'is of another service than the ledger')
  const standing = held.agreeing.includes(fileName) ? 'agrees' : verified === from ? 'beginning' : 'alone'
  return { file: fileName, seqno: snapshot.seqno, evidence: `${evidence.view}.${evidence.seqno}`, standing }
}

/** A crash right after a chunk was created leaves it without a whole header: torn, not corrupt. */
const isJustCreated = (name: string, bytes: Uint8Array): boolean =>
  bytes.length < CHUNK_HEADER_BYTES && parseLedgerFileName(name)?.committed === false

/** Carries a fault and the seqno it was found at out of the loop over files. */
class EntryFault extends Error {
  readonly failure: LedgerFailure
  constructor(failure: LedgerFailure) {
    super(failure.reason)
    this.failure = failure
  }
}

function verifyFile(state: Verification, name: string, bytes: Uint8Array, visit: EntryVisitor): Verification {
  try {
    return verifyChunk(state, name, bytes, visit)
  } catch (error) {
    if (!(error instanceof CorruptDataError)) throw error
    throw new EntryFault(failureOf(error, seqnoAt(name, bytes, error.offset)))
  }
}

const failureOf = ({ where, offset, message }: CorruptDataError, seqno: number | undefined): LedgerFailure => ({
  file: where,
  offset,
  seqno,
  reason: message.slice(`${where}: corrupt at byte ${offset}: `.length),
})

/** Seqno of the entry that begins at an offset: the file's first seqno, and one more for each entry before it. */
function seqnoAt(name: string, bytes: Uint8Array, offset: number): number | undefined {
  const first = parseLedgerFileName(name)?.first
  if (first === undefined) return undefined
  try {
    const index = decodeChunk(bytes).entries.findIndex((entry) => entry.offset === offset)
    return index < 0 ? undefined : first + index
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

// Verifies a ledger directory offline, entry by entry: what `concordat ledger verify` and the demo do. parallel-verify/ does it with threads.
// Not the rules (protocols/ledger/verify.ts). Nothing is decrypted, no secret is needed, nothing is written. Memory is one window over one file.
// The rule to remember: without a trusted service certificate a ledger only vouches for itself.
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { toHex } from '../protocols/codec/bytes.ts'
import type { Crypto } from '../protocols/crypto/crypto.ts'
import { CorruptDataError } from '../protocols/errors.ts'
import { type ChunkEnd, type EntrySlice, parseLedgerFileName } from '../protocols/ledger/chunk.ts'
import type { Entry } from '../protocols/ledger/entry.ts'
import { unauthenticatedRanges, type ByteRange } from '../protocols/ledger/unauthenticated.ts'
import { parseSnapshotFileName } from '../protocols/snapshot/format.ts'
import { beginningAfter, SnapshotsInLedger } from '../protocols/snapshot/in-ledger.ts'
import {
  type EntryVisitor,
  finishVerification,
  startVerification,
  type LedgerSummary,
  type Verification,
} from '../protocols/ledger/verify.ts'
import { verifyFile } from '../protocols/ledger/verify-file.ts'
import { verifySnapshot, type VerifiedSnapshot } from '../protocols/snapshot/verify.ts'
import { chunkEntries } from '../store/ledger/chunk-entries.ts'
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
  /** Told every megabyte or so, and after each file. */
  readonly onProgress?: (bytesDone: number, bytesTotal: number) => void
}

/**
 * Committed, open and recovery chunks, in order, and snapshots.
 * @throws StorageError when a directory cannot be read, DecodeError when the service certificate cannot.
 */
export function verifyLedger(directory: string, options: VerifyLedgerOptions): LedgerReport {
  const work = { filesDone: 0, place: undefined as EntryPlaceInLedger | undefined }
  try {
    const audit = new Audit(directory, options)
    let state = audit.begin(options.crypto)
    for (const { path, name, isCommitted, first } of audit.files) {
      const file = realFiles.open(path, 'read')
      try {
        const slices = watched(chunkEntries(file, { isCommitted }), (slice, index) => {
          work.place = { file: name, seqno: first + index, ...slice }
          audit.reached(slice.offset)
        })
        const visit: EntryVisitor = (entry, after) => audit.visit(entry, after, work.place!)
        const verified = verifyFile(state, name, slices, visit)
        state = verified.state
        audit.fileDone(file.size(), verified.end)
        work.filesDone++
      } finally {
        file.close()
      }
    }
    return audit.report(state)
  } catch (error) {
    if (!(error instanceof CorruptDataError)) throw error
    return { ok: false, files: work.filesDone, failure: failureOf(error, directory, work.place) }
  }
}

/** An entry, where it stands, and its bytes. */
export interface EntryPlaceInLedger extends EntrySlice {
  readonly file: string
  readonly seqno: number
}

export interface AuditedFile {
  readonly path: string
  readonly name: string
  readonly isCommitted: boolean
  /** Seqno of its first entry, by its name. */
  readonly first: number
}

const PROGRESS_BYTES = 1024 * 1024

/** What is gathered while the entries of a directory are verified, whoever reads them. @throws as verifyLedger */
export class Audit {
  readonly files: readonly AuditedFile[]
  readonly bytesTotal: number
  readonly #options: VerifyLedgerOptions
  readonly #snapshots: readonly VerifiedSnapshot[]
  readonly #uncommitted: readonly string[]
  readonly #from: VerifiedSnapshot | undefined
  readonly #held: SnapshotsInLedger
  #tornBytes = 0
  /** Of files that are done. */
  #bytesDone = 0
  #reached = 0
  #lastSigned: EntryPlaceInLedger | undefined

  constructor(directory: string, options: VerifyLedgerOptions) {
    const names = filesOf(directory)
    const { verified, uncommitted } = readSnapshots(options)
    this.#options = options
    this.#snapshots = verified
    this.#uncommitted = uncommitted
    this.#from = beginning(directory, names[0]!, verified)
    this.#held = new SnapshotsInLedger(options.crypto, verified, this.#from)
    this.files = names.map((name) => {
      const parsed = parseLedgerFileName(name)
      return {
        path: join(directory, name),
        name,
        isCommitted: parsed?.committed === true,
        first: parsed?.first ?? 0,
      }
    })
    this.bytesTotal = this.files.reduce((sum, { path }) => sum + statSync(path).size, 0)
  }

  /** Up to this seqno snapshots are held against every entry. */
  get lastSnapshotSeqno(): number {
    return this.#snapshots.at(-1)?.snapshot.seqno ?? 0
  }

  begin(crypto: Crypto): Verification {
    const { serviceCertificatePem } = this.#options
    return startVerification({
      crypto,
      ...(serviceCertificatePem !== undefined && { serviceCertificatePem }),
      ...(this.#from !== undefined && { from: beginningAfter(this.#from) }),
    })
  }

  /** Told of entries that were found good: of all that concern the service, and of all that snapshots are held against. */
  visit(entry: Entry, after: Verification, place: EntryPlaceInLedger): void {
    this.#held.visit(entry, after)
    if (after.epochs.at(-1)?.lastSignedSeqno === entry.seqno) this.#lastSigned = place
  }

  /** Offset in the current file; for progress only. */
  reached(offset: number): void {
    if (offset - this.#reached < PROGRESS_BYTES) return
    this.#reached = offset
    this.#options.onProgress?.(this.#bytesDone + offset, this.bytesTotal)
  }

  fileDone(bytes: number, { tornBytes }: ChunkEnd): void {
    this.#tornBytes += tornBytes
    this.#bytesDone += bytes
    this.#reached = 0
    this.#options.onProgress?.(this.#bytesDone, this.bytesTotal)
  }

  /** @throws CorruptDataError when the service is not the trusted one, or a snapshot of another */
  report(state: Verification): LedgerReport {
    const summary = finishVerification(state)
    return {
      ok: true,
      files: this.files.length,
      recoveryFiles: this.files.filter(({ name }) => parseLedgerFileName(name)?.recovery === true).length,
      tornBytes: this.#tornBytes,
      snapshots: this.#snapshots.map((snapshot) => describeSnapshot(snapshot, this.#held, this.#from, state)),
      unauthenticated: this.#lastSigned === undefined ? [] : rangesIn(this.#lastSigned),
      uncommittedSnapshots: this.#uncommitted,
      ...summary,
    }
  }
}

const rangesIn = ({ file, offset, bytes }: EntryPlaceInLedger): (ByteRange & { readonly file: string })[] =>
  unauthenticatedRanges(bytes).map(({ what, from, to }) => ({ file, what, from: offset + from, to: offset + to }))

/** The same entries, each shown to `see` before it is handed on. */
function* watched(
  entries: Generator<EntrySlice, ChunkEnd>,
  see: (slice: EntrySlice, index: number) => void,
): Generator<EntrySlice, ChunkEnd> {
  let index = 0
  for (;;) {
    const next = entries.next()
    if (next.done === true) return next.value
    see(next.value, index++)
    yield next.value
  }
}

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

/** A fault in an entry is at the entry read last. */
function failureOf(error: CorruptDataError, directory: string, place: EntryPlaceInLedger | undefined): LedgerFailure {
  const { where, offset, reason } = error
  const file = where.startsWith(`${directory}/`) ? where.slice(directory.length + 1) : where
  const isInEntry = place !== undefined && place.file === file && place.offset === offset
  return { file, offset, seqno: isInEntry ? place.seqno : undefined, reason }
}

// Verifies a ledger directory offline, one file at a time: what `concordat ledger verify` and the demo do.
// Not the rules (protocols/ledger/verify.ts). Nothing is decrypted, no secret is needed, nothing is written.
// The rule to remember: without a trusted service certificate a ledger only vouches for itself.
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DecodeError } from '../protocols/codec/bytes.ts'
import type { Crypto } from '../protocols/crypto/crypto.ts'
import { CorruptDataError } from '../protocols/errors.ts'
import { CHUNK_HEADER_BYTES, decodeChunk, parseLedgerFileName } from '../protocols/ledger/chunk.ts'
import {
  finishVerification,
  startVerification,
  verifyChunk,
  type LedgerSummary,
  type Verification,
} from '../protocols/ledger/verify.ts'
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

export type LedgerReport =
  | ({
      readonly ok: true
      readonly files: number
      /** Bytes that belong to no whole entry of an open chunk: never acknowledged, cut at the next start. */
      readonly tornBytes: number
    } & LedgerSummary)
  | { readonly ok: false; readonly files: number; readonly failure: LedgerFailure }

export interface VerifyLedgerOptions {
  readonly crypto: Crypto
  readonly serviceCertificatePem?: string | undefined
  /** Told after each file. */
  readonly onProgress?: (bytesDone: number, bytesTotal: number) => void
}

/**
 * Committed and open chunks, in order.
 * @throws StorageError when the directory cannot be read, DecodeError when the service certificate cannot.
 */
export function verifyLedger(directory: string, options: VerifyLedgerOptions): LedgerReport {
  const { crypto, serviceCertificatePem } = options
  let state = startVerification({ crypto, ...(serviceCertificatePem !== undefined && { serviceCertificatePem }) })
  let files = 0
  let tornBytes = 0
  try {
    const { committed, uncommitted } = listLedger(realFiles, directory)
    const names = [...committed, ...uncommitted].map((file) => file.name)
    const bytesTotal = names.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)
    let bytesDone = 0
    for (const name of names) {
      const bytes = new Uint8Array(readFileSync(join(directory, name)))
      if (isJustCreated(name, bytes)) tornBytes += bytes.length
      else {
        state = verifyFile(state, name, bytes)
        tornBytes += decodeChunk(bytes).tornBytes
      }
      files++
      bytesDone += bytes.length
      options.onProgress?.(bytesDone, bytesTotal)
    }
    if (files === 0) throw new CorruptDataError(directory, 0, 'holds no ledger files')
    return { ok: true, files, tornBytes, ...finishVerification(state) }
  } catch (error) {
    if (error instanceof EntryFault) return { ok: false, files, failure: error.failure }
    if (error instanceof CorruptDataError) return { ok: false, files, failure: failureOf(error, undefined) }
    throw error
  }
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

function verifyFile(state: Verification, name: string, bytes: Uint8Array): Verification {
  try {
    return verifyChunk(state, name, bytes)
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

// The ledgers of stopped nodes, checked offline: each is proven from its files, holds every registration, and all tell the same story.
// Not the verification itself (runtime/cli/verify-ledger.ts). The rule to remember: what is committed must be byte for byte the same on every node.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { equalBytes, toHex } from '../../protocols/codec/bytes.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { decodeChunk } from '../../protocols/ledger/chunk.ts'
import { decodeEntry } from '../../protocols/ledger/entry.ts'
import { entryLeaf } from '../../protocols/ledger/leaf.ts'
import { listLedger } from '../../store/ledger/directory.ts'
import { realFiles } from '../../store/ledger/real-files.ts'
import { verifyLedger } from '../verify-ledger.ts'

export interface LedgerOutcome {
  readonly directory: string
  readonly lastSignedSeqno: number
  /** Of the last signature, 64 hex digits. */
  readonly root: string | undefined
  /** Undefined when the ledger is whole. */
  readonly problem: string | undefined
}

/** Entries in order: the one of seqno n is at n − 1. */
export function readEntries(directory: string): readonly Uint8Array[] {
  const { committed, uncommitted } = listLedger(realFiles, directory)
  return [...committed, ...uncommitted].flatMap(({ name }) => {
    const bytes = new Uint8Array(readFileSync(join(directory, name)))
    return decodeChunk(bytes).entries.map((entry) => entry.bytes)
  })
}

export interface LedgerExpectations {
  readonly crypto: Crypto
  readonly serviceCertificatePem: string
  /** Everything up to here was reported as committed. */
  readonly committedSeqno: number
  /** Leaves (hex) that receipts have proven, by seqno. */
  readonly leaves: ReadonlyMap<number, string>
}

/** Each ledger against its own signatures, the receipts, and the first ledger. */
export function checkLedgers(directories: readonly string[], expected: LedgerExpectations): readonly LedgerOutcome[] {
  const [first] = directories
  const reference = first === undefined ? [] : readEntries(first)
  return directories.map((directory) => {
    const { crypto, serviceCertificatePem } = expected
    const report = verifyLedger(directory, { crypto, serviceCertificatePem })
    if (!report.ok) {
      const { file, offset, reason } = report.failure
      return { directory, lastSignedSeqno: 0, root: undefined, problem: `${file}, byte ${offset}: ${reason}` }
    }
    const { lastSignedSeqno, root } = report
    const problem =
      lastSignedSeqno < expected.committedSeqno
        ? `signed up to ${lastSignedSeqno} only, but ${expected.committedSeqno} was committed`
        : compare(readEntries(directory), reference, expected)
    return { directory, lastSignedSeqno, root, problem }
  })
}

function compare(
  entries: readonly Uint8Array[],
  reference: readonly Uint8Array[],
  { crypto, committedSeqno, leaves }: LedgerExpectations,
): string | undefined {
  for (let seqno = 1; seqno <= committedSeqno; seqno++) {
    const entry = entries[seqno - 1]
    const other = reference[seqno - 1]
    if (entry === undefined || other === undefined || !equalBytes(entry, other))
      return `differs from the other ledger at committed seqno ${seqno}`
    const leaf = leaves.get(seqno)
    if (leaf !== undefined && toHex(entryLeaf(crypto, entry, decodeEntry(entry))) !== leaf)
      return `holds something else at seqno ${seqno} than the receipt proves`
  }
  return undefined
}

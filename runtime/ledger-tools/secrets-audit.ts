// What a ledger says of its own secrets, and whether a secret opens it: the chain's structure without keys, and with the latest secret all
// older ones, every entry's seal and every commit evidence digest (CCF facts §3.5, §3.6, §6.3). Not signatures: those are `ledger verify`'s.
// The rule to remember: it stops at the first fault and names file, offset and seqno; nothing of a secret is in what it says.
import { DecodeError, equalBytes } from '../../protocols/codec/bytes.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import { openPrivateDomain } from '../../protocols/ledger/entry.ts'
import { commitEvidenceDigest } from '../../protocols/ledger/leaf.ts'
import { INTERNAL_TABLES, singleValue } from '../../protocols/ledger/tables.ts'
import { mapWrites } from '../../protocols/ledger/write-set.ts'
import {
  chainProblems,
  type ChainRecord,
  decodeHistoricalSecret,
  openChain,
  versionAfter,
} from '../../protocols/secrets/chain.ts'
import { activateSecrets, type LedgerSecret, secretAt } from '../../protocols/secrets/ledger-secrets.ts'
import {
  decodeRecoveryShares,
  keyOfShares,
  type RecoveryShares,
  unwrapLatest,
} from '../../protocols/secrets/recovery-shares.ts'
import type { Share } from '../../protocols/secrets/shamir.ts'
import type { LedgerChunk } from './chunk-row.ts'
import { readEntries, type StreamedEntry } from './entry-stream.ts'

/** A record and where its entry stands. */
interface PlacedRecord extends ChainRecord {
  readonly path: string
  readonly offset: number
}

/** What a ledger has in the tables of its secrets. */
export interface RecordedSecrets {
  /** In order of seqno. */
  readonly records: readonly PlacedRecord[]
  /** The last issue. */
  readonly shares: RecoveryShares | undefined
  readonly lastSeqno: number
}

/** @throws CorruptDataError naming file, offset and seqno, also where the chain's structure breaks */
export function readRecordedSecrets(chunks: readonly LedgerChunk[]): RecordedSecrets {
  const records: PlacedRecord[] = []
  let shares: RecoveryShares | undefined
  let lastSeqno = 0
  for (const source of readEntries(chunks)) {
    const { entry } = source
    lastSeqno = entry.seqno
    const historical = singleValue(mapWrites(entry.publicWrites, INTERNAL_TABLES.historicalEncryptedLedgerSecret))
    const issued = singleValue(mapWrites(entry.publicWrites, INTERNAL_TABLES.recoveryShares))
    if (issued !== undefined) shares = naming(source, () => decodeRecoveryShares(issued))
    if (historical === undefined) continue
    const record = naming(source, () => decodeHistoricalSecret(historical))
    records.push({ seqno: entry.seqno, path: source.chunk.path, offset: source.offset, ...record })
    // Everything before it holds, so what is wrong is wrong with this one.
    const [problem] = chainProblems(records)
    if (problem !== undefined) throw new CorruptDataError(source.chunk.path, source.offset, `seqno ${problem}`)
  }
  return { records, shares, lastSeqno }
}

const fault = ({ chunk, offset, entry }: StreamedEntry, reason: string): CorruptDataError =>
  new CorruptDataError(chunk.path, offset, `seqno ${entry.seqno}: ${reason}`)

function naming<T>(source: StreamedEntry, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof DecodeError) throw fault(source, error.message)
    throw error
  }
}

/** What an auditor has of the latest secret. SECRET. */
export type LatestFrom =
  | { readonly kind: 'shares'; readonly shares: readonly Share[] }
  | { readonly kind: 'wrappingKey'; readonly key: Uint8Array }

/** The latest secret, or one line that says why it cannot be had. SECRET. */
export function latestSecret(
  crypto: Crypto,
  { shares: issued }: RecordedSecrets,
  from: LatestFrom,
): { readonly ok: true; readonly latest: Uint8Array } | { readonly ok: false; readonly reason: string } {
  if (issued === undefined) return { ok: false, reason: 'the ledger holds no recovery shares' }
  const key = from.kind === 'wrappingKey' ? from.key : keyOfShares(crypto, from.shares)
  if (key === undefined)
    return { ok: false, reason: 'the shares do not fit together: one is given twice, or with a full key' }
  const latest = unwrapLatest(crypto, key, issued)
  if (latest !== undefined) return { ok: true, latest }
  const reason =
    from.kind === 'wrappingKey'
      ? 'the wrapping key is not that of the ledger’s last recovery shares'
      : `${from.shares.length} ${from.shares.length === 1 ? 'share does' : 'shares do'} not open the latest ledger secret: fewer than the recovery threshold, or one of another issue`
  return { ok: false, reason }
}

/** All secrets, from the latest back. SECRET. @throws CorruptDataError at the record that does not open */
export function secretsFrom(
  crypto: Crypto,
  { records }: RecordedSecrets,
  latest: Uint8Array,
  where: string,
): readonly LedgerSecret[] {
  if (records.length === 0) throw new CorruptDataError(where, 0, 'holds no historical ledger secrets')
  const { secrets, problems } = openChain(crypto, records, latest)
  const [problem] = problems
  if (problem !== undefined) {
    const { path, offset } = records.find(({ seqno }) => problem.startsWith(`${seqno}:`)) ?? { path: where, offset: 0 }
    throw new CorruptDataError(path, offset, `seqno ${problem}`)
  }
  return secrets
}

export interface VersionReport {
  readonly version: number
  readonly from: number
  readonly to: number
  /** Entries whose seal and commit evidence hold; undefined when there was no secret to try. */
  readonly opened: number | undefined
}

/** Which seqnos each secret is in force at. */
export function versionsOf({ records, lastSeqno }: RecordedSecrets): readonly VersionReport[] {
  const versions = [...new Set(records.map(versionAfter))].sort((a, b) => a - b)
  return versions.map((version, i) => ({
    version,
    from: version,
    to: (versions[i + 1] ?? lastSeqno + 1) - 1,
    opened: undefined,
  }))
}

/**
 * Opens every entry with the secret in force at its seqno.
 * @throws CorruptDataError at the first that does not open, or whose commit evidence is not that secret's
 */
export function openEveryEntry(
  crypto: Crypto,
  chunks: readonly LedgerChunk[],
  secrets: readonly LedgerSecret[],
): readonly VersionReport[] {
  const active = activateSecrets(crypto, secrets)
  const reports = new Map<number, VersionReport>()
  for (const source of readEntries(chunks)) {
    const { entry } = source
    const { view, seqno } = entry
    const inForce = secretAt(active, seqno)
    if (inForce === undefined) throw fault(source, 'no ledger secret is known for it')
    const { version, secret, commitSecret } = inForce
    if (naming(source, () => openPrivateDomain(crypto, secret, entry)) === undefined)
      throw fault(
        source,
        `does not open with the ledger secret of version ${version}: a wrong secret, or altered bytes`,
      )
    const digest = entry.commitEvidenceDigest
    if (digest !== undefined && !equalBytes(digest, commitEvidenceDigest(crypto, commitSecret, view, seqno)))
      throw fault(source, `its commit evidence is not that of the ledger secret of version ${version}`)
    const before = reports.get(version)
    reports.set(version, { version, from: before?.from ?? seqno, to: seqno, opened: (before?.opened ?? 0) + 1 })
  }
  return [...reports.values()]
}

// `historical_encrypted_ledger_secret` (CCF facts §6.3): each record holds the secret before the latest, sealed under the latest, so that
// whoever has the latest walks back to the first. Here: the records, the chain's structure, and the walk.
// The rule to remember: records are those of one ledger in order of seqno; a break is told, never bridged.
import { DecodeError, equalBytes, toBase64 } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { encodeSortedJson } from '../governance/sorted-json.ts'
import { decodeJsonObject } from '../ledger/tables.ts'
import { base64At, objectAt, optional, seqnoAt } from './fields.ts'
import type { LedgerSecret } from './ledger-secrets.ts'
import { openSecret, SEALED_SECRET_BYTES } from './wrapping.ts'

export interface PreviousSecret {
  /** tag ‖ iv ‖ ciphertext under the newer secret. */
  readonly encryptedData: Uint8Array
  readonly version: number
  /** Seqno of the record before this one. */
  readonly previousSecretStoredVersion?: number
}

export interface HistoricalSecret {
  /** Undefined in the record that begins the chain. */
  readonly previous?: PreviousSecret
  /** First seqno of the newer secret; a rekey leaves it out, for it is the seqno after the record. */
  readonly nextVersion?: number
}

/** A record and the seqno of the entry that wrote it. */
export interface ChainRecord extends HistoricalSecret {
  readonly seqno: number
}

export const encodeHistoricalSecret = ({ previous, nextVersion }: HistoricalSecret): Uint8Array =>
  encodeSortedJson({
    next_version: nextVersion,
    previous_ledger_secret: previous && {
      encrypted_data: toBase64(previous.encryptedData),
      previous_secret_stored_version: previous.previousSecretStoredVersion,
      version: previous.version,
    },
  })

/** @throws DecodeError */
export function decodeHistoricalSecret(value: Uint8Array): HistoricalSecret {
  const fields = decodeJsonObject(value)
  const record = fields['previous_ledger_secret']
  return {
    ...optional('previous', record === undefined || record === null ? undefined : previousOf(record)),
    ...optional('nextVersion', seqnoAt(fields['next_version'], 'next_version')),
  }
}

function previousOf(record: unknown): PreviousSecret {
  const fields = objectAt(record, 'previous_ledger_secret')
  const encryptedData = base64At(fields['encrypted_data'], 'encrypted_data')
  const version = seqnoAt(fields['version'], 'version')
  if (encryptedData.length !== SEALED_SECRET_BYTES || version === undefined) {
    throw new DecodeError('previous_ledger_secret: incomplete', 0)
  }
  return {
    encryptedData,
    version,
    ...optional(
      'previousSecretStoredVersion',
      seqnoAt(fields['previous_secret_stored_version'], 'previous_secret_stored_version'),
    ),
  }
}

/** First seqno of the secret under which the record is sealed. */
export const versionAfter = ({ nextVersion, seqno }: ChainRecord): number => nextVersion ?? seqno + 1

/**
 * A recovery that lost its primary writes the same step again (CCF facts §19, double_sealed_service): the same two versions, so nothing is
 * skipped and nothing added.
 */
const repeats = (record: ChainRecord, before: ChainRecord): boolean =>
  record.previous !== undefined &&
  record.previous.version === before.previous?.version &&
  versionAfter(record) === versionAfter(before)

/** What is wrong with the structure (CCF facts §3.6 item 6), a sentence for each break; no secrets are needed. */
export function chainProblems(records: readonly ChainRecord[]): readonly string[] {
  const problems: string[] = []
  records.forEach((record, i) => {
    const before = records[i - 1]
    const { seqno, previous } = record
    if (versionAfter(record) > seqno + 1) problems.push(`${seqno}: names a secret that begins later`)
    if (before === undefined) {
      if (previous !== undefined) problems.push(`${seqno}: the first record names an older secret`)
      return
    }
    if (previous === undefined) return void problems.push(`${seqno}: begins another chain`)
    if (!repeats(record, before) && previous.version !== versionAfter(before)) {
      problems.push(`${seqno}: names version ${previous.version} before it, which is ${versionAfter(before)}`)
    }
    if (previous.previousSecretStoredVersion !== before.seqno) {
      const named = previous.previousSecretStoredVersion ?? 'nowhere'
      problems.push(`${seqno}: points back to ${named}; the record before it is at ${before.seqno}`)
    }
  })
  return problems
}

export interface OpenedChain {
  /** Ascending versions, as far back as the chain opens. SECRET. */
  readonly secrets: readonly LedgerSecret[]
  readonly problems: readonly string[]
}

/** Walks back from the latest secret, checking every record's tag. Stops at the first that does not open. `records` has at least one. */
export function openChain(crypto: Crypto, records: readonly ChainRecord[], latest: Uint8Array): OpenedChain {
  const newest = records.at(-1)!
  const found = new Map<number, LedgerSecret>()
  found.set(versionAfter(newest), {
    version: versionAfter(newest),
    secret: latest,
    previousSecretStoredVersion: newest.seqno,
  })
  for (const record of records.toReversed()) {
    const { seqno, previous } = record
    if (previous === undefined) continue
    const key = found.get(versionAfter(record))
    const secret = key && openSecret(crypto, key.secret, previous.encryptedData)
    const known = found.get(previous.version)
    if (secret === undefined || (known !== undefined && !equalBytes(known.secret, secret))) {
      const why =
        key === undefined ? 'nothing seals it' : secret === undefined ? 'its tag does not hold' : 'holds another secret'
      return { secrets: ascending(found), problems: [`${seqno}: the secret of version ${previous.version}: ${why}`] }
    }
    const { version, previousSecretStoredVersion } = previous
    found.set(version, { version, secret, ...optional('previousSecretStoredVersion', previousSecretStoredVersion) })
  }
  return { secrets: ascending(found), problems: [] }
}

const ascending = (found: ReadonlyMap<number, LedgerSecret>): LedgerSecret[] =>
  [...found.values()].sort((a, b) => a.version - b.version)

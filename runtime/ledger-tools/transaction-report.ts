// One transaction of a ledger as `ledger read` shows it: which of its maps are wanted, and how they look to a person and in JSON.
// Not the reading of files (entry-stream.ts). The rule to remember: everything that came from the ledger goes through printable.ts.
import { DecodeError, equalBytes, toHex } from '../../protocols/codec/bytes.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import { ENTRY_FLAGS, ENTRY_TYPES, openPrivateDomain } from '../../protocols/ledger/entry.ts'
import { isPublicMap, type MapWrites, type WriteSet } from '../../protocols/ledger/write-set.ts'
import type { StreamedEntry } from './entry-stream.ts'
import { type LedgerSecret, secretAt } from '../../protocols/secrets/ledger-secrets.ts'
import { printable, safeText, showKey, shownAsJson, showValue } from './printable.ts'
import { KIND_TITLES, type TransactionKind, transactionKind } from './transaction-kind.ts'

export interface Wanted {
  /** Maps whose names it matches; undefined for all. */
  readonly table: RegExp | undefined
  /** Writes and removes of this key alone; undefined for all. */
  readonly key: Uint8Array | undefined
}

export interface TransactionReport {
  readonly source: StreamedEntry
  readonly kind: TransactionKind
  /** What is wanted of the public maps, and of the private ones when they could be opened. */
  readonly maps: WriteSet
  /** Undefined: no ledger secret in force at its seqno was given. */
  readonly openedBy: LedgerSecret | undefined
}

function wantedOf(map: MapWrites, { table, key }: Wanted): MapWrites | undefined {
  if (table !== undefined && !table.test(map.name)) return undefined
  if (key === undefined) return map
  const writes = map.writes.filter((write) => equalBytes(write.key, key))
  const removes = map.removes.filter((removed) => equalBytes(removed, key))
  return writes.length + removes.length === 0 ? undefined : { ...map, writes, removes }
}

/** @throws CorruptDataError when the secret does not open it. */
function privateWrites(crypto: Crypto, source: StreamedEntry, { version, secret }: LedgerSecret): WriteSet {
  const { chunk, offset, entry } = source
  const fault = (reason: string): CorruptDataError =>
    new CorruptDataError(chunk.path, offset, `seqno ${entry.seqno}: ${reason}`)
  try {
    const writes = openPrivateDomain(crypto, secret, entry)
    if (writes !== undefined) return writes
  } catch (error) {
    if (error instanceof DecodeError) throw fault(`private domain: ${error.message}`)
    throw error
  }
  throw fault(`does not open with the ledger secret of version ${version}: a wrong secret, or altered bytes`)
}

/**
 * Undefined when nothing of it is wanted. With a secret in force the whole entry is authenticated, public domain included.
 * @throws CorruptDataError naming file, offset and seqno when a secret does not open it.
 */
export function reportTransaction(
  crypto: Crypto,
  source: StreamedEntry,
  secrets: readonly LedgerSecret[],
  wanted: Wanted,
): TransactionReport | undefined {
  const { entry } = source
  const openedBy = secretAt(secrets, entry.seqno)
  const opened = openedBy === undefined ? [] : privateWrites(crypto, source, openedBy)
  const maps = [...entry.publicWrites, ...opened].flatMap((map) => wantedOf(map, wanted) ?? [])
  const isFiltered = wanted.table !== undefined || wanted.key !== undefined
  if (isFiltered && maps.length === 0) return undefined
  return { source, kind: transactionKind(entry), maps, openedBy }
}

const TYPE_NAMES: Readonly<Record<number, string>> = {
  [ENTRY_TYPES.writeSet]: 'write set',
  [ENTRY_TYPES.withClaims]: 'with claims',
  [ENTRY_TYPES.withCommitEvidence]: 'with commit evidence',
  [ENTRY_TYPES.withCommitEvidenceAndClaims]: 'with commit evidence and claims',
}

const FLAG_NAMES = Object.entries(ENTRY_FLAGS)
const flagsOf = (flags: number): string[] => FLAG_NAMES.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name)
const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

function digests({ entry }: StreamedEntry): { claimsDigest?: string; commitEvidenceDigest?: string } {
  const { claimsDigest, commitEvidenceDigest } = entry
  return {
    ...(claimsDigest !== undefined && !isZero(claimsDigest) && { claimsDigest: toHex(claimsDigest) }),
    ...(commitEvidenceDigest !== undefined && { commitEvidenceDigest: toHex(commitEvidenceDigest) }),
  }
}

function mapLines({ name, writes, removes }: MapWrites, charsMax: number): string[] {
  const keyText = (key: Uint8Array): string => printable(showKey(key, charsMax), key.length)
  return [
    `  ${safeText(name)}`,
    ...writes.map(({ key, value }) => `    ${keyText(key)} = ${printable(showValue(value, charsMax), value.length)}`),
    ...removes.map((key) => `    ${keyText(key)} removed`),
  ]
}

/** Lines for a person. `charsMax`: of each key and value; Infinity for all. */
export function reportLines(report: TransactionReport, wanted: Wanted, charsMax: number): string[] {
  const { source, kind, maps, openedBy } = report
  const { chunk, entry, bytes } = source
  const state = [...(chunk.committed ? [] : ['uncommitted']), ...(chunk.recovery ? ['recovery not finished'] : [])]
  const head = [
    `${entry.view}.${entry.seqno}`,
    KIND_TITLES[kind],
    `type ${entry.type} (${TYPE_NAMES[entry.type]})`,
    ...flagsOf(entry.flags).map((flag) => `flag ${flag}`),
    `${bytes.length} bytes`,
    `${chunk.name}${state.length === 0 ? '' : ` (${state.join(', ')})`}`,
  ]
  const { claimsDigest, commitEvidenceDigest } = digests(source)
  const isSealed = openedBy === undefined && entry.ciphertext.length > 0
  const isFiltered = wanted.table !== undefined || wanted.key !== undefined
  return [
    head.join('  '),
    ...(claimsDigest === undefined ? [] : [`  claims digest          ${claimsDigest}`]),
    ...(commitEvidenceDigest === undefined ? [] : [`  commit evidence digest ${commitEvidenceDigest}`]),
    ...maps.flatMap((map) => mapLines(map, charsMax)),
    ...(isSealed && !isFiltered ? [`  private domain: ${entry.ciphertext.length} bytes, not opened`] : []),
  ]
}

function mapJson({ name, writes, removes }: MapWrites, charsMax: number): object {
  return {
    name,
    public: isPublicMap(name),
    writes: writes.map(({ key, value }) => ({
      key: shownAsJson(showKey(key, charsMax), key.length),
      value: shownAsJson(showValue(value, charsMax), value.length),
    })),
    removes: removes.map((key) => shownAsJson(showKey(key, charsMax), key.length)),
  }
}

/** For one line of JSON. Keys and values are `{json}`, `{text}` or `{hex}`, with `cut` and `bytes` when they are not whole. */
export function reportJson(report: TransactionReport, charsMax: number): object {
  const { source, kind, maps, openedBy } = report
  const { chunk, offset, entry, bytes } = source
  return {
    txId: `${entry.view}.${entry.seqno}`,
    view: entry.view,
    seqno: entry.seqno,
    kind,
    type: entry.type,
    flags: flagsOf(entry.flags),
    file: chunk.name,
    offset,
    bytes: bytes.length,
    committed: chunk.committed,
    ...(chunk.recovery && { recovery: true }),
    ...digests(source),
    privateBytes: entry.ciphertext.length,
    privateOpened: openedBy !== undefined,
    maps: maps.map((map) => mapJson(map, charsMax)),
  }
}

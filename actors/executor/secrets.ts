// Which ledger secrets an executor knows: it learns them from the entries that carry them, on the primary and on backups in the same way,
// and forgets them when those entries are cut (CCF facts §6.2).
// The rule to remember: a secret is known as soon as its entry is in the log, committed or not, because the next entry is sealed with it.
import { DecodeError } from '../../protocols/codec/bytes.ts'
import { CorruptDataError, invariant } from '../../protocols/errors.ts'
import { INTERNAL_TABLES, singleValue } from '../../protocols/ledger/tables.ts'
import type { MapWrites } from '../../protocols/ledger/write-set.ts'
import {
  activateSecrets,
  secretAt,
  type ActiveSecret,
  type LedgerSecret,
  type LedgerSecrets,
} from '../../protocols/secrets/ledger-secrets.ts'
import { openNodeSecrets, type OwnSecrets } from '../../protocols/secrets/own-secrets.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'

/** What a node brings along, and what it reads it with. SECRET. */
export interface SecretsConfig extends OwnSecrets {
  readonly crypto: Crypto
}

export interface KnownSecrets {
  /** SECRET. */
  readonly all: LedgerSecrets
  /** From this seqno on entries are sealed with a secret that was not given to this node, because it had been removed. */
  readonly withoutFrom: number | undefined
}

export const knownFromStart = ({ crypto, secrets }: SecretsConfig): KnownSecrets => ({
  all: activateSecrets(crypto, secrets),
  withoutFrom: undefined,
})

/** `map`: what entry `seqno` writes to `encrypted_ledger_secrets`. Throws CorruptDataError when this node's item does not decrypt. */
export function learn(
  own: SecretsConfig,
  known: KnownSecrets,
  seqno: number,
  map: MapWrites | undefined,
): KnownSecrets {
  const value = singleValue(map)
  if (value === undefined) return known
  const begins = seqno + 1
  const { isOurs, fresh } = opened(own, known, seqno, value)
  if (!isOurs) {
    const isKnown = known.all.some(({ version }) => version === begins)
    return isKnown ? known : { ...known, withoutFrom: Math.min(known.withoutFrom ?? begins, begins) }
  }
  return fresh.length === 0 ? known : { ...known, all: activateSecrets(own.crypto, [...known.all, ...fresh]) }
}

function opened(own: SecretsConfig, known: KnownSecrets, seqno: number, value: Uint8Array) {
  try {
    return openNodeSecrets(own.crypto, own, known.all, seqno, value)
  } catch (error) {
    if (error instanceof DecodeError) throw new CorruptDataError(`entry ${seqno}`, error.offset, error.message)
    throw error
  }
}

/** The log ends at `seqno`: what was learnt from entries after it never was. */
export function forgetAfter(own: SecretsConfig, known: KnownSecrets, seqno: number): KnownSecrets {
  const begins = seqno + 1
  const { all, withoutFrom } = known
  const stays = ({ version }: LedgerSecret): boolean =>
    version <= begins || own.secrets.some((given) => given.version === version)
  if (all.every(stays) && (withoutFrom ?? begins) <= begins) return known
  return { all: all.filter(stays), withoutFrom: (withoutFrom ?? begins) <= begins ? withoutFrom : undefined }
}

export const isSealedAway = ({ withoutFrom }: KnownSecrets, seqno: number): boolean =>
  withoutFrom !== undefined && seqno >= withoutFrom

/** What seals the transaction `seqno`. SECRET. */
export function secretFor(known: KnownSecrets, seqno: number): ActiveSecret {
  invariant(!isSealedAway(known, seqno), `the ledger secret in force at ${seqno} was not encrypted to this node`)
  const secret = secretAt(known.all, seqno)
  invariant(secret !== undefined, `no ledger secret is in force at ${seqno}`)
  return secret
}

export const SECRETS_TABLE = INTERNAL_TABLES.encryptedLedgerSecrets

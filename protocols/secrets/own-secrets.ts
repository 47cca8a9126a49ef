// What one node reads of ledger secrets that are encrypted to it (CCF facts §6.2): in an entry, and in a snapshot that stands for many entries.
// Not when they are in force (ledger-secrets.ts), nor what becomes of a rollback (executor).
// The rule to remember: a node that cannot tell whether it knows every secret takes none, for the wrong secret opens nothing.
import { DecodeError } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'
import type { NodeId } from '../ids.ts'
import { decodeHistoricalSecret, versionAfter } from './chain.ts'
import { LEDGER_SECRET_BYTES, type LedgerSecret } from './ledger-secrets.ts'
import { decodeNodeSecrets } from './node-secrets.ts'
import { openSecret } from './wrapping.ts'

/** What a node brings along. SECRET. */
export interface OwnSecrets {
  readonly nodeId: NodeId
  /** RSA, PKCS#8: ledger secrets are encrypted to it. */
  readonly encryptionKey: Uint8Array
  /** Of the committed ledger, from whoever let this node in. */
  readonly secrets: readonly LedgerSecret[]
}

type OwnKey = Pick<OwnSecrets, 'nodeId' | 'encryptionKey'>

const isAmong = (known: readonly LedgerSecret[], version: number): boolean =>
  known.some((secret) => secret.version === version)

/**
 * The secrets in `value`, which entry `seqno` writes to `encrypted_ledger_secrets`, that are this node's and not `known`. `isOurs`: it has any at all.
 * @throws DecodeError when the value is malformed or what is encrypted to this node does not decrypt
 */
export function openNodeSecrets(
  crypto: Crypto,
  { nodeId, encryptionKey }: OwnKey,
  known: readonly LedgerSecret[],
  seqno: number,
  value: Uint8Array,
): { readonly isOurs: boolean; readonly fresh: readonly LedgerSecret[] } {
  const items = decodeNodeSecrets(value, nodeId)
  const fresh = items
    .map(({ version = seqno + 1, ...item }) => ({ version, ...item }))
    .filter(({ version }) => !isAmong(known, version))
    .map(({ version, encryptedSecret, previousSecretStoredVersion = seqno }): LedgerSecret => {
      const secret = crypto.rsaOaepDecrypt(encryptionKey, encryptedSecret)
      if (secret?.length === LEDGER_SECRET_BYTES) return { version, secret, previousSecretStoredVersion }
      throw new DecodeError('the ledger secret in it is not encrypted to this node’s key', 0)
    })
  return { isOurs: items.length > 0, fresh }
}

/** The single value of a table in a snapshot, and the seqno of the entry that wrote it. */
export interface Stored {
  readonly value: Uint8Array
  readonly version: number
}

/** The two tables of a snapshot that say which secrets there are; undefined where it has none. */
export interface StoredSecrets {
  readonly encryptedLedgerSecrets: Stored | undefined
  readonly historicalEncryptedLedgerSecret: Stored | undefined
}

/**
 * What is known at a snapshot: `own.secrets`, and the latest secret if it was made after they were given. The node never sees the entry that made it.
 * @throws DecodeError when some are missing: the latest is not for this node, or more than one was made
 */
export function secretsAtSnapshot(crypto: Crypto, own: OwnSecrets, stored: StoredSecrets): readonly LedgerSecret[] {
  const { encryptedLedgerSecrets, historicalEncryptedLedgerSecret: latest } = stored
  const { secrets } = own
  if (latest === undefined) return secrets
  const record = { ...decodeHistoricalSecret(latest.value), seqno: latest.version }
  const version = versionAfter(record)
  if (isAmong(secrets, version)) return secrets
  const { fresh } =
    encryptedLedgerSecrets === undefined
      ? { fresh: [] }
      : openNodeSecrets(crypto, own, secrets, encryptedLedgerSecrets.version, encryptedLedgerSecrets.value)
  const found = fresh.find((secret) => secret.version === version)
  if (found === undefined)
    throw new DecodeError(`the ledger secret of version ${version} was not given to this node`, 0)
  const { previous } = record
  if (previous === undefined || !isAmong(secrets, previous.version)) {
    throw new DecodeError(`ledger secrets before version ${version} are missing`, 0)
  }
  if (openSecret(crypto, found.secret, previous.encryptedData) === undefined) {
    throw new DecodeError(`the ledger secret of version ${version} does not open the one before it`, 0)
  }
  return [...secrets, ...fresh]
}

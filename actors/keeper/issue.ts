// What one issue of ledger secrets or shares writes (CCF facts §6.2 to §6.4), as a pure function of the request and of random bytes.
// The rule to remember: every random byte is used once, and the secrets made here leave only encrypted to those who may have them.
import { DecodeError } from '../../protocols/codec/bytes.ts'
import { parsePem } from '../../protocols/codec/pem.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { OAEP_SEED_BYTES } from '../../protocols/crypto/rsa-oaep.ts'
import { GCM_IV_BYTES } from '../../protocols/crypto/sizes.ts'
import { invariant, refusal, type Refusal } from '../../protocols/errors.ts'
import { tableSet } from '../../protocols/governance/table-rows.ts'
import { INTERNAL_TABLES, singleWrite } from '../../protocols/ledger/tables.ts'
import type { MapWrites, WriteSet } from '../../protocols/ledger/write-set.ts'
import { encodeHistoricalSecret } from '../../protocols/secrets/chain.ts'
import { optional } from '../../protocols/secrets/fields.ts'
import type { IssueSecrets, Recipient, RecoveryMembers } from '../../protocols/secrets/issuing.ts'
import { LEDGER_SECRET_BYTES, type LedgerSecret } from '../../protocols/secrets/ledger-secrets.ts'
import { encodeNodeSecrets } from '../../protocols/secrets/node-secrets.ts'
import { encodeRecoveryShares } from '../../protocols/secrets/recovery-shares.ts'
import { encodeShare, splitSecret, splitSecretBytes, splitSeedBytes } from '../../protocols/secrets/shamir.ts'
import { sealSecret, wrapLedgerSecret, wrappingKey } from '../../protocols/secrets/wrapping.ts'

/** How many random bytes `issue` will use up. */
export function randomBytesOf({ purpose, nodes, recovery }: IssueSecrets): number {
  const secret = purpose === 'rekey' ? LEDGER_SECRET_BYTES + GCM_IV_BYTES + nodes.length * OAEP_SEED_BYTES : 0
  if (recovery === undefined) return secret
  const members = recovery.participants.length + recovery.owners.length
  return secret + splitSeedBytes(recovery.threshold) + members * OAEP_SEED_BYTES
}

/** Deals out random bytes, each of them once. */
class Dealer {
  readonly #bytes: Uint8Array
  #at = 0
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }
  take(count: number): Uint8Array {
    invariant(this.#at + count <= this.#bytes.length, 'enough random bytes were drawn')
    return this.#bytes.slice(this.#at, (this.#at += count))
  }
}

/** A recipient's key is not one: nothing is issued, because nobody may be left out silently. */
class UnusableKey extends Error {
  readonly recipient: string
  constructor(recipient: string) {
    super('unusable encryption key')
    this.recipient = recipient
  }
}

/** `random`: `randomBytesOf(request)` bytes. */
export function issue(crypto: Crypto, request: IssueSecrets, random: Uint8Array): WriteSet | Refusal {
  try {
    return tableSet(tables(crypto, request, new Dealer(random)))
  } catch (error) {
    if (!(error instanceof UnusableKey)) throw error
    return refusal(400, 'InvalidInput', `The encryption key of ${error.recipient} is not an RSA public key.`)
  }
}

function tables(crypto: Crypto, request: IssueSecrets, dealer: Dealer): MapWrites[] {
  const { purpose, latest, recovery } = request
  if (purpose === 'shares') return recovery === undefined ? [] : [shares(crypto, recovery, latest, dealer)]
  const secret = dealer.take(LEDGER_SECRET_BYTES)
  const historical = {
    encryptedData: sealSecret(crypto, secret, latest.secret, dealer.take(GCM_IV_BYTES)),
    version: latest.version,
    ...optional('previousSecretStoredVersion', request.historicalStoredVersion),
  }
  const forNodes = request.nodes.map((node) => [node.id, [{ encryptedSecret: encrypt(crypto, node, secret, dealer) }]])
  const written = [
    singleWrite(INTERNAL_TABLES.encryptedLedgerSecrets, encodeNodeSecrets(Object.fromEntries(forNodes))),
    singleWrite(INTERNAL_TABLES.historicalEncryptedLedgerSecret, encodeHistoricalSecret({ previous: historical })),
  ]
  // The version of the new secret is known only when the transaction has its seqno; CCF leaves it out as well.
  return recovery === undefined ? written : [...written, shares(crypto, recovery, { version: 0, secret }, dealer)]
}

function shares(crypto: Crypto, members: RecoveryMembers, latest: LedgerSecret, dealer: Dealer): MapWrites {
  const { threshold, participants, owners } = members
  const split = splitSecret(dealer.take(splitSeedBytes(threshold)), threshold, participants.length)
  const key = wrappingKey(crypto, splitSecretBytes(split.secret))
  const held = [
    ...participants.map((member, i) => ({ member, share: split.shares[i]! })),
    ...owners.map((member) => ({ member, share: split.secret })),
  ]
  const encrypted = held.map(({ member, share }) => [member.id, encrypt(crypto, member, encodeShare(share), dealer)])
  const value = {
    wrappedLatestLedgerSecret: wrapLedgerSecret(crypto, key, latest.secret),
    encryptedShares: Object.fromEntries(encrypted) as Record<string, Uint8Array>,
    ...optional('previousSecretStoredVersion', latest.previousSecretStoredVersion),
  }
  return singleWrite(INTERNAL_TABLES.recoveryShares, encodeRecoveryShares(value))
}

function encrypt(crypto: Crypto, recipient: Recipient, message: Uint8Array, dealer: Dealer): Uint8Array {
  const spki = spkiOf(recipient)
  const encrypted = spki && crypto.rsaOaepEncrypt(spki, message, dealer.take(OAEP_SEED_BYTES))
  if (encrypted === undefined) throw new UnusableKey(recipient.id)
  return encrypted
}

function spkiOf({ encryptionPublicKeyPem }: Recipient): Uint8Array | undefined {
  try {
    return parsePem(encryptionPublicKeyPem, 'PUBLIC KEY')
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

// Ledger secrets: which one seals which transaction (CCF facts §6.1). Not where they come from (shares, other nodes, the keeper).
// The rule to remember: the secret of seqno s is the one with the highest version that is not above s; nothing of a secret is ever in a message.
import type { Crypto } from '../crypto/crypto.ts'
import { invariant } from '../errors.ts'
import { commitSecret } from '../ledger/leaf.ts'

export const LEDGER_SECRET_BYTES = 32

/** SECRET. */
export interface LedgerSecret {
  /** First seqno it is in force at. */
  readonly version: number
  /** 32 bytes. */
  readonly secret: Uint8Array
  /** Seqno of the record in the historical chain that holds the secret before it (CCF facts §6.3). */
  readonly previousSecretStoredVersion?: number
}

/** A secret in use. SECRET. */
export interface ActiveSecret extends LedgerSecret {
  /** For commit evidence (CCF facts §3.5); derived once. */
  readonly commitSecret: Uint8Array
}

/** In ascending order of version. Never changed in place, so that a state that holds it may be kept. SECRET. */
export type LedgerSecrets = readonly ActiveSecret[]

/** The one in force at `seqno`, in any order of `secrets`; undefined when all come later. */
export function secretAt<Secret extends LedgerSecret>(secrets: readonly Secret[], seqno: number): Secret | undefined {
  let found: Secret | undefined
  for (let i = secrets.length - 1; i >= 0; i--) {
    const secret = secrets[i]!
    if (secret.version <= seqno && (found === undefined || secret.version > found.version)) found = secret
  }
  return found
}

const activate = (crypto: Crypto, secret: LedgerSecret): ActiveSecret => ({
  ...secret,
  commitSecret: commitSecret(crypto, secret.secret),
})

/** Ready for use. Versions must differ. */
export function activateSecrets(crypto: Crypto, secrets: readonly LedgerSecret[]): LedgerSecrets {
  const sorted = [...secrets].sort((a, b) => a.version - b.version)
  invariant(sorted.length > 0 && hasDistinctVersions(sorted), 'ledger secrets have distinct versions')
  return sorted.map((secret) => activate(crypto, secret))
}

const hasDistinctVersions = (sorted: readonly LedgerSecret[]): boolean =>
  sorted.every(({ version }, i) => version !== sorted[i - 1]?.version)

// A registry statement and its canonical bytes, the same for the service and for a client that checks a receipt offline:
// compact JSON, members in the order digest, issuer, payload, subject, absent ones left out, in UTF-8. So anyone can
// recompute a digest with `printf '%s' '{"payload":…,"subject":…}' | sha256sum`.
// The rule to remember: the claims digest of the registering transaction is exactly SHA-256 of these bytes.
import { toHex, utf8 } from '../../protocols/codec/bytes.ts'

export interface Statement {
  /** What it is about: `npm:left-pad@1.0.0`. One statement for each subject. */
  readonly subject: string
  readonly issuer?: string | undefined
  /** Either the content itself… */
  readonly payload?: string | undefined
  /** …or the lower-case hex of its SHA-256, SHA-384 or SHA-512. */
  readonly digest?: string | undefined
}

/** Canonical bytes: what a registration's receipt proves. Texts must be well formed, as the registry demands. */
export const statementBytes = ({ digest, issuer, payload, subject }: Statement): Uint8Array =>
  utf8(JSON.stringify({ digest, issuer, payload, subject }))

/** 32 bytes, the claims digest; `sha256` is that of any Crypto. */
export const statementDigest = (sha256: (bytes: Uint8Array) => Uint8Array, statement: Statement): Uint8Array =>
  sha256(statementBytes(statement))

/** The digest as the registry's paths and answers show it: 64 hex digits. */
export const statementId = (sha256: (bytes: Uint8Array) => Uint8Array, statement: Statement): string =>
  toHex(statementDigest(sha256, statement))

// Which service identity a ledger names while it is read, and its status. Not the verifier's record (protocols/ledger/service-record.ts),
// which refuses what may not be. The rule to remember: what is malformed changes nothing here; any ledger can be drawn.
import { DecodeError, toHex, utf8 } from '../../protocols/codec/bytes.ts'
import { parseCertificate } from '../../protocols/crypto/certificate.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { Entry } from '../../protocols/ledger/entry.ts'
import { decodeJsonObject, GOV_TABLES } from '../../protocols/ledger/tables.ts'
import { mapWrites } from '../../protocols/ledger/write-set.ts'

/** CCF's longest is 24 (WaitingForRecoveryShares). */
const STATUS_CHARS_MAX = 40

/** A service identity as far as the ledger told of it. */
export interface ServiceSeen {
  /** SHA-256 of its public key in hex; of the certificate's text when that cannot be parsed. Undefined before the ledger names one. */
  readonly id: string | undefined
  readonly status: string | undefined
}

export const unknownService: ServiceSeen = { id: undefined, status: undefined }

function serviceId(crypto: Crypto, certificatePem: string): string {
  try {
    return toHex(crypto.sha256(parseCertificate(certificatePem).spki))
  } catch (error) {
    if (error instanceof DecodeError) return toHex(crypto.sha256(utf8(certificatePem)))
    throw error
  }
}

/** The service after an entry. What is malformed changes nothing: judging it is the verifier's. */
export function serviceAfter(crypto: Crypto, before: ServiceSeen, { publicWrites }: Entry): ServiceSeen {
  const written = mapWrites(publicWrites, GOV_TABLES.serviceInfo)?.writes[0]
  if (written === undefined) return before
  try {
    const { cert, status } = decodeJsonObject(written.value)
    return {
      id: typeof cert === 'string' ? serviceId(crypto, cert) : before.id,
      status: typeof status === 'string' ? status.slice(0, STATUS_CHARS_MAX) : before.status,
    }
  } catch (error) {
    if (error instanceof DecodeError) return before
    throw error
  }
}

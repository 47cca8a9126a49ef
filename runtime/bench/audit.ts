// How fast an auditor verifies: entries of a ledger made for it, and beside them the hashes alone that no verifier can do without.
// The ledger: small private transactions, a signature after every 1999 of them, as a busy service writes it.
import { nativeCrypto as crypto } from '../../protocols/crypto/native.ts'
import { encodeChunk } from '../../protocols/ledger/chunk.ts'
import { finishVerification, startVerification, verifyChunk } from '../../protocols/ledger/verify.ts'
import { LedgerWriter } from './made-ledger.ts'

const ENTRIES = 100_000
const BETWEEN_SIGNATURES = 1999
/** Leaves that a signer has not seen committed yet. */
const UNCOMMITTED = 10

function makeChunk(): Uint8Array {
  const ledger = new LedgerWriter('bench').begin('Opening')
  while (ledger.entries.length < ENTRIES) {
    ledger.writePrivate(BETWEEN_SIGNATURES)
    ledger.sign(ledger.entries.length - UNCOMMITTED)
  }
  return encodeChunk(ledger.entries)
}

export interface AuditFigures {
  readonly entries: number
  /** Entries a CPU second, all checks. */
  readonly verifiedPerSecond: number
  /** The same entries, if only hashed: a write set digest, a leaf and an inner node each. */
  readonly hashedPerSecond: number
}

/** Best of three runs, so that the first one warms up. */
export function auditFigures(): AuditFigures {
  const chunk = makeChunk()
  let count = 0
  const verify = (): void => {
    count = finishVerification(verifyChunk(startVerification({ crypto }), 'ledger_1', chunk)).lastSeqno
  }
  const verifySeconds = best(verify)
  const [entry, leaf] = [new Uint8Array(chunk.length / count), new Uint8Array(32)]
  const hashSeconds = best(() => {
    for (let i = 0; i < count; i++) {
      crypto.sha256(entry)
      crypto.sha256(leaf, leaf, leaf)
      crypto.sha256(leaf, leaf)
    }
  })
  return { entries: count, verifiedPerSecond: count / verifySeconds, hashedPerSecond: count / hashSeconds }
}

/** CPU seconds. */
function best(run: () => void): number {
  const times = [1, 2, 3].map(() => {
    const began = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(began)
    return (user + system) / 1e6
  })
  return Math.min(...times)
}

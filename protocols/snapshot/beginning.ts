// What a node that joins believes of a snapshot, and what it then begins with. Beyond verify.ts: that the snapshot is of the service it joins
// (CCF leaves that out: facts §20.9), and that its sealed part opens under that service's ledger secret.
// The rule to remember: nothing of a snapshot is used before all of it holds.
import { DecodeError, equalBytes, fromUtf8 } from '../codec/bytes.ts'
import { parseCertificate } from '../crypto/certificate.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { CorruptDataError } from '../errors.ts'
import { decodeNodeRow } from '../governance/node-row.ts'
import type { NodeId } from '../ids.ts'
import { GOV_TABLES } from '../ledger/tables.ts'
import { secretAt, type LedgerSecret } from '../secrets/ledger-secrets.ts'
import { decodePrivateMaps, type Snapshot, type SnapshotMap } from './format.ts'
import type { LogBeginning } from './messages.ts'
import { verifySnapshot, type VerifiedSnapshot } from './verify.ts'

export interface JoinTrust {
  /** Of the service that is joined. */
  readonly serviceCertificatePem: string
  /** SECRET. */
  readonly secrets: readonly LedgerSecret[]
}

export interface OpenedSnapshot {
  readonly verified: VerifiedSnapshot
  /** Public and private. */
  readonly maps: readonly SnapshotMap[]
  readonly log: LogBeginning
}

/** @throws CorruptDataError that names the file and says why it is not to be used */
export function openSnapshot(crypto: Crypto, trust: JoinTrust, fileName: string, bytes: Uint8Array): OpenedSnapshot {
  const verified = verifySnapshot(crypto, fileName, bytes)
  const trusted = parseCertificate(trust.serviceCertificatePem).spki
  if (verified.service.certificate === undefined || !equalBytes(verified.service.certificate.publicKey.spki, trusted)) {
    throw new CorruptDataError(fileName, 0, 'is of another service')
  }
  try {
    const { snapshot } = verified
    const maps = [...snapshot.publicMaps, ...privateMaps(crypto, trust, snapshot)]
    return { verified, maps, log: beginningOf(snapshot) }
  } catch (error) {
    if (error instanceof DecodeError) throw new CorruptDataError(fileName, error.offset, error.message)
    throw error
  }
}

function privateMaps(crypto: Crypto, { secrets }: JoinTrust, { header, seqno }: Snapshot): readonly SnapshotMap[] {
  const active = secretAt(secrets, seqno)
  if (active === undefined) throw new DecodeError('no ledger secret is known for its seqno', 0)
  const plaintext = crypto.aesGcmOpen(active.secret, header.iv, header.publicDomain, header.ciphertext, header.tag)
  if (plaintext === undefined) throw new DecodeError('the seal does not hold', 0)
  return decodePrivateMaps(plaintext)
}

/** @throws DecodeError when a node's row is malformed or the service has no nodes */
function beginningOf({ publicMaps, seqno, view, viewHistory }: Snapshot): LogBeginning {
  const rows = publicMaps.find(({ name }) => name === GOV_TABLES.nodesInfo)?.rows ?? []
  const nodes = rows
    .map(({ key, value, version }) => ({ id: fromUtf8(key) as NodeId, version, ...decodeNodeRow(value) }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  const trusted = nodes.filter(({ standing }) => standing === 'Trusted')
  if (trusted.length === 0) throw new DecodeError('names no trusted node', 0)
  return {
    seqno,
    view,
    viewHistory,
    configuration: {
      // Whoever changes the nodes writes the rows of all that are trusted (consensus/record.ts).
      idx: Math.max(...trusted.map(({ version }) => version)),
      nodes: trusted.map(({ id }) => id),
    },
    removed: nodes.filter(({ standing }) => standing === 'Retired').map(({ id }) => id),
  }
}

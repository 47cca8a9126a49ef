// What a node that joins believes of a snapshot, and what it then begins with. Beyond verify.ts: that the snapshot is of the service it joins
// (CCF leaves that out: facts §20.9), and that its sealed part opens under that service's ledger secret, which may be newer than those it was given.
// The rule to remember: nothing of a snapshot is used before all of it holds.
import { DecodeError, equalBytes, fromUtf8 } from '../codec/bytes.ts'
import { parseCertificate } from '../crypto/certificate.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { CorruptDataError } from '../errors.ts'
import { decodeNodeRow } from '../governance/node-row.ts'
import type { NodeId } from '../ids.ts'
import { GOV_TABLES, INTERNAL_TABLES, SINGLE_KEY } from '../ledger/tables.ts'
import { secretAt, type LedgerSecret } from '../secrets/ledger-secrets.ts'
import { secretsAtSnapshot, type OwnSecrets, type Stored } from '../secrets/own-secrets.ts'
import { decodePrivateMaps, type Snapshot, type SnapshotMap } from './format.ts'
import type { LogBeginning } from './messages.ts'
import { verifySnapshot, type VerifiedSnapshot } from './verify.ts'

export interface JoinTrust extends OwnSecrets {
  /** Of the service that is joined. */
  readonly serviceCertificatePem: string
}

export interface OpenedSnapshot {
  readonly verified: VerifiedSnapshot
  /** Public and private. */
  readonly maps: readonly SnapshotMap[]
  readonly log: LogBeginning
  /** All that the joiner was given, and the one that it finds in the snapshot. SECRET. */
  readonly secrets: readonly LedgerSecret[]
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
    const secrets = secretsAtSnapshot(crypto, trust, {
      encryptedLedgerSecrets: storedIn(snapshot, INTERNAL_TABLES.encryptedLedgerSecrets),
      historicalEncryptedLedgerSecret: storedIn(snapshot, INTERNAL_TABLES.historicalEncryptedLedgerSecret),
    })
    const maps = [...snapshot.publicMaps, ...privateMaps(crypto, secrets, snapshot)]
    return { verified, maps, log: beginningOf(snapshot), secrets }
  } catch (error) {
    if (error instanceof DecodeError) throw new CorruptDataError(fileName, error.offset, error.message)
    throw error
  }
}

const storedIn = ({ publicMaps }: Snapshot, table: string): Stored | undefined =>
  publicMaps.find(({ name }) => name === table)?.rows.find(({ key }) => equalBytes(key, SINGLE_KEY))

function privateMaps(
  crypto: Crypto,
  secrets: readonly LedgerSecret[],
  { header, seqno }: Snapshot,
): readonly SnapshotMap[] {
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

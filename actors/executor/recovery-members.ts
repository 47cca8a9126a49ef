// Who can help to recover the service, as the governance tables say (CCF facts §6.4), and what an issue of secrets depends on.
// The rule to remember: only Active members count, and a role without an encryption key is none.
import { fromUtf8 } from '../../protocols/codec/bytes.ts'
import { idKey } from '../../protocols/governance/registration.ts'
import { decodeJsonObject, GOV_TABLES, INTERNAL_TABLES, SINGLE_KEY } from '../../protocols/ledger/tables.ts'
import type { Recipient, RecoveryMembers } from '../../protocols/secrets/issuing.ts'
import { readMap, type KvState } from '../../store/kv/kv-state.ts'
import { tableVersion } from './node-table.ts'

/** Undefined when no Active member has an encryption key and takes part. The threshold is as configured, whether it can be met or not. */
export function recoveryMembers(kv: KvState): RecoveryMembers | undefined {
  const participants: Recipient[] = []
  const owners: Recipient[] = []
  const info = readMap(kv, GOV_TABLES.membersInfo)
  readMap(kv, GOV_TABLES.membersEncryptionPublicKeys).range(undefined, undefined, (key, pem) => {
    const id = fromUtf8(key)
    const row = info.get(idKey(id))
    if (row === undefined) return
    const { status, recovery_role: role = 'Participant' } = decodeJsonObject(row)
    if (status !== 'Active') return
    const member = { id, encryptionPublicKeyPem: fromUtf8(pem) }
    if (role === 'Participant') participants.push(member)
    else if (role === 'Owner') owners.push(member)
  })
  if (participants.length + owners.length === 0) return undefined
  const config = readMap(kv, GOV_TABLES.serviceConfig).get(SINGLE_KEY)
  return { threshold: Number(config && decodeJsonObject(config)['recovery_threshold']), participants, owners }
}

/** Why no shares can be issued to them; undefined when they can (CCF facts §6.4, §20.12). */
export function thresholdProblem({ threshold, participants, owners }: RecoveryMembers): string | undefined {
  const most = participants.length > 0 ? participants.length : 1
  if (participants.length + owners.length > 254) return 'A service may have 254 recovery members.'
  const isPossible = Number.isInteger(threshold) && threshold >= 1 && threshold <= most
  return isPossible
    ? undefined
    : `The recovery threshold is ${threshold}, and ${participants.length} active participants hold shares.`
}

const ISSUE_TABLES = [
  GOV_TABLES.nodesInfo,
  GOV_TABLES.membersInfo,
  GOV_TABLES.membersEncryptionPublicKeys,
  GOV_TABLES.serviceConfig,
  GOV_TABLES.serviceInfo,
  INTERNAL_TABLES.historicalEncryptedLedgerSecret,
]

/** Differs whenever something does from which an issue is computed. */
export const issueBasis = (kv: KvState): string => ISSUE_TABLES.map((name) => tableVersion(kv, name)).join()

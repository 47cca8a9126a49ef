// What the governance tables say about the service, as the executor needs it: is it open, is this caller known.
import type { AuthPolicy, Caller } from '../../protocols/app.ts'
import { serviceStatus as statusOf, type ServiceStatus } from '../../protocols/governance/genesis.ts'
import { acceptingPolicy } from '../../protocols/governance/registration.ts'
import { decodeJsonObject, GOV_TABLES, SINGLE_KEY } from '../../protocols/ledger/tables.ts'
import { readMap, type KvState } from '../../store/kv/kv-state.ts'

export const serviceInfo = (kv: KvState): Readonly<Record<string, unknown>> | undefined => {
  const value = readMap(kv, GOV_TABLES.serviceInfo).get(SINGLE_KEY)
  return value === undefined ? undefined : decodeJsonObject(value)
}

/** CCF's service status: `Opening`, `Open`, …; undefined before genesis. */
export function serviceStatus(kv: KvState): ServiceStatus | undefined {
  const value = readMap(kv, GOV_TABLES.serviceInfo).get(SINGLE_KEY)
  return value === undefined ? undefined : statusOf(value)
}

/** True if any one of the policies accepts the caller (CCF facts §10). */
export const isAuthorised = (kv: KvState, policies: readonly AuthPolicy[], caller: Caller): boolean =>
  acceptingPolicy(policies, caller, (table, key) => readMap(kv, table).has(key)) !== undefined

/** CCF's default, should the service not say (facts §17). */
const NODE_CERTIFICATE_DAYS = 365

/** For how many days the service endorses a node's key. */
export function nodeCertificateDays(kv: KvState): number {
  const value = readMap(kv, GOV_TABLES.serviceConfig).get(SINGLE_KEY)
  const days = value && decodeJsonObject(value)['maximum_node_certificate_validity_days']
  return typeof days === 'number' ? days : NODE_CERTIFICATE_DAYS
}

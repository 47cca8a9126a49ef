// What the governance tables say about the service, as the executor needs it: is it open, is this caller known.
import { fromUtf8 } from '../../protocols/codec/bytes.ts'
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

/** Rows of a table whose keys are text and whose values are JSON objects. */
export function jsonRows(
  kv: KvState,
  table: string,
): { key: string; value: Readonly<Record<string, unknown>>; version: number }[] {
  const rows: { key: string; value: Readonly<Record<string, unknown>>; version: number }[] = []
  const map = readMap(kv, table)
  map.range(undefined, undefined, (key, value) => {
    rows.push({ key: fromUtf8(key), value: decodeJsonObject(value), version: map.versionOfPreviousWrite(key) ?? 0 })
  })
  return rows
}

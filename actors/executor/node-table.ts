// What the store says about the service's nodes (CCF facts §7.1: `nodes.info`, `nodes.endorsed_certificates`), and who is its operator.
// Not how that changes (node-changes.ts). The rule to remember: ask the committed state for what others may act upon.
import type { Caller } from '../../protocols/app.ts'
import { fromUtf8 } from '../../protocols/codec/bytes.ts'
import { decodeNodeRow, type NodeRow } from '../../protocols/governance/node-row.ts'
import { idKey } from '../../protocols/governance/registration.ts'
import type { NodeId } from '../../protocols/ids.ts'
import { decodeJsonObject, GOV_TABLES } from '../../protocols/ledger/tables.ts'
import type { NodeStanding } from '../../protocols/governance/node-row.ts'
import { readMap, type KvState } from '../../store/kv/kv-state.ts'

export interface KnownNode extends NodeRow {
  readonly nodeId: NodeId
  /** The row as it stands in the table. */
  readonly value: Uint8Array
  /** Seqno of the transaction that wrote it. */
  readonly version: number
}

/** Every node the table has, in ascending order of id. */
export function knownNodes(kv: KvState): KnownNode[] {
  const table = readMap(kv, GOV_TABLES.nodesInfo)
  const nodes: KnownNode[] = []
  table.range(undefined, undefined, (key, value) => {
    const version = table.versionOfPreviousWrite(key) ?? 0
    nodes.push({ nodeId: fromUtf8(key) as NodeId, value, version, ...decodeNodeRow(value) })
  })
  return nodes
}

export function findNode(kv: KvState, nodeId: string): KnownNode | undefined {
  const table = readMap(kv, GOV_TABLES.nodesInfo)
  const key = idKey(nodeId)
  const value = table.get(key)
  if (value === undefined) return undefined
  const version = table.versionOfPreviousWrite(key) ?? 0
  return { nodeId: nodeId as NodeId, value, version, ...decodeNodeRow(value) }
}

export const nodesThatAre = (kv: KvState, standing: NodeStanding): NodeId[] =>
  knownNodes(kv).flatMap((node) => (node.standing === standing ? [node.nodeId] : []))

export const nodesVersion = (kv: KvState): string => tableVersion(kv, GOV_TABLES.nodesInfo)

/** Differs whenever the table does: any change writes a row or removes one. */
export function tableVersion(kv: KvState, name: string): string {
  const table = readMap(kv, name)
  let newest = 0
  table.range(undefined, undefined, (key) => {
    newest = Math.max(newest, table.versionOfPreviousWrite(key) ?? 0)
  })
  return `${table.size} ${newest}`
}

/** True when this node was removed for good. */
export const isRemovedNode = ({ config }: { readonly config: { readonly nodeId: NodeId } }, kv: KvState): boolean =>
  findNode(kv, config.nodeId)?.standing === 'RetiredCommitted'

/** PEM by which the service endorses this node's key; undefined until it did. */
export function endorsedCertificate(kv: KvState, nodeId: NodeId): string | undefined {
  const pem = readMap(kv, GOV_TABLES.nodesEndorsedCertificates).get(idKey(nodeId))
  return pem === undefined ? undefined : fromUtf8(pem)
}

/** True for a member whose `member_data` says so, as in CCF's sandbox. Operators change nodes until governance does. */
export function isOperator(kv: KvState, caller: Caller): boolean {
  if (caller.kind !== 'certificate') return false
  const row = readMap(kv, GOV_TABLES.membersInfo).get(idKey(caller.id))
  const data = row && (decodeJsonObject(row)['member_data'] as { readonly is_operator?: unknown } | null | undefined)
  return data?.is_operator === true
}

// The first transaction of a service (2.1) and the one that opens it, in CCF's tables and JSON (CCF facts §7, §9.9).
// Not governance: who may write these later, and the recovery shares, are the governance and keeper actors' matter.
// The rule to remember: members start as Accepted and become Active by signing an acknowledgement (CCF facts §9.8).
import { utf8 } from '../codec/bytes.ts'
import type { Endpoint } from '../app.ts'
import { decodeJsonObject, encodeJson, GOV_TABLES, INTERNAL_TABLES, SINGLE_KEY, singleWrite } from '../ledger/tables.ts'
import type { WriteSet } from '../ledger/write-set.ts'
import { encodeNodeInfo, type NodeDetails, VIRTUAL_MEASUREMENT } from './node-info.ts'
import { idKey } from './registration.ts'
import { encodeSortedJson, type JsonValue } from './sorted-json.ts'
import { tableRows, tableSet } from './table-rows.ts'

export type RecoveryRole = 'NonParticipant' | 'Participant' | 'Owner'
export type MemberStatus = 'Accepted' | 'Active'

export interface GenesisMember {
  readonly certificatePem: string
  /** RSA. A member with one takes part in recovery unless its role says otherwise (CCF facts §6.4). */
  readonly encryptionPublicKeyPem?: string
  readonly data?: JsonValue
  readonly recoveryRole?: RecoveryRole
  /** Default Accepted, as CCF writes it. */
  readonly status?: MemberStatus
}

export interface GenesisUser {
  readonly certificatePem: string
  readonly data?: JsonValue
}

export interface GenesisNode extends NodeDetails {
  /** Endorsed by the service. */
  readonly certificatePem: string
}

export interface Genesis {
  readonly members: readonly GenesisMember[]
  readonly users: readonly GenesisUser[]
  /** The first is the one that creates the service. */
  readonly nodes: readonly GenesisNode[]
  readonly serviceCertificatePem: string
  /** JavaScript module text. */
  readonly constitution: string
  /** Default: all recovery participants. */
  readonly recoveryThreshold?: number
  /** Days; default 365, as CCF's. */
  readonly maximumNodeCertificateValidityDays?: number
  readonly maximumServiceCertificateValidityDays?: number
  readonly serviceData?: JsonValue
}

/** Hex id of a certificate in PEM: SHA-256 of its DER (CCF facts §6.6). */
export type CertificateId = (certificatePem: string) => string

const RECOVERY_THRESHOLD_MAX = 254
const CERTIFICATE_VALIDITY_DAYS = 365

const holdsShare = (member: GenesisMember): boolean =>
  member.encryptionPublicKeyPem !== undefined &&
  member.recoveryRole !== 'NonParticipant' &&
  member.recoveryRole !== 'Owner'

const holdsKey = (member: GenesisMember): boolean =>
  member.encryptionPublicKeyPem !== undefined && member.recoveryRole === 'Owner'

/** Bounds of CCF facts §6.4. Without any recovery member the threshold is 0, and such a service cannot be recovered. */
function recoveryThreshold(genesis: Genesis): number {
  const participants = genesis.members.filter(holdsShare).length
  const owners = genesis.members.filter(holdsKey).length
  const threshold = genesis.recoveryThreshold ?? (participants === 0 && owners > 0 ? 1 : participants)
  const most = participants > 0 ? Math.min(participants, RECOVERY_THRESHOLD_MAX) : owners > 0 ? 1 : 0
  const least = Math.min(1, most)
  if (!Number.isInteger(threshold) || threshold < least || threshold > most)
    throw new RangeError(`recovery threshold must be ${least} to ${most} for these members`)
  return threshold
}

function memberTables(members: readonly GenesisMember[], certificateId: CertificateId) {
  const rows = members.map((member) => ({ member, key: idKey(certificateId(member.certificatePem)) }))
  return [
    tableRows(
      GOV_TABLES.membersCerts,
      rows.map(({ key, member }) => ({ key, value: utf8(member.certificatePem) })),
    ),
    tableRows(
      GOV_TABLES.membersEncryptionPublicKeys,
      rows.flatMap(({ key, member }) =>
        member.encryptionPublicKeyPem === undefined ? [] : [{ key, value: utf8(member.encryptionPublicKeyPem) }],
      ),
    ),
    tableRows(
      GOV_TABLES.membersInfo,
      rows.map(({ key, member }) => ({
        key,
        value: encodeSortedJson({
          member_data: member.data,
          recovery_role: member.recoveryRole,
          status: member.status ?? 'Accepted',
        }),
      })),
    ),
    tableRows(
      GOV_TABLES.membersAcks,
      rows.map(({ key }) => ({ key, value: encodeJson({ state_digest: '' }) })),
    ),
  ]
}

function userTables(users: readonly GenesisUser[], certificateId: CertificateId) {
  const rows = users.map((user) => ({ user, key: idKey(certificateId(user.certificatePem)) }))
  return [
    tableRows(
      GOV_TABLES.usersCerts,
      rows.map(({ key, user }) => ({ key, value: utf8(user.certificatePem) })),
    ),
    tableRows(
      GOV_TABLES.usersInfo,
      rows.flatMap(({ key, user }) =>
        user.data === undefined ? [] : [{ key, value: encodeSortedJson({ user_data: user.data }) }],
      ),
    ),
  ]
}

function nodeTables(nodes: readonly GenesisNode[]) {
  const hostData = [...new Set(nodes.map((node) => node.hostData))]
  return [
    tableRows(
      GOV_TABLES.nodesInfo,
      nodes.map((node, i) => ({
        key: idKey(node.nodeId),
        value: encodeNodeInfo(node, 'Trusted', i === 0 ? undefined : 1),
      })),
    ),
    tableRows(
      GOV_TABLES.nodesEndorsedCertificates,
      nodes.map((node) => ({ key: idKey(node.nodeId), value: utf8(node.certificatePem) })),
    ),
    tableRows(
      GOV_TABLES.nodesVirtualHostData,
      hostData.map((hex) => ({ key: utf8(hex), value: SINGLE_KEY })),
    ),
    tableRows(GOV_TABLES.nodesVirtualMeasurements, [
      { key: utf8(VIRTUAL_MEASUREMENT), value: encodeJson('AllowedToJoin') },
    ]),
  ]
}

/**
 * The write set of transaction 2.1: the service is Opening, its initial nodes Trusted. All of it is public.
 * Unlike CCF's, it may hold users and more than one node, since here the consortium is fixed before the service starts.
 * @throws RangeError when a certificate or node is listed twice, a list that must not be empty is, or the threshold
 * does not fit the members.
 */
export function genesisWrites(genesis: Genesis, certificateId: CertificateId): WriteSet {
  if (genesis.members.length === 0) throw new RangeError('a service needs a member')
  if (genesis.nodes.length === 0) throw new RangeError('a service needs a node')
  const config = {
    maximum_node_certificate_validity_days: genesis.maximumNodeCertificateValidityDays ?? CERTIFICATE_VALIDITY_DAYS,
    maximum_service_certificate_validity_days:
      genesis.maximumServiceCertificateValidityDays ?? CERTIFICATE_VALIDITY_DAYS,
    recovery_threshold: recoveryThreshold(genesis),
  }
  const info = {
    cert: genesis.serviceCertificatePem,
    current_service_create_txid: '2.1',
    recovery_count: 0,
    service_data: genesis.serviceData,
    status: 'Opening',
  }
  return tableSet([
    singleWrite(GOV_TABLES.constitution, encodeJson(genesis.constitution)),
    singleWrite(GOV_TABLES.serviceConfig, encodeSortedJson(config)),
    singleWrite(GOV_TABLES.serviceInfo, encodeSortedJson(info)),
    ...memberTables(genesis.members, certificateId),
    ...userTables(genesis.users, certificateId),
    ...nodeTables(genesis.nodes),
  ])
}

/**
 * An application endpoint as an `endpoints` row (CCF facts §10.1). Empty module and function: it is part of the node's
 * program, not of a bundle. Reads may be answered by any node, writes go to the primary.
 */
export const endpointProperties = (endpoint: Omit<Endpoint, 'schema' | 'handler'>): JsonValue => ({
  authn_policies: endpoint.auth,
  forwarding_required: endpoint.mode === 'readwrite' ? 'always' : 'sometimes',
  js_function: '',
  js_module: '',
  mode: endpoint.mode,
  redirection_strategy: endpoint.mode === 'readwrite' ? 'to_primary' : 'none',
})

/**
 * The write set that opens the service: status Open, the application's endpoints, and the record that begins the chain
 * of ledger secrets, which CCF also writes at opening (CCF facts §6.3; checked on its ledgers).
 * `serviceInfo`: the current value of `service.info`.
 * @throws DecodeError when that is no JSON object, RangeError when the service is not Opening or an endpoint is doubled.
 */
export function openServiceWrites(
  serviceInfo: Uint8Array,
  endpoints: readonly Omit<Endpoint, 'schema' | 'handler'>[],
): WriteSet {
  const info = decodeJsonObject(serviceInfo) as { readonly [name: string]: JsonValue }
  if (info['status'] !== 'Opening') throw new RangeError('only a service that is Opening can be opened')
  return tableSet([
    singleWrite(GOV_TABLES.serviceInfo, encodeSortedJson({ ...info, status: 'Open' })),
    tableRows(
      GOV_TABLES.endpoints,
      endpoints.map((endpoint) => ({
        key: utf8(`${endpoint.verb} ${endpoint.path}`),
        value: encodeSortedJson(endpointProperties(endpoint)),
      })),
    ),
    singleWrite(INTERNAL_TABLES.historicalEncryptedLedgerSecret, encodeJson({ next_version: 1 })),
  ])
}

/** Status in a `service.info` value; undefined when it is none of CCF's. @throws DecodeError when it is no JSON object. */
export function serviceStatus(serviceInfo: Uint8Array): ServiceStatus | undefined {
  const status = decodeJsonObject(serviceInfo)['status']
  return SERVICE_STATUSES.find((known) => known === status)
}

const SERVICE_STATUSES = ['Opening', 'Open', 'WaitingForRecoveryShares', 'Recovering'] as const
export type ServiceStatus = (typeof SERVICE_STATUSES)[number]

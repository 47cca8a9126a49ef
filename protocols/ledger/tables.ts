// Names of CCF's built-in tables and the encodings of their keys and values (CCF facts §7). Not their contents' schemas.
// The rule to remember: keys are raw text, single values sit under eight zero bytes, values are JSON unless said otherwise.
import { DecodeError, fromUtf8, utf8 } from '../codec/bytes.ts'
import { parseJson } from '../codec/json.ts'
import type { MapWrites } from './write-set.ts'

/** Key of a table that holds a single value, and the value of a table that is a set (CCF facts §7). */
export const SINGLE_KEY: Uint8Array = new Uint8Array(8)

/** `public:ccf.gov.*` (CCF facts §7.1). */
export const GOV_TABLES = {
  constitution: 'public:ccf.gov.constitution',
  coseHistory: 'public:ccf.gov.cose_history',
  coseRecentProposals: 'public:ccf.gov.cose_recent_proposals',
  endpoints: 'public:ccf.gov.endpoints',
  history: 'public:ccf.gov.history',
  interpreterFlush: 'public:ccf.gov.interpreter.flush',
  jsRuntimeOptions: 'public:ccf.gov.js_runtime_options',
  jwtIssuers: 'public:ccf.gov.jwt.issuers',
  jwtPublicSigningKey: 'public:ccf.gov.jwt.public_signing_key',
  jwtPublicSigningKeyIssuer: 'public:ccf.gov.jwt.public_signing_key_issuer',
  jwtPublicSigningKeysMetadata: 'public:ccf.gov.jwt.public_signing_keys_metadata',
  jwtPublicSigningKeysMetadataV2: 'public:ccf.gov.jwt.public_signing_keys_metadata_v2',
  membersAcks: 'public:ccf.gov.members.acks',
  /** Member id → PEM, raw. */
  membersCerts: 'public:ccf.gov.members.certs',
  /** Member id → PEM, raw. */
  membersEncryptionPublicKeys: 'public:ccf.gov.members.encryption_public_keys',
  membersInfo: 'public:ccf.gov.members.info',
  /** `/path.js` → source, raw. */
  modules: 'public:ccf.gov.modules',
  /** `/path.js` → bytecode, raw. */
  modulesQuickjsBytecode: 'public:ccf.gov.modules_quickjs_bytecode',
  /** Single, raw text. */
  modulesQuickjsVersion: 'public:ccf.gov.modules_quickjs_version',
  nodesCodeIds: 'public:ccf.gov.nodes.code_ids',
  /** Node id → PEM, raw. */
  nodesEndorsedCertificates: 'public:ccf.gov.nodes.endorsed_certificates',
  nodesInfo: 'public:ccf.gov.nodes.info',
  nodesSnpHostData: 'public:ccf.gov.nodes.snp.host_data',
  nodesSnpMeasurements: 'public:ccf.gov.nodes.snp.measurements',
  nodesSnpTcbVersions: 'public:ccf.gov.nodes.snp.tcb_versions',
  nodesSnpUvmEndorsements: 'public:ccf.gov.nodes.snp.uvm_endorsements',
  /** Set of hex. */
  nodesVirtualHostData: 'public:ccf.gov.nodes.virtual.host_data',
  nodesVirtualMeasurements: 'public:ccf.gov.nodes.virtual.measurements',
  /** Proposal id → body as submitted, raw. */
  proposals: 'public:ccf.gov.proposals',
  proposalsInfo: 'public:ccf.gov.proposals_info',
  serviceConfig: 'public:ccf.gov.service.config',
  serviceInfo: 'public:ccf.gov.service.info',
  servicePreviousServiceIdentity: 'public:ccf.gov.service.previous_service_identity',
  tlsCaCertBundles: 'public:ccf.gov.tls.ca_cert_bundles',
  /** User id → PEM, raw. */
  usersCerts: 'public:ccf.gov.users.certs',
  usersInfo: 'public:ccf.gov.users.info',
} as const

/** `public:ccf.internal.*` (CCF facts §7.2). */
export const INTERNAL_TABLES = {
  coseSignatures: 'public:ccf.internal.cose_signatures',
  encryptedLedgerSecrets: 'public:ccf.internal.encrypted_ledger_secrets',
  encryptedSubmittedShares: 'public:ccf.internal.encrypted_submitted_shares',
  historicalEncryptedLedgerSecret: 'public:ccf.internal.historical_encrypted_ledger_secret',
  lastRecoveryType: 'public:ccf.internal.last_recovery_type',
  previousServiceIdentityEndorsement: 'public:ccf.internal.previous_service_identity_endorsement',
  previousServiceLastSignedRoot: 'public:ccf.internal.previous_service_last_signed_root',
  recoveryShares: 'public:ccf.internal.recovery_shares',
  signatures: 'public:ccf.internal.signatures',
  snapshotEvidence: 'public:ccf.internal.snapshot_evidence',
  /** Single, raw bytes (CCF facts §4.3). */
  tree: 'public:ccf.internal.tree',
} as const

/** Names beginning so are CCF's own: applications may not use them (CCF facts §7.4). */
export const isReservedMap = (name: string): boolean => name.startsWith('ccf.') || name.startsWith('public:ccf.')

/** A JSON value as its table bytes: compact. C++ writes object keys in alphabetical order; the caller builds them so. */
export const encodeJson = (value: unknown): Uint8Array => utf8(JSON.stringify(value))

/** @throws DecodeError when `bytes` is not JSON, or nested too deeply (codec/json.ts). */
export const decodeJson = (bytes: Uint8Array): unknown => parseJson(fromUtf8(bytes))

/** @throws DecodeError when `bytes` is not a JSON object. */
export function decodeJsonObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const value = decodeJson(bytes)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new DecodeError('not a JSON object', 0)
  return value as Readonly<Record<string, unknown>>
}

/** @throws DecodeError when `bytes` is not a JSON string. */
export function decodeJsonString(bytes: Uint8Array): string {
  const value = decodeJson(bytes)
  if (typeof value !== 'string') throw new DecodeError('not a JSON string', 0)
  return value
}

/** The write of a single-value table. */
export const singleWrite = (name: string, value: Uint8Array): MapWrites => ({
  name,
  writes: [{ key: SINGLE_KEY, value }],
  removes: [],
})

/**
 * The value written to a single-value table, undefined when it was not written.
 * @throws DecodeError when another key was written.
 */
export function singleValue(map: MapWrites | undefined): Uint8Array | undefined {
  if (map === undefined || map.writes.length === 0) return undefined
  const write = map.writes[0]!
  if (map.writes.length > 1 || write.key.length !== 8 || write.key.some((byte) => byte !== 0)) {
    throw new DecodeError(`${map.name}: not a single value`, 0)
  }
  return write.value
}

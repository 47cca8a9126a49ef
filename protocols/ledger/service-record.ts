// What a ledger says about the service and its nodes while it is read from the start: the service certificate and
// status in force, and every node's status and key. Not governance; it only follows what was written and refuses
// transitions of the service that cannot happen (CCF facts §3.6 item 4).
// The rule to remember: a value, copied on change; changes are rare, so a state per entry costs nothing.
import { DecodeError, equalBytes, fromUtf8 } from '../codec/bytes.ts'
import { formatPem } from '../codec/pem.ts'
import { type EcCertificate, nodeIdOf, parseEcCertificate, verifyIssuedBy } from '../crypto/certificate.ts'
import type { Crypto, EcPublicKey } from '../crypto/crypto.ts'
import { decodeJsonObject, GOV_TABLES, singleValue } from './tables.ts'
import { type MapWrites, mapWrites, type WriteSet } from './write-set.ts'

/** A well-formed entry that may not stand where it stands. The verifier turns it into CorruptDataError. */
export class LedgerFault extends Error {
  override readonly name = 'LedgerFault'
}

export interface NodeRecord {
  readonly status: string
  /** PEM by which the node signs: service-endorsed, or the `cert` field of old node records. */
  readonly certificatePem: string | undefined
  /** True when `certificatePem` claims to be issued by the service. */
  readonly endorsed: boolean
  /** Set once the certificate was checked, at the node's first signature. */
  readonly key: EcPublicKey | undefined
}

export interface ServiceRecord {
  readonly status: string | undefined
  readonly certificatePem: string | undefined
  readonly certificate: EcCertificate | undefined
  readonly nodes: ReadonlyMap<string, NodeRecord>
}

export const noService: ServiceRecord = {
  status: undefined,
  certificatePem: undefined,
  certificate: undefined,
  nodes: new Map(),
}

/** Statuses that may follow; anything may become Opening, and every status may be written again (CCF facts §3.6). */
const NEXT_STATUS: Readonly<Record<string, readonly string[]>> = {
  Opening: ['Open', 'WaitingForRecoveryShares'],
  Recovering: ['WaitingForRecoveryShares'],
  WaitingForRecoveryShares: ['Open'],
  Open: ['Recovering'],
}

function checkTransition(from: string | undefined, to: string): void {
  if (from === undefined || from === to || to === 'Opening') return
  if (!(NEXT_STATUS[from]?.includes(to) ?? false)) throw new LedgerFault(`service status ${from} → ${to}`)
}

function textOf(json: Readonly<Record<string, unknown>>, name: string, what: string): string {
  const value = json[name]
  if (typeof value !== 'string') throw new DecodeError(`${what}: no ${name}`, 0)
  return value
}

function applyServiceInfo(crypto: Crypto, service: ServiceRecord, map: MapWrites): ServiceRecord {
  const value = singleValue(map)
  if (value === undefined) throw new DecodeError('service info removed', 0)
  const json = decodeJsonObject(value)
  const status = textOf(json, 'status', 'service info')
  const certificatePem = textOf(json, 'cert', 'service info')
  checkTransition(service.status, status)
  if (certificatePem === service.certificatePem) return { ...service, status }
  return { ...service, status, certificatePem, certificate: parseEcCertificate(crypto, certificatePem) }
}

// CCF 2.0 stored certificates with their C string terminator.
const pemOf = (text: string): string => (text.endsWith('\0') ? text.slice(0, -1) : text)

const emptyNode: NodeRecord = { status: '', certificatePem: undefined, endorsed: false, key: undefined }

function applyNodeInfo(nodes: Map<string, NodeRecord>, map: MapWrites): void {
  for (const key of map.removes) nodes.delete(fromUtf8(key))
  for (const { key, value } of map.writes) {
    const id = fromUtf8(key)
    const json = decodeJsonObject(value)
    const before = nodes.get(id) ?? emptyNode
    const own = json['cert']
    const certificatePem = before.certificatePem ?? (typeof own === 'string' ? own : undefined)
    nodes.set(id, { ...before, status: textOf(json, 'status', 'node info'), certificatePem })
  }
}

function applyEndorsedCertificates(nodes: Map<string, NodeRecord>, map: MapWrites): void {
  for (const { key, value } of map.writes) {
    const id = fromUtf8(key)
    const before = nodes.get(id) ?? emptyNode
    nodes.set(id, { ...before, certificatePem: pemOf(fromUtf8(value)), endorsed: true, key: undefined })
  }
}

/**
 * The record after a transaction; the same value when it does not touch it.
 * @throws DecodeError when a table is malformed, LedgerFault when a status cannot follow.
 */
export function applyToServiceRecord(crypto: Crypto, service: ServiceRecord, writes: WriteSet): ServiceRecord {
  const info = mapWrites(writes, GOV_TABLES.serviceInfo)
  const nodeInfo = mapWrites(writes, GOV_TABLES.nodesInfo)
  const certificates = mapWrites(writes, GOV_TABLES.nodesEndorsedCertificates)
  const next = info === undefined ? service : applyServiceInfo(crypto, service, info)
  if (nodeInfo === undefined && certificates === undefined) return next
  const nodes = new Map(service.nodes)
  if (nodeInfo !== undefined) applyNodeInfo(nodes, nodeInfo)
  if (certificates !== undefined) applyEndorsedCertificates(nodes, certificates)
  return { ...next, nodes }
}

/**
 * The key a node may sign with now, with the record that remembers it was checked.
 * @throws LedgerFault when the node is unknown or Pending, or its certificate is not its own or not the service's.
 */
export function signerKey(
  crypto: Crypto,
  service: ServiceRecord,
  id: string,
): { key: EcPublicKey; service: ServiceRecord } {
  const node = service.nodes.get(id)
  if (node === undefined || node.status === '') throw new LedgerFault(`signed by a node not in the service: ${id}`)
  if (node.status === 'Pending') throw new LedgerFault(`signed by a pending node: ${id}`)
  if (node.key !== undefined) return { key: node.key, service }
  if (node.certificatePem === undefined) throw new LedgerFault(`no certificate of node ${id}`)
  const certificate = parseEcCertificate(crypto, node.certificatePem)
  if (nodeIdOf(crypto, certificate) !== id) throw new LedgerFault(`certificate is not of node ${id}`)
  if (
    node.endorsed &&
    (service.certificate === undefined || !verifyIssuedBy(crypto, certificate, service.certificate))
  ) {
    throw new LedgerFault(`certificate of node ${id} is not endorsed by the service`)
  }
  const key = certificate.publicKey
  return { key, service: { ...service, nodes: new Map(service.nodes).set(id, { ...node, key }) } }
}

/**
 * The certificate in a signature (if any) is the node's, or another one that the service issued for its key: it may have been renewed.
 * @throws LedgerFault
 */
export function checkSignatureCertificate(
  crypto: Crypto,
  service: ServiceRecord,
  id: string,
  pem: string,
  key: EcPublicKey,
): void {
  const { certificatePem, endorsed } = service.nodes.get(id) ?? emptyNode
  if (pem === '' || certificatePem === pem) return
  const certificate = parseEcCertificate(crypto, pem)
  if (!equalBytes(certificate.publicKey.spki, key.spki)) {
    throw new LedgerFault(`signature carries a certificate that is not of node ${id}`)
  }
  const isIssued = service.certificate !== undefined && verifyIssuedBy(crypto, certificate, service.certificate)
  if (formatPem('CERTIFICATE', certificate.der) !== pem || (endorsed && !isIssued)) {
    throw new LedgerFault(`signature carries a certificate of node ${id} that the service did not issue`)
  }
}

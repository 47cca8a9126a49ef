// What is decided once when a service is created: its certificate, the nodes' endorsed certificates, and the transactions that
// begin and open it. A pure function of keys and names, so that a simulation creates the same service in every run.
// The rule to remember: this runs on the first node only; the service's private key never leaves nodes.
import type { App } from '../protocols/app.ts'
import { formatPem } from '../protocols/codec/pem.ts'
import { certificateId, nodeIdOf, parseCertificate } from '../protocols/crypto/certificate.ts'
import type { Crypto, EcCurve } from '../protocols/crypto/crypto.ts'
import { EC_CURVES } from '../protocols/crypto/ec-keys.ts'
import { issueCertificate, validityFrom } from '../protocols/crypto/issue.ts'
import { DEFAULT_CONSTITUTION } from '../protocols/governance/constitution.ts'
import {
  genesisWrites,
  openServiceWrites,
  type GenesisMember,
  type GenesisUser,
} from '../protocols/governance/genesis.ts'
import { NODE_SUBJECT } from '../protocols/governance/node-certificate.ts'
import { virtualNode } from '../protocols/governance/node-info.ts'
import type { NodeId } from '../protocols/ids.ts'
import { GOV_TABLES, singleValue } from '../protocols/ledger/tables.ts'
import { mapWrites, type WriteSet } from '../protocols/ledger/write-set.ts'

/** CCF's default name (facts §17). */
const SERVICE_SUBJECT = 'CN=CCF Service'

/** A node that will take part from the first transaction on. */
export interface InitialNode {
  /** SubjectPublicKeyInfo DER of its identity key. */
  readonly spki: Uint8Array
  /** RSA, PEM; receives ledger secrets later. */
  readonly encryptionPublicKeyPem: string
  /** Where operators find it; free text. */
  readonly address: string
}

export interface ServiceSetupInput {
  readonly curve: EcCurve
  readonly serviceKey: { readonly pkcs8: Uint8Array; readonly spki: Uint8Array }
  readonly nodes: readonly InitialNode[]
  readonly members: readonly GenesisMember[]
  readonly users: readonly GenesisUser[]
  readonly apps: readonly App[]
  /** Unix seconds: certificates are valid from here on. */
  readonly nowSeconds: number
  readonly validityDays: number
}

export interface ServiceSetup {
  readonly serviceCertificatePem: string
  readonly nodes: readonly { readonly nodeId: NodeId; readonly certificatePem: string }[]
  readonly genesis: WriteSet
  readonly opening: WriteSet
}

export function setUpService(crypto: Crypto, input: ServiceSetupInput): ServiceSetup {
  const { curve, serviceKey, nodes, members, users, apps } = input
  const common = {
    ...validityFrom(input.nowSeconds, input.validityDays),
    signatureHash: EC_CURVES[curve].hash,
    issuerSpki: serviceKey.spki,
  }
  const issue = (subject: string, spki: Uint8Array, isCa: boolean): string => {
    const fields = { ...common, subject, issuer: SERVICE_SUBJECT, spki, isCa }
    return formatPem('CERTIFICATE', issueCertificate(crypto, fields, serviceKey.pkcs8))
  }
  const serviceCertificatePem = issue(SERVICE_SUBJECT, serviceKey.spki, true)
  const endorsed = nodes.map((node) => ({
    node,
    nodeId: nodeIdOf(crypto, node.spki),
    certificatePem: issue(NODE_SUBJECT, node.spki, false),
  }))
  const genesis = genesisWrites(
    {
      members,
      users,
      serviceCertificatePem,
      constitution: DEFAULT_CONSTITUTION,
      nodes: endorsed.map(({ node, nodeId, certificatePem }) => ({
        ...virtualNode({
          nodeId,
          publicKeyPem: formatPem('PUBLIC KEY', node.spki),
          encryptionPublicKeyPem: node.encryptionPublicKeyPem,
          address: node.address,
        }),
        certificatePem,
      })),
    },
    (pem) => certificateId(crypto, parseCertificate(pem)),
  )
  const info = singleValue(mapWrites(genesis, GOV_TABLES.serviceInfo))!
  const endpoints = apps.flatMap((app) => app.endpoints)
  return {
    serviceCertificatePem,
    nodes: endorsed.map(({ nodeId, certificatePem }) => ({ nodeId, certificatePem })),
    genesis,
    opening: openServiceWrites(info, endpoints),
  }
}

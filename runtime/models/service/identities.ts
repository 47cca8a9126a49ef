// Keys, certificates and genesis of simulated services: from fixed names, so that every run has the same, and made once for each shape of
// service, because issuing certificates costs more than a short run.
import type { App } from '../../../protocols/app.ts'
import { toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { formatPem } from '../../../protocols/codec/pem.ts'
import { certificateId, parseCertificate } from '../../../protocols/crypto/certificate.ts'
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
import { issueCertificate, validityFrom } from '../../../protocols/crypto/issue.ts'
import { ecKeyPairFromSeed, type EcKeyPair } from '../../../protocols/crypto/noble.ts'
import type { LedgerSecret } from '../../../protocols/secrets/ledger-secrets.ts'
import { setUpService, type ServiceSetup } from '../../service-setup.ts'
import { fastCrypto, realCrypto } from './crypto.ts'
import { rsaKeyOf, type RsaKeyPair } from './rsa-keys.ts'

export const CURVE = 'P-256'
const VALID_FROM = Date.UTC(2026, 0, 1) / 1000
const VALIDITY_DAYS = 365
const MEMBERS = 3
export const LEDGER_SECRET = realCrypto.sha256(utf8('ledger secret of simulations'))
/** What a simulated service begins with. */
export const SECRETS: readonly LedgerSecret[] = [{ version: 1, secret: LEDGER_SECRET }]

/** The key of the node that was created as number `i`. */
export const nodeKeyOf = (i: number): EcKeyPair => keyOf(`node ${i}`)

/** To which ledger secrets are encrypted for that node. RSA, except where `fastCrypto` lets the node's own key stand for it. */
export const encryptionKeyOf = (crypto: Crypto, i: number): RsaKeyPair =>
  crypto === fastCrypto ? nodeKeyOf(i) : rsaKeyOf(`node ${i}`)

/** Everything a service of so many nodes is made from. */
export interface Identities {
  readonly setup: ServiceSetup
  readonly serviceKey: EcKeyPair
  readonly nodeKeys: readonly EcKeyPair[]
  /** Of the one registered user, and of the member who is the operator. */
  readonly userId: string
  readonly operatorId: string
  /** Lower-case hex of SHA-256(service SPKI). */
  readonly serviceKid: string
}

const keys = new Map<string, EcKeyPair>()

function keyOf(name: string): EcKeyPair {
  let key = keys.get(name)
  if (key === undefined) {
    key = ecKeyPairFromSeed(CURVE, utf8(name))
    keys.set(name, key)
  }
  return key
}

function selfSigned(crypto: Crypto, name: string): string {
  const key = keyOf(name)
  const subject = `CN=${name}`
  const der = issueCertificate(
    crypto,
    {
      subject,
      issuer: subject,
      spki: key.spki,
      issuerSpki: key.spki,
      isCa: false,
      signatureHash: 'sha256',
      ...validityFrom(VALID_FROM, VALIDITY_DAYS),
    },
    key.pkcs8,
  )
  return formatPem('CERTIFICATE', der)
}

const made = new Map<Crypto, Map<string, Identities>>()

export function identitiesOf(crypto: Crypto, nodes: number, apps: readonly App[]): Identities {
  const shape = `${nodes} ${apps.map(({ name }) => name).join()}`
  const known = made.get(crypto) ?? new Map<string, Identities>()
  made.set(crypto, known)
  let identities = known.get(shape)
  if (identities === undefined) {
    identities = makeIdentities(crypto, nodes, apps)
    known.set(shape, identities)
  }
  return identities
}

function makeIdentities(crypto: Crypto, nodes: number, apps: readonly App[]): Identities {
  const serviceKey = keyOf('service')
  const nodeKeys = Array.from({ length: nodes }, (_, i) => nodeKeyOf(i))
  const user = selfSigned(crypto, 'user0')
  const members = Array.from({ length: MEMBERS }, (_, i) => selfSigned(crypto, `member${i}`))
  const setup = setUpService(crypto, {
    curve: CURVE,
    serviceKey,
    nodes: nodeKeys.map(({ spki }, i) => ({
      spki,
      encryptionPublicKeyPem: formatPem('PUBLIC KEY', encryptionKeyOf(crypto, i).spki),
      address: `sim:${i}`,
    })),
    members: members.map((certificatePem, i) =>
      i === 0 ? { certificatePem, data: { is_operator: true } } : { certificatePem },
    ),
    users: [{ certificatePem: user }],
    apps,
    nowSeconds: VALID_FROM,
    validityDays: VALIDITY_DAYS,
  })
  const service = parseCertificate(setup.serviceCertificatePem)
  return {
    setup,
    serviceKey,
    nodeKeys,
    userId: certificateId(crypto, parseCertificate(user)),
    operatorId: certificateId(crypto, parseCertificate(members[0]!)),
    serviceKid: toHex(crypto.sha256(service.spki)),
  }
}

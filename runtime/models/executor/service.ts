// What the modelled executors are made from: a service of two nodes, its keys and its one application, and the host's keyring.
// The rule to remember: keys are real and from seeds; the cryptography is the simulation's, and still refuses what does not verify.
import type { SignItem } from '../../../actors/effects.ts'
import type { ExecutorConfig } from '../../../actors/executor/state.ts'
import { fastCrypto } from '../service/crypto.ts'
import { executorConfig } from '../service/configs.ts'
import { identitiesOf, nodeKeyOf } from '../service/identities.ts'
import { registerApp } from '../service/register-app.ts'
import { USUAL_KNOBS } from '../../sim/plan.ts'

export const EXECUTORS = 2
export const crypto = fastCrypto
const APPS = [registerApp]
const identities = identitiesOf(crypto, EXECUTORS, APPS)

export const nodeIds = identities.setup.nodes.map(({ nodeId }) => nodeId)
export const USER = identities.userId

/** Later than every deadline of a forwarded request, ms. */
export const LATE_MS = USUAL_KNOBS.forwardingTimeoutMs * 2

export const configOf = (place: number): ExecutorConfig =>
  executorConfig({
    nodeId: nodeIds[place]!,
    encryptionKey: nodeKeyOf(place).pkcs8,
    peers: nodeIds,
    isFounder: place === 0,
    identities,
    crypto,
    apps: APPS,
    knobs: USUAL_KNOBS,
  })

/** What the host's keyring makes of a `sign` effect. */
export const signItems = (place: number, items: readonly SignItem[]): Uint8Array[] =>
  items.map(({ key, hash, message, format }) =>
    crypto.signEcdsa(key === 'node' ? nodeKeyOf(place).pkcs8 : identities.serviceKey.pkcs8, hash, message, format),
  )

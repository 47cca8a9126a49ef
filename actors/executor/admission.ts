// How a primary lets nodes in and declares removed ones finished, when its replica says that they are ready. A Pending node is a learner;
// caught up, its certificate is signed by the service; signed, one transaction makes it Trusted and is the reconfiguration.
// The rule to remember: all that must survive this primary is in the table; the next one finds Pending and Retired rows there and goes on.
import { parsePem, formatPem } from '../../protocols/codec/pem.ts'
import { parseCertificate } from '../../protocols/crypto/certificate.ts'
import { attachSignature } from '../../protocols/crypto/issue.ts'
import type { ReplicaNotice, SetLearners } from '../../protocols/consensus/messages.ts'
import { invariant } from '../../protocols/errors.ts'
import { nodeCertificateBody } from '../../protocols/governance/node-certificate.ts'
import type { NodeId } from '../../protocols/ids.ts'
import { ADMISSIONS_MAX } from '../../protocols/limits.ts'
import type { NodesChanged, SecretsChanged } from '../../protocols/requests.ts'
import type { KvState } from '../../store/kv/kv-state.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { send, trace, type Effect, type SignItem } from '../effects.ts'
import { Draft } from './draft.ts'
import { declareRetired, trustNodes } from './node-changes.ts'
import { addNodeChange } from './node-endpoints.ts'
import { endorsedCertificate, findNode, knownNodes, nodesThatAre, nodesVersion } from './node-table.ts'
import { nodeCertificateDays } from './service.ts'
import { isPrimary, type Endorsing, type ExecutorEvent, type ExecutorState } from './state.ts'

/** After a commit: what it says about nodes, if that is news. A primary makes Pending ones learners. */
export function tellOfNodes(s: ExecutorState): Step<ExecutorState> {
  const { kv } = s.committed
  const nodesTold = nodesVersion(kv)
  if (nodesTold === s.nodesTold) return unchanged(s)
  const effects = [tellNode(s, kv)]
  if (isPrimary(s)) {
    effects.push(send<SetLearners>('replica', { type: 'setLearners', nodes: nodesThatAre(kv, 'Pending') }))
  }
  return { state: { ...s, nodesTold }, effects }
}

/** After a commit: ledger secrets that are committed with it, for nodes that join later. */
export function tellOfSecrets(s: ExecutorState): Step<ExecutorState> {
  const begins = s.summary.committed.seqno + 1
  const given = new Set(s.config.secrets.map(({ version }) => version))
  const secrets = s.secrets.all.filter(({ version }) => version <= begins || given.has(version))
  if (secrets.length === s.secretsTold) return unchanged(s)
  const message: SecretsChanged = { type: 'secretsChanged', secrets }
  return step({ ...s, secretsTold: secrets.length }, send('node', message))
}

/** `kv`: the committed state; or that of a service's first transaction, which none but this node can have made. */
export function tellNode({ config }: ExecutorState, kv: KvState): Effect {
  return send<NodesChanged>('node', {
    type: 'nodesChanged',
    nodes: Object.fromEntries(knownNodes(kv).map(({ nodeId, standing }) => [nodeId, standing])),
    certificatePem: endorsedCertificate(kv, config.nodeId),
  })
}

/** A learner holds what is committed: it is endorsed, together with others that wait for that. */
export function learnerCaughtUp(s: ExecutorState, { event, at }: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const { node } = event as Extract<ReplicaNotice, { type: 'learnerCaughtUp' }>
  if (s.caughtUp.includes(node)) return unchanged(s)
  return endorseNext({ ...s, caughtUp: [...s.caughtUp, node] }, at)
}

/** Asks for the certificates of those that wait, unless others are being made. Time is the host's, and only dates certificates. */
function endorseNext(s: ExecutorState, at: number): Step<ExecutorState> {
  if (s.endorsing !== undefined || s.caughtUp.length === 0) return unchanged(s)
  const serviceCertificate = parseCertificate(s.config.serviceCertificatePem)
  const nodes = s.caughtUp.slice(0, ADMISSIONS_MAX).flatMap((nodeId): Endorsing['nodes'] => {
    const node = findNode(s.kv, nodeId)
    if (node?.standing !== 'Pending') return []
    const endorsement = nodeCertificateBody(s.config.crypto, {
      spki: parsePem(String(node.info['public_key']), 'PUBLIC KEY'),
      serviceCertificate,
      serviceCurve: s.config.serviceCurve,
      nowSeconds: Math.floor(at / 1000),
      validityDays: nodeCertificateDays(s.kv),
    })
    return [{ nodeId, ...endorsement }]
  })
  const state = { ...s, caughtUp: s.caughtUp.slice(ADMISSIONS_MAX) }
  // None of them is Pending any more: an operator changed his mind meanwhile.
  if (nodes.length === 0) return endorseNext(state, at)
  const token = s.nextToken
  const items = nodes.map(({ body, hash }): SignItem => ({ key: 'service', hash, message: body, format: 'der' }))
  return step({ ...state, endorsing: { token, nodes }, nextToken: token + 1 }, { type: 'sign', token, items })
}

export const signsEndorsement = (s: ExecutorState, { event }: Envelope<ExecutorEvent>): boolean =>
  (event as Extract<ExecutorEvent, { type: 'signed' }>).token === s.endorsing?.token

/** The certificates are there: their nodes become Trusted, and count from this transaction on. */
export function admit(s: ExecutorState, { event, at }: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const { signatures } = event as Extract<ExecutorEvent, { type: 'signed' }>
  invariant(signatures.length === s.endorsing?.nodes.length, 'one signature for each certificate')
  const certificates = new Map<NodeId, string>()
  s.endorsing.nodes.forEach(({ nodeId, body, hash }, i) => {
    // It may have been removed while its certificate was being signed.
    if (findNode(s.kv, nodeId)?.standing !== 'Pending') return
    certificates.set(nodeId, formatPem('CERTIFICATE', attachSignature(body, hash, signatures[i]!)))
  })
  const draft = new Draft(s)
  const newestSecret = s.secrets.all.at(-1)!
  if (certificates.size > 0) addNodeChange(draft, trustNodes(s.kv, certificates, newestSecret.version))
  const admitted = draft.finish()
  const next = endorseNext({ ...admitted.state, endorsing: undefined }, at)
  return step(next.state, ...admitted.effects, ...next.effects, trace('nodesTrusted', { nodes: certificates.size }))
}

/** Removals are committed: once this is committed too, the removed nodes may stop. Said again by every new primary's replica. */
export function retirementCompleted(s: ExecutorState, { event }: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const { nodes } = event as Extract<ReplicaNotice, { type: 'retirementCompleted' }>
  const transaction = declareRetired(s.kv, nodes)
  if (transaction === undefined) return unchanged(s)
  const draft = new Draft(s)
  addNodeChange(draft, transaction)
  return draft.finish()
}

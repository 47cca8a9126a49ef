// New ledger secrets and recovery shares: asked of the keeper, and executed when they come back (CCF facts §6.2, §6.4).
// Not what they consist of (actors/keeper). Asked for by an operator, until members vote, and by the opening of the service.
// The rule to remember: what the keeper computed is executed only if nothing it was computed from has changed; else it is asked again.
import { meaningOf } from '../../protocols/consensus/record.ts'
import { refusal, type Refusal } from '../../protocols/errors.ts'
import { seqno as asSeqno, view as asView, formatTxId } from '../../protocols/ids.ts'
import { INTERNAL_TABLES, SINGLE_KEY } from '../../protocols/ledger/tables.ts'
import type { WriteSet } from '../../protocols/ledger/write-set.ts'
import { LEDGER_SECRETS_MAX } from '../../protocols/limits.ts'
import type { AppRequest, AppResponse } from '../../protocols/app.ts'
import { jsonResponse, refusalResponse, type Executed, type Forwarded } from '../../protocols/requests.ts'
import type { IssuePurpose, IssueSecrets, SecretsIssued } from '../../protocols/secrets/issuing.ts'
import { applyWriteSet, readMap, type KvState } from '../../store/kv/kv-state.ts'
import { splitAddress, step, unchanged, type Envelope, type Step } from '../actor.ts'
import { send, type Effect } from '../effects.ts'
import { remember } from './answers.ts'
import { Draft } from './draft.ts'
import { knownNodes } from './node-table.ts'
import { issueBasis, recoveryMembers, thresholdProblem } from './recovery-members.ts'
import { serviceStatus } from './service.ts'
import { isPrimary, type Batch, type ExecutorEvent, type ExecutorState, type Issuing } from './state.ts'

/** Why it may not be done now; undefined when it may. */
function refusedNow(s: ExecutorState, purpose: IssuePurpose): Refusal | undefined {
  const recovery = recoveryMembers(s.kv)
  if (purpose === 'shares' && recovery === undefined) {
    return refusal(400, 'InvalidInput', 'The service has no active recovery member.')
  }
  const problem = recovery && thresholdProblem(recovery)
  if (problem !== undefined) return refusal(400, 'InvalidInput', problem)
  if (purpose === 'shares') return undefined
  if (s.secrets.all.length >= LEDGER_SECRETS_MAX) {
    return refusal(400, 'InvalidInput', `A service may have ${LEDGER_SECRETS_MAX} ledger secrets.`)
  }
  // A node that is being removed may still be needed to commit its removal, and must not get the new secret.
  return isRemoving(s)
    ? refusal(503, 'TooManyPendingTransactions', 'A node is being removed; ask again when that is committed.')
    : undefined
}

const isRemoving = (s: ExecutorState): boolean => {
  const finished = (kv: KvState): number => knownNodes(kv).filter((n) => n.standing === 'RetiredCommitted').length
  return knownNodes(s.kv).some(({ standing }) => standing === 'Retired') || finished(s.kv) !== finished(s.committed.kv)
}

function issueRequest(s: ExecutorState, purpose: IssuePurpose, token: number): IssueSecrets {
  const nodes = knownNodes(s.kv).filter(({ standing }) => standing === 'Pending' || standing === 'Trusted')
  return {
    type: 'issueSecrets',
    token,
    purpose,
    latest: s.secrets.all.at(-1)!,
    historicalStoredVersion: readMap(s.kv, INTERNAL_TABLES.historicalEncryptedLedgerSecret).versionOfPreviousWrite(
      SINGLE_KEY,
    ),
    nodes: nodes.map(({ nodeId, info }) => ({
      id: nodeId,
      encryptionPublicKeyPem: String(info['encryption_pub_key'] ?? ''),
    })),
    recovery: recoveryMembers(s.kv),
  }
}

/** Asks the keeper. What becomes of it is told by `secretsIssued`. */
function ask(s: ExecutorState, issuing: Omit<Issuing, 'token' | 'basis'>): Step<ExecutorState> {
  const token = s.nextToken
  const state = { ...s, issuing: { ...issuing, token, basis: issueBasis(s.kv) }, nextToken: token + 1 }
  return step(state, send('keeper', issueRequest(s, issuing.purpose, token)))
}

/** An operator's request, admitted already. Its answer comes later, unless it is refused at once. */
export function startIssuing(s: ExecutorState, batch: Batch, request: AppRequest, purpose: IssuePurpose) {
  const refused =
    s.issuing === undefined
      ? refusedNow(s, purpose)
      : refusal(503, 'TooManyPendingTransactions', 'Another change of the ledger secrets is under way.')
  if (refused !== undefined) return { state: s, effects: [], response: refusalResponse(request.id, refused) }
  return ask(s, { purpose, asker: { origin: batch.origin, token: batch.token, requestId: request.id } })
}

/** Opens the service: with the first recovery shares, if there are members who can hold them (CCF facts §6.4). */
export function startOpening(s: ExecutorState): Step<ExecutorState> {
  const recovery = recoveryMembers(s.kv)
  if (s.issuing !== undefined) return unchanged(s)
  if (recovery === undefined || thresholdProblem(recovery) !== undefined) return executeOpening(s, [])
  return ask(s, { purpose: 'shares', asker: undefined })
}

const executeOpening = (s: ExecutorState, shares: WriteSet): Step<ExecutorState> =>
  execute(
    s,
    [...s.config.genesis!.opening, ...shares].sort((a, b) => (a.name < b.name ? -1 : 1)),
  ).step

/** What the keeper made: executed, asked for again, or refused. */
export function secretsIssued(s: ExecutorState, { event }: Envelope<ExecutorEvent>): Step<ExecutorState> {
  const issued = event as SecretsIssued
  const { issuing } = s
  if (issuing === undefined || issuing.token !== issued.token || !isPrimary(s)) return unchanged(s)
  const state: ExecutorState = { ...s, issuing: undefined }
  const { asker, purpose } = issuing
  if (asker === undefined) {
    if (serviceStatus(s.kv) !== 'Opening') return unchanged(state)
    if (issueBasis(s.kv) !== issuing.basis) return ask(state, issuing)
    return executeOpening(state, 'writes' in issued ? issued.writes : [])
  }
  const refused = 'refused' in issued ? issued.refused : refusedNow(state, purpose)
  if (refused !== undefined) return answer(state, asker, refusalResponse(asker.requestId, refused), [])
  if (issueBasis(s.kv) !== issuing.basis) return ask(state, issuing)
  const executed = execute(state, (issued as Extract<SecretsIssued, { writes: WriteSet }>).writes)
  const txId = { view: asView(s.summary.view), seqno: asSeqno(executed.seqno) }
  const body = { transaction_id: formatTxId(txId) }
  return answer(executed.step.state, asker, jsonResponse(asker.requestId, 200, body, txId), executed.step.effects)
}

function execute(s: ExecutorState, writes: WriteSet): { readonly seqno: number; readonly step: Step<ExecutorState> } {
  const draft = new Draft(s)
  const seqno = draft.nextSeqno
  draft.kv = applyWriteSet(s.kv, writes, seqno)
  draft.add({ writes, claimsDigest: undefined, ...meaningOf(writes) })
  return { seqno, step: draft.finish() }
}

type Asker = NonNullable<Issuing['asker']>

function answer(s: ExecutorState, asker: Asker, response: AppResponse, before: readonly Effect[]): Step<ExecutorState> {
  const { origin, token } = asker
  const type = splitAddress(origin).node === undefined ? 'executed' : 'forwarded'
  const view = response.txId?.view ?? 0
  const message: Executed | Forwarded = { type, token, view, responses: [response] }
  return step(remember(s, origin, message.responses), ...before, send(origin, message))
}

/** Not primary any more: nothing was executed, and whoever asked is told so. */
export function abandonIssuing(s: ExecutorState): Step<ExecutorState> {
  if (s.issuing === undefined) return unchanged(s)
  const { asker } = s.issuing
  const state = { ...s, issuing: undefined }
  if (asker === undefined) return unchanged(state)
  const refused = refusal(503, 'PrimaryNotFound', 'The primary changed before this was executed.')
  return answer(state, asker, refusalResponse(asker.requestId, refused), [])
}

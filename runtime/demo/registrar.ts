// Registers statements over several sessions at once and keeps at it through failures: whatever has an unknown outcome is registered again.
// That is safe because the registry is idempotent: the same statement again changes nothing and tells where the first is.
// The rule to remember: only what the service has said is committed counts as registered.
import { setTimeout as delay } from 'node:timers/promises'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { formatTxId, parseTxId, type TxId } from '../../protocols/ids.ts'
import { ConcordatError, type Client, type Response } from '../client/index.ts'
import { Problem } from '../terminal/problem.ts'
import { statementBytes, statementId, type Statement } from '../samples/statement.ts'

export interface Registration {
  readonly statement: Statement
  /** Canonical bytes: what the receipt's claims digest is the hash of. */
  readonly claims: Uint8Array
  /** 64 hex digits. */
  readonly digest: string
  /** Of the transaction that registered it, known to be committed. */
  readonly txId: TxId
  readonly attempts: number
}

export interface RegistrarOptions {
  readonly crypto: Crypto
  readonly clients: readonly Client[]
  /** Requests on their way at once, over all sessions. */
  readonly inFlight: number
  /** Until one statement is given up. */
  readonly deadlineMs: number
  readonly onResponse: (responses: number) => void
  readonly onCommitted: (registration: Registration) => void
}

const RETRY_AFTER_MS = 20
/** What passes by itself: a new primary, a lost session, a node that is gone. Everything else is a finding. */
const PASSING_CODES: ReadonlySet<string> = new Set([
  'NodeUnreachable',
  'RequestTimeout',
  'SessionConsistencyLost',
  'TransactionInvalid',
  'ConnectionFailed',
  'PrimaryNotFound',
  'RequestAlreadyForwarded',
  'TooManyPendingTransactions',
])
const NO_ANSWER_FROM_PRIMARY = 504

/** Resolves when every statement is committed, in their order. @throws Problem when one cannot be registered in time, or is refused. */
export async function registerAll(
  statements: readonly Statement[],
  options: RegistrarOptions,
): Promise<readonly Registration[]> {
  const registrations = new Array<Registration>(statements.length)
  let next = 0
  let responses = 0
  const onResponse = (): void => options.onResponse(++responses)
  const work = async (client: Client): Promise<void> => {
    while (next < statements.length) {
      const place = next++
      const registration = await register(client, statements[place]!, { ...options, onResponse })
      registrations[place] = registration
      options.onCommitted(registration)
    }
  }
  const { clients, inFlight } = options
  await Promise.all(Array.from({ length: inFlight }, (_, i) => work(clients[i % clients.length]!)))
  return registrations
}

async function register(
  client: Client,
  statement: Statement,
  { crypto, deadlineMs, onResponse }: Pick<RegistrarOptions, 'crypto' | 'deadlineMs'> & { onResponse: () => void },
): Promise<Registration> {
  const deadline = performance.now() + deadlineMs
  const digest = statementId(crypto.sha256, statement)
  let hasAnswered = false
  let reason = 'no attempt'
  for (let attempts = 1; performance.now() < deadline; attempts++) {
    try {
      const response = await client.request('POST /statements', statement)
      if (!hasAnswered) onResponse()
      hasAnswered = true
      const txId = response.ok ? await committedTxId(client, response, digest) : undefined
      if (txId !== undefined) return { statement, claims: statementBytes(statement), digest, txId, attempts }
      reason = passingReason(statement, response)
    } catch (error) {
      if (!(error instanceof ConcordatError) || !PASSING_CODES.has(error.code)) throw error
      reason = `${error.code}: ${error.message}`
    }
    await delay(RETRY_AFTER_MS)
  }
  throw new Problem(`${statement.subject} could not be registered within ${deadlineMs} ms: ${reason}`)
}

function passingReason(statement: Statement, response: Response): string {
  if (response.ok) return 'the first registration is not committed yet'
  const { code, message } = response.error ?? { code: 'InternalError', message: `status ${response.status}` }
  if (!PASSING_CODES.has(code) && response.status !== NO_ANSWER_FROM_PRIMARY)
    throw new Problem(`${statement.subject} was refused: ${code}: ${message}`)
  return `${code}: ${message}`
}

/** The transaction that registered the statement, once committed: this one, or the first when this was a repetition. */
async function committedTxId(client: Client, response: Response, digest: string): Promise<TxId | undefined> {
  await response.committed()
  const { digest: registered, registeredAt } = response.body as {
    readonly digest: string
    readonly registeredAt?: number
  }
  if (registered !== digest) throw new Problem(`the service registered ${registered} where ${digest} was meant`)
  return registeredAt === undefined ? response.transaction : await txIdAt(client, registeredAt)
}

/** View and seqno of a committed seqno, by the view history; undefined when it is not committed yet. */
async function txIdAt(client: Client, seqno: number): Promise<TxId | undefined> {
  const response = await client.request('GET /app/commit?view_history=true')
  if (!response.ok) return undefined
  const { transaction_id, view_history } = response.body as {
    readonly transaction_id: string
    readonly view_history: readonly string[]
  }
  const committed = parseTxId(transaction_id)
  if (committed === undefined || committed.seqno < seqno) return undefined
  const start = view_history.map(parseTxId).findLast((first) => first !== undefined && first.seqno <= seqno)
  return start && parseTxId(`${start.view}.${seqno}`)
}

/** A backup may answer from before the last commits (CCF facts §2): what it does not know yet is asked again for that long. */
const CATCH_UP_MS = 5000

/** Registrations the service does not confirm: not committed any more, gone, or different. */
export async function findLost(
  client: Client,
  registrations: readonly Registration[],
  onChecked: () => void,
): Promise<readonly Registration[]> {
  const lost: Registration[] = []
  await Promise.all(
    registrations.map(async (registration) => {
      const deadline = performance.now() + CATCH_UP_MS
      let isThere = await isConfirmed(client, registration)
      while (!isThere && performance.now() < deadline) {
        await delay(RETRY_AFTER_MS)
        isThere = await isConfirmed(client, registration)
      }
      if (!isThere) lost.push(registration)
      onChecked()
    }),
  )
  return lost
}

async function isConfirmed(client: Client, { digest, txId, claims }: Registration): Promise<boolean> {
  const [status, read] = await Promise.all([
    client.request(`GET /app/tx?transaction_id=${formatTxId(txId)}`),
    client.request(`GET /statements/${digest}`),
  ])
  const isCommitted = status.ok && (status.body as { readonly status?: unknown }).status === 'Committed'
  const found = (read.ok ? read.body : {}) as { readonly statement?: Statement; readonly registeredAt?: number }
  const isSame = found.statement !== undefined && isEqual(statementBytes(found.statement), claims)
  return isCommitted && isSame && found.registeredAt === txId.seqno
}

const isEqual = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i])

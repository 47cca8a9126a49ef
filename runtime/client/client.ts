// The client: requests in, responses and commits out, over one session at a time that is replaced when it is lost.
// Requests made in one turn share a sealed frame; a request costs no message, no timer and, through `send`, no promise of its own.
// The rule to remember: when a session is lost its writes may or may not have happened; only reads are repeated without asking.
import type { AppResponse } from '../../protocols/app.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { formatTxId, type NodeId, type TxId } from '../../protocols/ids.ts'
import type { Receipt } from '../../protocols/receipts/receipt.ts'
import type { NodeBatch } from '../../protocols/session/messages.ts'
import type { Bus } from '../bus/bus.ts'
import { Commits } from './commits.ts'
import { Connector, delay, isFinal } from './connector.ts'
import { ConcordatError } from './errors.ts'
import type { Credentials } from './identity.ts'
import { settingsOf, type ConnectOptions, type RequestOptions, type Settings } from './options.ts'
import { letProcessEnd, type Platform } from './platform.ts'
import { Requests, type PendingRequest } from './requests.ts'
import { Response, type ResponseActions } from './response.ts'
import type { Session } from './session.ts'
import { assertSendable, encodeBody, parseTarget } from './target.ts'

const TICK_MS = 50
/** Without a notice for that long, the service is asked about a transaction that is waited for. */
const ASK_AFTER_MS = 500
const RECEIPT_RETRY_MS = 25

export interface ClientStatus {
  readonly connected: boolean
  /** The node of the session, if there is one. */
  readonly nodeId: NodeId | undefined
  readonly sessionsOpened: number
  /** Requests not sent yet, and sent and not answered. */
  readonly unsent: number
  readonly inFlight: number
  /** Transactions whose commit is waited for. */
  readonly awaitingCommit: number
}

type Unsubscribe = () => void

export class Client {
  readonly #settings: Settings
  readonly #bus: Bus
  readonly #ownsBus: boolean
  readonly #defer: Platform['defer']
  readonly #connector: Connector
  readonly #requests = new Requests()
  readonly #commits = new Commits()
  readonly #lostListeners = new Set<(error: ConcordatError) => void>()
  readonly #actions: ResponseActions
  readonly #keepAlive: ReturnType<typeof setInterval>
  #session: Session | undefined
  #sessionsOpened = 0
  #isConnecting = false
  #isFlushDue = false
  #isClosed = false
  #ticker: ReturnType<typeof setInterval> | undefined
  #lastFailure: ConcordatError | undefined

  constructor(
    platform: { readonly crypto: Crypto; readonly defer: Platform['defer'] },
    bus: Bus,
    credentials: Credentials,
    options: ConnectOptions,
  ) {
    this.#settings = settingsOf(options)
    this.#bus = bus
    this.#ownsBus = options.bus === undefined
    this.#defer = platform.defer
    const { crypto } = platform
    this.#connector = new Connector({
      bus,
      crypto,
      credentials,
      settings: this.#settings,
      onBatch: (batch) => this.#onBatch(batch),
      onLost: (error) => this.#onLost(error),
    })
    this.#actions = {
      committed: (txId) => this.#committed(txId),
      receipt: (txId) => this.receipt(txId),
      coseReceipt: (txId) => this.coseReceipt(txId),
    }
    this.#keepAlive = setInterval(() => this.#session?.ping(), this.#settings.keepAliveMs)
    letProcessEnd(this.#keepAlive)
    bus.onStatus((status) => {
      if (status === 'disconnected')
        this.#session?.abandon(new ConcordatError('NodeUnreachable', 'the connection to NATS was interrupted'))
    })
  }

  /** Opens the first session. Rejects with ConcordatError: at once when trying again is pointless, else after connectTimeoutMs. */
  async open(): Promise<this> {
    const deadline = performance.now() + this.#settings.connectTimeoutMs
    const failure = await this.#connect(() => performance.now() < deadline)
    if (failure !== undefined) throw failure
    return this
  }

  /**
   * Sends a request: `POST /statements`, with a body that is sent as JSON, or as it is when it is bytes. Resolves with any response of the service, refusals
   * included (`response.error`). Rejects with ConcordatError when there is none; its `outcomeUnknown` says whether the request may have been executed.
   */
  request(target: string, body?: unknown, options: RequestOptions = {}): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.send(
        target,
        body,
        (outcome) => {
          if (outcome instanceof ConcordatError) reject(outcome)
          else if (options.wait !== 'committed' || outcome.transaction === undefined || !outcome.ok) resolve(outcome)
          else
            this.onCommitted(
              outcome.transaction,
              (error) => (error === undefined ? resolve(outcome) : reject(error)),
              options.timeoutMs,
            )
        },
        options,
      )
    })
  }

  /** As `request`, without a promise: for those who send very many. Throws ConcordatError for what cannot be sent at all. */
  send(
    target: string,
    body: unknown,
    onOutcome: (outcome: Response | ConcordatError) => void,
    options: Omit<RequestOptions, 'wait'> = {},
  ): void {
    if (this.#isClosed) throw closedError()
    const { verb, path } = parseTarget(target)
    const { retry, requestTimeoutMs } = this.#settings
    const { signal } = options
    const id = this.#requests.nextId()
    const abort = signal && ((): void => this.#requests.abort(id))
    const request: PendingRequest = {
      id,
      verb,
      path,
      body: encodeBody(body),
      deadline: performance.now() + (options.timeoutMs ?? requestTimeoutMs),
      retryable: retry === 'safe' && (verb === 'GET' || options.idempotent === true),
      onOutcome: (outcome) => {
        if (
          !(outcome instanceof ConcordatError) &&
          outcome.status === 500 &&
          this.#retries(request, outcome, onOutcome)
        )
          return
        if (abort !== undefined) signal?.removeEventListener('abort', abort)
        onOutcome(outcome instanceof ConcordatError ? outcome : new Response(outcome, this.#actions))
      },
    }
    assertSendable(request)
    if (signal?.aborted === true) throw new ConcordatError('RequestAborted', 'the request was aborted')
    if (abort !== undefined) signal?.addEventListener('abort', abort, { once: true })
    this.#requests.add(request)
    this.#flushSoon()
  }

  /** The session rule dropped this request unexecuted: it is sent again if it may, else fails. True when that was the case. */
  #retries(request: PendingRequest, response: AppResponse, onOutcome: (outcome: ConcordatError) => void): boolean {
    const { error } = new Response(response, this.#actions)
    if (error?.code !== 'SessionConsistencyLost') return false
    if (request.retryable) {
      this.#requests.sendAgain(request)
      this.#flushSoon()
    } else {
      onOutcome(new ConcordatError('SessionConsistencyLost', error.message, { status: response.status }))
    }
    return true
  }

  /** Calls back once: when the transaction is committed, or with the reason why that is not to be expected. */
  onCommitted(
    txId: TxId,
    onCommitted: (error: ConcordatError | undefined) => void,
    timeoutMs = this.#settings.requestTimeoutMs,
  ): void {
    if (this.#isClosed) return onCommitted(closedError())
    const now = performance.now()
    this.#commits.wait(txId, now, now + timeoutMs, onCommitted)
    this.#startTicking()
  }

  /** The JSON receipt of a transaction, once it is committed. Verify it with `verifyReceipt`: it needs no network. Rejects with ConcordatError. */
  async receipt(txId: TxId): Promise<Receipt> {
    return (await this.#receipt(txId, '')) as Receipt
  }

  /** As `receipt`, in COSE (CCF facts §5.2): smaller, and signed by the service itself. Verify it with `verifyCoseReceipt`. */
  async coseReceipt(txId: TxId): Promise<Uint8Array> {
    return (await this.#receipt(txId, '&format=cose')) as Uint8Array
  }

  status(): ClientStatus {
    return {
      connected: this.#session !== undefined,
      nodeId: this.#session?.nodeId,
      sessionsOpened: this.#sessionsOpened,
      unsent: this.#requests.unsent,
      inFlight: this.#requests.sent,
      awaitingCommit: this.#commits.waiting,
    }
  }

  /** Told whenever a session ends that the client did not end. The next request opens a new one by itself. */
  onSessionLost(listener: (error: ConcordatError) => void): Unsubscribe {
    this.#lostListeners.add(listener)
    return () => void this.#lostListeners.delete(listener)
  }

  /** Fails what is not answered, tells the node, and closes the connection unless it was given. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearInterval(this.#keepAlive)
    clearInterval(this.#ticker)
    this.#session?.close()
    this.#session = undefined
    this.#requests.failAll(closedError())
    this.#commits.fail(closedError())
    if (this.#ownsBus) await this.#bus.close()
  }

  #flushSoon(): void {
    this.#startTicking()
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    // Alone, a request leaves at the end of this microtask; with others on their way, more are likely to come in this turn.
    if (this.#requests.sent === 0) queueMicrotask(() => this.#flush())
    else this.#defer(() => this.#flush())
  }

  #flush(): void {
    this.#isFlushDue = false
    if (this.#isClosed) return
    if (this.#session === undefined) return this.#reconnect()
    const requests = this.#requests.takeUnsent()
    if (requests.length > 0) this.#session.send({ requests, controls: [] })
  }

  #onBatch({ responses, notices }: NodeBatch): void {
    for (const response of responses) this.#requests.answer(response)
    for (const notice of notices) if (notice.type === 'commitNotice') this.#commits.committed(notice)
    if (this.#requests.unsent > 0) this.#flushSoon()
  }

  #onLost(error: ConcordatError): void {
    this.#session = undefined
    this.#requests.lose(error)
    for (const listener of this.#lostListeners) listener(error)
    this.#reconnect()
  }

  #isBusy(): boolean {
    return this.#requests.unsent + this.#requests.sent + this.#commits.waiting > 0
  }

  #reconnect(): void {
    if (this.#isClosed || this.#isConnecting || this.#session !== undefined || !this.#isBusy()) return
    void this.#connect(() => this.#isBusy()).then((failure) => {
      // Whatever waits would only wait for its time to run out.
      if (failure !== undefined && isFinal(failure)) this.#requests.failUnsent(failure)
    })
  }

  /** Tries to open a session while it is wanted; resolves with the failure if there is none in the end. */
  async #connect(isWanted: () => boolean): Promise<ConcordatError | undefined> {
    this.#isConnecting = true
    const session = await this.#connector.open(
      () => !this.#isClosed && isWanted(),
      (failure) => (this.#lastFailure = failure),
    )
    this.#isConnecting = false
    if (session instanceof ConcordatError) return session
    if (this.#isClosed) {
      session.close()
      return closedError()
    }
    this.#session = session
    this.#sessionsOpened++
    this.#lastFailure = undefined
    this.#flush()
    return undefined
  }

  #startTicking(): void {
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS)
  }

  #tick(): void {
    const now = performance.now()
    this.#requests.expire(now, this.#session === undefined ? this.#lastFailure : undefined)
    this.#commits.expire(now)
    this.#session?.watch(TICK_MS, this.#settings.pingAfterMs, this.#settings.lostAfterMs)
    for (const txId of this.#commits.toAsk(now, ASK_AFTER_MS)) this.#ask(txId)
    if (this.#isBusy()) return
    clearInterval(this.#ticker)
    this.#ticker = undefined
  }

  /** Asks what has become of a transaction, for notices may be lost and sessions change. */
  #ask(txId: TxId): void {
    this.send(`GET /app/tx?transaction_id=${formatTxId(txId)}`, undefined, (outcome) => {
      if (outcome instanceof ConcordatError || !outcome.ok) return
      const { status } = outcome.body as { readonly status?: unknown }
      if (status === 'Committed') this.#commits.committed(txId)
      else if (status === 'Invalid') this.#commits.invalid(txId)
    })
  }

  #committed(txId: TxId): Promise<void> {
    return new Promise((resolve, reject) =>
      this.onCommitted(txId, (error) => (error === undefined ? resolve() : reject(error))),
    )
  }

  async #receipt(txId: TxId, query: string): Promise<unknown> {
    const deadline = performance.now() + this.#settings.requestTimeoutMs
    await this.#committed(txId)
    while (true) {
      const response = await this.request(`GET /app/receipt?transaction_id=${formatTxId(txId)}${query}`)
      if (response.status === 200) return response.body
      const { code = 'InternalError', message = `status ${response.status}` } = response.error ?? {}
      // 202 while the ledger is read; a node other than the one that spoke of the commit may still be behind.
      const mayCome = response.status === 202 || code === 'TransactionPendingOrUnknown'
      if (!mayCome)
        throw new ConcordatError(code as ConcordatError['code'], `no receipt: ${message}`, { status: response.status })
      if (performance.now() > deadline) throw new ConcordatError('RequestTimeout', 'the receipt did not come in time')
      await delay(RECEIPT_RETRY_MS)
    }
  }
}

const closedError = (): ConcordatError => new ConcordatError('ClientClosed', 'the client is closed')

// The requests of a client: those not sent yet, and those sent and not answered, each with whom to tell.
// Not here: sessions (connector.ts), what responses mean (client.ts).
// The rule to remember: every request is told its outcome exactly once.
import type { AppRequest, AppResponse } from '../../protocols/app.ts'
import { SESSION_REQUESTS_PENDING_MAX } from '../../protocols/limits.ts'
import { asSeenBy, ConcordatError } from './errors.ts'

export type OnOutcome = (outcome: AppResponse | ConcordatError) => void

export interface PendingRequest extends AppRequest {
  /** performance.now(), ms. */
  readonly deadline: number
  /** May be sent again on another session. */
  readonly retryable: boolean
  readonly onOutcome: OnOutcome
}

/** Requests that may wait to be sent; beyond, they are refused at once. */
const UNSENT_MAX = 16 * SESSION_REQUESTS_PENDING_MAX

export class Requests {
  #unsent: PendingRequest[] = []
  readonly #sent = new Map<number, PendingRequest>()
  #nextId = 1

  get unsent(): number {
    return this.#unsent.length
  }

  get sent(): number {
    return this.#sent.size
  }

  nextId(): number {
    const id = this.#nextId
    this.#nextId = (id + 1) >>> 0
    return id
  }

  add(request: PendingRequest): void {
    if (this.#unsent.length < UNSENT_MAX) this.#unsent.push(request)
    else request.onOutcome(new ConcordatError('TooManyPendingTransactions', `${UNSENT_MAX} requests wait to be sent`))
  }

  /** What may be sent now; counts as sent from here on. */
  takeUnsent(): readonly PendingRequest[] {
    const room = SESSION_REQUESTS_PENDING_MAX - this.#sent.size
    if (room <= 0) return []
    const taken = this.#unsent.length <= room ? this.#unsent : this.#unsent.slice(0, room)
    this.#unsent = taken === this.#unsent ? [] : this.#unsent.slice(room)
    for (const request of taken) this.#sent.set(request.id, request)
    return taken
  }

  /** Ends a request by its response; a response nobody waits for (any more) is dropped. */
  answer(response: AppResponse): void {
    const request = this.#sent.get(response.id)
    if (request === undefined) return
    this.#sent.delete(response.id)
    request.onOutcome(response)
  }

  /** Takes a request that was answered back, to be sent again. */
  sendAgain(request: PendingRequest): void {
    this.#unsent.unshift(request)
  }

  /** The session of all sent requests is gone: those that may are sent again, before the others. */
  lose(error: ConcordatError): void {
    const sent = [...this.#sent.values()]
    this.#sent.clear()
    this.#unsent = [...sent.filter(({ retryable }) => retryable), ...this.#unsent]
    for (const request of sent) if (!request.retryable) request.onOutcome(asSeenBy(error, true))
  }

  /** Fails requests whose time is over: unsent ones for the reason `whyUnsent`. */
  expire(now: number, whyUnsent: ConcordatError | undefined): void {
    this.#fail(
      ({ deadline }) => deadline <= now,
      whyUnsent ?? new ConcordatError('RequestTimeout', 'the request could not be sent in time'),
      new ConcordatError('RequestTimeout', 'no response came in time', { outcomeUnknown: true }),
    )
  }

  abort(id: number): void {
    const error = new ConcordatError('RequestAborted', 'the request was aborted')
    this.#fail((request) => request.id === id, error, asSeenBy(error, true))
  }

  failUnsent(error: ConcordatError): void {
    const unsent = this.#unsent
    this.#unsent = []
    for (const request of unsent) request.onOutcome(asSeenBy(error, false))
  }

  failAll(error: ConcordatError): void {
    this.#fail(() => true, asSeenBy(error, false), asSeenBy(error, true))
  }

  #fail(isMeant: (request: PendingRequest) => boolean, unsent: ConcordatError, sent: ConcordatError): void {
    const failed: (readonly [PendingRequest, ConcordatError])[] = []
    if (this.#unsent.some(isMeant)) {
      for (const request of this.#unsent) if (isMeant(request)) failed.push([request, unsent])
      this.#unsent = this.#unsent.filter((request) => !isMeant(request))
    }
    for (const request of this.#sent.values()) if (isMeant(request)) failed.push([request, sent])
    for (const [request] of failed) this.#sent.delete(request.id)
    for (const [request, error] of failed) request.onOutcome(error)
  }
}

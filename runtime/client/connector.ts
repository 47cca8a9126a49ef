// Opens sessions for a client: at any node, then at the primary if that is preferred and named; again and again until it works or is not wanted.
// The rule to remember: a node's word on who is primary is a hint from an unproven source; it is followed once and then forgotten.
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type { NodeBatch } from '../../protocols/session/messages.ts'
import { nodeSessionSubject, sessionSubject } from '../../protocols/subjects.ts'
import type { Bus } from '../bus/bus.ts'
import { ConcordatError, type ClientErrorCode } from './errors.ts'
import type { Credentials } from './identity.ts'
import type { Settings } from './options.ts'
import { openSession, type Opening, type Session } from './session.ts'

const RETRY_MIN_MS = 20
const RETRY_MAX_MS = 500

/** Trying again would give the same answer. */
const FINAL: ReadonlySet<ClientErrorCode> = new Set([
  'ServiceNotTrusted',
  'InvalidAuthenticationInfo',
  'NotImplemented',
  'InvalidInput',
])
export const isFinal = (error: ConcordatError): boolean => FINAL.has(error.code)

export interface ConnectorOptions {
  readonly bus: Bus
  readonly crypto: Crypto
  readonly credentials: Credentials
  readonly settings: Settings
  readonly onBatch: (batch: NodeBatch) => void
  readonly onLost: (error: ConcordatError) => void
}

export class Connector {
  readonly #options: ConnectorOptions
  #isOnline = true

  constructor(options: ConnectorOptions) {
    this.#options = options
    options.bus.onStatus((status) => (this.#isOnline = status === 'connected'))
  }

  /** A session, or the last failure: as soon as one is final, else when it is not wanted any more. Every failure is told. */
  async open(isWanted: () => boolean, onFailure: (failure: ConcordatError) => void): Promise<Session | ConcordatError> {
    let failure = new ConcordatError('ConnectionFailed', 'there is no connection to NATS')
    for (let delayMs = RETRY_MIN_MS; isWanted(); delayMs = Math.min(RETRY_MAX_MS, 2 * delayMs)) {
      // What is published during an outage vanishes.
      if (this.#isOnline) {
        const session = await this.#attempt()
        if (!(session instanceof ConcordatError) || isFinal(session)) return session
        failure = session
      }
      onFailure(failure)
      await delay(delayMs)
    }
    return failure
  }

  async #attempt(): Promise<Session | ConcordatError> {
    const { settings } = this.#options
    const { service, prefer } = settings
    try {
      const first = await this.#openAt(sessionSubject(service), prefer === 'primary')
      if ('session' in first) return first.session
      const primary = await this.#openAtPrimary(first.redirectTo)
      return primary ?? sessionOf(await this.#openAt(sessionSubject(service), false))
    } catch (error) {
      if (error instanceof ConcordatError) return error
      // The bus was closed under us, most likely.
      return new ConcordatError('ConnectionFailed', error instanceof Error ? error.message : String(error), {
        cause: error,
      })
    }
  }

  /** Undefined when the node that was named is not there. */
  async #openAtPrimary(primary: NodeId): Promise<Session | undefined> {
    try {
      return sessionOf(await this.#openAt(nodeSessionSubject(this.#options.settings.service, primary), false))
    } catch (error) {
      if (error instanceof ConcordatError && !isFinal(error)) return undefined
      throw error
    }
  }

  #openAt(subject: string, mayRedirect: boolean): Promise<Opening> {
    const { bus, crypto, credentials, settings, onBatch, onLost } = this.#options
    const { service, handshakeTimeoutMs } = settings
    const options = { bus, crypto, credentials, service, subject, onBatch, onLost, redirectTo: () => mayRedirect }
    return openSession(options, handshakeTimeoutMs)
  }
}

function sessionOf(opening: Opening): Session {
  if ('session' in opening) return opening.session
  throw new ConcordatError('NodeUnreachable', 'the node redirects although it must not')
}

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

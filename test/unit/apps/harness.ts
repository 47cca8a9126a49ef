// A stand-in for the executor: routes, validates, runs the handler in a transaction and applies or drops it. Just enough
// to test applications; authentication is not its matter.
import { createHash } from 'node:crypto'
import type { App, Caller, HandlerResult } from '../../../protocols/app.ts'
import { EMPTY, utf8 } from '../../../protocols/codec/bytes.ts'
import { refusal } from '../../../protocols/errors.ts'
import type { WriteSet } from '../../../protocols/ledger/write-set.ts'
import { buildRouter } from '../../../protocols/router.ts'
import { emptyKv, type KvState } from '../../../store/kv/kv-state.ts'
import { Transaction } from '../../../store/kv/transaction.ts'

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

export const alice: Caller = { kind: 'certificate', id: 'a'.repeat(64) }

export interface Answer {
  readonly status: number
  /** JSON as a client would see it; undefined when there is none. */
  readonly body: unknown
  readonly bytes: Uint8Array | undefined
  readonly code: string | undefined
  readonly message: string | undefined
  readonly writes: WriteSet
  readonly claims: Uint8Array | undefined
}

export class TestService {
  kv: KvState = emptyKv
  seqno = 0
  readonly #router

  constructor(app: App) {
    this.#router = buildRouter(app.endpoints)
  }

  /** `body`: bytes as they are, anything else as JSON. */
  call(verb: string, path: string, body?: unknown, caller: Caller = alice): Answer {
    const route = this.#router.route(verb, path)
    if (route.kind !== 'found') return this.#refused({ refused: refusal(400, 'InvalidInput', route.kind) })
    const { endpoint, params, query } = route
    if (endpoint.mode === 'historical') throw new RangeError('the past is the historian’s: see test/unit/historian')
    const sent = body === undefined ? EMPTY : body instanceof Uint8Array ? body : utf8(JSON.stringify(body))
    const input = endpoint.schema({ query, body: sent })
    if (!input.ok) return this.#refused({ refused: refusal(400, 'InvalidInput', input.message) })
    const transaction = new Transaction(this.kv)
    let claims: Uint8Array | undefined
    const result = endpoint.handler({
      caller,
      params,
      input: input.value,
      table: (name) => transaction.map(name),
      setClaimsDigest: (digest) => (claims = digest),
      sha256,
    })
    if ('refused' in result) return this.#refused(result)
    const writes = transaction.writeSet()
    if (writes.length > 0) this.kv = transaction.apply(++this.seqno)
    return {
      status: result.status ?? 200,
      body: 'body' in result ? (JSON.parse(JSON.stringify(result.body)) as unknown) : undefined,
      bytes: 'bytes' in result ? result.bytes : undefined,
      code: undefined,
      message: undefined,
      writes,
      claims,
    }
  }

  #refused(result: Extract<HandlerResult, { refused: unknown }>): Answer {
    const { status, code, message } = result.refused
    return { status, code, message, body: undefined, bytes: undefined, writes: [], claims: undefined }
  }
}

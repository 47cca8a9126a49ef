// The client: as runtime/client/session.ts, over the real handshake and frames, with one step for each message; and clients that misbehave.
// The rule to remember: it believes what authenticates, once; what it believes is written down for the properties.
import type { AppRequest, AppResponse } from '../../../protocols/app.ts'
import { EMPTY, fromUtf8, utf8 } from '../../../protocols/codec/bytes.ts'
import type { ErrorCode } from '../../../protocols/errors.ts'
import { isSealedFrame, openFrame, sealFrame, startReceiving, startSending } from '../../../protocols/session/frame.ts'
import { decodeHello, encodeHello } from '../../../protocols/session/hello.ts'
import { verifyIdentityPayload } from '../../../protocols/session/identity-payload.ts'
import { decodeNodeBatch } from '../../../protocols/session/messages-decode.ts'
import { encodeClientBatch } from '../../../protocols/session/messages-encode.ts'
import type { ClientBatch, NodeNotice } from '../../../protocols/session/messages.ts'
import { PATTERN_XX } from '../../../protocols/session/noise-patterns.ts'
import { initHandshake, readMessage, split, writeMessage } from '../../../protocols/session/noise.ts'
import type { Action, Outcome } from '../../check/model.ts'
import { answerKey, commitKey, pathOf } from './executor-side.ts'
import * as parties from './parties.ts'
import { NODE, repeatsNonce, type ClientPlace, type LocalState, type Wire } from './state.ts'

/** Garbled: its hello has no key. Impostor: proves an identity that is not its own. Babbling: seals what is no batch. */
export const CLIENTS = ['honest', 'garbled', 'impostor', 'babbling'] as const
export type ClientKind = (typeof CLIENTS)[number]

export interface ClientBounds {
  readonly client: ClientKind
  readonly requests: number
  /** Requests that wait for their answers at a time. */
  readonly inFlight: number
  readonly pings: number
  /** Whether it may end the session. */
  readonly closes: boolean
}

export const NEW_CLIENT: ClientPlace = {
  place: 'client',
  phase: 'new',
  handshake: undefined,
  sending: undefined,
  receiving: undefined,
  asked: 0,
  answers: [],
  pings: 0,
  pongs: 0,
  commits: [],
  ended: undefined,
  sealed: [],
}

const KEY_BYTES = 32
const GARBAGE = utf8('not a batch')

type Step = Outcome<LocalState, Wire>

export function actions({ phase, asked, answers, pings }: ClientPlace, bounds: ClientBounds): Action[] {
  if (phase === 'new') return [{ name: 'hello' }]
  if (phase !== 'open') return []
  const waiting = asked - answers.filter((answer) => answer !== undefined).length
  const room = Math.min(bounds.requests - asked, bounds.inFlight - waiting)
  return [
    ...(room >= 1 ? [{ name: 'ask 1' }] : []),
    ...(room >= 2 ? [{ name: 'ask 2' }] : []),
    ...(pings < bounds.pings ? [{ name: 'ping' }] : []),
    ...(bounds.closes ? [{ name: 'close' }] : []),
  ]
}

export function act(before: ClientPlace, action: string, kind: ClientKind): Step {
  const [verb, count] = action.split(' ')
  const run = new Run(before, kind)
  return run.outcome(() => {
    switch (verb) {
      case 'hello':
        return run.hello()
      case 'ask':
        return run.ask(Number(count))
      case 'ping':
        return run.ping()
      case 'close':
        return run.close()
      default:
        throw new RangeError(`no action '${action}'`)
    }
  })
}

export function receive(before: ClientPlace, { bytes }: Wire, kind: ClientKind): Step {
  const run = new Run(before, kind)
  return run.outcome(() => run.receive(bytes))
}

class Run {
  #state: ClientPlace
  #violation: string | undefined
  readonly #kind: ClientKind
  readonly #sends: Wire[] = []

  constructor(state: ClientPlace, kind: ClientKind) {
    this.#state = state
    this.#kind = kind
  }

  outcome(take: () => void): Step {
    const sealed = [...this.#state.sealed, ...parties.sealsOf(take)]
    if (repeatsNonce(sealed)) this.#violation ??= 'a key seals once with each nonce: the client has used one again'
    return {
      state: { ...this.#state, sealed },
      sends: this.#sends.map((message) => ({ to: NODE, message })),
      edges: [],
      violation: this.#violation,
    }
  }

  hello(): void {
    const fresh = initHandshake(parties.crypto, {
      pattern: PATTERN_XX,
      initiator: true,
      prologue: parties.prologue,
      s: parties.clientStatic,
    })
    const { state, message } = writeMessage(parties.crypto, fresh, EMPTY, parties.CLIENT_EPHEMERAL)!
    const noise = this.#kind === 'garbled' ? message.subarray(0, KEY_BYTES - 1) : message
    this.#change({ phase: 'awaitingAnswer', handshake: state })
    this.#send(encodeHello({ type: 'clientHello', replySubject: parties.REPLY_SUBJECT, noise }), 'hello')
  }

  ask(count: number): void {
    const first = this.#state.asked + 1
    const requests = Array.from({ length: count }, (_, i): AppRequest => {
      const id = first + i
      return { id, verb: 'PUT', path: pathOf(id), body: EMPTY }
    })
    this.#change({ asked: this.#state.asked + count })
    const ids = requests.map(({ id }) => id).join()
    if (this.#kind === 'babbling') this.#seal(GARBAGE, 'garbage')
    else this.#sealBatch({ requests, controls: [] }, `ask ${ids}`)
  }

  ping(): void {
    const id = this.#state.pings + 1
    this.#change({ pings: id })
    this.#sealBatch({ requests: [], controls: [{ type: 'ping', id }] }, `ping ${id}`)
  }

  close(): void {
    this.#sealBatch({ requests: [], controls: [{ type: 'close' }] }, 'close')
    this.#end('closed')
  }

  receive(bytes: Uint8Array): void {
    const { phase } = this.#state
    if (phase === 'over') return
    if (isSealedFrame(bytes)) return this.#receiveFrame(bytes)
    const hello = decodeHello(bytes)
    if (hello?.type === 'nodeAnswer' && phase === 'awaitingAnswer') this.#finish(hello.noise)
    else if (hello?.type === 'sessionRefusal') this.#refused(hello.code)
  }

  /** In clear, so anyone may have sent it: believed while nothing was heard, or when it costs no more than a lost frame would. */
  #refused(code: ErrorCode): void {
    const hasHeard = (this.#state.receiving?.window.ceiling ?? 0) > 0
    if (!hasHeard || code === 'ResourceNotFound') this.#end(code)
  }

  #finish(noise: Uint8Array): void {
    const { crypto, serviceCertificate } = parties
    const read = readMessage(crypto, this.#state.handshake!, noise)
    if (read?.state.rs === undefined) return this.#end('not authentic')
    const { payload, state } = read
    const identity = verifyIdentityPayload(crypto, {
      payload,
      remoteStatic: read.state.rs,
      serviceCertificate,
      expect: 'node',
    })
    if ('refused' in identity || identity.kind !== 'node') return this.#end('not the node')
    const proof = this.#kind === 'impostor' ? parties.NOT_ITS_OWN : parties.ANONYMOUS
    const written = writeMessage(crypto, state, proof)!
    const { sendKey, receiveKey } = split(crypto, written.state)
    this.#change({
      phase: 'open',
      handshake: undefined,
      sending: startSending(sendKey),
      receiving: startReceiving(receiveKey),
    })
    this.#send(encodeHello({ type: 'clientFinish', noise: written.message }), 'finish')
  }

  #receiveFrame(bytes: Uint8Array): void {
    const { receiving } = this.#state
    if (receiving === undefined) return
    const opened = openFrame(parties.crypto, receiving, bytes)
    if ('refused' in opened) return
    this.#change({ receiving: opened.state })
    const batch = decodeNodeBatch(opened.plaintext)
    if (batch === undefined) return this.#broken('what a node seals can be read', 'a frame cannot')
    for (const response of batch.responses) this.#accept(response)
    for (const notice of batch.notices) this.#hear(notice)
  }

  #accept(response: AppResponse): void {
    const { asked, answers } = this.#state
    const { id, status } = response
    if (id < 1 || id > asked) return this.#broken(BELONGS, `${id} was never asked`)
    if (answers[id - 1] !== undefined) return this.#broken(BELONGS, `${id} was answered before`)
    if (status === 200 && fromUtf8(response.body) !== pathOf(id)) return this.#broken(BELONGS, `${id} has another’s`)
    const all = Array.from({ length: asked }, (_, i) => (i === id - 1 ? answerKey(response) : answers[i]))
    this.#change({ answers: all })
  }

  #hear(notice: NodeNotice): void {
    const { pings, pongs, commits } = this.#state
    if (notice.type === 'closed') this.#end(notice.code)
    else if (notice.type === 'commitNotice') this.#change({ commits: [...commits, commitKey(notice)] })
    else if (notice.id > pings) this.#broken(BELONGS, `ping ${notice.id} was never sent`)
    else this.#change({ pongs: pongs + 1 })
  }

  #change(part: Partial<ClientPlace>): void {
    this.#state = { ...this.#state, ...part }
  }

  #end(ended: string): void {
    this.#change({ phase: 'over', handshake: undefined, sending: undefined, receiving: undefined, ended })
  }

  #broken(name: string, problem: string): void {
    this.#violation ??= `${name}: ${problem}`
  }

  #sealBatch(batch: ClientBatch, text: string): void {
    for (const content of encodeClientBatch(batch)) this.#seal(content, text)
  }

  #seal(content: Uint8Array, text: string): void {
    const { sending } = this.#state
    const frame = sealFrame(parties.crypto, sending!, content)
    if ('refused' in frame) throw new RangeError('a key is spent within the bounds of a search')
    this.#change({ sending: frame.state })
    this.#send(frame.bytes, `${sending!.counter}: ${text}`)
  }

  #send(bytes: Uint8Array, text: string): void {
    this.#sends.push({ bytes, text })
  }
}

const BELONGS = 'an answer belongs to the request it answers'

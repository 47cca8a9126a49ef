// The two places of the session's model and what travels between them: bytes, as on the wire.
// The rule to remember: keys leave out only what follows from the rest; the handshake's secrets are the same in every run.
import type { MachineState } from '../../../actors/machine.ts'
import type { SessionEvent, SessionState } from '../../../actors/session/state.ts'
import { toHex } from '../../../protocols/codec/bytes.ts'
import type { ReceiveState, SendState } from '../../../protocols/session/frame.ts'
import type { HandshakeState } from '../../../protocols/session/noise.ts'
import { answerKey, type ExecutorSide } from './executor-side.ts'

export const CLIENT = 0
export const NODE = 1

export interface ClientPlace {
  readonly place: 'client'
  readonly phase: 'new' | 'awaitingAnswer' | 'open' | 'over'
  readonly handshake: HandshakeState | undefined
  readonly sending: SendState | undefined
  readonly receiving: ReceiveState | undefined
  /** Requests 1 to `asked` were sent. */
  readonly asked: number
  /** By request, less one: `answerKey` of the one answer. */
  readonly answers: readonly (string | undefined)[]
  readonly pings: number
  readonly pongs: number
  /** Commits it was told of, as the executor says them. */
  readonly commits: readonly string[]
  /** Why it is over. */
  readonly ended: string | undefined
  readonly sealed: Sealed
}

/** What is in the session's mailbox. */
export interface Mail {
  readonly from: string
  readonly event: SessionEvent
}

export interface NodePlace {
  readonly place: 'node'
  /** Undefined until a hello came. */
  readonly session: MachineState<SessionState> | undefined
  /** In order: everything for the session goes through it (runtime/host/kernel). */
  readonly mailbox: readonly Mail[]
  readonly executor: ExecutorSide
  /** Why the session ended, by its own trace; undefined while it lives. */
  readonly ended: string | undefined
  /** Views in which, as the session heard, its requests were executed. */
  readonly viewsHeard: readonly number[]
  /** True once a copy of a frame was refused. */
  readonly refusedCopy: boolean
  /** Sealed frames sent. */
  readonly published: number
  readonly sealed: Sealed
}

/** Keys and nonces that have sealed something, digested. In order. */
export type Sealed = readonly string[]

export type LocalState = ClientPlace | NodePlace

export interface Wire {
  readonly bytes: Uint8Array
  /** What it is, for people: sealed frames are opened for it. */
  readonly text: string
}

/** True if a key has sealed twice with one nonce, which gives it away unless both plaintexts are the same. */
export const repeatsNonce = (sealed: Sealed): boolean => new Set(sealed).size < sealed.length

function sessionKey({ value, s }: MachineState<SessionState>): unknown {
  const { keys, handshake, activeView, nextToken, pending, probing, waiting, outbox } = s
  return [
    [value, handshake !== undefined, keys && [keys.send.counter, keys.receive.window]],
    [activeView, nextToken, pending, probing, waiting.map(({ id }) => id)],
    [outbox.responses.map((responses) => responses.map(answerKey)), outbox.notices],
  ]
}

function mailKey({ event }: Mail): unknown {
  if (event.type === 'received') return toHex(event.payload)
  if (event.type === 'executed') return [event.token, event.view, event.responses.map(answerKey)]
  return event
}

export function stateKey(state: LocalState): string {
  if (state.place === 'client') {
    const { handshake: _, sending, receiving, ...rest } = state
    return JSON.stringify([rest, sending?.counter, receiving?.window])
  }
  const { session, mailbox, executor, ...rest } = state
  const queue = executor.queue.map(({ token, activeView, requests }) => [
    token,
    activeView,
    requests.map(({ id }) => id),
  ])
  const later = executor.later.map(({ token, request }) => [token, request.id])
  return JSON.stringify([session && sessionKey(session), mailbox.map(mailKey), { ...executor, queue, later }, rest])
}

export const messageKey = ({ bytes }: Wire): string => toHex(bytes)

export const clientOf = (states: readonly LocalState[]): ClientPlace => states[CLIENT] as ClientPlace
export const nodeOf = (states: readonly LocalState[]): NodePlace => states[NODE] as NodePlace

// The node: the real session actor with its mailbox, what the host does for it, and the modelled executor.
// The rule to remember: whatever is for the session goes through its mailbox in order; how long it waits there, and when the executor
// gets on, is for the search to choose.
import type { AnyStateMachine } from 'xstate'
import { erase, type AnyActorDefinition, type Envelope } from '../../../actors/actor.ts'
import type { Effect } from '../../../actors/effects.ts'
import type { MachineState } from '../../../actors/machine.ts'
import { session, sessionMachine } from '../../../actors/session/session.ts'
import type { SessionEvent, SessionState } from '../../../actors/session/state.ts'
import type { Execute } from '../../../protocols/requests.ts'
import { admitHello } from '../../../protocols/session/admission.ts'
import { isSealedFrame } from '../../../protocols/session/frame.ts'
import { encodeHello } from '../../../protocols/session/hello.ts'
import { edgeOf } from '../../check/chart-edges.ts'
import type { Action, Outcome } from '../../check/model.ts'
import * as side from './executor-side.ts'
import { readFrame, textOf } from './frame-text.ts'
import { configOf, IDLE_MS, NODE_EPHEMERAL, sealsOf, SESSION } from './parties.ts'
import { CLIENT, repeatsNonce, type LocalState, type NodePlace, type Wire } from './state.ts'

export const machine: AnyStateMachine = sessionMachine
/** Its definition; tests put broken ones here. */
export const REAL_SESSION: AnyActorDefinition = erase(session)

export const NEW_NODE: NodePlace = {
  place: 'node',
  session: undefined,
  mailbox: [],
  executor: side.NEW_EXECUTOR,
  ended: undefined,
  viewsHeard: [],
  refusedCopy: false,
  published: 0,
  sealed: [],
}

/** Elections · batches with a receipt in them, refused before execution, executed and never told, executed without comparing views · ends by the node. */
export const BUDGETS = ['elections', 'receipts', 'refusals', 'unknowns', 'unchecked', 'endings'] as const
const budgetOf = (name: (typeof BUDGETS)[number]): number => BUDGETS.indexOf(name)

const BUDGET_OF: Readonly<Partial<Record<side.Dealing, number>>> = {
  receipt: budgetOf('receipts'),
  refuse: budgetOf('refusals'),
  outcomeUnknown: budgetOf('unknowns'),
  executeUnchecked: budgetOf('unchecked'),
}

type Step = Outcome<LocalState, Wire>

export function actions(
  { session: actor, mailbox, executor, ended }: NodePlace,
  limits: Readonly<Record<(typeof BUDGETS)[number], number>>,
): Action[] {
  if (actor === undefined || ended !== undefined) return []
  const isOpen = actor.value === 'open'
  const endings = (isOpen ? ['idleTimeout'] : ['handshakeTimeout']).concat('closeSession')
  const cuts = Array.from({ length: executor.log.length - executor.committed + 1 }, (_, i) => executor.committed + i)
  const dealings = side.dealings(executor).map((name): Action => {
    const budget = BUDGET_OF[name]
    return budget === undefined ? { name } : { name, budget }
  })
  const all: Action[] = [
    ...(actor.value === 'awaitingRandomness' ? [{ name: 'draw' }] : []),
    ...(mailbox.length > 0 ? [{ name: 'hear' }] : []),
    ...dealings,
    ...(executor.later.length > 0 ? [{ name: 'answerLater' }] : []),
    ...(executor.log.length > executor.committed ? [{ name: 'commit' }] : []),
    ...(executor.handed.length > 0 ? cuts : []).map((kept) => ({
      name: `elect ${kept}`,
      budget: budgetOf('elections'),
    })),
    ...(isOpen ? [{ name: 'idleTimeout tooEarly' }] : []),
    ...endings.map((name) => ({ name, budget: budgetOf('endings') })),
  ]
  // The checker takes each local step once, before it looks at budgets: what is never allowed would count as a covered edge.
  return all.filter(({ budget }) => budget === undefined || limits[BUDGETS[budget]!] > 0)
}

export function act(before: NodePlace, action: string, definition: AnyActorDefinition): Step {
  const run = new Run(before, definition)
  return run.outcome(() => run.take(action))
}

/** `repeats`: what is not taken now will come again. Then one frame at a time waits in the mailbox, or copies would pile up without end. */
export function receive(before: NodePlace, { bytes }: Wire, definition: AnyActorDefinition, repeats: boolean): Step {
  const isCrowded = repeats && before.mailbox.some(({ event }) => event.type === 'received')
  if (isCrowded) return { state: before, sends: [], edges: [] }
  const run = new Run(before, definition)
  return run.outcome(() => run.receive(bytes))
}

class Run {
  #state: NodePlace
  #violation: string | undefined
  readonly #definition: AnyActorDefinition
  readonly #edges: string[] = []
  readonly #sends: Wire[] = []
  /** The client was told, sealed, that the session is over. */
  #toldClosed = false

  constructor(state: NodePlace, definition: AnyActorDefinition) {
    this.#state = state
    this.#definition = definition
  }

  outcome(take: () => void): Step {
    const sealed = [...this.#state.sealed, ...sealsOf(take)]
    if (repeatsNonce(sealed)) this.#violation ??= 'a key seals once with each nonce: the session has used one again'
    return {
      state: { ...this.#state, sealed },
      sends: this.#sends.map((message) => ({ to: CLIENT, message })),
      edges: this.#edges,
      violation: this.#violation,
    }
  }

  take(action: string): void {
    const { mailbox, executor } = this.#state
    const [verb, what] = action.split(' ')
    switch (verb) {
      case 'draw':
        return this.#step({ type: 'bytesDrawn', token: 0, bytes: NODE_EPHEMERAL }, 'host')
      case 'hear':
        this.#change({ mailbox: mailbox.slice(1) })
        return this.#step(mailbox[0]!.event, mailbox[0]!.from)
      case 'elect':
        return this.#change({ executor: side.elect(executor, Number(what)) })
      case 'answerLater':
        return this.#say(side.answerLater(executor))
      case 'commit':
        return this.#say(side.commit(executor))
      case 'handshakeTimeout':
        return this.#step({ type: 'handshakeTimeout' }, 'host')
      case 'idleTimeout':
        return this.#step({ type: 'idleTimeout' }, 'host', what === 'tooEarly' ? 0 : IDLE_MS)
      case 'closeSession':
        return this.#step({ type: 'closeSession', code: 'InvalidNodeState', message: 'modelled' }, 'node')
      default:
        return this.#say(side.deal(executor, verb as side.Dealing))
    }
  }

  receive(bytes: Uint8Array): void {
    const { session: actor, ended } = this.#state
    const admission = admitHello(bytes, undefined, { isReady: true, sessionsOpen: 0 })
    if (admission.kind === 'admit') {
      // A copy of the hello begins another session, which is not this one's concern.
      if (actor === undefined) this.#start(admission)
    } else if (ended !== undefined) {
      // runtime/node: said in clear to whoever speaks to a session that is not there.
      const refusal = { type: 'sessionRefusal', code: 'ResourceNotFound', message: 'modelled' } as const
      this.#sends.push({ bytes: encodeHello(refusal), text: 'no such session' })
    } else this.#post('nats', { type: 'received', subject: SESSION, reply: undefined, payload: bytes })
  }

  #start(hello: Parameters<typeof configOf>[0]): void {
    const { state } = this.#definition.start(configOf(hello))
    this.#change({ session: state as MachineState<SessionState> })
  }

  #change(part: Partial<NodePlace>): void {
    this.#state = { ...this.#state, ...part }
  }

  #post(from: string, event: SessionEvent): void {
    this.#change({ mailbox: [...this.#state.mailbox, { from, event }] })
  }

  #say({ side: executor, said }: side.Dealt): void {
    this.#change({ executor })
    for (const event of said) this.#post('executor', event)
  }

  #step(event: SessionEvent, from: string, at = 0): void {
    const before = this.#state.session!
    const { viewsHeard } = this.#state
    if (event.type === 'executed' && event.view > 0 && !viewsHeard.includes(event.view))
      this.#change({ viewsHeard: [...viewsHeard, event.view] })
    const envelope: Envelope<SessionEvent> = { seq: 0, at, from, to: SESSION, event }
    const edge = edgeOf(machine, before.value, before.s, envelope)
    if (edge !== undefined) this.#edges.push(edge)
    const { state, effects } = this.#definition.step(before, envelope)
    const session = state as MachineState<SessionState>
    this.#change({ session })
    for (const { name, broken } of this.#definition.invariants) {
      const problem = broken(session)
      if (problem !== undefined) this.#violation ??= `${name}: ${problem}`
    }
    for (const effect of effects) this.#perform(effect, before.s.keys?.send.key)
    const { ended } = this.#state
    if (before.value === 'open' && ended !== undefined && ended !== 'closedByClient' && !this.#toldClosed)
      this.#violation ??= `an open session says that it ends: ${ended}, and the client was not told`
  }

  #perform(effect: Effect, key: Uint8Array | undefined): void {
    switch (effect.type) {
      case 'publish':
        return this.#publish(effect.payload, key)
      case 'trace':
        if (effect.point === 'sessionEnded') this.#change({ ended: String(effect.fields['reason']) })
        if (effect.point === 'frameIgnored' && effect.fields['reason'] === 'replayed')
          this.#change({ refusedCopy: true })
        return
      case 'stopActor':
        // The kernel drops mail for actors that do not run. What the executor does from now on, no client will see.
        return this.#change({ mailbox: [], executor: { ...this.#state.executor, queue: [], later: [] } })
      case 'send':
        if (effect.to === SESSION) this.#post(SESSION, effect.message as SessionEvent)
        else if (effect.to === 'executor') this.#handOver(effect.message as Execute)
        return
      default:
        return
    }
  }

  #publish(bytes: Uint8Array, key: Uint8Array | undefined): void {
    const batch = key && readFrame(bytes, key)
    if (isSealedFrame(bytes)) this.#change({ published: this.#state.published + 1 })
    if (batch?.notices.some(({ type }) => type === 'closed')) this.#toldClosed = true
    this.#sends.push({ bytes, text: batch === undefined ? 'handshake' : textOf(batch) })
  }

  #handOver(batch: Execute): void {
    const { executor } = this.#state
    const known = new Set(executor.handed)
    for (const { id, path } of batch.requests) {
      if (known.has(id)) this.#violation ??= `no request is executed twice: ${id} is handed over again`
      if (path !== side.pathOf(id)) this.#violation ??= `no request is changed: ${id} asks for ${path}`
      known.add(id)
    }
    this.#change({ executor: side.handOver(executor, batch) })
  }
}

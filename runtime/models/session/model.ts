// A client's session as a model: the real actor of one node, an executor that keeps its contract over a log that elections cut, and a client over
// the real handshake and frames, with a network between them that may lose, mix and repeat.
// Places: the client and the node. Within the node nothing is lost: the session's mailbox keeps its order.
import { chartEdges } from '../../check/chart-edges.ts'
import type { Model, NetworkKind } from '../../check/model.ts'
import * as clientPlace from './client-place.ts'
import * as nodePlace from './node-place.ts'
import { stateProperties, worldProperties } from './properties.ts'
import { clientOf, messageKey, nodeOf, stateKey, type LocalState, type Wire } from './state.ts'

export interface SessionModelOptions extends clientPlace.ClientBounds {
  readonly network: NetworkKind
  readonly elections: number
  /** Batches that end with a request whose answer comes later, by itself. */
  readonly receipts: number
  /** Batches refused before anything was executed. */
  readonly refusals: number
  /** Batches that are executed, and whose outcome the node never hears. */
  readonly unknowns: number
  /** Batches executed although the view has changed: an executor that breaks its contract, so that the session alone must notice. */
  readonly unchecked: number
  /** Ends by silence, by a late handshake and by the node. */
  readonly endings: number
}

export const SESSION_MODEL_DEFAULTS: SessionModelOptions = {
  network: 'fifo',
  client: 'honest',
  requests: 2,
  inFlight: 2,
  elections: 1,
  receipts: 1,
  refusals: 1,
  unknowns: 1,
  unchecked: 0,
  pings: 0,
  endings: 1,
  closes: true,
}

export const sessionEdges: readonly string[] = chartEdges(nodePlace.machine)

type SessionModel = Model<LocalState, Wire>

export const sessionModel = (options: SessionModelOptions, definition = nodePlace.REAL_SESSION): SessionModel => ({
  name: 'session',
  places: ['client', 'node'],
  network: options.network,
  inFlightMax: 1,
  budgets: nodePlace.BUDGETS.map((name) => ({ name, limit: options[name] })),
  initial: [clientPlace.NEW_CLIENT, nodePlace.NEW_NODE],
  stateKey,
  messageKey,
  look,
  staleness: () => 0,
  kindOf: ({ text }) => text,
  describe: ({ text }) => text,
  actions: (state) =>
    state.place === 'client' ? clientPlace.actions(state, options) : nodePlace.actions(state, options),
  act: (state, _place, { name }) =>
    state.place === 'client' ? clientPlace.act(state, name, options.client) : nodePlace.act(state, name, definition),
  receive: (state, _place, _from, message) =>
    state.place === 'client'
      ? clientPlace.receive(state, message, options.client)
      : nodePlace.receive(state, message, definition, options.network === 'duplicating'),
  isBeyond: () => false,
  stateProperties,
  stepProperties: [],
  worldProperties: worldProperties(options.network),
  goals,
  edges: sessionEdges,
})

function look(state: LocalState): string {
  if (state.place === 'client') return `${state.phase} ${state.asked} ${state.answers.join()}`
  const { session, mailbox, executor, ended } = state
  return `${session?.value} ${session?.s.activeView} ${mailbox.length} ${executor.view} ${executor.queue.length} ${ended}`
}

const isAnswered = (states: readonly LocalState[], how: RegExp): boolean =>
  clientOf(states).answers.some((answer) => answer !== undefined && how.test(answer))

const goals: SessionModel['goals'] = [
  { name: 'a request is answered', isReached: (states) => isAnswered(states, / 200 /) },
  { name: 'a receipt is answered later', isReached: (states) => isAnswered(states, / 200 -/) },
  { name: 'a request is refused', isReached: (states) => isAnswered(states, / 503 /) },
  { name: 'an outcome is unknown', isReached: (states) => isAnswered(states, / 504 /) },
  {
    name: 'a write that was answered is lost',
    isReached: (states) => {
      const { log } = nodeOf(states).executor
      return clientOf(states).answers.some(
        (answer, i) => / 200 \d/.test(answer ?? '') && log.every(({ id }) => id !== i + 1),
      )
    },
  },
  { name: 'the session ends for lost consistency', isReached: (states) => isAnswered(states, /ConsistencyLost$/) },
  { name: 'a session hears of two views', isReached: (states) => nodeOf(states).viewsHeard.length > 1 },
  { name: 'a client is told of a commit', isReached: (states) => clientOf(states).commits.length > 0 },
  { name: 'requests wait for the view', isReached: (states) => (nodeOf(states).session?.s.waiting.length ?? 0) > 0 },
  {
    name: 'answers of two batches leave in one frame',
    isReached: (states) => (nodeOf(states).session?.s.outbox.responses.length ?? 0) > 1,
  },
  { name: 'a copy of a frame is refused', isReached: (states) => nodeOf(states).refusedCopy },
  {
    name: 'a session ends while requests are open',
    isReached: (states) => {
      const { ended, asked, answers } = clientOf(states)
      return ended !== undefined && answers.filter((answer) => answer !== undefined).length < asked
    },
  },
]

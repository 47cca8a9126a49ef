// The executor as a model: two real ones over replicas that keep their contract, with changes of leadership at any moment, signatures that take
// any time, and forwarded requests that arrive late or never. One place: the replicas' agreement is not this model's question (../replica, ../node).
import { erase, type AnyActorDefinition } from '../../../actors/actor.ts'
import { executor } from '../../../actors/executor/executor.ts'
import type { Model } from '../../check/model.ts'
import { chartEdges } from '../../check/chart-edges.ts'
import { stateProperties } from './properties.ts'
import { NEW_REPLICA } from './replica-side.ts'
import { configOf, EXECUTORS } from './service.ts'
import { stateKey, type ExecutorLocal, type LocalState } from './state.ts'
import * as steps from './step.ts'

/** How many requests, elections, steps down and lost forwarded batches (or answers) there may be. */
export type ExecutorModelOptions = steps.Bounds

export const EXECUTOR_MODEL_DEFAULTS: ExecutorModelOptions = { requests: 1, elections: 1, stepDowns: 0, losses: 1 }

export const executorEdges: readonly string[] = chartEdges(steps.machine)
export const REAL_EXECUTOR: AnyActorDefinition = erase(executor)

type ExecutorModel = Model<LocalState, never>

export const executorModel = (options: ExecutorModelOptions, definition = REAL_EXECUTOR): ExecutorModel => ({
  name: 'executor',
  places: ['service'],
  network: 'fifo',
  inFlightMax: 1,
  budgets: [],
  initial: [begin(definition)],
  stateKey,
  messageKey: String,
  look,
  staleness: () => 0,
  kindOf: String,
  describe: String,
  actions: (state) => steps.actions(state, options),
  act: (state, _place, { name }) => steps.act(state, name, definition),
  receive: () => {
    throw new RangeError('nothing is sent')
  },
  isBeyond: () => false,
  stateProperties,
  stepProperties: [],
  worldProperties: [],
  goals,
  edges: executorEdges,
})

const look = ({ executors, replicas, signings, mail }: LocalState): string =>
  [
    ...executors.map(({ value, s }) => `${value} ${s.pending.end - s.pending.first} ${s.signing !== undefined}`),
    ...replicas.map(({ view, log, commitIdx, notices }) => `${view} ${log.length} ${commitIdx} ${notices.length}`),
    `${signings.length} ${mail.length}`,
  ].join()

const newExecutor = (place: number, definition: AnyActorDefinition): ExecutorLocal =>
  definition.start(configOf(place)).state as ExecutorLocal

const NOTHING_MORE: steps.Bounds = { requests: 0, elections: 0, stepDowns: 0, losses: 0 }

/** Number 0 begins the service and opens it; then both hear of everything. */
function begin(definition: AnyActorDefinition): LocalState {
  const nothing: LocalState = {
    executors: Array.from({ length: EXECUTORS }, (_, place) => newExecutor(place, definition)),
    replicas: Array.from({ length: EXECUTORS }, () => NEW_REPLICA),
    signings: [],
    mail: [],
    asked: [],
    written: [],
    spent: { elections: 0, stepDowns: 0, losses: 0 },
  }
  let state = steps.act(nothing, 'elect 0', definition).state
  const due = (): string | undefined => steps.actions(state, NOTHING_MORE)[0]?.name
  for (let next = due(); next !== undefined; next = due()) state = steps.act(state, next, definition).state
  return { ...state, spent: nothing.spent }
}

const goals: ExecutorModel['goals'] = [
  {
    name: 'a write is answered and committed',
    isReached: ([state]) => state!.written.some(({ txId }) => txId.seqno <= state!.replicas[0]!.commitIdx),
  },
  {
    name: 'a write that was answered is lost',
    isReached: ([state]) =>
      state!.written.some(({ txId }) =>
        state!.replicas.every(
          ({ log, commitIdx }) => commitIdx >= txId.seqno && log[txId.seqno - 1]!.view !== txId.view,
        ),
      ),
  },
  {
    name: 'a backup’s client is answered',
    isReached: ([state]) => state!.asked.some(({ place, status }) => place === 1 && status === 204),
  },
  { name: 'a forwarded request times out', isReached: ([state]) => state!.asked.some(({ status }) => status === 504) },
  {
    name: 'a signature comes after the leadership',
    isReached: ([state]) => state!.signings.some(({ place }) => state!.executors[place]!.value === 'backup'),
  },
]

// The ledger writer as a model: the real actor between a replica that follows its contract and a disk that may fail, be slow or lose its power.
// Places: the replica and the ledger writer. Mail between them keeps its order per direction, as in a node's mailbox.
import type { Model } from '../../check/model.ts'
import { chartEdges } from '../../check/chart-edges.ts'
import { stateProperties, stepProperties, worldProperties } from './properties.ts'
import * as replicaPlace from './replica-place.ts'
import { messageKey, replicaOf, stateKey, writerOf, type LedgerMessage, type LocalState } from './state.ts'
import { entriesKey } from './disk.ts'
import * as writerPlace from './writer-place.ts'

export interface LedgerWriterModelOptions {
  readonly appends: number
  readonly cuts: number
  readonly commits: number
  /** Writes, cuts and fsyncs that fail. */
  readonly failures: number
}

export const LEDGER_WRITER_MODEL_DEFAULTS: LedgerWriterModelOptions = { appends: 2, cuts: 1, commits: 1, failures: 1 }

export const ledgerWriterEdges: readonly string[] = chartEdges(writerPlace.machine)

export const ledgerWriterModel = (
  options: LedgerWriterModelOptions,
  definition = writerPlace.REAL_WRITER,
): Model<LocalState, LedgerMessage> => ({
  name: 'ledger-writer',
  places: ['replica', 'ledger-writer'],
  network: 'fifo',
  inFlightMax: 1,
  budgets: replicaPlace.BUDGETS.map((name) => ({ name, limit: options[name] })),
  initial: [replicaPlace.NEW_REPLICA, writerPlace.NEW_WRITER],
  stateKey,
  messageKey,
  look,
  staleness: (message, _sender, receiver) =>
    message.type === 'durable' && receiver.place === 'replica' && message.epoch < receiver.epoch ? 1 : 0,
  kindOf: ({ type }) => type,
  describe: messageKey,
  actions: (state) => (state.place === 'replica' ? replicaPlace.actions(state) : writerPlace.actions(state)),
  act: (state, _place, { name }) =>
    state.place === 'replica' ? replicaPlace.act(state, name) : writerPlace.act(state, name),
  receive: (state, _place, from, message) =>
    state.place === 'replica'
      ? replicaPlace.receive(state, message)
      : writerPlace.receive(state, from, message, definition),
  // After a crash only what is left matters.
  isBeyond: (state) => state.place === 'writer' && state.recovered !== undefined,
  stateProperties,
  stepProperties,
  worldProperties,
  goals,
  edges: ledgerWriterEdges,
})

function look(state: LocalState): string {
  if (state.place === 'replica')
    return `${entriesKey(state.log)} ${state.durableIdx} ${state.commitIdx} ${state.isHalted}`
  const { actor, disk, recovered } = state
  return `${actor.value} ${disk.durable} ${disk.flushes.length} ${disk.failure} ${recovered !== undefined}`
}

const goals: Model<LocalState, LedgerMessage>['goals'] = [
  { name: 'something becomes durable', isReached: (states) => replicaOf(states).durableIdx > 0 },
  {
    name: 'a flush of entries that were cut is under way',
    isReached: (states) => {
      const { disk, epoch } = writerOf(states)
      return disk.flushes.some(({ then }) => then.some(({ message }) => 'epoch' in message && message.epoch !== epoch))
    },
  },
  { name: 'two flushes are under way', isReached: (states) => writerOf(states).disk.flushes.length > 1 },
  { name: 'the ledger breaks', isReached: (states) => replicaOf(states).isHalted },
  {
    name: 'a crash loses entries',
    isReached: (states) => {
      const { recovered, disk } = writerOf(states)
      return recovered !== undefined && recovered.length < disk.entries.length
    },
  },
  {
    name: 'something is committed before it is durable here',
    isReached: (states) => replicaOf(states).commitIdx > replicaOf(states).durableIdx,
  },
]

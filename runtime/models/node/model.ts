// Whole nodes as a model: replica, ledger writer and disk of each, where the replica's own model has a disk that is never late. What is committed
// must be on the disks of a majority, whatever crashes then. Everything else is the replica's model (../replica).
import { chartEdges } from '../../check/chart-edges.ts'
import type { Action, Model, Property } from '../../check/model.ts'
import type { ConsensusMessage } from '../../../protocols/consensus/messages.ts'
import { quorumInEach } from '../../../protocols/consensus/quorum.ts'
import { entriesKey } from '../ledger-writer/disk.ts'
import { messageKey, placeOf, renameMessage } from '../replica/local-state.ts'
import { REPLICA_MODEL_DEFAULTS, replicaModel, type ReplicaModelOptions } from '../replica/model.ts'
import * as places from './place.ts'
import { machines, REAL_ACTORS, settled, type NodePlace } from './place.ts'

/** `brokenDisks` are writes and fsyncs that fail. */
export type NodeModelOptions = Omit<ReplicaModelOptions, 'noDeadEnd'>

export const NODE_MODEL_DEFAULTS: NodeModelOptions = { ...REPLICA_MODEL_DEFAULTS, nodes: 2, members: 2 }

export const nodeEdges: readonly string[] = [...chartEdges(machines.replica), ...chartEdges(machines.writer)]

type NodeModel = Model<NodePlace, ConsensusMessage>

export function nodeModel(options: NodeModelOptions, actors = REAL_ACTORS): NodeModel {
  const base = replicaModel({ ...options, noDeadEnd: false })
  const replicasOf = (states: readonly NodePlace[]) => states.map(({ replica }) => replica)
  const { contention, crashes } = base
  return {
    ...base,
    name: 'node',
    initial: base.initial.map(settled),
    stateKey: places.stateKey,
    messageKey,
    look: places.look,
    staleness: (message, sender, receiver) => base.staleness(message, sender.replica, receiver.replica),
    actions: (state, place) => [
      ...base.actions(state.replica, place).flatMap((action) => diskMayFail(action, state)),
      ...state.disk.flushes.map((_, nth) => ({ name: `fsync ${nth}` })),
    ],
    act: (state, _place, { name }) => places.act(state, name, actors),
    receive: (state, _place, from, message) => places.receive(state, from, message, actors),
    isBeyond: ({ replica }) => base.isBeyond(replica),
    symmetry: { shape: places.shape, rename: places.rename, renameMessage },
    contention: contention && { ...contention, isContending: ({ replica }) => contention.isContending(replica) },
    crashes: crashes && {
      ...crashes,
      isSurvivable: (states, alive) => crashes.isSurvivable(replicasOf(states), alive),
    },
    stateProperties: [
      ...base.stateProperties.map(({ name, broken }) => ({
        name,
        broken: ({ replica }: NodePlace) => broken(replica),
      })),
      ...stateProperties,
    ],
    stepProperties: base.stepProperties.map(({ name, broken }) => ({
      name,
      broken: (before, after) => broken(before.replica, after.replica),
    })),
    worldProperties: [
      ...base.worldProperties.map(({ name, broken }) => ({
        name,
        broken: (states: readonly NodePlace[]) => broken(replicasOf(states)),
      })),
      ...worldProperties,
    ],
    goals: [
      ...base.goals.map(({ name, isReached }) => ({
        name,
        isReached: (states: readonly NodePlace[]) => isReached(replicasOf(states)),
      })),
      ...goals(options),
    ],
    edges: nodeEdges,
  } as NodeModel
}

/** Where the replica's model lets a disk break, something on it fails here. */
function diskMayFail(action: Action, { disk }: NodePlace): Action[] {
  if (action.name !== 'breakDisk') return [action]
  if (disk.failure !== 'none' || disk.failsAfter !== undefined) return []
  const names = disk.flushes.length > 0 ? ['nextWriteFails', 'fsyncFails'] : ['nextWriteFails']
  return names.map((name) => ({ ...action, name }))
}

const logOf = ({ replica: { s } }: NodePlace) => s.log.toArray().map(({ record }) => record)

const stateProperties: readonly Property<[NodePlace]>[] = [
  {
    name: 'what the replica believes durable is',
    broken: (state) => {
      const { durableIdx } = state.replica.s
      const believed = entriesKey(logOf(state).slice(0, durableIdx))
      const durable = entriesKey(state.disk.entries.slice(0, Math.min(durableIdx, state.disk.durable)))
      return believed === durable ? undefined : `'${believed}' is believed durable, '${durable}' is`
    },
  },
  {
    name: 'the files are the log',
    broken: (state) => {
      if (state.disk.failure !== 'none') return undefined
      const [log, files] = [entriesKey(logOf(state)), entriesKey(state.disk.entries)]
      return log === files ? undefined : `the log is '${log}', the files hold '${files}'`
    },
  },
]

const worldProperties: readonly Property<[readonly NodePlace[]]>[] = [
  {
    // Disks outlive their nodes: those of crashed places count.
    name: 'what is committed is durable on a majority',
    broken: (states) => {
      const durable = states.map(({ disk }) => entriesKey(disk.entries.slice(0, disk.durable)))
      for (const state of states) {
        const committed = logOf(state).slice(0, state.replica.s.commitIdx)
        const nodes = committed.findLast(({ kind }) => kind === 'reconfiguration')?.nodes
        if (nodes === undefined) continue
        const prefix = entriesKey(committed)
        const isHeld = quorumInEach([{ idx: 0, nodes }], (node) =>
          `${durable[placeOf(node)]!} `.startsWith(`${prefix} `),
        )
        if (!isHeld)
          return `'${prefix}' is committed at ${state.replica.s.config.nodeId}, durable are '${durable.join("', '")}'`
      }
      return undefined
    },
  },
]

const goals = ({ members }: NodeModelOptions): NodeModel['goals'] => [
  {
    name: 'an acknowledgement waits for the disk',
    isReached: (states) => states.some(({ replica }) => replica.s.pendingAcks.length > 0),
  },
  ...(members < 3
    ? []
    : [
        {
          name: 'something is committed before it is durable on all disks',
          isReached: (states: readonly NodePlace[]) =>
            states.some(({ replica }) => states.some(({ disk }) => disk.durable < replica.s.commitIdx)),
        },
      ]),
]

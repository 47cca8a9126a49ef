// The models that `concordat check` knows, by name.
// A model is built from the bounds on the command line; those it does not know are refused, never ignored.
import type { AnyModel } from '../check/model.ts'
import { eraseModel, NETWORKS } from '../check/model.ts'
import type { Event } from '../check/space.ts'
import { EXECUTOR_MODEL_DEFAULTS, executorModel, type ExecutorModelOptions } from './executor/model.ts'
import {
  LEDGER_WRITER_MODEL_DEFAULTS,
  ledgerWriterModel,
  type LedgerWriterModelOptions,
} from './ledger-writer/model.ts'
import { NODE_MODEL_DEFAULTS, nodeModel, type NodeModelOptions } from './node/model.ts'
import { REPLICA_MODEL_DEFAULTS, replicaModel, type ReplicaModelOptions } from './replica/model.ts'
import { toScenario } from './replica/to-scenario.ts'
import { CLIENTS } from './session/client-place.ts'
import { SESSION_MODEL_DEFAULTS, sessionModel, type SessionModelOptions } from './session/model.ts'

export type Bound = number | boolean | string
export type Bounds = Readonly<Record<string, Bound>>

export interface CheckableModel {
  /** One line for people. */
  readonly about: string
  /** Every bound there is, with what it is when nothing is said. */
  readonly defaults: Bounds
  /** For bounds that are words. */
  readonly words: Readonly<Record<string, readonly string[]>>
  readonly build: (bounds: Bounds) => AnyModel
  /** A run as a scenario file, where scenarios can say it. */
  readonly toScenario?: (bounds: Bounds, events: readonly Event[], title: string) => string
}

const asReplica = (bounds: Bounds): ReplicaModelOptions => bounds as unknown as ReplicaModelOptions

export const MODELS: Readonly<Record<string, CheckableModel>> = {
  replica: {
    about: 'consensus: elections, replication, reconfiguration, retirement; the disk is instantaneous',
    defaults: { ...REPLICA_MODEL_DEFAULTS },
    words: { network: NETWORKS },
    build: (bounds) => eraseModel(replicaModel(asReplica(bounds))),
    toScenario: (bounds, events, title) =>
      toScenario(replicaModel(asReplica(bounds)), asReplica(bounds), events, title),
  },
  'ledger-writer': {
    about: 'one ledger writer over a disk that flushes in any order, fails, and loses what was not flushed in a crash',
    defaults: { ...LEDGER_WRITER_MODEL_DEFAULTS },
    words: {},
    build: (bounds) => eraseModel(ledgerWriterModel(bounds as unknown as LedgerWriterModelOptions)),
  },
  node: {
    about: 'nodes of a replica, a ledger writer and a disk each: what is committed is durable on a majority',
    defaults: { ...NODE_MODEL_DEFAULTS },
    words: { network: NETWORKS },
    build: (bounds) => eraseModel(nodeModel(bounds as unknown as NodeModelOptions)),
  },
  executor: {
    about: 'two executors over a log that elects, cuts and commits: answers, signatures and the store agree with it',
    defaults: { ...EXECUTOR_MODEL_DEFAULTS },
    words: {},
    build: (bounds) => eraseModel(executorModel(bounds as unknown as ExecutorModelOptions)),
  },
  session: {
    about: 'a client’s session over a network that loses, mixes and repeats: nothing twice, nothing invented, one view',
    defaults: { ...SESSION_MODEL_DEFAULTS },
    words: { network: NETWORKS, client: CLIENTS },
    build: (bounds) => eraseModel(sessionModel(bounds as unknown as SessionModelOptions)),
  },
}

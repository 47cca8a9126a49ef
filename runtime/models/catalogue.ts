// The models that `concordat check` knows, by name.
// A model is built from the bounds on the command line; those it does not know are refused, never ignored.
import type { AnyModel } from '../check/model.ts'
import { eraseModel, NETWORKS } from '../check/model.ts'
import type { Event } from '../check/space.ts'
import { REPLICA_MODEL_DEFAULTS, replicaModel, type ReplicaModelOptions } from './replica/model.ts'
import { toScenario } from './replica/to-scenario.ts'

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
}

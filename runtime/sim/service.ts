// A simulated service as plan, clients and checkers see it. What it is composed of is known to runtime/models/service alone.
import type { ExecutorState } from '../../actors/executor/state.ts'
import type { AnyActorDefinition } from '../../actors/actor.ts'
import type { MachineState } from '../../actors/machine.ts'
import type { ReplicaState } from '../../actors/replica/state.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type { Execute } from '../../protocols/requests.ts'
import type { SimObserver, Simulation } from '../host/sim.ts'
import type { Knobs, Plan } from './plan.ts'

export type ReplicaSight = MachineState<ReplicaState>

export interface Service {
  readonly sim: Simulation
  readonly crypto: Crypto
  readonly serviceCertificatePem: string
  /** The first, 32 bytes. */
  readonly ledgerSecret: Uint8Array
  /** PKCS#8 of the key to which ledger secrets are encrypted for a node. */
  encryptionKeyOf(nodeId: NodeId): Uint8Array
  /** In order of creation, stopped ones included. */
  readonly nodeIds: readonly NodeId[]
  replicaOf(nodeId: string): ReplicaSight
  executorOf(nodeId: string): ExecutorState
  /** Of those, nodes that clients are led to. */
  readonly serving: readonly NodeId[]
  /** Answers arrive at `client/<client>` of that node. Nothing happens if it has stopped. */
  submit(nodeId: string, client: number, submission: Submission): void
  /** Starts a fresh node, which knows those that serve. It takes part once it is registered. */
  addNode(): NodeId
  /** True if no other node that this one knows serves any more, or it has stopped as it cannot catch up: it can neither join nor learn that it was removed. */
  isStranded(nodeId: NodeId): boolean
  /** What the operator registers the node with. */
  registration(nodeId: NodeId): Uint8Array
}

export interface Submission extends Pick<Execute, 'token' | 'activeView' | 'requests'> {
  readonly as: 'user' | 'operator'
}

export interface ServiceOptions extends Pick<Plan, 'seed' | 'nodes' | 'crypto'> {
  readonly knobs: Knobs
  readonly weather: Plan['weather']
  /** Clients of each node. */
  readonly clients: number
  readonly observe: SimObserver
}

/** Makes the service a plan speaks of. */
export type ServiceMaker = (options: ServiceOptions) => Service

/** Actors to be used in place of those of production: how tests break one on purpose. */
export type Replacements = readonly AnyActorDefinition[]

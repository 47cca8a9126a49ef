// The edges of the replica's chart, by name, and which one an event takes: for coverage.
import type { AnyStateMachine } from 'xstate'
import type { Envelope } from '../../../actors/actor.ts'
import { replicaMachine } from '../../../actors/replica/replica.ts'
import type { ReplicaEvent } from '../../../actors/replica/state.ts'
import { chartEdges, edgeOf } from '../../check/chart-edges.ts'
import type { LocalState } from './local-state.ts'

const machine: AnyStateMachine = replicaMachine

export const replicaEdges: readonly string[] = chartEdges(machine)

export const edgeTaken = ({ value, s }: LocalState, envelope: Envelope<ReplicaEvent>): string | undefined =>
  edgeOf(machine, value, s, envelope)

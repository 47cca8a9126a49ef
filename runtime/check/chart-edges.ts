// The edges of a chart as names, and which edge an event takes from a state: what a search has covered of the chart is said in these names.
import type { AnyStateMachine } from 'xstate'
import type { Envelope } from '../../actors/actor.ts'
import { chartTable, type ChartTable, type Edge } from '../../actors/chart.ts'

const tables = new WeakMap<AnyStateMachine, ChartTable>()

function tableOf(machine: AnyStateMachine): ChartTable {
  const known = tables.get(machine)
  if (known !== undefined) return known
  const table = chartTable(machine)
  tables.set(machine, table)
  return table
}

const nameOf = ({ source, event, guard, target }: Edge): string =>
  `${source} --${event}${guard === undefined ? '' : ` [${guard}]`}--> ${target?.key ?? source}`

/** Every edge: `follower --electionTimeout [mayStand]--> preVoteCandidate`; `*` stands for every state. */
export function chartEdges(machine: AnyStateMachine): string[] {
  const edges = [...tableOf(machine).values()].flatMap((events) => [...events.values()].flat())
  return [...new Set(edges.map(nameOf))]
}

/** The edge that `envelope` takes from `state`, or undefined if the chart ignores it there. */
export function edgeOf(machine: AnyStateMachine, state: string, s: unknown, envelope: Envelope): string | undefined {
  const guards = machine.implementations.guards as Readonly<
    Record<string, (args: { context: { s: unknown }; event: { type: string; envelope: Envelope } }) => boolean>
  >
  const { type } = envelope.event
  const taken = tableOf(machine)
    .get(state)
    ?.get(type)
    ?.find(({ guard }) => guard === undefined || guards[guard]!({ context: { s }, event: { type, envelope } }))
  return taken && nameOf(taken)
}

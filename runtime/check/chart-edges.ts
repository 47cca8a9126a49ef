// The edges of a chart as names, and which edge an event takes from a state: what a search has covered of the chart is said in these names.
import type { AnyStateMachine } from 'xstate'
import type { Envelope } from '../../actors/actor.ts'

type StateNode = AnyStateMachine['root']

interface Edge {
  readonly name: string
  readonly guard: string | undefined
}

const edgesByChart = new WeakMap<AnyStateMachine, ReadonlyMap<string, readonly Edge[]>>()

/** Edges of a simple state and an event, in the order in which the chart tries them: its own first, then those of the whole chart. */
function tableOf(machine: AnyStateMachine): ReadonlyMap<string, readonly Edge[]> {
  const known = edgesByChart.get(machine)
  if (known !== undefined) return known
  const table = new Map<string, Edge[]>()
  const collect = (node: StateNode, source: string): void => {
    for (const [event, transitions] of node.transitions) {
      const edges = transitions.map(({ guard, target }): Edge => {
        const to = target?.[0]?.key
        const label = `${source} --${event}${guard === undefined ? '' : ` [${String(guard)}]`}--> ${to ?? source}`
        return { name: label, guard: guard as string | undefined }
      })
      table.set(`${source} ${event}`, edges)
    }
  }
  collect(machine.root, '*')
  for (const node of Object.values(machine.root.states)) collect(node, node.key)
  edgesByChart.set(machine, table)
  return table
}

/** Every edge: `follower --electionTimeout [mayStand]--> preVoteCandidate`; `*` stands for every state. */
export const chartEdges = (machine: AnyStateMachine): string[] =>
  [...tableOf(machine).values()].flatMap((edges) => edges.map(({ name }) => name))

/** The edge that `envelope` takes from `state`, or undefined if the chart ignores it there. */
export function edgeOf(machine: AnyStateMachine, state: string, s: unknown, envelope: Envelope): string | undefined {
  const table = tableOf(machine)
  const guards = machine.implementations.guards as Readonly<
    Record<string, (args: { context: { s: unknown }; event: { type: string; envelope: Envelope } }) => boolean>
  >
  const { type } = envelope.event
  const edges = [...(table.get(`${state} ${type}`) ?? []), ...(table.get(`* ${type}`) ?? [])]
  const taken = edges.find(
    ({ guard }) => guard === undefined || guards[guard]!({ context: { s }, event: { type, envelope } }),
  )
  return taken?.name
}

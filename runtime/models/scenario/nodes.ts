// Commands that create nodes and change configurations (scenario-dsl.md, "Creating and reconfiguring").
// The rule to remember: a configuration is the set of nodes the scenario knows, not an increment to the last one.
import type { Command, LeaderOf } from '../../scenario/command.ts'
import { ScenarioFailure } from './failure.ts'
import { replicateNodes } from './leaders.ts'
import type { World } from './world.ts'

const idsOf = (world: World): string[] => world.nodes.map(({ id }) => id)

export function startNode(world: World, id: string): void {
  if (world.nodes.length > 0) throw new ScenarioFailure('start_node must come first: there are nodes already')
  world.create(id)
  world.post(id, { type: 'forceLeader' })
  replicateNodes(world, 2, 'reconfiguration', [id])
}

/** Creates nodes and connects each of them with every other node. */
function join(world: World, ids: readonly string[]): void {
  for (const id of ids) world.create(id)
  for (const id of ids) for (const other of idsOf(world)) if (other !== id) world.connect([id, other])
}

export function trustNodes(world: World, leaderOf: LeaderOf, ids: readonly string[]): void {
  join(world, ids)
  replicateNodes(world, leaderOf, 'reconfiguration', idsOf(world))
}

export function swapNodes(world: World, { leaderOf, incoming, outgoing }: Extract<Command, { do: 'swapNodes' }>): void {
  join(world, incoming)
  const remaining = idsOf(world).filter((id) => !outgoing.includes(id))
  replicateNodes(world, leaderOf, 'reconfiguration', remaining)
}

export function cleanupNodes(world: World, leaderOf: LeaderOf, ids: readonly string[]): void {
  for (const id of ids) world.node(id)
  replicateNodes(world, leaderOf, 'retiredCommitted', ids)
}

/** Deprecated by CCF: a network out of nothing, without leader and connections. */
export function createNodes(world: World, ids: readonly string[]): void {
  const nodes = [...new Set(ids)].sort()
  for (const id of ids) world.create(id)
  for (const node of world.nodes) world.giveConfiguration(node, nodes)
}

export function replicateConfiguration(
  world: World,
  { leaderOf, nodes, connected }: Extract<Command, { do: 'replicateConfiguration' }>,
): void {
  const unknown = [...new Set(nodes)].filter((id) => !world.has(id))
  if (connected) join(world, unknown)
  else for (const id of unknown) world.create(id)
  replicateNodes(world, leaderOf, 'reconfiguration', nodes)
}

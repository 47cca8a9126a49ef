// Finding leaders, and giving them entries to replicate (scenario-dsl.md, "Appending").
// Not what a leader does with them: that is the replica's.
import { lastIdx } from '../../../actors/replica/state.ts'
import type { RecordKind } from '../../../protocols/consensus/log.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import type { LeaderOf } from '../../scenario/command.ts'
import { nodesBytes, signatureBytes, transactionBytes } from '../../scenario/entries.ts'
import { ScenarioFailure } from './failure.ts'
import { isLeader, type ScenarioNode } from './node.ts'
import type { World } from './world.ts'

const viewOf = ({ state }: ScenarioNode): number => state.s.currentView

/** The leader of the highest view; among several the one with the highest id. */
export function latestLeader(world: World): ScenarioNode | undefined {
  let latest: ScenarioNode | undefined
  for (const node of world.nodes) {
    if (isLeader(node) && (latest === undefined || viewOf(node) >= viewOf(latest))) latest = node
  }
  return latest
}

/** Undefined only for `latest`. @throws ScenarioFailure when nobody leads that view */
function leaderFor(world: World, leaderOf: LeaderOf): ScenarioNode | undefined {
  if (leaderOf === 'latest') return latestLeader(world)
  const leader = world.nodes.find((node) => isLeader(node) && viewOf(node) === leaderOf)
  if (leader === undefined) throw new ScenarioFailure(`no node leads view ${leaderOf}; ${describeLeaders(world)}`)
  return leader
}

function describeLeaders(world: World): string {
  const leaders = world.nodes.filter(isLeader).map((node) => `node ${node.id} leads view ${viewOf(node)}`)
  return leaders.length === 0 ? 'there is no leader' : leaders.join(', ')
}

function append(world: World, leaderOf: LeaderOf, kind: RecordKind, bytes: Uint8Array, nodes?: readonly NodeId[]) {
  const leader = leaderFor(world, leaderOf)
  if (leader === undefined) return
  const view = viewOf(leader)
  const record = { seqno: lastIdx(leader.state.s) + 1, view, kind, bytes, ...(nodes === undefined ? {} : { nodes }) }
  world.post(leader.id, { type: 'replicate', view, records: [record] }, 'executor')
}

export const replicateText = (world: World, leaderOf: LeaderOf, text: string): void =>
  append(world, leaderOf, 'transaction', transactionBytes(text))

export const emitSignature = (world: World, leaderOf: LeaderOf): void =>
  append(world, leaderOf, 'signature', signatureBytes())

export function replicateNodes(
  world: World,
  leaderOf: LeaderOf,
  kind: 'reconfiguration' | 'retiredCommitted',
  nodes: readonly string[],
): void {
  const ascending = [...new Set(nodes)].sort() as NodeId[]
  append(world, leaderOf, kind, nodesBytes(kind, ascending), ascending)
}

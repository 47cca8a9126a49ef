// Majorities. Elections and commit need one in *every* active configuration (consensus.md §8, §10; bug B1 of §19).
import type { NodeId } from '../ids.ts'
import type { Configuration } from './messages.ts'

/** True if, in every configuration, more than half of the nodes satisfy `has`. False without any configuration. */
export function quorumInEach(configurations: readonly Configuration[], has: (node: NodeId) => boolean): boolean {
  if (configurations.length === 0) return false
  return configurations.every(({ nodes }) => nodes.filter(has).length >= Math.floor(nodes.length / 2) + 1)
}

/** The highest index held by a majority of every configuration, given each node's. */
export function agreementIdx(configurations: readonly Configuration[], idxOf: (node: NodeId) => number): number {
  let agreed = Number.MAX_SAFE_INTEGER
  for (const { nodes } of configurations) {
    const held = nodes.map(idxOf).sort((a, b) => a - b)
    agreed = Math.min(agreed, held[Math.floor((held.length - 1) / 2)] ?? 0)
  }
  return configurations.length === 0 ? 0 : agreed
}

/** Every node of any configuration, once, in ascending order of id. */
export function membersOf(configurations: readonly Configuration[]): NodeId[] {
  return [...new Set(configurations.flatMap(({ nodes }) => nodes))].sort((a, b) => (a < b ? -1 : 1))
}

/** True if any configuration names the node. */
export const isMember = (configurations: readonly Configuration[], node: NodeId): boolean =>
  configurations.some(({ nodes }) => nodes.includes(node))

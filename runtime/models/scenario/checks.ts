// What a scenario can assert about its world (scenario-dsl.md, "Asserting"). Everything here only reads.
// The rule to remember: a log is compared entry by entry, bytes included; equal indices and views prove nothing about a defective replica.
import { lastIdx, type ReplicaState } from '../../../actors/replica/state.ts'
import { equalBytes } from '../../../protocols/codec/bytes.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import { ScenarioFailure } from './failure.ts'
import { isRetired, leadershipOf, type NodeState, type ScenarioNode } from './node.ts'
import type { World } from './world.ts'

const sameRecord = (a: LogRecord | undefined, b: LogRecord | undefined): boolean =>
  a === b ||
  (a !== undefined && b !== undefined && a.view === b.view && a.kind === b.kind && equalBytes(a.bytes, b.bytes))

/** The first index up to `end` at which the two logs differ; undefined if there is none. */
function firstDifference(a: ReplicaState, b: ReplicaState, end: number): number | undefined {
  for (let idx = 1; idx <= end; idx++) if (!sameRecord(a.log.at(idx)?.record, b.log.at(idx)?.record)) return idx
  return undefined
}

/**
 * What a node has committed must be held by a majority of each of its active configurations that began by then.
 * A crashed node's log counts: what it acknowledged is on its disk. @throws ScenarioFailure
 */
export function checkCommitSafety(world: World, node: ScenarioNode): void {
  const { s } = node.state
  const holds = (id: string): boolean =>
    world.has(id) && firstDifference(s, world.node(id).state.s, s.commitIdx) === undefined
  for (const { idx, nodes } of s.configurations) {
    if (idx > s.commitIdx) continue
    const needed = Math.floor(nodes.length / 2) + 1
    const count = nodes.filter(holds).length
    if (count >= needed) continue
    throw new ScenarioFailure(
      `node ${node.id} has committed up to ${s.commitIdx}, held by only ${count} of the nodes {${nodes.join(', ')}} ` +
        `of its configuration at ${idx}, which needs ${needed}`,
    )
  }
}

/** What keeps `nodes` from being in sync with the first of them; empty if they are. */
export function discrepancies([first, ...others]: readonly ScenarioNode[]): string[] {
  if (first === undefined) return []
  const target = first.state.s
  return others.flatMap(({ id, state: { s } }) => {
    const found: string[] = []
    const differs = (what: string, own: number, expected: number): boolean => {
      if (own !== expected) found.push(`node ${id} has ${what} ${own}, node ${first.id} has ${expected}`)
      return own !== expected
    }
    differs('view', s.currentView, target.currentView)
    if (!differs('last index', lastIdx(s), lastIdx(target))) {
      const idx = firstDifference(s, target, lastIdx(s))
      if (idx !== undefined) found.push(`node ${id} and node ${first.id} hold different entries at ${idx}`)
    }
    differs('commit index', s.commitIdx, target.commitIdx)
    return found
  })
}

const PHASES: Readonly<Partial<Record<ReplicaState['membership'], string>>> = {
  RetirementOrdered: 'Ordered',
  RetirementSigned: 'Signed',
  RetirementCompleted: 'Completed',
  RetiredCommitted: 'RetiredCommitted',
}

const DETAILS: Readonly<Record<string, (state: NodeState) => string | undefined>> = {
  leadership_state: leadershipOf,
  membership_state: (state) => (isRetired(state) ? 'Retired' : 'Active'),
  retirement_phase: ({ s }) => PHASES[s.membership],
  current_view: ({ s }) => String(s.currentView),
  // A required field that may be empty is JSON's null in CCF.
  primary_id: ({ s }) => s.leaderId ?? 'null',
  ticking: ({ s }) => String(s.ticking),
}

/** A node's detail as CCF renders it. @throws ScenarioFailure if there is none of that name, or none at the moment */
export function detailOf(node: ScenarioNode, key: string): string {
  const value = Object.hasOwn(DETAILS, key) ? DETAILS[key]!(node.state) : undefined
  if (value === undefined) throw new ScenarioFailure(`node ${node.id} has no detail ${key}`)
  return value
}

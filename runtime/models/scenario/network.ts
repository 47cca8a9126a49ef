// Commands that deliver messages and let time pass (scenario-dsl.md, "Delivering" and "Time").
// The rule to remember: what counts against the limit of a pass is what was delivered, not what was lost on the way.
import type { Pair, Timer } from '../../scenario/command.ts'
import { ELECTION_TIMEOUT_MS, leadershipOf, MESSAGE_TIMEOUT_MS, type ScenarioNode } from './node.ts'
import type { World } from './world.ts'

export function dispatchSingle(world: World, pair: Pair, nth: number): void {
  const taken = world.take(pair, nth)
  if (taken !== undefined) world.deliver(pair[0], taken)
}

/** The message arrives and is still on its way: the network made a second one of it. */
export function duplicateSingle(world: World, pair: Pair, nth: number): void {
  const queued = world.queued(pair, nth)
  if (queued !== undefined) world.deliver(pair[0], queued)
}

/** Until the queue is empty, or that many were delivered. */
export function dispatchQueue(world: World, node: ScenarioNode, most = Number.MAX_SAFE_INTEGER): void {
  for (let delivered = 0; delivered < most;) {
    const next = node.queue.shift()
    if (next === undefined) return
    if (world.deliver(node.id, next)) delivered++
  }
}

/** What is under way now, and not what comes of it. */
export function dispatchAllOnce(world: World): void {
  const lengths = world.nodes.map(({ queue }) => queue.length)
  for (const [i, node] of world.nodes.entries()) dispatchQueue(world, node, lengths[i])
}

const PASSES_MAX = 5

export function dispatchAll(world: World): void {
  for (let pass = 0; pass < PASSES_MAX && world.nodes.some(({ queue }) => queue.length > 0); pass++) {
    dispatchAllOnce(world)
  }
}

/** CCF's periodic(ms): a leader sends first, then its acknowledgements age, then it checks its quorum. */
export function periodic(world: World, node: ScenarioNode, ms: number): void {
  if (node.isCrashed) return
  node.elapsedMs += ms
  if (leadershipOf(node.state) !== 'Leader') {
    if (node.elapsedMs >= ELECTION_TIMEOUT_MS) world.post(node.id, { type: 'electionTimeout' })
    return
  }
  if (node.elapsedMs >= MESSAGE_TIMEOUT_MS) {
    node.elapsedMs = 0
    world.post(node.id, { type: 'heartbeatTimeout' })
  }
  node.clockMs += ms
  world.post(node.id, { type: 'quorumTimeout' })
}

/** One timer alone. Before CheckQuorum, an election timeout passes without an answer: else it would find nothing. */
export function fire(world: World, node: ScenarioNode, timer: Timer): void {
  if (timer === 'quorumTimeout') node.clockMs += ELECTION_TIMEOUT_MS
  world.post(node.id, { type: timer })
}

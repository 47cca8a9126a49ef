// Reconfiguration and retirement (consensus.md §11): configurations come into force when appended; a removed node passes through
// Ordered → Signed → Completed → RetiredCommitted, and only then may it be shut down. Learners get the log before they count.
// The rule to remember: until RetiredCommitted a removed node still answers, votes and may even lead: some quorum may need it (bug B6).
import { invariant } from '../../protocols/errors.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type { Configuration, ProposeRequestVote, SetLearners } from '../../protocols/consensus/messages.ts'
import { isMember } from '../../protocols/consensus/quorum.ts'
import type { Envelope, Step } from '../actor.ts'
import { step } from '../actor.ts'
import { send, trace, type Effect } from '../effects.ts'
import { becameBackup, tellExecutor, tellNode } from './notices.ts'
import { lastIdx, newPeer, type Learner, type Peer, type ReplicaEvent, type ReplicaState } from './state.ts'

const sameNodes = (a: readonly NodeId[], b: readonly NodeId[]): boolean =>
  a.length === b.length && a.every((node) => b.includes(node))

/** A configuration comes into force, at once and not only when committed. */
export function addConfiguration(s: ReplicaState, configuration: Configuration, at: number): ReplicaState {
  const { nodeId } = s.config
  const { idx, nodes } = configuration
  const last = s.configurations.at(-1)
  const isRemoved = last !== undefined && last.nodes.includes(nodeId) && !nodes.includes(nodeId)
  const retiring: ReplicaState = isRemoved ? { ...s, membership: 'RetirementOrdered', retirementIdx: idx } : s
  if (last !== undefined && sameNodes(last.nodes, nodes)) return retiring
  const peers: Record<NodeId, Peer> = { ...s.peers }
  for (const node of nodes) {
    // What a new node is sent first is an empty AppendEntries just before the configuration.
    if (node !== nodeId) peers[node] ??= newPeer(idx - 1, at)
  }
  const learners = s.learners.filter(({ node }) => !nodes.includes(node))
  return { ...retiring, configurations: [...s.configurations, configuration], peers, learners }
}

/** A signature was appended: a removal before it is signed. */
export const retirementSigned = (s: ReplicaState, idx: number): ReplicaState =>
  s.membership === 'RetirementOrdered' ? { ...s, membership: 'RetirementSigned', retirementSignedIdx: idx } : s

/** What a cut after `idx` leaves of this node's retirement. Completed and later are committed and stay. */
export function retirementAfterRollback(
  s: ReplicaState,
  idx: number,
): Pick<ReplicaState, 'membership' | 'retirementIdx' | 'retirementSignedIdx'> {
  const { membership, retirementIdx, retirementSignedIdx } = s
  const isUncommitted = membership === 'RetirementOrdered' || membership === 'RetirementSigned'
  if (isUncommitted && retirementIdx! > idx) {
    return { membership: 'Active', retirementIdx: undefined, retirementSignedIdx: undefined }
  }
  if (membership === 'RetirementSigned' && retirementSignedIdx! > idx) {
    return { membership: 'RetirementOrdered', retirementIdx, retirementSignedIdx: undefined }
  }
  return { membership, retirementIdx, retirementSignedIdx }
}

/** What follows for membership from the commit of everything up to `idx`: the order is that of consensus.md §8. */
export function membershipAfterCommit(s: ReplicaState, idx: number): ReplicaState {
  let state = s
  if (s.membership === 'RetirementSigned' && idx >= s.retirementSignedIdx!) {
    state = { ...state, membership: 'RetirementCompleted' }
  }
  for (const { nodes } of s.retiredCommitted.filter((entry) => entry.idx <= idx)) state = finish(state, nodes)
  let { configurations } = s
  // A configuration is dropped once the next one is committed.
  while (configurations.length > 1 && configurations[1]!.idx <= idx) configurations = configurations.slice(1)
  return { ...state, configurations, retiredCommitted: s.retiredCommitted.filter((entry) => entry.idx > idx) }
}

/** Every future leader knows that `nodes` are removed: they are forgotten, and may be shut down. */
function finish(s: ReplicaState, nodes: readonly NodeId[]): ReplicaState {
  const peers: Record<NodeId, Peer> = { ...s.peers }
  for (const node of nodes) delete peers[node]
  if (!nodes.includes(s.config.nodeId)) return { ...s, peers }
  invariant(s.membership === 'RetirementCompleted', `retired_committed of a node whose removal is ${s.membership}`)
  return { ...s, peers, membership: 'RetiredCommitted' }
}

/** Leader: asks the executor to declare retired_committed whoever is in no configuration any more. It knows who of them was removed. */
export function retirementCleanup(s: ReplicaState): Effect[] {
  const known = [s.config.nodeId, ...(Object.keys(s.peers) as NodeId[])]
  const nodes = known.filter(
    (node) => !isMember(s.configurations, node) && !s.learners.some((learner) => learner.node === node),
  )
  const knowsNothing = s.configurations.length === 0 || s.membership === 'RetiredCommitted'
  return nodes.length === 0 || knowsNothing ? [] : [tellExecutor({ type: 'retirementCompleted', nodes: nodes.sort() })]
}

/** Leader: these nodes are sent the log too. Learners dropped from the set are forgotten. */
export function setLearners(s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> {
  const wanted = (envelope.event as SetLearners).nodes.filter(
    (node) => node !== s.config.nodeId && !isMember(s.configurations, node),
  )
  const forgotten = withoutLearners(s)
  const peers: Record<NodeId, Peer> = { ...forgotten.peers }
  const learners = wanted.map((node): Learner => {
    peers[node] = s.peers[node] ?? newPeer(lastIdx(s), envelope.at)
    return { node, isCaughtUp: s.learners.some((known) => known.node === node && known.isCaughtUp) }
  })
  const state: ReplicaState = { ...forgotten, learners, peers }
  return step(state, ...tellNode(s, state))
}

/** Learners are known to a leader only. */
export function withoutLearners(s: ReplicaState): ReplicaState {
  if (s.learners.length === 0) return s
  const peers: Record<NodeId, Peer> = { ...s.peers }
  for (const { node } of s.learners) delete peers[node]
  return { ...s, peers, learners: [] }
}

/** Leader, after an answer of `node`: a learner that holds everything committed here may become a member. */
export function learnerProgress(s: ReplicaState, node: NodeId): Step<ReplicaState> {
  const learner = s.learners.find((known) => known.node === node)
  if (learner === undefined || learner.isCaughtUp || s.peers[node]!.matchIdx < s.commitIdx) return step(s)
  const learners = s.learners.map((known) => (known === learner ? { ...known, isCaughtUp: true } : known))
  return step({ ...s, learners }, tellExecutor({ type: 'learnerCaughtUp', node }))
}

/** The leader's own removal is committed for ever: it hands over and leads no more. */
export function retire(s: ReplicaState): Step<ReplicaState> {
  const state: ReplicaState = { ...withoutLearners(s), leaderId: undefined }
  return step(
    state,
    ...nominateSuccessor(s).effects,
    { type: 'cancelTimer', name: 'heartbeatTimeout' },
    { type: 'cancelTimer', name: 'quorumTimeout' },
    becameBackup(state, 'None'),
    trace('retired', { view: s.currentView }),
  )
}

/**
 * Asks another node to stand for election at once: the one that matches most, among equals the one of the newest configuration, among
 * those the one with the least id (consensus.md §11 leaves the last open: CCF goes by the order of a hash map).
 */
export function nominateSuccessor(s: ReplicaState): Step<ReplicaState> {
  const newestConfiguration = (node: NodeId): number =>
    s.configurations.findLast(({ nodes }) => nodes.includes(node))?.idx ?? -1
  const candidates = (Object.keys(s.peers) as NodeId[])
    .filter((node) => !s.learners.some((learner) => learner.node === node))
    .sort()
    .reverse()
    .map((node) => ({ node, matchIdx: s.peers[node]!.matchIdx, configurationIdx: newestConfiguration(node) }))
    .sort((a, b) => a.matchIdx - b.matchIdx || a.configurationIdx - b.configurationIdx)
  const successor = candidates.at(-1)
  if (successor === undefined) return step(s)
  const proposal: ProposeRequestVote = { type: 'ProposeRequestVote', view: s.currentView }
  return step(s, send(`replica@${successor.node}`, proposal))
}

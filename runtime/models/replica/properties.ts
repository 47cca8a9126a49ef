// The invariants of ccfraft.tla over real replicas (consensus.md §17), under the specification's names.
// Asked of any set of replicas: the checker's, the simulator's. The rule to remember: each reads states only, and says what it found.
import type { ReplicaState } from '../../../actors/replica/state.ts'
import { lastCommittableIdx, lastIdx, termAt } from '../../../actors/replica/state.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import { FIRST_VIEW } from '../../../protocols/ids.ts'
import type { Configuration } from '../../../protocols/consensus/messages.ts'
import { quorumInEach } from '../../../protocols/consensus/quorum.ts'
import type { Property } from '../../check/model.ts'
import type { LocalState } from './local-state.ts'
import { configurationsOf, entriesOf, membershipOf, type Entry } from './log-facts.ts'

const name = ({ s }: LocalState): string => `node ${s.config.nodeId}`
const committedOf = (s: ReplicaState): readonly Entry[] => entriesOf(s).slice(0, s.commitIdx)
const isPrefix = (a: readonly Entry[], b: readonly Entry[]): boolean => a.every((entry, i) => entry.key === b[i]?.key)

/** Asks `broken` of every ordered pair. */
const ofPairs = (
  title: string,
  broken: (a: LocalState, b: LocalState) => string | undefined,
): Property<[readonly LocalState[]]> => ({
  name: title,
  broken: (states) => {
    for (const a of states) {
      for (const b of states) {
        const problem = a === b ? undefined : broken(a, b)
        if (problem !== undefined) return problem
      }
    }
    return undefined
  },
})

/** How many of the configuration's nodes hold `prefix`, against the majority that must. */
function isHeldByQuorum(states: readonly LocalState[], nodes: readonly NodeId[], prefix: readonly Entry[]): boolean {
  const holds = (node: NodeId): boolean => {
    const holder = states.find(({ s }) => s.config.nodeId === node)
    return holder !== undefined && isPrefix(prefix, entriesOf(holder.s))
  }
  return quorumInEach([{ idx: 0, nodes }], holds)
}

/** Over all nodes together. */
export const worldProperties: readonly Property<[readonly LocalState[]]>[] = [
  ofPairs('LogInv', (a, b) => {
    const [mine, theirs] = [committedOf(a.s), committedOf(b.s)]
    if (mine.length > theirs.length || isPrefix(mine, theirs)) return undefined
    return `committed logs of ${name(a)} and ${name(b)} differ`
  }),
  ofPairs('MoreThanOneLeaderInv', (a, b) =>
    a.value === 'leader' && b.value === 'leader' && a.s.currentView === b.s.currentView
      ? `${name(a)} and ${name(b)} both lead view ${a.s.currentView}`
      : undefined,
  ),
  ofPairs('LogMatchingInv', (a, b) => {
    const [mine, theirs] = [entriesOf(a.s), entriesOf(b.s)]
    for (let i = Math.min(mine.length, theirs.length) - 1; i >= 0; i--) {
      if (mine[i]!.view !== theirs[i]!.view) continue
      if (isPrefix(mine.slice(0, i + 1), theirs)) return undefined
      return `${name(a)} and ${name(b)} agree on the view at ${i + 1} and differ before`
    }
    return undefined
  }),
  ofPairs('ElectionSafetyInv', (leader, other) => {
    if (leader.value !== 'leader') return undefined
    const ownEnd = entriesOf(leader.s).findLastIndex(({ view }) => view === leader.s.currentView)
    const theirEnd = entriesOf(other.s).findLastIndex(({ view }) => view === leader.s.currentView)
    return theirEnd > ownEnd
      ? `${name(other)} holds an entry of view ${leader.s.currentView} that its leader lacks`
      : undefined
  }),
  // What was committed in views up to the leader's. A commit is of the view of its signature, whatever views the entries below have.
  ofPairs('LeaderCompletenessInv', (leader, other) => {
    const committed = committedOf(other.s)
    if (leader.value !== 'leader' || (committed.at(-1)?.view ?? 0) > leader.s.currentView) return undefined
    return isPrefix(committed, entriesOf(leader.s))
      ? undefined
      : `${name(leader)} leads without what ${name(other)} committed`
  }),
  {
    name: 'CandidateTermNotInLogInv',
    broken: (states) => {
      for (const { value, s } of states) {
        if (value !== 'candidate' || !quorumInEach(s.configurations, (node) => s.votesForMe.includes(node))) continue
        const holder = states.find((other) => entriesOf(other.s).some(({ view }) => view === s.currentView))
        if (holder !== undefined)
          return `candidate ${s.config.nodeId} of view ${s.currentView}, of which ${name(holder)} has entries`
      }
      return undefined
    },
  },
  {
    name: 'QuorumLogInv',
    broken: (states) => {
      for (const state of states) {
        const prefix = committedOf(state.s)
        const current = state.s.configurations[0]
        if (current === undefined || prefix.length === 0) continue
        // Every majority meets the nodes that hold the prefix exactly when those are a majority's complement short of half.
        const lacking = current.nodes.filter((node) => !isHeldByQuorum(states, [node], prefix)).length
        if (lacking >= Math.floor(current.nodes.length / 2) + 1) {
          return `a quorum of {${current.nodes.join()}} lacks what ${name(state)} committed up to ${prefix.length}`
        }
      }
      return undefined
    },
  },
  // Stronger than the specification's, so that a wrong match or a wrong vote shows before it does harm: bugs B1, B3, B4, B5 and F3.
  ofPairs('what a leader believes to match does', (leader, other) => {
    const { s } = leader
    if (leader.value !== 'leader' || other.s.currentView > s.currentView) return undefined
    const { matchIdx } = s.peers[other.s.config.nodeId] ?? { matchIdx: 0 }
    return isPrefix(entriesOf(s).slice(0, matchIdx), entriesOf(other.s))
      ? undefined
      : `${name(leader)} believes that ${name(other)} matches up to ${matchIdx}`
  }),
  // Until a leader has written, its configurations are those that elected it. Who voted may have gone on to a newer view.
  {
    name: 'a leader is elected by a quorum of each configuration',
    broken: (states) => {
      for (const { value, s } of states) {
        if (value !== 'leader' || entriesOf(s).at(-1)?.view === s.currentView) continue
        const isVoter = (node: NodeId): boolean => {
          const voter = states.find((state) => state.s.config.nodeId === node)?.s
          if (voter === undefined || voter.currentView !== s.currentView)
            return (voter?.currentView ?? 0) > s.currentView
          return voter.votedFor === s.config.nodeId
        }
        const wrong = s.configurations.find(({ nodes }) => nodes.filter(isVoter).length * 2 <= nodes.length)
        if (wrong !== undefined) return `node ${s.config.nodeId} leads without a majority of {${wrong.nodes.join()}}`
      }
      return undefined
    },
  },
  {
    name: 'ReplicationInv',
    broken: (states) => {
      const longest = [...states].sort((a, b) => b.s.commitIdx - a.s.commitIdx)[0]
      if (longest === undefined) return undefined
      const prefix = committedOf(longest.s)
      const nodes = prefix.findLast(({ kind }) => kind === 'reconfiguration')?.nodes
      if (nodes === undefined || isHeldByQuorum(states, nodes, prefix)) return undefined
      return `what ${name(longest)} committed up to ${prefix.length} is not on a majority of {${nodes.join()}}`
    },
  },
]

const ofState = (title: string, broken: (state: LocalState) => string | undefined): Property<[LocalState]> => ({
  name: title,
  broken,
})

/** Of one node. */
export const stateProperties: readonly Property<[LocalState]>[] = [
  ofState('SignatureInv', ({ s }) => {
    const kind = entriesOf(s)[s.commitIdx - 1]?.kind ?? 'nothing'
    return s.commitIdx === 0 || kind === 'signature' ? undefined : `commit index ${s.commitIdx} is ${kind}`
  }),
  ofState('MonoLogInv', ({ s }) => {
    let before: Entry | undefined
    for (const entry of entriesOf(s)) {
      if (before !== undefined && entry.view < before.view) return `views fall at ${entry.idx}`
      if (before !== undefined && entry.view > before.view && before.kind !== 'signature') {
        return `the view rises at ${entry.idx}, not after a signature`
      }
      before = entry
    }
    return (before?.view ?? 0) > s.currentView ? `the log is ahead of view ${s.currentView}` : undefined
  }),
  ofState('NoLeaderBeforeInitialTerm', ({ value, s }) =>
    value === 'leader' && s.currentView < FIRST_VIEW ? `leads view ${s.currentView}` : undefined,
  ),
  ofState('LogConfigurationConsistentInv', ({ s }) => {
    const expected = JSON.stringify(configurationsOf(s))
    const actual = JSON.stringify(s.configurations)
    return expected === actual ? undefined : `configurations are ${actual}, the log says ${expected}`
  }),
  ofState('MembershipStateConsistentInv', ({ value, s }) => {
    const expected = membershipOf(s)
    if (expected !== s.membership) return `membership is ${s.membership}, the log says ${expected}`
    const isActive = value === 'leader' || value === 'candidate' || value === 'preVoteCandidate'
    return s.membership === 'RetiredCommitted' && isActive ? `a finished node is ${value}` : undefined
  }),
  ofState('CommitCommittableIndices', ({ s }) => {
    const signatures = entriesOf(s).filter(({ kind, idx }) => kind === 'signature' && idx > s.commitIdx)
    const expected = signatures.map(({ idx }) => idx).join()
    return expected === s.committableIndices.join()
      ? undefined
      : `committable are ${s.committableIndices.join()}, not ${expected}`
  }),
  ofState('RetiredCommittedInv', ({ s }) => {
    for (const { idx, nodes } of s.retiredCommitted) {
      const inForce = configurationsOf({ ...s, commitIdx: idx })
      const wrong = nodes.find((node) => inForce.some((configuration) => configuration.nodes.includes(node)))
      if (wrong !== undefined) return `entry ${idx} finishes node ${wrong}, which is a member`
    }
    return undefined
  }),
  ofState('RetirementCompletedNotInConfigsInv', ({ s }) => {
    const isDone = s.membership === 'RetirementCompleted' || s.membership === 'RetiredCommitted'
    return isDone && s.configurations.some(({ nodes }) => nodes.includes(s.config.nodeId))
      ? `${s.membership} and in a configuration`
      : undefined
  }),
  // ccfraft.tla's condition for Timeout, which our replica remembers as `ticking` (consensus.md §11).
  ofState('who stands is named by a signed configuration, or is retiring', ({ value, s }) => {
    if (value !== 'candidate' && value !== 'preVoteCandidate') return undefined
    if (s.config.tickingFromStart || s.membership !== 'Active') return undefined
    const isNamed = ({ idx, nodes }: Configuration): boolean =>
      nodes.includes(s.config.nodeId) && idx <= lastCommittableIdx(s)
    return configurationsOf(s).some(isNamed) ? undefined : `${value} of view ${s.currentView} is a stranger`
  }),
  ofState('MatchIndexLowerBoundSentIndexInv', ({ value, s }) => {
    if (value !== 'leader') return undefined
    const wrong = Object.entries(s.peers).find(([, peer]) => peer.matchIdx > peer.sentIdx)
    return wrong === undefined ? undefined : `peer ${wrong[0]} matches ${wrong[1].matchIdx}, sent ${wrong[1].sentIdx}`
  }),
  ofState('the view history is the log’s', ({ s }) => {
    const wrong = entriesOf(s).find(({ idx, view }) => termAt(s, idx) !== view)
    return wrong === undefined
      ? undefined
      : `entry ${wrong.idx} has view ${wrong.view}, the history says ${termAt(s, wrong.idx)}`
  }),
  ofState('what is committable is in the log', ({ s }) =>
    lastCommittableIdx(s) <= lastIdx(s) ? undefined : `${lastCommittableIdx(s)} beyond ${lastIdx(s)}`,
  ),
]

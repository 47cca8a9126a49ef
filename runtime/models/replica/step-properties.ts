// What may change in one step of a node: the action properties of ccfraft.tla (consensus.md §18) under their names, and the refinement to the
// abstract log of abs.tla. The rule to remember: a step of one node, seen from outside, extends its committed log or leaves it.
import type { ReplicaState } from '../../../actors/replica/state.ts'
import type { Property } from '../../check/model.ts'
import type { LocalState } from './local-state.ts'
import { entriesOf } from './log-facts.ts'

/** Leadership edges of consensus.md §2, as chart states. A step may handle several events, so a path of them counts. */
const EDGES: Readonly<Record<string, readonly string[]>> = {
  none: ['none', 'follower', 'leader'],
  follower: ['follower', 'preVoteCandidate', 'candidate', 'leader', 'halted'],
  preVoteCandidate: ['preVoteCandidate', 'candidate', 'follower', 'leader', 'halted'],
  candidate: ['candidate', 'preVoteCandidate', 'leader', 'follower', 'halted'],
  leader: ['leader', 'follower', 'none', 'halted'],
  halted: ['halted'],
}

const property = (
  name: string,
  broken: (before: LocalState, after: LocalState) => string | undefined,
): Property<[LocalState, LocalState]> => ({ name, broken })

const keys = (s: ReplicaState): string[] => entriesOf(s).map(({ key }) => key)
const startsWith = (whole: readonly string[], part: readonly string[]): boolean =>
  part.every((key, i) => key === whole[i])

export const stepProperties: readonly Property<[LocalState, LocalState]>[] = [
  property('CommittedLogAppendOnlyProp', (before, after) => {
    const committed = keys(before.s).slice(0, before.s.commitIdx)
    const isKept = startsWith(keys(after.s).slice(0, after.s.commitIdx), committed)
    return isKept ? undefined : `what was committed up to ${before.s.commitIdx} has changed`
  }),
  property('MonotonicTermProp', (before, after) =>
    after.s.currentView >= before.s.currentView ? undefined : `view falls to ${after.s.currentView}`,
  ),
  property('MonotonicMatchIndexProp', (before, after) => {
    if (before.value !== 'leader' || after.value !== 'leader' || before.s.currentView !== after.s.currentView)
      return undefined
    const now = after.s.peers as Readonly<Record<string, { readonly matchIdx: number }>>
    const fallen = Object.entries(before.s.peers).find(
      ([node, peer]) => (now[node]?.matchIdx ?? Infinity) < peer.matchIdx,
    )
    return fallen === undefined ? undefined : `the match of ${fallen[0]} falls`
  }),
  property('PermittedLogChangesProp', (before, after) => {
    const [old, now] = [keys(before.s), keys(after.s)]
    if (before.value !== 'leader') return undefined
    if (after.value !== 'leader' && after.value !== 'none') return undefined
    return startsWith(now, old) ? undefined : 'a leader changed its own log'
  }),
  property('StateTransitionsProp', (before, after) =>
    EDGES[before.value]?.includes(after.value) === true ? undefined : `${before.value} became ${after.value}`,
  ),
  property('MembershipStateTransitionsProp', (before, after) =>
    before.s.membership === 'RetiredCommitted' && after.s.membership !== 'RetiredCommitted'
      ? `a finished node is ${after.s.membership} again`
      : undefined,
  ),
  property('PendingBecomesFollowerProp', (before, after) =>
    before.value === 'none' &&
    after.value === 'none' &&
    before.s.configurations.length === 0 &&
    after.s.configurations.length > 0
      ? 'knows a configuration and is still none'
      : undefined,
  ),
  property('NeverCommitEntryPrevTermsProp', (before, after) => {
    const stillLed = before.value === 'leader' && after.s.currentView === before.s.currentView
    if (!stillLed || after.s.commitIdx === before.s.commitIdx) return undefined
    const view = entriesOf(after.s)[after.s.commitIdx - 1]?.view
    return view === before.s.currentView
      ? undefined
      : `a leader of view ${before.s.currentView} commits an entry of view ${view}`
  }),
  property('VotesGrantedMonotonicProp', (before, after) => {
    const isSame = before.value === after.value && before.s.currentView === after.s.currentView
    const isCandidate = before.value === 'candidate' || before.value === 'preVoteCandidate'
    if (!isSame || !isCandidate || after.s.votesForMe.length >= before.s.votesForMe.length) return undefined
    // A candidacy begun anew asks again, and begins with its own vote.
    return after.s.votesForMe.length === 1 ? undefined : 'votes were lost'
  }),
  property('a vote is given once in a view', (before, after) => {
    const isSame = before.s.currentView === after.s.currentView
    if (!isSame || before.s.votedFor === undefined || before.s.votedFor === after.s.votedFor) return undefined
    return `the vote for ${before.s.votedFor} is forgotten in view ${before.s.currentView}`
  }),
]

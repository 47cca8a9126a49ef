// Elections (consensus.md §10): PreVote, votes, and what becoming leader or follower means.
// The rule to remember: what counts in an election is the last committable index, never the end of the log.
import type { NodeId } from '../../protocols/ids.ts'
import { FIRST_VIEW } from '../../protocols/ids.ts'
import type { ElectionType, RequestVote, RequestVoteResponse } from '../../protocols/consensus/messages.ts'
import { membersOf, quorumInEach } from '../../protocols/consensus/quorum.ts'
import type { Envelope, Step } from '../actor.ts'
import { step } from '../actor.ts'
import { send, trace, type Effect } from '../effects.ts'
import { rollback } from './log-changes.ts'
import { retirementCleanup, withoutLearners } from './membership.ts'
import { becameBackup, becamePrimary, tellNode } from './notices.ts'
import { heartbeat, heartbeatTimer, quorumTimer, senderOf } from './replication.ts'
import {
  lastCommittableIdx,
  lastIdx,
  newPeer,
  termAt,
  type Peer,
  type ReplicaEvent,
  type ReplicaState,
} from './state.ts'

export const electionTimer = ({ config }: ReplicaState): Effect => ({
  type: 'setTimer',
  name: 'electionTimeout',
  afterMs: [config.electionTimeoutMs / 2, config.electionTimeoutMs],
})

const STOP_LEADING: readonly Effect[] = [
  { type: 'cancelTimer', name: 'heartbeatTimeout' },
  { type: 'cancelTimer', name: 'quorumTimeout' },
]

export const viewOf = (envelope: Envelope<ReplicaEvent>): number => (envelope.event as { readonly view: number }).view

/** Learns a newer view (consensus.md §5). The vote is forgotten only because the view really grew (fix F2). */
export function becomeAwareOfNewView(s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> {
  return becomeFollowerIn({ ...s, currentView: viewOf(envelope), votedFor: undefined, isNewFollower: true }, envelope)
}

/** A candidate hears the leader of its own view. Its vote stays given (fix F2). */
export const yieldToLeader = (s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> =>
  becomeFollowerIn({ ...s, isNewFollower: true }, envelope)

/** CheckQuorum failed: step down in the same view. Unsigned entries stay: others may have acknowledged them (fix F3). */
export const becomeFollower = (s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> =>
  becomeFollowerIn(s, envelope)

function becomeFollowerIn(s: ReplicaState, { at }: Envelope<ReplicaEvent>): Step<ReplicaState> {
  const alone = withoutLearners(s)
  const state: ReplicaState = { ...alone, leaderId: undefined, votesForMe: [], peers: heardAt(alone, at) }
  return step(state, ...STOP_LEADING, electionTimer(state), becameBackup(state), ...tellNode(s, state))
}

function heardAt(s: ReplicaState, at: number): ReplicaState['peers'] {
  const peers: Record<NodeId, Peer> = {}
  for (const [node, peer] of Object.entries(s.peers))
    peers[node as NodeId] = { ...peer, lastAckAt: at, reading: false, probe: undefined }
  return peers
}

/** Who takes part actively (`ticking`), knows a configuration and is not finished stands for election (consensus.md §10, §11). */
export const mayStand = (s: ReplicaState): boolean =>
  s.ticking && s.configurations.length > 0 && s.membership !== 'RetiredCommitted'

export const restartElectionTimer = (s: ReplicaState): Step<ReplicaState> => step(s, electionTimer(s))

export const proposalIsCurrent = (s: ReplicaState, envelope: Envelope<ReplicaEvent>): boolean =>
  mayStand(s) && viewOf(envelope) === s.currentView

export const preVoteIsOff = (s: ReplicaState): boolean => !s.config.preVoteEnabled

/** Asks whether an election could be won, in the current view and without voting. */
export function becomePreVoteCandidate(s: ReplicaState): Step<ReplicaState> {
  const state: ReplicaState = { ...s, leaderId: undefined, votesForMe: [s.config.nodeId] }
  return step(
    state,
    electionTimer(state),
    becameBackup(state, 'PreVoteCandidate'),
    ...requestVotes(state, 'PreVote'),
    trace('becamePreVoteCandidate', { view: state.currentView }),
  )
}

/** Stands for election in a new view. */
export function becomeCandidate(s: ReplicaState, { at }: Envelope<ReplicaEvent>): Step<ReplicaState> {
  const self = s.config.nodeId
  const currentView = s.currentView + 1
  const peers = heardAt(s, at)
  const state: ReplicaState = { ...s, leaderId: undefined, votedFor: self, votesForMe: [self], currentView, peers }
  return step(
    state,
    electionTimer(state),
    becameBackup(state, 'Candidate'),
    ...requestVotes(state, 'RegularVote'),
    trace('becameCandidate', { view: currentView }),
  )
}

function requestVotes(s: ReplicaState, electionType: ElectionType): Effect[] {
  const lastCommittable = lastCommittableIdx(s)
  const message: RequestVote = {
    type: 'RequestVote',
    view: s.currentView,
    lastCommittableIdx: lastCommittable,
    viewOfLastCommittableIdx: termAt(s, lastCommittable),
    electionType,
  }
  const others = membersOf(s.configurations).filter((node) => node !== s.config.nodeId)
  return others.map((node) => send(`replica@${node}`, message))
}

/** A request of the current view, or an older one, which is denied by telling ours. */
export function receiveRequestVote(s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> {
  const request = envelope.event as RequestVote
  const from = senderOf(envelope)
  const granted = grants(s, request, from)
  const response: RequestVoteResponse = {
    type: 'RequestVoteResponse',
    view: s.currentView,
    voteGranted: granted,
    electionType: request.electionType,
  }
  const answer = send(`replica@${from}`, response)
  // A granted pre-vote changes nothing: it is an opinion, not a vote.
  if (!granted || request.electionType === 'PreVote') return step(s, answer)
  const voted: ReplicaState = { ...s, votedFor: from, leaderId: undefined }
  return step(voted, answer, electionTimer(voted))
}

function grants(s: ReplicaState, request: RequestVote, from: NodeId): boolean {
  if (request.view < s.currentView) return false
  if (request.electionType === 'RegularVote') {
    if (s.leaderId !== undefined) return false
    if (s.votedFor !== undefined && s.votedFor !== from) return false
  }
  const own = lastCommittableIdx(s)
  const ownView = termAt(s, own)
  if (request.viewOfLastCommittableIdx !== ownView) return request.viewOfLastCommittableIdx > ownView
  return request.lastCommittableIdx >= own
}

/** A granted vote of the kind this candidacy asks for, in its view, from a known node. */
const countsFor =
  (electionType: ElectionType) =>
  (s: ReplicaState, envelope: Envelope<ReplicaEvent>): boolean => {
    const response = envelope.event as RequestVoteResponse
    const known = s.peers[senderOf(envelope)] !== undefined
    return response.voteGranted && response.electionType === electionType && response.view === s.currentView && known
  }

const winsWith =
  (electionType: ElectionType) =>
  (s: ReplicaState, envelope: Envelope<ReplicaEvent>): boolean => {
    if (!countsFor(electionType)(s, envelope)) return false
    const votes = countVote(s, envelope).state.votesForMe
    return quorumInEach(s.configurations, (node) => votes.includes(node))
  }

export const preVoteCounts = countsFor('PreVote')
export const voteCounts = countsFor('RegularVote')
export const winsPreVote = winsWith('PreVote')
export const winsElection = winsWith('RegularVote')

/** A sole node wins without asking anyone. */
export const standsAlone = (s: ReplicaState): boolean =>
  quorumInEach(s.configurations, (node) => node === s.config.nodeId)

export function countVote(s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> {
  const from = senderOf(envelope)
  return step(s.votesForMe.includes(from) ? s : { ...s, votesForMe: [...s.votesForMe, from] })
}

/** Drops the unsigned suffix, tells everyone, and lets the executor sign: nothing commits before a signature of the new view. */
export function becomeLeader(s: ReplicaState, { at }: Envelope<ReplicaEvent>): Step<ReplicaState> {
  const cut = s.commitIdx > 0 ? rollback(s, lastCommittableIdx(s)) : step(s)
  const end = lastIdx(cut.state)
  const peers: Record<NodeId, Peer> = {}
  for (const node of Object.keys(cut.state.peers) as NodeId[]) {
    peers[node] = newPeer(end, at)
  }
  const leading: ReplicaState = { ...cut.state, leaderId: s.config.nodeId, pendingAcks: [], peers }
  return step(
    leading,
    ...cut.effects,
    ...tellNode(s, leading),
    { type: 'cancelTimer', name: 'electionTimeout' },
    ...Object.keys(peers).map((node) => heartbeat(leading, node as NodeId)),
    heartbeatTimer(leading),
    quorumTimer(leading),
    becamePrimary(leading),
    ...retirementCleanup(leading),
    trace('becameLeader', { view: leading.currentView, seqno: end }),
  )
}

/** The first node of a service leads view 2 from the start (CCF facts §1). */
export const forceLeader = (s: ReplicaState, envelope: Envelope<ReplicaEvent>): Step<ReplicaState> =>
  becomeLeader({ ...s, currentView: FIRST_VIEW, ticking: true }, envelope)

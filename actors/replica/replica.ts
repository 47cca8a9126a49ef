// The replica: CCF's consensus (crash-fault profile) as a statechart. States are ccfraft.tla's leadership states; consensus.md §2 is its table.
// Not here: what entries mean (executor), where they are kept (ledger-writer), how messages travel (channel).
// The rule to remember: a message of a newer view is first learnt from, then handled as a follower handles it.
import { setup } from 'xstate'
import type { Envelope, Invariant, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { actions, contextOf, guards, judgeOnce, machineActor, machineTypes } from '../machine.ts'
import { updateCommit } from './commit.ts'
import * as elections from './elections.ts'
import * as following from './following.ts'
import * as membership from './membership.ts'
import { becameBackup } from './notices.ts'
import * as replication from './replication.ts'
import { initialState, lastIdx, type ReplicaConfig, type ReplicaEvent, type ReplicaState } from './state.ts'

type Name =
  | 'becomeAwareOfNewView'
  | 'yieldToLeader'
  | 'becomeFollower'
  | 'restartElectionTimer'
  | 'becomePreVoteCandidate'
  | 'becomeCandidate'
  | 'receiveRequestVote'
  | 'countVote'
  | 'becomeLeader'
  | 'forceLeader'
  | 'refuseAppendEntries'
  | 'receiveAppendEntries'
  | 'askForSnapshot'
  | 'tellOutrun'
  | 'becomeDurable'
  | 'leaderBecomesDurable'
  | 'replicate'
  | 'sendHeartbeats'
  | 'receiveAppendEntriesResponse'
  | 'restartQuorumTimer'
  | 'setLearners'
  | 'nominateSuccessor'
  | 'retire'
  | 'entriesRead'
  | 'halt'

type GuardName =
  | 'viewIsNewer'
  | 'viewIsOlder'
  | 'knownSenderIsNewer'
  | 'proposalIsCurrent'
  | 'proposalIsCurrentAndAlone'
  | 'mayStand'
  | 'mayStandWithoutPreVote'
  | 'standsAlone'
  | 'preVoteCounts'
  | 'winsPreVote'
  | 'voteCounts'
  | 'winsElection'
  | 'quorumIsLost'
  | 'mayBeginAnew'
  | 'isOutrun'
  | 'answerFinishesRetirement'
  | 'durabilityFinishesRetirement'

// A leader commits upon an answer or its own fsync. Whether that finishes its own retirement decides where it goes, so guard and action
// share one computation.
const receiveAnswer = judgeOnce(replication.receiveAppendEntriesResponse)
const leaderBecomesDurable = judgeOnce((s: ReplicaState, envelope: Envelope<ReplicaEvent>) => {
  const { epoch, seqno } = envelope.event as Extract<ReplicaEvent, { type: 'durable' }>
  return epoch !== s.epoch || seqno <= s.durableIdx ? unchanged(s) : updateCommit({ ...s, durableIdx: seqno })
})
const isFinished = ({ state }: Step<ReplicaState>): boolean => state.membership === 'RetiredCommitted'

/** The ledger cannot be written: this node acknowledges, votes and leads no more; the others go on without it. */
const halt = (s: ReplicaState) =>
  step(
    { ...s, leaderId: undefined, ticking: false },
    { type: 'cancelTimer', name: 'heartbeatTimeout' },
    { type: 'cancelTimer', name: 'quorumTimeout' },
    { type: 'cancelTimer', name: 'electionTimeout' },
    becameBackup({ ...s, leaderId: undefined }, 'None'),
  )

const replicaSetup = setup({
  types: machineTypes<ReplicaState, ReplicaEvent>(),
  guards: guards<ReplicaState, ReplicaEvent, GuardName>({
    viewIsNewer: (s, envelope) => elections.viewOf(envelope) > s.currentView,
    viewIsOlder: (s, envelope) => elections.viewOf(envelope) < s.currentView,
    knownSenderIsNewer: (s, envelope) =>
      s.peers[replication.senderOf(envelope)] !== undefined && elections.viewOf(envelope) > s.currentView,
    proposalIsCurrent: elections.proposalIsCurrent,
    proposalIsCurrentAndAlone: (s, envelope) => elections.proposalIsCurrent(s, envelope) && elections.standsAlone(s),
    mayStand: elections.mayStand,
    mayStandWithoutPreVote: (s) => elections.mayStand(s) && elections.preVoteIsOff(s),
    standsAlone: (s) => elections.mayStand(s) && elections.standsAlone(s),
    preVoteCounts: elections.preVoteCounts,
    winsPreVote: elections.winsPreVote,
    voteCounts: elections.voteCounts,
    winsElection: elections.winsElection,
    quorumIsLost: replication.quorumIsLost,
    mayBeginAnew: following.mayBeginAnew,
    isOutrun: following.isOutrun,
    answerFinishesRetirement: (s, envelope) => isFinished(receiveAnswer(s, envelope)),
    durabilityFinishesRetirement: (s, envelope) => isFinished(leaderBecomesDurable(s, envelope)),
  }),
  actions: actions<ReplicaState, ReplicaEvent, Name>({
    becomeAwareOfNewView: elections.becomeAwareOfNewView,
    yieldToLeader: elections.yieldToLeader,
    becomeFollower: elections.becomeFollower,
    restartElectionTimer: elections.restartElectionTimer,
    becomePreVoteCandidate: elections.becomePreVoteCandidate,
    becomeCandidate: elections.becomeCandidate,
    receiveRequestVote: elections.receiveRequestVote,
    countVote: elections.countVote,
    becomeLeader: elections.becomeLeader,
    forceLeader: elections.forceLeader,
    refuseAppendEntries: following.refuseAppendEntries,
    receiveAppendEntries: following.receiveAppendEntries,
    askForSnapshot: following.askForSnapshot,
    tellOutrun: following.tellOutrun,
    becomeDurable: following.becomeDurable,
    leaderBecomesDurable,
    replicate: replication.replicate,
    sendHeartbeats: replication.sendHeartbeats,
    receiveAppendEntriesResponse: receiveAnswer,
    restartQuorumTimer: replication.restartQuorumTimer,
    setLearners: membership.setLearners,
    nominateSuccessor: membership.nominateSuccessor,
    retire: membership.retire,
    entriesRead: replication.entriesRead,
    halt,
  }),
})

const learn = { guard: 'viewIsNewer', target: 'follower' } as const
const learnFromAppendEntries = { ...learn, actions: ['becomeAwareOfNewView', 'receiveAppendEntries'] } as const
const refuseOldLeader = { guard: 'viewIsOlder', actions: 'refuseAppendEntries' } as const
const requestVote = [
  { ...learn, actions: ['becomeAwareOfNewView', 'receiveRequestVote'] },
  { actions: 'receiveRequestVote' },
] as const
const learnFromKnown = { guard: 'knownSenderIsNewer', target: 'follower', actions: 'becomeAwareOfNewView' } as const
const proposeRequestVote = [
  { guard: 'proposalIsCurrentAndAlone', target: 'leader', actions: ['becomeCandidate', 'becomeLeader'] },
  { guard: 'proposalIsCurrent', target: 'candidate', actions: 'becomeCandidate' },
] as const
/** A candidate that hears the leader of its own view follows it. */
const appendEntriesAtCandidate = [
  learnFromAppendEntries,
  refuseOldLeader,
  { target: 'follower', actions: ['yieldToLeader', 'receiveAppendEntries'] },
] as const
const ledgerBroken = { target: 'halted', actions: 'halt' } as const
const standForElection = [
  { guard: 'standsAlone', target: 'leader', actions: ['becomeCandidate', 'becomeLeader'] },
  { guard: 'mayStandWithoutPreVote', target: 'candidate', actions: 'becomeCandidate' },
  { guard: 'mayStand', target: 'preVoteCandidate', actions: 'becomePreVoteCandidate' },
  { actions: 'restartElectionTimer' },
] as const

export const replicaMachine = replicaSetup.createMachine({
  id: 'replica',
  context: contextOf,
  initial: 'none',
  states: {
    none: {
      on: {
        forceLeader: { target: 'leader', actions: 'forceLeader' },
        AppendEntries: [learnFromAppendEntries, refuseOldLeader],
        RequestVote: requestVote,
        // A node that was given its configuration, and no leader, from outside.
        electionTimeout: standForElection,
        ledgerBroken,
      },
    },
    follower: {
      on: {
        AppendEntries: [learnFromAppendEntries, refuseOldLeader, { actions: 'receiveAppendEntries' }],
        LogBeginsLater: [
          { guard: 'mayBeginAnew', actions: 'askForSnapshot' },
          { guard: 'isOutrun', actions: 'tellOutrun' },
        ],
        RequestVote: requestVote,
        ProposeRequestVote: proposeRequestVote,
        electionTimeout: standForElection,
        durable: { actions: 'becomeDurable' },
        ledgerBroken,
      },
    },
    preVoteCandidate: {
      on: {
        AppendEntries: appendEntriesAtCandidate,
        RequestVote: requestVote,
        RequestVoteResponse: [
          learnFromKnown,
          { guard: 'winsPreVote', target: 'candidate', actions: ['countVote', 'becomeCandidate'] },
          { guard: 'preVoteCounts', actions: 'countVote' },
        ],
        ProposeRequestVote: proposeRequestVote,
        electionTimeout: standForElection,
        durable: { actions: 'becomeDurable' },
        ledgerBroken,
      },
    },
    candidate: {
      on: {
        AppendEntries: appendEntriesAtCandidate,
        RequestVote: requestVote,
        RequestVoteResponse: [
          learnFromKnown,
          { guard: 'winsElection', target: 'leader', actions: ['countVote', 'becomeLeader'] },
          { guard: 'voteCounts', actions: 'countVote' },
        ],
        ProposeRequestVote: proposeRequestVote,
        electionTimeout: standForElection,
        durable: { actions: 'becomeDurable' },
        ledgerBroken,
      },
    },
    leader: {
      on: {
        AppendEntries: [learnFromAppendEntries, refuseOldLeader],
        AppendEntriesResponse: [
          learnFromKnown,
          {
            guard: 'answerFinishesRetirement',
            target: 'none',
            actions: ['receiveAppendEntriesResponse', 'retire'],
          },
          { actions: 'receiveAppendEntriesResponse' },
        ],
        RequestVote: requestVote,
        replicate: { actions: 'replicate' },
        setLearners: { actions: 'setLearners' },
        heartbeatTimeout: { actions: 'sendHeartbeats' },
        quorumTimeout: [
          { guard: 'quorumIsLost', target: 'follower', actions: 'becomeFollower' },
          { actions: 'restartQuorumTimer' },
        ],
        proposeSuccessor: { actions: 'nominateSuccessor' },
        entriesRead: { actions: 'entriesRead' },
        durable: [
          { guard: 'durabilityFinishesRetirement', target: 'none', actions: ['leaderBecomesDurable', 'retire'] },
          { actions: 'leaderBecomesDurable' },
        ],
        // Others can still write: one of them is asked to lead at once, instead of an election timeout later.
        ledgerBroken: { target: 'halted', actions: ['nominateSuccessor', 'halt'] },
      },
    },
    halted: {},
  },
})

const invariants: readonly Invariant<ReplicaState>[] = [
  {
    name: 'SignatureInv: the commit index is 0 or a signature in the log',
    broken: (s) => {
      const record = s.log.at(s.commitIdx)?.record
      return record === undefined || record.kind === 'signature'
        ? undefined
        : `commit ${s.commitIdx} is a ${record.kind}`
    },
  },
  {
    name: 'MonoLogInv: views in the log never fall, never exceed the current view, and rise only after a signature',
    broken: (s) => {
      const last = s.log.last()?.record
      if (last === undefined) return undefined
      if (last.view > s.currentView) return `log has view ${last.view}, current view is ${s.currentView}`
      const before = s.log.at(last.seqno - 1)?.record
      if (before === undefined || before.view === last.view) return undefined
      if (before.view > last.view) return `view falls from ${before.view} to ${last.view} at ${last.seqno}`
      return before.kind === 'signature' ? undefined : `view rises at ${last.seqno} after a ${before.kind}`
    },
  },
  {
    name: 'CommitCommittableIndices: committable indices ascend above the commit index, within the log',
    broken: (s) => {
      const indices = [s.commitIdx, ...s.committableIndices]
      const falls = indices.findIndex((idx, i) => i > 0 && idx <= indices[i - 1]!)
      if (falls > 0) return `indices ${indices.join(', ')}`
      return indices.at(-1)! <= lastIdx(s) ? undefined : `index ${indices.at(-1)} beyond the log's end ${lastIdx(s)}`
    },
  },
  {
    name: 'a match is never beyond what was sent',
    broken: (s) => {
      const wrong = Object.entries(s.peers).find(([, peer]) => peer.matchIdx > lastIdx(s))
      return wrong === undefined
        ? undefined
        : `peer ${wrong[0]} matches ${wrong[1].matchIdx}, the log ends at ${lastIdx(s)}`
    },
  },
]

/** The replica's definition, for any host. */
/** It knows of a view: from a snapshot, or from the log it threw away. */
const beginsAsFollower = ({ beginning, viewAtLeast }: ReplicaConfig): boolean =>
  beginning !== undefined || viewAtLeast > 0

export const replica = machineActor<ReplicaConfig, ReplicaState, ReplicaEvent>({
  kind: 'replica',
  version: 2,
  machine: replicaMachine,
  start: (config) => {
    const state = initialState(config)
    return beginsAsFollower(config) ? step(state, elections.electionTimer(state)) : step(state)
  },
  // It has heard of a view, from its snapshot, so it follows whoever leads it or a later one.
  beginIn: (config) => (beginsAsFollower(config) ? 'follower' : undefined),
  invariants,
})

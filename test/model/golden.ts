// What exhaustive searches of the models visit, to the world: the numbers are the same on every machine and in every run.
// To update: when an actor or a model was changed on purpose, run `npx vitest run test/model/golden`, and copy the numbers it received here, after
// saying to yourself why each went up or down. A number that changes for no reason is a finding.
import { eraseModel, type AnyModel } from '../../runtime/check/model.ts'
import { EXECUTOR_MODEL_DEFAULTS, executorModel } from '../../runtime/models/executor/model.ts'
import { LEDGER_WRITER_MODEL_DEFAULTS, ledgerWriterModel } from '../../runtime/models/ledger-writer/model.ts'
import { NODE_MODEL_DEFAULTS, nodeModel, type NodeModelOptions } from '../../runtime/models/node/model.ts'
import { REPLICA_MODEL_DEFAULTS, replicaModel, type ReplicaModelOptions } from '../../runtime/models/replica/model.ts'
import { SESSION_MODEL_DEFAULTS, sessionModel, type SessionModelOptions } from '../../runtime/models/session/model.ts'

export interface Counts {
  readonly states: number
  /** The world it begins with counts as one. */
  readonly transitions: number
  readonly depth: number
}

export interface Golden extends Counts {
  readonly name: string
  readonly model: AnyModel
  /** Goals that this configuration is too small to reach. */
  readonly beyondReach?: readonly string[]
}

const replica = (options: Partial<ReplicaModelOptions>): AnyModel =>
  eraseModel(replicaModel({ ...REPLICA_MODEL_DEFAULTS, nodes: 2, members: 2, ...options }))
const node = (options: Partial<NodeModelOptions>): AnyModel =>
  eraseModel(nodeModel({ ...NODE_MODEL_DEFAULTS, ...options }))
const session = (options: Partial<SessionModelOptions>): AnyModel =>
  eraseModel(sessionModel({ ...SESSION_MODEL_DEFAULTS, ...options }))
/** Requests are executed and answered, and nothing else becomes of them. */
export const PLAIN_SESSION = { receipts: 0, refusals: 0, unknowns: 0, endings: 0, closes: false } as const
const BEYOND_PLAIN_SESSION: readonly string[] = [
  'a receipt is answered later',
  'a request is refused',
  'an outcome is unknown',
  'a session hears of two views',
  'a copy of a frame is refused',
]
/** Goals of the sessions' model, but for these. */
const allGoalsBut = (...reached: readonly string[]): string[] =>
  session({})
    .goals.map(({ name }) => name)
    .filter((name) => !reached.includes(name))

export const GOLDEN: readonly Golden[] = [
  {
    name: 'executors, defaults',
    model: eraseModel(executorModel(EXECUTOR_MODEL_DEFAULTS)),
    states: 3793,
    transitions: 10294,
    depth: 22,
  },
  {
    name: 'executors, one hears nothing for a while',
    model: eraseModel(executorModel({ requests: 1, elections: 0, stepDowns: 1, losses: 0 })),
    states: 1241,
    transitions: 3139,
    depth: 15,
    beyondReach: ['a write that was answered is lost'],
  },
  {
    name: 'a session, defaults',
    model: session({}),
    states: 116020,
    transitions: 261339,
    depth: 34,
    beyondReach: ['a session hears of two views', 'a copy of a frame is refused'],
  },
  {
    name: 'a session with pings, without faults',
    model: session({ ...PLAIN_SESSION, pings: 1 }),
    states: 11724,
    transitions: 37998,
    depth: 35,
    beyondReach: [
      'a receipt is answered later',
      'a request is refused',
      'an outcome is unknown',
      'a session hears of two views',
      'a copy of a frame is refused',
      'a session ends while requests are open',
    ],
  },
  {
    name: 'a session, the executor compares no views',
    model: session({ ...PLAIN_SESSION, unchecked: 1 }),
    states: 1308,
    transitions: 3712,
    depth: 30,
    beyondReach: [
      'a receipt is answered later',
      'a request is refused',
      'an outcome is unknown',
      'a copy of a frame is refused',
      'a session ends while requests are open',
    ],
  },
  {
    name: 'a session, frames are lost',
    model: session({ ...PLAIN_SESSION, network: 'lossy' }),
    states: 2392,
    transitions: 7075,
    depth: 30,
    beyondReach: BEYOND_PLAIN_SESSION,
  },
  {
    name: 'a session, frames are mixed',
    model: session({ ...PLAIN_SESSION, network: 'unordered' }),
    states: 2596,
    transitions: 7859,
    depth: 30,
    beyondReach: BEYOND_PLAIN_SESSION,
  },
  {
    name: 'a session, frames are repeated',
    model: session({ ...PLAIN_SESSION, network: 'duplicating', elections: 0 }),
    states: 8010,
    transitions: 70475,
    depth: 32,
    beyondReach: [
      'a receipt is answered later',
      'a request is refused',
      'an outcome is unknown',
      'a write that was answered is lost',
      'the session ends for lost consistency',
      'a session hears of two views',
      'a session ends while requests are open',
    ],
  },
  {
    name: 'a session, frames are repeated, with every fault',
    model: session({ network: 'duplicating', requests: 1 }),
    states: 6976,
    transitions: 57147,
    depth: 25,
    beyondReach: [
      'the session ends for lost consistency',
      'a session hears of two views',
      'requests wait for the view',
      'answers of two batches leave in one frame',
    ],
  },
  {
    name: 'a session, its hello is garbled',
    model: session({ client: 'garbled' }),
    states: 7,
    transitions: 7,
    depth: 5,
    beyondReach: allGoalsBut(),
  },
  {
    name: 'a session, its client proves another identity',
    model: session({ client: 'impostor', requests: 1 }),
    states: 104,
    transitions: 171,
    depth: 12,
    beyondReach: allGoalsBut('a session ends while requests are open'),
  },
  {
    name: 'a session, its client babbles',
    model: session({ client: 'babbling', requests: 1 }),
    states: 147,
    transitions: 248,
    depth: 13,
    beyondReach: allGoalsBut('a session ends while requests are open'),
  },
  {
    name: 'ledger-writer, defaults',
    model: eraseModel(ledgerWriterModel(LEDGER_WRITER_MODEL_DEFAULTS)),
    states: 125652,
    transitions: 202689,
    depth: 18,
  },
  { name: 'two replicas', model: replica({}), states: 1183, transitions: 2099, depth: 21 },
  { name: 'two replicas, no PreVote', model: replica({ preVote: false }), states: 860, transitions: 1458, depth: 19 },
  {
    name: 'two replicas, both may stand',
    model: replica({ candidates: 2 }),
    states: 1611,
    transitions: 2876,
    depth: 21,
  },
  { name: 'two replicas, three views', model: replica({ views: 3 }), states: 8600, transitions: 15638, depth: 29 },
  {
    name: 'two replicas, messages are lost',
    model: replica({ network: 'lossy' }),
    states: 3423,
    transitions: 9525,
    depth: 20,
  },
  {
    name: 'two replicas, messages are mixed',
    model: replica({ network: 'unordered' }),
    states: 16464,
    transitions: 50377,
    depth: 26,
  },
  {
    name: 'two replicas, messages are repeated',
    model: replica({ network: 'duplicating', requests: 0 }),
    states: 2453,
    transitions: 29205,
    depth: 21,
    beyondReach: ['logs diverge'],
  },
  {
    name: 'two replicas, no dead end',
    model: replica({ noDeadEnd: true }),
    states: 1183,
    transitions: 2099,
    depth: 21,
  },
  {
    name: 'a replica and a new one',
    model: replica({ members: 1, reconfigurations: 1 }),
    states: 8786,
    transitions: 20446,
    depth: 29,
    beyondReach: ['a node is finished'],
  },
  {
    name: 'a replica and a new one, taught first',
    model: replica({ members: 1, reconfigurations: 1, lessons: 1, requests: 0 }),
    states: 2868,
    transitions: 6187,
    depth: 27,
    beyondReach: ['a reconfiguration commits', 'a node is finished'],
  },
  {
    name: 'two replicas, one is removed',
    model: replica({ reconfigurations: 1, requests: 0, signatures: 2, candidates: 2 }),
    states: 7808,
    transitions: 18071,
    depth: 27,
  },
  {
    name: 'two replicas, the leader hands over',
    model: replica({ handOvers: 1, requests: 0 }),
    states: 525,
    transitions: 878,
    depth: 19,
    beyondReach: ['logs diverge'],
  },
  {
    name: 'two replicas, a disk breaks',
    model: replica({ brokenDisks: 1, requests: 0, candidates: 2 }),
    states: 659,
    transitions: 1321,
    depth: 18,
    beyondReach: ['logs diverge'],
  },
  {
    name: 'two replicas, both stand again and again',
    model: replica({ preVote: false, views: 4, candidates: 2, requests: 0 }),
    states: 4821,
    transitions: 8689,
    depth: 27,
    beyondReach: ['logs diverge'],
  },
  {
    name: 'two replicas, both stand again and again, with PreVote',
    model: replica({ views: 4, candidates: 2, requests: 0, network: 'lossy' }),
    states: 25633,
    transitions: 75654,
    depth: 32,
    beyondReach: ['logs diverge'],
  },
  {
    name: 'three replicas, one crashes',
    model: replica({ nodes: 3, members: 3, requests: 0, crashes: 1, checkQuorum: false }),
    states: 27243,
    transitions: 119880,
    depth: 39,
    beyondReach: ['a leader steps down in its own view', 'logs diverge'],
  },
  {
    name: 'three replicas',
    model: replica({ nodes: 3, members: 3, requests: 0 }),
    states: 154139,
    transitions: 634815,
    depth: 44,
    beyondReach: ['logs diverge'],
  },
  { name: 'two nodes, defaults', model: node({}), states: 3641, transitions: 8579, depth: 23 },
  { name: 'two nodes, a disk fails', model: node({ brokenDisks: 1 }), states: 15473, transitions: 42968, depth: 24 },
  {
    name: 'a node and a new one',
    model: node({ members: 1, reconfigurations: 1, requests: 0 }),
    states: 7126,
    transitions: 20187,
    depth: 28,
    beyondReach: ['a reconfiguration commits', 'a node is finished'],
  },
  {
    name: 'two nodes, one is removed',
    model: node({ reconfigurations: 1, requests: 0, signatures: 2, views: 1, checkQuorum: false }),
    states: 264,
    transitions: 522,
    depth: 20,
    beyondReach: ['a second leader commits', 'a leader steps down in its own view', 'logs diverge'],
  },
  {
    name: 'three nodes',
    model: node({ nodes: 3, members: 3, requests: 0, checkQuorum: false }),
    states: 43710,
    transitions: 188310,
    depth: 42,
    beyondReach: ['a leader steps down in its own view', 'logs diverge'],
  },
  {
    name: 'three nodes, one crashes',
    model: node({ nodes: 3, members: 3, requests: 0, checkQuorum: false, crashes: 1 }),
    states: 78185,
    transitions: 381575,
    depth: 42,
    beyondReach: ['a leader steps down in its own view', 'logs diverge'],
  },
]

/** Edges that no search of the table takes, and why. */
export const NOT_TAKEN: readonly { readonly why: string; readonly edges: readonly string[] }[] = [
  {
    why: 'a session seals 2^30 frames before its key is spent (protocols/limits.ts)',
    edges: ['open --flush [keyIsSpent]--> closed'],
  },
  {
    why: 'the modelled service makes no snapshots and does not renew its secrets (test/sim/snapshots, the fault `rekey` of concordat sim, test/unit/secrets)',
    edges: [
      '* --readState--> *',
      '* --recordEvidence--> *',
      '* --snapshotAbandoned--> *',
      'primary --secretsIssued--> primary',
    ],
  },
  {
    why: 'the nodes of the modelled service do not change: nobody is let in or removed (test/unit/executor/nodes, test/sim/reconfiguration)',
    edges: [
      'primary --signed [signsEndorsement]--> primary',
      'primary --learnerCaughtUp--> primary',
      'primary --retirementCompleted--> primary',
    ],
  },
  {
    why: 'the modelled client asks for neither metrics nor who answered last, and neither changes what is executed (test/sim/service)',
    edges: ['* --nodeCounters--> *', 'primary --heard--> primary'],
  },
  {
    why: 'the nodes of these models are members, or are told by AppendEntries that they will be: node 0 has begun the service before the search',
    edges: ['none --forceLeader--> leader', 'none --AppendEntries [viewIsOlder]--> none'],
  },
  {
    why: 'a node that is none knows no configuration, so nobody asks it for a vote, and its election timer does not run',
    edges: [
      'none --RequestVote [viewIsNewer]--> follower',
      'none --RequestVote--> none',
      'none --electionTimeout [standsAlone]--> leader',
      'none --electionTimeout [mayStandWithoutPreVote]--> candidate',
      'none --electionTimeout [mayStand]--> preVoteCandidate',
      'none --electionTimeout--> none',
    ],
  },
  { why: 'a node that is none has written nothing that could fail', edges: ['none --ledgerBroken--> halted'] },
  {
    why: 'a node of these models has a timeout only while it may stand',
    edges: [
      'follower --electionTimeout--> follower',
      'preVoteCandidate --electionTimeout--> preVoteCandidate',
      'candidate --electionTimeout--> candidate',
    ],
  },
  {
    why: 'who is alone in every configuration is not a candidate: it leads at once',
    edges: [
      'preVoteCandidate --ProposeRequestVote [proposalIsCurrentAndAlone]--> leader',
      'candidate --ProposeRequestVote [proposalIsCurrentAndAlone]--> leader',
      'preVoteCandidate --electionTimeout [standsAlone]--> leader',
      'candidate --electionTimeout [standsAlone]--> leader',
    ],
  },
  {
    why: 'whether PreVote is on does not change during a run, and who has it off is no PreVoteCandidate',
    edges: ['preVoteCandidate --electionTimeout [mayStandWithoutPreVote]--> candidate'],
  },
  {
    why: 'a vote that does not decide takes four members; four replicas are beyond an exhaustive test',
    edges: [
      'preVoteCandidate --RequestVoteResponse [preVoteCounts]--> preVoteCandidate',
      'candidate --RequestVoteResponse [voteCounts]--> candidate',
    ],
  },
  {
    why: 'takes a hand-over to a node that stands already: three replicas and two candidates, beyond an exhaustive test',
    edges: ['candidate --ProposeRequestVote [proposalIsCurrent]--> candidate'],
  },
  {
    why: 'a third node must begin a later view while one is still a candidate: three views of three replicas, beyond an exhaustive test',
    edges: [
      'candidate --AppendEntries [viewIsNewer]--> follower',
      'candidate --RequestVoteResponse [knownSenderIsNewer]--> follower',
    ],
  },
  {
    why: 'no log of these models stands on a snapshot (test/unit/replica, test/sim/snapshots)',
    edges: ['follower --LogBeginsLater [mayBeginAnew]--> follower', 'follower --LogBeginsLater [isOutrun]--> follower'],
  },
  {
    why: 'the whole log is in memory: nothing is read back from the ledger (test/unit/replica, test/sim)',
    edges: ['leader --entriesRead--> leader'],
  },
  {
    why: 'the leader must be removed, declared finished and outrun by both others while its own fsync is late: beyond an exhaustive test',
    edges: ['leader --durable [durabilityFinishesRetirement]--> none'],
  },
]

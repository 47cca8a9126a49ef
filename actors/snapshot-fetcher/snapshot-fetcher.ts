// The snapshot fetcher: lives while a node joins. It finds the newest snapshot that the service's nodes, or this one's disk, have, verifies it,
// and tells the node where to begin. Not here: making and serving snapshots (snapshotter), beginning at one (replica, executor).
// The rule to remember: it always ends, with a snapshot that holds or with none.
import { setup } from 'xstate'
import type { Invariant } from '../actor.ts'
import { actions, contextOf, guards, machineActor, machineTypes } from '../machine.ts'
import * as fetching from './fetching.ts'
import { initialState, type FetcherConfig, type FetcherEvent, type FetcherState } from './state.ts'

type Name = 'search' | 'hear' | 'fetch' | 'takePiece' | 'noteSilence' | 'refuse' | 'keep' | 'choose' | 'giveUp'

type GuardName =
  | 'allHeardAndFound'
  | 'allHeard'
  | 'hasCandidate'
  | 'mustAskAgain'
  | 'isPart'
  | 'isOwnAndHolds'
  | 'holds'
  | 'isLastAndFails'
  | 'fails'
  | 'isLastAndSilent'
  | 'isSilent'
  | 'isLastAndCouldNotSave'
  | 'couldNotSave'

const fetcherSetup = setup({
  types: machineTypes<FetcherState, FetcherEvent>(),
  guards: guards<FetcherState, FetcherEvent, GuardName>({
    allHeardAndFound: fetching.allHeardAndFound,
    allHeard: fetching.allHeard,
    hasCandidate: fetching.hasCandidate,
    mustAskAgain: fetching.mustAskAgain,
    isPart: fetching.isPart,
    isOwnAndHolds: fetching.isOwnAndHolds,
    holds: fetching.holds,
    isLastAndFails: fetching.isLastAndFails,
    fails: fetching.fails,
    isLastAndSilent: fetching.isLastAndSilent,
    isSilent: fetching.isSilent,
    isLastAndCouldNotSave: fetching.isLastAndCouldNotSave,
    couldNotSave: fetching.couldNotSave,
  }),
  actions: actions<FetcherState, FetcherEvent, Name>({
    search: fetching.search,
    hear: fetching.heard,
    fetch: fetching.fetch,
    takePiece: fetching.takePiece,
    noteSilence: fetching.noteSilence,
    refuse: fetching.refuse,
    keep: fetching.keep,
    choose: fetching.choose,
    giveUp: fetching.giveUp,
  }),
})

const noneIsLeft = { target: 'done', actions: ['refuse', 'giveUp'] } as const
const tryNext = ['refuse', 'fetch'] as const

export const fetcherMachine = fetcherSetup.createMachine({
  id: 'snapshot-fetcher',
  context: contextOf,
  initial: 'searching',
  states: {
    searching: {
      on: {
        snapshotsOffered: [
          { guard: 'allHeardAndFound', target: 'fetching', actions: ['hear', 'fetch'] },
          { guard: 'allHeard', target: 'done', actions: ['hear', 'giveUp'] },
          { actions: 'hear' },
        ],
        searchTimeout: [
          { guard: 'hasCandidate', target: 'fetching', actions: 'fetch' },
          { guard: 'mustAskAgain', actions: 'search' },
          { target: 'done', actions: 'giveUp' },
        ],
      },
    },
    fetching: {
      on: {
        snapshotPiece: [
          { guard: 'isPart', actions: ['takePiece', 'fetch'] },
          { guard: 'isOwnAndHolds', target: 'done', actions: 'choose' },
          { guard: 'holds', target: 'keeping', actions: 'keep' },
          { guard: 'isLastAndFails', ...noneIsLeft },
          { guard: 'fails', actions: tryNext },
        ],
        pieceTimeout: [
          { guard: 'isLastAndSilent', ...noneIsLeft },
          { guard: 'isSilent', actions: tryNext },
          { actions: ['noteSilence', 'fetch'] },
        ],
      },
    },
    keeping: {
      on: {
        snapshotSaved: [
          { guard: 'isLastAndCouldNotSave', ...noneIsLeft },
          { guard: 'couldNotSave', target: 'fetching', actions: tryNext },
          { target: 'done', actions: 'choose' },
        ],
      },
    },
    done: {},
  },
})

const invariants: readonly Invariant<FetcherState>[] = [
  {
    name: 'no more is received than was offered',
    broken: ({ candidates: [first], receivedBytes }) =>
      receivedBytes <= (first?.sizeBytes ?? 0) ? undefined : `${receivedBytes} bytes of ${first?.sizeBytes ?? 0}`,
  },
]

/** The fetcher's definition, for any host. */
export const snapshotFetcher = machineActor<FetcherConfig, FetcherState, FetcherEvent>({
  kind: 'snapshot-fetcher',
  version: 1,
  machine: fetcherMachine,
  start: (config) => fetching.search(initialState(config)),
  invariants,
})

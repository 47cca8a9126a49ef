// The historian: what the service did, from the ledger files of this node. It answers for receipts, states and histories of keys, verifies all
// it reads, keeps what it verified within bounds, and builds the index of the past in the background.
// Not here: who may ask, and what is committed (executor). The rule to remember: the chart is the index's; queries are served in every state.
import { setup } from 'xstate'
import type { App, HistoricalEndpoint } from '../../protocols/app.ts'
import { HISTORY_QUERIES_ACTIVE_MAX, HISTORY_QUERIES_MAX, HISTORY_READS_MAX } from '../../protocols/limits.ts'
import { buildRouter } from '../../protocols/router.ts'
import type { Invariant } from '../actor.ts'
import { step } from '../actor.ts'
import { actions, contextOf, guards, machineActor, machineTypes } from '../machine.ts'
import { indexRead, ledgerRead } from './fetching.ts'
import { handedContinues, writeHanded } from './handed.ts'
import * as indexing from './indexing.ts'
import { expire, query } from './queries.ts'
import { initialState, type HistorianConfig, type HistorianEvent, type HistorianState } from './state.ts'

type Name =
  | 'query'
  | 'ledgerRead'
  | 'indexRead'
  | 'expire'
  | 'committed'
  | 'openIndex'
  | 'clearIndex'
  | 'resume'
  | 'pause'
  | 'readOn'
  | 'holdBatch'
  | 'writeBatch'
  | 'writeHanded'
  | 'batchWritten'
  | 'stopIndex'

type GuardName =
  | 'isForeign'
  | 'isOfAnotherPast'
  | 'isBehind'
  | 'isAwaitedAndBehind'
  | 'isAwaitedAndHanded'
  | 'handedContinues'
  | 'batchIsCovered'
  | 'batchIsCorrupt'
  | 'batchIsForeign'

const historianSetup = setup({
  types: machineTypes<HistorianState, HistorianEvent>(),
  guards: guards<HistorianState, HistorianEvent, GuardName>({
    isForeign: indexing.isForeign,
    isOfAnotherPast: indexing.isOfAnotherPast,
    isBehind: indexing.isBehind,
    isAwaitedAndBehind: indexing.isAwaitedAndBehind,
    isAwaitedAndHanded: indexing.isAwaitedAndHanded,
    handedContinues,
    batchIsCovered: indexing.batchIsCovered,
    batchIsCorrupt: indexing.batchIsCorrupt,
    batchIsForeign: indexing.batchIsForeign,
  }),
  actions: actions<HistorianState, HistorianEvent, Name>({
    query,
    ledgerRead,
    indexRead,
    expire,
    committed: indexing.committed,
    openIndex: indexing.openIndex,
    clearIndex: indexing.clearIndex,
    resume: indexing.resume,
    pause: indexing.pause,
    readOn: indexing.readOn,
    holdBatch: indexing.holdBatch,
    writeBatch: indexing.writeBatch,
    writeHanded,
    batchWritten: indexing.batchWritten,
    stopIndex: indexing.stopIndex,
  }),
})

const goOn = [
  { guard: 'handedContinues', target: 'writing', actions: 'writeHanded' },
  { guard: 'isBehind', target: 'reading', actions: 'readOn' },
] as const

export const historianMachine = historianSetup.createMachine({
  id: 'historian',
  context: contextOf,
  initial: 'unopened',
  on: {
    historicalQuery: { actions: 'query' },
    ledgerRead: { actions: 'ledgerRead' },
    indexRead: { actions: 'indexRead' },
    expire: { actions: 'expire' },
    historyCommitted: { actions: 'committed' },
    indexFailed: { target: '.halted', actions: 'stopIndex' },
  },
  states: {
    unopened: { on: { historyCommitted: { target: 'opening', actions: ['committed', 'openIndex'] } } },
    opening: {
      on: {
        indexOpened: [
          { guard: 'isForeign', actions: 'clearIndex' },
          { target: 'pausing', actions: ['resume', 'pause'] },
        ],
      },
    },
    idle: {
      on: {
        historyCommitted: [
          { guard: 'isOfAnotherPast', target: 'opening', actions: ['committed', 'clearIndex'] },
          { target: 'pausing', actions: ['committed', 'pause'] },
        ],
        hurryIndex: goOn,
      },
    },
    pausing: {
      on: {
        indexPause: [...goOn, { target: 'idle' }],
        hurryIndex: goOn,
      },
    },
    reading: {
      on: {
        entriesRead: [
          { guard: 'batchIsForeign', target: 'opening', actions: 'clearIndex' },
          { guard: 'batchIsCorrupt', target: 'halted', actions: 'stopIndex' },
          { guard: 'batchIsCovered', target: 'writing', actions: 'writeBatch' },
          { actions: ['holdBatch', 'readOn'] },
        ],
      },
    },
    writing: {
      on: {
        indexWritten: [
          { guard: 'isAwaitedAndHanded', actions: ['batchWritten', 'writeHanded'] },
          { guard: 'isAwaitedAndBehind', target: 'reading', actions: ['batchWritten', 'readOn'] },
          { target: 'pausing', actions: ['batchWritten', 'pause'] },
        ],
      },
    },
    halted: {},
  },
})

const invariants: readonly Invariant<HistorianState>[] = [
  {
    name: 'queries are counted and bounded',
    broken: (s) => {
      const active = Object.keys(s.active).length
      const isBounded = active <= HISTORY_QUERIES_ACTIVE_MAX && active + s.queued.length <= HISTORY_QUERIES_MAX
      return active === s.activeCount && isBounded ? undefined : `${active} active, ${s.activeCount} counted`
    },
  },
  {
    name: 'readings are counted and bounded',
    broken: (s) => {
      const reads = Object.keys(s.reads).length
      return reads === s.readCount && reads <= HISTORY_READS_MAX ? undefined : `${reads} reads, ${s.readCount} counted`
    },
  },
  {
    name: 'what is kept fits the cache',
    broken: (s) => (s.cache.bytes <= s.cache.bytesMax ? undefined : `${s.cache.bytes} of ${s.cache.bytesMax} bytes`),
  },
  {
    name: 'the index goes no further than the commit index, unless it was found so',
    broken: ({ index, committedSeqno }) =>
      index.upTo <= committedSeqno || index.unconfirmedView !== undefined
        ? undefined
        : `${index.upTo} > ${committedSeqno}`,
  },
]

/** The historical endpoints of applications, mounted below /app. */
const historicalOf = (app: App): HistoricalEndpoint[] =>
  app.endpoints.flatMap((endpoint) =>
    endpoint.mode === 'historical' ? [{ ...endpoint, path: `/app${endpoint.path}` }] : [],
  )

/** The historian's definition, for any host. */
export const historian = machineActor<HistorianConfig, HistorianState, HistorianEvent>({
  kind: 'historian',
  version: 2,
  machine: historianMachine,
  start: (config) => step(initialState(config, buildRouter(config.apps.flatMap(historicalOf)))),
  invariants,
})

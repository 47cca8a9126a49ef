// The executor: runs transactions over the key-value store, one after the other; on the primary it proposes them and signs the ledger,
// on a backup it checks what the primary sends and applies what is committed.
// Not here: whether something is committed (replica), how it is kept (ledger-writer), who a caller is (session).
import { setup } from 'xstate'
import type { App, Endpoint } from '../../protocols/app.ts'
import { buildRouter } from '../../protocols/router.ts'
import type { Envelope, Invariant, Step } from '../actor.ts'
import { step } from '../actor.ts'
import { actions, contextOf, guards, machineActor, machineTypes } from '../machine.ts'
import * as admission from './admission.ts'
import * as following from './following.ts'
import * as forwarding from './forwarding.ts'
import { secretsIssued } from './issuing.ts'
import { NODE_ENDPOINTS } from './node-endpoints.ts'
import { beginAt } from './beginning.ts'
import { SECRET_ENDPOINTS } from './secret-endpoints.ts'
import { execute, executeForwarded } from './requests.ts'
import { signed, signIfDue } from './signing.ts'
import * as snapshots from './snapshots.ts'
import { initialState, type ExecutorConfig, type ExecutorEvent, type ExecutorState } from './state.ts'

type Name =
  | 'execute'
  | 'executeForwarded'
  | 'forwarded'
  | 'forwardingTimeout'
  | 'becamePrimary'
  | 'becameBackup'
  | 'appended'
  | 'rolledBack'
  | 'committed'
  | 'heard'
  | 'signIfDue'
  | 'signed'
  | 'learnerCaughtUp'
  | 'admit'
  | 'retirementCompleted'
  | 'nodeCounters'
  | 'readState'
  | 'recordEvidence'
  | 'abandonSnapshot'
  | 'secretsIssued'

const nodeCounters = (s: ExecutorState, envelope: Envelope<ExecutorEvent>): Step<ExecutorState> => {
  const { counters } = envelope.event as Extract<ExecutorEvent, { type: 'nodeCounters' }>
  return step({ ...s, counters })
}

const anywhere = {
  execute: { actions: ['execute', 'signIfDue'] },
  forward: { actions: ['executeForwarded', 'signIfDue'] },
  forwarded: { actions: 'forwarded' },
  forwardingTimeout: { actions: 'forwardingTimeout' },
  nodeCounters: { actions: 'nodeCounters' },
  readState: { actions: 'readState' },
  recordEvidence: { actions: ['recordEvidence', 'signIfDue'] },
  snapshotAbandoned: { actions: 'abandonSnapshot' },
  rolledBack: { actions: 'rolledBack' },
  becameBackup: { target: '.backup', actions: 'becameBackup' },
  becamePrimary: { target: '.primary', actions: ['becamePrimary', 'signIfDue'] },
  committed: { actions: ['committed', 'signIfDue'] },
} as const

export const executorMachine = setup({
  types: machineTypes<ExecutorState, ExecutorEvent>(),
  guards: guards<ExecutorState, ExecutorEvent, 'signsEndorsement'>({ signsEndorsement: admission.signsEndorsement }),
  actions: actions<ExecutorState, ExecutorEvent, Name>({
    execute,
    executeForwarded,
    forwarded: forwarding.forwarded,
    forwardingTimeout: forwarding.forwardingTimeout,
    becamePrimary: following.becamePrimary,
    becameBackup: following.becameBackup,
    appended: following.appended,
    rolledBack: following.rolledBack,
    committed: following.committed,
    heard: following.heard,
    signIfDue,
    signed,
    learnerCaughtUp: admission.learnerCaughtUp,
    admit: admission.admit,
    retirementCompleted: admission.retirementCompleted,
    nodeCounters,
    readState: snapshots.readState,
    recordEvidence: snapshots.recordEvidence,
    abandonSnapshot: snapshots.abandonSnapshot,
    secretsIssued,
  }),
}).createMachine({
  id: 'executor',
  context: contextOf,
  initial: 'backup',
  on: anywhere,
  states: {
    backup: { on: { appended: { actions: 'appended' } } },
    primary: {
      on: {
        signed: [{ guard: 'signsEndorsement', actions: ['admit', 'signIfDue'] }, { actions: ['signed', 'signIfDue'] }],
        heard: { actions: 'heard' },
        learnerCaughtUp: { actions: 'learnerCaughtUp' },
        secretsIssued: { actions: ['secretsIssued', 'signIfDue'] },
        retirementCompleted: { actions: ['retirementCompleted', 'signIfDue'] },
      },
    },
  },
})

const invariants: readonly Invariant<ExecutorState>[] = [
  {
    name: 'the tree has one leaf for each transaction, and leaf 0',
    broken: (s) =>
      s.tree.size === s.pending.end ? undefined : `${s.tree.size} leaves, the next seqno is ${s.pending.end}`,
  },
  {
    name: 'pending begins right after the committed seqno',
    broken: (s) =>
      s.pending.first === s.committed.tree.size ? undefined : `${s.pending.first} after ${s.committed.tree.size - 1}`,
  },
]

/** Mounts an application's endpoints below /app. */
const mounted = (app: App): Endpoint[] =>
  app.endpoints.map((endpoint) => ({ ...endpoint, path: `/app${endpoint.path}` }))

/** The executor's definition, for any host. */
export const executor = machineActor<ExecutorConfig, ExecutorState, ExecutorEvent>({
  kind: 'executor',
  version: 5,
  machine: executorMachine,
  start: (config) => {
    const state = initialState(
      config,
      buildRouter([...config.apps.flatMap(mounted), ...NODE_ENDPOINTS, ...SECRET_ENDPOINTS]),
    )
    return config.snapshot === undefined ? step(state) : beginAt(state, config.snapshot)
  },
  invariants,
})

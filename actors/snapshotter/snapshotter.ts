// The snapshotter: makes snapshots of the store, one after the other, and hands pieces of complete ones to nodes that join.
// Not here: when one is due (executor), the format (protocols/snapshot), the files (store/snapshots), joining (snapshot-fetcher).
// The rule to remember: a snapshot is worth something only with the receipt of its evidence; until then nothing of it is on the disk.
import { setup } from 'xstate'
import { SNAPSHOTS_PENDING_MAX } from '../../protocols/limits.ts'
import type { Invariant } from '../actor.ts'
import { step } from '../actor.ts'
import { actions, contextOf, guards, machineActor, machineTypes } from '../machine.ts'
import * as making from './making.ts'
import * as serving from './serving.ts'
import { initialState, type SnapshotterConfig, type SnapshotterEvent, type SnapshotterState } from './state.ts'

type Name =
  | 'enqueue'
  | 'begin'
  | 'takeRows'
  | 'readOn'
  | 'assemble'
  | 'seal'
  | 'noteEvidence'
  | 'askReceipt'
  | 'waitForReceipt'
  | 'save'
  | 'finish'
  | 'abandon'
  | 'drop'
  | 'dropQueue'
  | 'list'
  | 'offer'
  | 'read'
  | 'sendPiece'

type GuardName =
  'hasNext' | 'isTooLarge' | 'isLastPart' | 'isComplete' | 'isEvidence' | 'isProven' | 'hasReceipt' | 'isHopeless'

const snapshotterSetup = setup({
  types: machineTypes<SnapshotterState, SnapshotterEvent>(),
  guards: guards<SnapshotterState, SnapshotterEvent, GuardName>({
    hasNext: making.hasNext,
    isTooLarge: making.isTooLarge,
    isLastPart: making.isLastPart,
    isComplete: making.isComplete,
    isEvidence: making.isEvidence,
    isProven: making.isProven,
    hasReceipt: making.hasReceipt,
    isHopeless: making.isHopeless,
  }),
  actions: actions<SnapshotterState, SnapshotterEvent, Name>({
    enqueue: making.enqueue,
    begin: making.begin,
    takeRows: making.takeRows,
    readOn: making.readOn,
    assemble: making.assemble,
    seal: making.seal,
    noteEvidence: making.noteEvidence,
    askReceipt: making.askReceipt,
    waitForReceipt: making.waitForReceipt,
    save: making.save,
    finish: making.finish,
    abandon: making.abandon,
    drop: making.drop,
    dropQueue: making.dropQueue,
    list: serving.list,
    offer: serving.offer,
    read: serving.read,
    sendPiece: serving.sendPiece,
  }),
})

const enqueue = { actions: 'enqueue' } as const
/** Before its evidence is committed. */
const unproven = { snapshotDue: enqueue, snapshotsDropped: { target: 'idle', actions: 'drop' } } as const
/** From then on it is finished, whoever leads. */
const proven = { snapshotDue: enqueue, snapshotsDropped: { actions: 'dropQueue' } } as const
/** The next one, or none. */
const then = (action: 'finish' | 'abandon') =>
  [
    { guard: 'hasNext', target: 'reading', actions: [action, 'begin'] },
    { target: 'idle', actions: action },
  ] as const
const [abandonAndGoOn, abandonAndRest] = then('abandon')

export const snapshotterMachine = snapshotterSetup.createMachine({
  id: 'snapshotter',
  context: contextOf,
  initial: 'idle',
  on: {
    findSnapshots: { actions: 'list' },
    snapshotsListed: { actions: 'offer' },
    fetchPiece: { actions: 'read' },
    snapshotRead: { actions: 'sendPiece' },
  },
  states: {
    idle: { on: { snapshotDue: { target: 'reading', actions: ['enqueue', 'begin'] } } },
    reading: {
      on: {
        ...unproven,
        stateRead: [
          { guard: 'isTooLarge', target: 'abandoning', actions: 'takeRows' },
          { guard: 'isLastPart', target: 'assembling', actions: 'takeRows' },
          { actions: 'takeRows' },
        ],
        goOn: { actions: 'readOn' },
      },
    },
    abandoning: { on: { ...unproven, goOn: [abandonAndGoOn, abandonAndRest] } },
    assembling: {
      on: {
        ...unproven,
        goOn: [{ guard: 'isComplete', target: 'proving', actions: 'seal' }, { actions: 'assemble' }],
      },
    },
    proving: {
      on: {
        ...unproven,
        evidenceRecorded: { guard: 'isEvidence', actions: 'noteEvidence' },
        commitNotice: { guard: 'isProven', target: 'awaitingReceipt', actions: 'askReceipt' },
      },
    },
    awaitingReceipt: {
      on: {
        ...proven,
        executed: [
          { guard: 'hasReceipt', target: 'saving', actions: 'save' },
          { guard: 'isHopeless', target: 'abandoning', actions: 'waitForReceipt' },
          { actions: 'waitForReceipt' },
        ],
        goOn: { actions: 'askReceipt' },
      },
    },
    saving: { on: { ...proven, snapshotSaved: then('finish') } },
  },
})

const invariants: readonly Invariant<SnapshotterState>[] = [
  {
    name: 'snapshots that are pending are bounded',
    broken: ({ queue, job }) =>
      queue.length + (job === undefined ? 0 : 1) <= SNAPSHOTS_PENDING_MAX ? undefined : `${queue.length} wait`,
  },
  {
    name: 'snapshots are made in the order of their seqnos',
    broken: ({ queue, job }) => {
      const seqnos = [...(job === undefined ? [] : [job.due]), ...queue].map(({ seqno }) => seqno)
      return seqnos.every((seqno, i) => i === 0 || seqno > seqnos[i - 1]!) ? undefined : `seqnos ${seqnos.join(', ')}`
    },
  },
]

/** The snapshotter's definition, for any host. */
export const snapshotter = machineActor<SnapshotterConfig, SnapshotterState, SnapshotterEvent>({
  kind: 'snapshotter',
  version: 1,
  machine: snapshotterMachine,
  start: (config) => step(initialState(config)),
  invariants,
})

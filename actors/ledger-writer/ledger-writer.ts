// The ledger writer: one order of appends, truncations and commits for the ledger files, and word to the replica of what is durable.
// Not the file format (store/ledger) and not consensus. The rule to remember: `durable` is sent only after fsync, and never for entries that were cut.
import { setup } from 'xstate'
import type { LedgerWriterNotice, LedgerWriterRequest } from '../../protocols/consensus/messages.ts'
import type { Envelope, Invariant, Step } from '../actor.ts'
import { step } from '../actor.ts'
import { send, trace, type Effect, type HostEvent } from '../effects.ts'
import { actions, contextOf, machineActor, machineTypes } from '../machine.ts'

export type LedgerWriterEvent = LedgerWriterRequest | Extract<HostEvent, { readonly type: 'ledgerFailed' }>

export interface LedgerWriterState {
  /** Last seqno handed to the files. */
  readonly written: number
  readonly committed: number
}

const tell = (notice: LedgerWriterNotice): Effect => send('replica', notice)

/** Only a signature makes what precedes it worth keeping, so only a signature is waited for: one fsync serves all before it. */
function appendRecords(s: LedgerWriterState, envelope: Envelope<LedgerWriterEvent>): Step<LedgerWriterState> {
  const { epoch, records } = envelope.event as Extract<LedgerWriterRequest, { type: 'appendRecords' }>
  const last = records.at(-1)
  if (last === undefined) return step(s)
  const signature = records.findLast((record) => record.kind === 'signature')
  const append: Effect = { type: 'append', records, flush: signature !== undefined }
  const state = { ...s, written: last.seqno }
  if (signature === undefined) return step(state, append)
  return step(state, append, tell({ type: 'durable', epoch, seqno: last.seqno }))
}

function truncateAfter(s: LedgerWriterState, envelope: Envelope<LedgerWriterEvent>): Step<LedgerWriterState> {
  const { seqno } = envelope.event as Extract<LedgerWriterRequest, { type: 'truncateAfter' }>
  return step({ ...s, written: Math.min(s.written, seqno) }, { type: 'truncate', after: seqno })
}

function commitUpTo(s: LedgerWriterState, envelope: Envelope<LedgerWriterEvent>): Step<LedgerWriterState> {
  const { seqno } = envelope.event as Extract<LedgerWriterRequest, { type: 'commitUpTo' }>
  return step({ ...s, committed: seqno }, { type: 'markCommitted', seqno })
}

/** Disk full, gone or read-only: nothing more is written, and the replica leaves the service to the other nodes. */
function reportBroken(s: LedgerWriterState, envelope: Envelope<LedgerWriterEvent>): Step<LedgerWriterState> {
  const { reason } = envelope.event as Extract<LedgerWriterEvent, { type: 'ledgerFailed' }>
  return step(s, tell({ type: 'ledgerBroken', reason }), trace('ledgerFailed', { reason }))
}

type Name = 'appendRecords' | 'truncateAfter' | 'commitUpTo' | 'reportBroken'

export const ledgerWriterMachine = setup({
  types: machineTypes<LedgerWriterState, LedgerWriterEvent>(),
  actions: actions<LedgerWriterState, LedgerWriterEvent, Name>({
    appendRecords,
    truncateAfter,
    commitUpTo,
    reportBroken,
  }),
}).createMachine({
  id: 'ledger-writer',
  context: contextOf,
  initial: 'writing',
  states: {
    writing: {
      on: {
        appendRecords: { actions: 'appendRecords' },
        truncateAfter: { actions: 'truncateAfter' },
        commitUpTo: { actions: 'commitUpTo' },
        ledgerFailed: { target: 'broken', actions: 'reportBroken' },
      },
    },
    broken: {},
  },
})

const invariants: readonly Invariant<LedgerWriterState>[] = [
  {
    name: 'nothing committed is cut',
    broken: (s) => (s.written >= s.committed ? undefined : `written up to ${s.written}, committed ${s.committed}`),
  },
]

export interface LedgerWriterConfig {
  /** Everything up to here is in the files, or in a snapshot; 0 for an empty ledger. */
  readonly committed: number
}

export const ledgerWriter = machineActor<LedgerWriterConfig, LedgerWriterState, LedgerWriterEvent>({
  kind: 'ledger-writer',
  version: 1,
  machine: ledgerWriterMachine,
  start: ({ committed }) => step({ written: committed, committed }),
  invariants,
})

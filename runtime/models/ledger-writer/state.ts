// The places of the ledger writer's model and what they say to one another: a replica reduced to its contract, and the real ledger writer with
// its disk. The rule to remember: both are plain data, and their keys leave nothing out that matters later.
import type { LedgerWriterState } from '../../../actors/ledger-writer/ledger-writer.ts'
import type { MachineState } from '../../../actors/machine.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import type { LedgerWriterNotice, LedgerWriterRequest } from '../../../protocols/consensus/messages.ts'
import { diskKey, entriesKey, type Disk } from './disk.ts'

/** What a replica keeps of its log and of its ledger writer's answers (actors/replica). */
export interface ReplicaPlace {
  readonly place: 'replica'
  readonly log: readonly LogRecord[]
  readonly epoch: number
  readonly durableIdx: number
  readonly commitIdx: number
  readonly isHalted: boolean
  /** Requests sent so far. */
  readonly asked: number
}

export interface WriterPlace {
  readonly place: 'writer'
  readonly actor: MachineState<LedgerWriterState>
  readonly disk: Disk
  /** Requests handled so far. */
  readonly handled: number
  /** The newest epoch, and up to which seqno of it `durable` was posted, less what was cut since. */
  readonly epoch: number
  readonly told: number
  /** Set once the power is gone: what opening the ledger again finds. */
  readonly recovered: readonly LogRecord[] | undefined
}

export type LocalState = ReplicaPlace | WriterPlace

export type LedgerMessage =
  LedgerWriterRequest | LedgerWriterNotice | { readonly type: 'ledgerFailed'; readonly reason: string }

export const REPLICA = 0
export const WRITER = 1

export function stateKey(state: LocalState): string {
  if (state.place === 'replica') return JSON.stringify({ ...state, log: entriesKey(state.log) })
  const { actor, disk, handled, epoch, told, recovered } = state
  const left = recovered && entriesKey(recovered)
  return JSON.stringify([actor.value, actor.s, diskKey(disk), handled, epoch, told, left])
}

export const messageKey = (message: LedgerMessage): string =>
  message.type === 'appendRecords'
    ? `append ${message.epoch} ${message.records[0]!.seqno} ${entriesKey(message.records)}`
    : JSON.stringify(message)

export const replicaOf = (states: readonly LocalState[]): ReplicaPlace => states[REPLICA] as ReplicaPlace
export const writerOf = (states: readonly LocalState[]): WriterPlace => states[WRITER] as WriterPlace

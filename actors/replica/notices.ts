// What a replica tells its executor and ledger writer. One place, so that the order of notices is easy to check.
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type { ConsensusSummary, LedgerWriterRequest, ReplicaNotice } from '../../protocols/consensus/messages.ts'
import { send, type Effect } from '../effects.ts'
import { summaryOf, type ReplicaState } from './state.ts'

export const tellExecutor = (notice: ReplicaNotice): Effect => send<ReplicaNotice>('executor', notice)
export const askLedgerWriter = (request: LedgerWriterRequest): Effect =>
  send<LedgerWriterRequest>('ledger-writer', request)

export const becamePrimary = (s: ReplicaState): Effect =>
  tellExecutor({ type: 'becamePrimary', summary: summaryOf(s, 'Leader') })

export const becameBackup = (s: ReplicaState, leadership: ConsensusSummary['leadership'] = 'Follower'): Effect =>
  tellExecutor({ type: 'becameBackup', summary: summaryOf(s, leadership) })

export const keep = (s: ReplicaState, records: readonly LogRecord[]): Effect =>
  askLedgerWriter({ type: 'appendRecords', epoch: s.epoch, records })

// What a replica tells its executor, ledger writer and node. One place, so that the order of notices is easy to check.
import type { NodeId } from '../../protocols/ids.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type { Leadership, LedgerWriterRequest, NodeNotice, ReplicaNotice } from '../../protocols/consensus/messages.ts'
import { send, type Effect } from '../effects.ts'
import { summaryOf, type ReplicaState } from './state.ts'

export const tellExecutor = (notice: ReplicaNotice): Effect => send<ReplicaNotice>('executor', notice)
export const askLedgerWriter = (request: LedgerWriterRequest): Effect =>
  send<LedgerWriterRequest>('ledger-writer', request)

export const becamePrimary = (s: ReplicaState): Effect =>
  tellExecutor({ type: 'becamePrimary', summary: summaryOf(s, 'Leader') })

export const becameBackup = (s: ReplicaState, leadership: Leadership = 'Follower'): Effect =>
  tellExecutor({ type: 'becameBackup', summary: summaryOf(s, leadership) })

export const keep = (s: ReplicaState, records: readonly LogRecord[]): Effect =>
  askLedgerWriter({ type: 'appendRecords', epoch: s.epoch, records })

/** What the node must know of a change: whom it may have to talk to, and its own part in the service. */
export function tellNode(before: ReplicaState, after: ReplicaState): Effect[] {
  const effects: Effect[] = []
  const peers = Object.keys(after.peers) as NodeId[]
  const isSame = before.peers === after.peers || sameKeys(before.peers, peers)
  if (!isSame) effects.push(send<NodeNotice>('node', { type: 'peersChanged', peers: peers.sort() }))
  if (before.membership !== after.membership) {
    effects.push(send<NodeNotice>('node', { type: 'membershipChanged', membership: after.membership }))
  }
  return effects
}

const sameKeys = (peers: ReplicaState['peers'], keys: readonly NodeId[]): boolean =>
  Object.keys(peers).length === keys.length && keys.every((key) => peers[key] !== undefined)

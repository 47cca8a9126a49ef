// An executor that begins at a snapshot instead of at the service's first transaction: store, tree and view history are the snapshot's.
// Not whether it is to be believed: the snapshot fetcher has verified it (protocols/snapshot/beginning.ts), and it is opened again by the same rules.
import { seqno as asSeqno, view as asView } from '../../protocols/ids.ts'
import { flush } from '../../protocols/merkle/tree.ts'
import { openSnapshot } from '../../protocols/snapshot/beginning.ts'
import { activateSecrets } from '../../protocols/secrets/ledger-secrets.ts'
import type { SnapshotFile } from '../../protocols/snapshot/messages.ts'
import { AppendList } from '../../store/kv/append-list.ts'
import { stateOf } from '../../store/kv/state-rows.ts'
import type { Step } from '../actor.ts'
import { step } from '../actor.ts'
import { tellNode } from './admission.ts'
import type { ExecutorState, Pending } from './state.ts'

/** @throws CorruptDataError if the snapshot is not what it was */
export function beginAt(s: ExecutorState, { fileName, bytes }: SnapshotFile): Step<ExecutorState> {
  const { crypto } = s.config
  const { maps, verified, log, secrets } = openSnapshot(crypto, s.config, fileName, bytes)
  const kv = stateOf(maps)
  const tree = flush(verified.tree, log.seqno)
  const state: ExecutorState = {
    ...s,
    // It may be large, and everything in it is elsewhere now.
    config: { ...s.config, snapshot: undefined },
    kv,
    secrets: { all: activateSecrets(crypto, secrets), withoutFrom: undefined },
    tree,
    committed: { kv, tree },
    pending: AppendList.startingAt<Pending>(log.seqno + 1),
    summary: {
      ...s.summary,
      view: log.view,
      lastSeqno: log.seqno,
      committed: { view: asView(log.view), seqno: asSeqno(log.seqno) },
      viewHistory: log.viewHistory,
      configurations: [log.configuration],
    },
  }
  return step(state, tellNode(state, kv))
}

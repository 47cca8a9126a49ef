// Every node's ledger is the committed log, as far as the node believes it to be committed. Compared entry by entry, each once.
import type { LedgerWriterRequest } from '../../../protocols/consensus/messages.ts'
import { describeRecord, isSame, type Checker, type NodeSight, type World } from '../world.ts'

const NAME = 'ledger'

export function ledgersChecker(world: World): Checker {
  const compared = new Map<NodeSight, number>()
  return {
    name: NAME,
    onLedgerWriter(node, event) {
      const request = event as LedgerWriterRequest
      const done = compared.get(node) ?? 0
      if (request.type === 'truncateAfter' && request.seqno < done) {
        world.fail(NAME, `${node.name} cuts its ledger after ${request.seqno}; ${done} entries are committed there`)
      }
      if (request.type !== 'commitUpTo') return
      for (let seqno = done + 1; seqno <= request.seqno; seqno++) {
        if (isSame(node.disk.at(seqno), world.committed.at(seqno))) continue
        const [found, wanted] = [describeRecord(node.disk.at(seqno)), describeRecord(world.committed.at(seqno))]
        world.fail(NAME, `the ledger of ${node.name} has ${found} at ${seqno}, where ${wanted} is committed`)
      }
      compared.set(node, Math.max(done, request.seqno))
    },
  }
}

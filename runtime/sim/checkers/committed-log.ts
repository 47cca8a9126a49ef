// LogInv, CommittedLogAppendOnlyProp, MonotonicCommitIndexProp and SignatureInv (consensus.md §17, §18): there is one committed log; every
// node's committed prefix is a prefix of it, only grows, and ends with a signature.
import { describeRecord, isSame, recordAt, type Checker, type CommittedLog, type World } from '../world.ts'

const NAME = 'LogInv'

/** `grown` is called after the one log grew. It is the only one that writes to it. */
export function committedLogChecker(
  world: World,
  committed: CommittedLog,
  grown: Required<Checker>['onCommit'],
): Checker {
  return {
    name: NAME,
    onReplica(node, { before, after }) {
      const from = before.s.commitIdx
      const to = after.s.commitIdx
      if (from === to) return
      if (to < from) world.fail('MonotonicCommitIndexProp', `${node.name} moved its commit index from ${from} to ${to}`)
      const last = recordAt(node, to)
      if (last?.kind !== 'signature') {
        world.fail('SignatureInv', `${node.name} committed up to ${to}, which is ${describeRecord(last)}`)
      }
      const known = committed.last
      for (let seqno = from + 1; seqno <= to; seqno++) {
        const record = recordAt(node, seqno)
        const agreed = committed.at(seqno)
        if (agreed === undefined && record !== undefined) committed.append(record, last.view)
        else if (!isSame(record, agreed)) {
          const what = `${node.name} committed ${describeRecord(record)} at ${seqno}`
          world.fail(NAME, `${what}, where ${describeRecord(agreed)} is committed already`)
        }
      }
      if (committed.last > known) grown(node, known + 1, before)
    },
  }
}

// A read is answered with the state after exactly the transaction it names; a session sees its own writes.
// What a read saw of a branch that was rolled back is no promise: its transaction id is Invalid, which is how its client learns.
import { formatTxId } from '../../../protocols/ids.ts'
import type { CommittedWrites } from '../committed-writes.ts'
import type { Operation } from '../history.ts'
import { parseValue, REGISTERS } from '../register-values.ts'
import type { Checker, World } from '../world.ts'
import { wroteNothing } from './serialisability.ts'

const NAME = 'reads'

export function readsChecker(world: World, writes: CommittedWrites): Checker {
  /** By the seqno they name, which is not committed yet. */
  const waiting = new Map<number, Operation[]>()

  const check = (operation: Operation): void => {
    const { question, answer, name } = operation
    const txId = operation.txId!
    if (world.committed.at(txId.seqno)?.view !== txId.view) return
    if (question.kind === 'compareAndSet') {
      const last = writes.at(REGISTERS, question.key, txId.seqno)
      const found = last === undefined ? '-' : parseValue(last).request
      if (found !== answer) world.fail(NAME, `${name} found ${answer} at ${formatTxId(txId)}, where it was ${found}`)
    } else if (question.kind === 'read') {
      const wanted = writes.at(question.table, question.key, txId.seqno) ?? ''
      if (wanted === answer) return
      world.fail(
        NAME,
        `${name} read ${question.table} ${question.key} = '${answer}' at ${formatTxId(txId)}, where it was '${wanted}'`,
      )
    }
  }

  return {
    name: NAME,
    onAnswer(operation) {
      const { question, outcome, txId, writtenBefore } = operation
      const isRead = question.kind === 'read' || (question.kind === 'compareAndSet' && wroteNothing(operation))
      if (!isRead || outcome !== 'done' || txId === undefined) return
      if (txId.seqno < writtenBefore) {
        world.fail(NAME, `${operation.name} read at ${formatTxId(txId)}; its session had written at ${writtenBefore}`)
      }
      if (txId.seqno <= world.committed.last) check(operation)
      else waiting.set(txId.seqno, [...(waiting.get(txId.seqno) ?? []), operation])
    },
    onCommit(_node, from) {
      for (let seqno = from; seqno <= world.committed.last; seqno++) {
        waiting.get(seqno)?.forEach(check)
        waiting.delete(seqno)
      }
    },
  }
}

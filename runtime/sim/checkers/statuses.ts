// Transaction statuses (CCF facts §1.1): Committed and Invalid are final, on whatever node, and true. Pending and Unknown promise nothing.
// In the end every write that was answered is one or the other.
import { formatTxId, type TxId } from '../../../protocols/ids.ts'
import type { History, Operation } from '../history.ts'
import { isWrite } from '../history.ts'
import type { Checker, World } from '../world.ts'

const NAME = 'transaction status'

interface Told {
  readonly status: string
  readonly by: string
}

export function statusesChecker(world: World, history: History, nameOf: (nodeId: string) => string): Checker {
  const final = new Map<string, Told>()

  const told = (of: TxId, status: string, by: string): void => {
    const id = formatTxId(of)
    const known = final.get(id)
    if (known !== undefined && known.status !== status && (status === 'Committed' || status === 'Invalid')) {
      world.fail(NAME, `${id} is ${status} on ${by}, but was ${known.status} on ${known.by}`)
    }
    const record = world.committed.at(of.seqno)
    if (status === 'Committed' && record?.view !== of.view) {
      world.fail(
        NAME,
        `${by} calls ${id} Committed; at ${of.seqno} ${record === undefined ? 'nothing' : `view ${record.view}`} is committed`,
      )
    }
    if (status === 'Invalid' && record?.view === of.view) world.fail(NAME, `${by} calls ${id} Invalid; it is committed`)
    if (status === 'Committed' || status === 'Invalid') final.set(id, { status, by })
  }

  return {
    name: NAME,
    onAnswer({ question, outcome, answer, session }: Operation) {
      if (question.kind !== 'status' || outcome !== 'done') return
      const { status } = JSON.parse(answer) as { readonly status: string }
      told(question.of, status, nameOf(session.node))
    },
    onCommit(_node, from) {
      for (let seqno = from; seqno <= world.committed.last; seqno++) {
        const id = `${world.committed.at(seqno)!.view}.${seqno}`
        const known = final.get(id)
        if (known?.status === 'Invalid') world.fail(NAME, `${id} was Invalid on ${known.by} and is committed`)
      }
    },
    onEnd() {
      const { last } = world.committed
      const lastView = world.committed.at(last)?.view ?? 0
      for (const operation of history.written) {
        const { view, seqno } = operation.txId!
        if (seqno <= last || lastView > view || !isWrite(operation)) continue
        world.fail(NAME, `${operation.name} was answered with ${view}.${seqno}, which is neither committed nor Invalid`)
      }
    },
  }
}

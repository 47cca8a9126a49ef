// Strict serialisability of committed writes: the order of transaction ids is the one order; it respects real time; every transaction did
// what a serial execution at its place does; what was answered is what is committed, once; what was refused is nowhere.
// The rule to remember: the ledger itself is the serial order, so nothing has to be searched for.
import type { TxId } from '../../../protocols/ids.ts'
import { formatTxId } from '../../../protocols/ids.ts'
import type { CommittedWrite, CommittedWrites } from '../committed-writes.ts'
import { isWrite, type History, type Operation } from '../history.ts'
import { ACCOUNTS, OPENING_BALANCE, parseValue, REGISTERS } from '../register-values.ts'
import type { Checker, World } from '../world.ts'

const NAME = 'serialisability'

export function serialisabilityChecker(world: World, history: History, writes: CommittedWrites): Checker {
  const seqnoOf = new Map<string, number>()
  /** Sent last, of the operations committed so far. */
  let latest: Operation | undefined
  /** Answered writes by the seqno they were promised. */
  const promised = new Map<number, Operation[]>()

  const commitOf = (seqno: number): void => {
    const written = writes.writesOf(world.committed.at(seqno)!)
    if (written === undefined) world.fail(NAME, `${seqno} is not sealed with the ledger secret of its seqno`)
    const name = written.length === 0 ? undefined : parseValue(written[0]!.value).request
    const operation = name === undefined ? undefined : history.operations.get(name)
    if (name !== undefined && operation === undefined)
      world.fail(NAME, `nobody asked for ${name}, committed at ${seqno}`)
    for (const other of promised.get(seqno) ?? []) expectPromised(world, other, seqno, operation)
    promised.delete(seqno)
    if (operation === undefined) return
    const id = `${operation.name} (${operation.question.kind})`
    const before = seqnoOf.get(operation.name)
    if (before !== undefined) world.fail(NAME, `${id} is committed twice, at ${before} and at ${seqno}`)
    seqnoOf.set(operation.name, seqno)
    if (operation.outcome === 'refused') world.fail(NAME, `${id} was refused and is committed at ${seqno}`)
    if (operation.txId !== undefined && operation.txId.seqno !== seqno) {
      world.fail(NAME, `${id} was answered with ${formatTxId(operation.txId)} and is committed at ${seqno}`)
    }
    if (latest !== undefined && operation.outcome === 'done' && operation.answeredAt! < latest.sentAt) {
      const early = `${latest.name} at ${seqnoOf.get(latest.name)}`
      world.fail(NAME, `${id} was answered before ${early} was sent, but follows it in the ledger, at ${seqno}`)
    }
    if (latest === undefined || operation.sentAt > latest.sentAt) latest = operation
    const problem = effectProblem(operation, written, writes, seqno)
    if (problem !== undefined) world.fail(NAME, `${id} at ${seqno}: ${problem}`)
    writes.add(seqno, written)
  }

  return {
    name: NAME,
    onCommit(_node, from) {
      for (let seqno = from; seqno <= world.committed.last; seqno++) commitOf(seqno)
    },
    onAnswer(operation) {
      const committedAt = seqnoOf.get(operation.name)
      if (!isWrite(operation)) return
      if (operation.outcome === 'refused' && committedAt !== undefined) {
        world.fail(NAME, `${operation.name} is committed at ${committedAt} and was refused with ${operation.status}`)
      }
      const { txId } = operation
      if (operation.outcome !== 'done' || txId === undefined || wroteNothing(operation)) return
      if (txId.seqno > world.committed.last) {
        promised.set(txId.seqno, [...(promised.get(txId.seqno) ?? []), operation])
      } else if (world.committed.at(txId.seqno)!.view === txId.view && committedAt !== txId.seqno) {
        world.fail(NAME, `${operation.name} was answered with ${formatTxId(txId)}, where something else is committed`)
      }
    },
  }
}

/** A comparison that failed changed nothing: its transaction id is that of what it read. */
export const wroteNothing = ({ question, answer }: Operation): boolean =>
  question.kind === 'compareAndSet' && answer !== question.expected

function expectPromised(world: World, operation: Operation, seqno: number, found: Operation | undefined): void {
  const txId = operation.txId as TxId
  // Another view has that place: the transaction is Invalid, and its client will be told so.
  if (world.committed.at(seqno)!.view !== txId.view || found === operation) return
  const there = found === undefined ? 'something else' : found.name
  world.fail(NAME, `${operation.name} was answered with ${formatTxId(txId)}, where ${there} is committed`)
}

/** What is wrong with what the operation wrote, given all that is committed before it. */
function effectProblem(
  { question, name, answer, outcome }: Operation,
  written: readonly CommittedWrite[],
  writes: CommittedWrites,
  seqno: number,
): string | undefined {
  const before = (table: string, key: string) => writes.at(table, key, seqno - 1)
  const expect = (wanted: readonly CommittedWrite[]): string | undefined => {
    const text = (list: readonly CommittedWrite[]) =>
      list
        .map(({ table, key, value }) => `${table} ${key} = ${value}`)
        .sort()
        .join(', ')
    return text(written) === text(wanted) ? undefined : `wrote ${text(written)}, should have written ${text(wanted)}`
  }
  switch (question.kind) {
    case 'write':
      return expect([{ table: REGISTERS, key: question.key, value: `${question.number}/${name}` }])
    case 'compareAndSet': {
      const last = before(REGISTERS, question.key)
      const found = last === undefined ? '-' : parseValue(last).request
      if (found !== question.expected) return `expected ${question.expected}, but ${found} had written last`
      return expect([{ table: REGISTERS, key: question.key, value: `${question.number}/${name}` }])
    }
    case 'transfer': {
      const balance = (key: string): number => {
        const last = before(ACCOUNTS, key)
        return last === undefined ? OPENING_BALANCE : parseValue(last).number
      }
      const source = balance(question.from) - question.amount
      const target = balance(question.to) + question.amount
      if (outcome === 'done' && answer !== `${source} ${target}`) return `answered ${answer}, not ${source} ${target}`
      return expect([
        { table: ACCOUNTS, key: question.from, value: `${source}/${name}` },
        { table: ACCOUNTS, key: question.to, value: `${target}/${name}` },
      ])
    }
    case 'read':
    case 'status':
    case 'receipt':
      return 'asked for nothing to be written'
  }
}

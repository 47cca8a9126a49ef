// What clients asked and were told, in one order: the only evidence by which the service as a whole is judged.
// The rule to remember: `order` rises with everything that clients do or hear, so `a.answeredAt < b.sentAt` is real time.
import type { AppResponse } from '../../protocols/app.ts'
import { fromUtf8 } from '../../protocols/codec/bytes.ts'
import type { TxId } from '../../protocols/ids.ts'

export type Question =
  | { readonly kind: 'write'; readonly key: string; readonly number: number }
  /** `expected`: name of the operation that should have written last, `-` for none. */
  | { readonly kind: 'compareAndSet'; readonly key: string; readonly expected: string; readonly number: number }
  | { readonly kind: 'transfer'; readonly from: string; readonly to: string; readonly amount: number }
  | { readonly kind: 'read'; readonly table: string; readonly key: string }
  | { readonly kind: 'status' | 'receipt'; readonly of: TxId }

/** A client's requests to one node that rely on one another; it ends when its view does. */
export interface Session {
  readonly client: number
  readonly node: string
  /** View of the first request executed in it; 0 if none was. */
  view: number
  /** Highest seqno of its own writes that it was told of. */
  written: number
}

export interface Operation {
  /** Unique, and part of every value it writes. */
  readonly name: string
  readonly question: Question
  readonly session: Session
  readonly sentAt: number
  /** `session.written` when it was sent. */
  readonly writtenBefore: number
  answeredAt: number | undefined
  /** `refused`: not executed. `unknown`: the service said that it does not know. */
  outcome: 'waiting' | 'done' | 'refused' | 'unknown'
  /** Of a write, or of the state that a read saw. */
  txId: TxId | undefined
  /** Text of the body. */
  answer: string
  status: number
}

export const isWrite = ({ question: { kind } }: Operation): boolean =>
  kind === 'write' || kind === 'compareAndSet' || kind === 'transfer'

/** Gateway timeout: the primary was asked and did not answer, so nobody knows. */
const OUTCOME_UNKNOWN = 504

export class History {
  readonly operations = new Map<string, Operation>()
  /** Writes that have a transaction id, in the order in which they were answered. */
  readonly written: Operation[] = []
  #order = 0

  ask(name: string, question: Question, session: Session): Operation {
    const operation: Operation = {
      name,
      question,
      session,
      sentAt: ++this.#order,
      writtenBefore: session.written,
      answeredAt: undefined,
      outcome: 'waiting',
      txId: undefined,
      answer: '',
      status: 0,
    }
    this.operations.set(name, operation)
    return operation
  }

  answer(operation: Operation, response: AppResponse): void {
    const { status, txId } = response
    operation.answeredAt = ++this.#order
    operation.status = status
    operation.txId = txId
    operation.answer = fromUtf8(response.body)
    if (status === OUTCOME_UNKNOWN) operation.outcome = 'unknown'
    else operation.outcome = status < 300 ? 'done' : 'refused'
    if (operation.outcome !== 'done' || txId === undefined || !isWrite(operation)) return
    operation.session.written = Math.max(operation.session.written, txId.seqno)
    this.written.push(operation)
  }

  /** Operations sent to a node of which `isRunning` and not answered yet. */
  unanswered(isRunning: (nodeId: string) => boolean): Operation[] {
    return [...this.operations.values()].filter(
      ({ answeredAt, session }) => answeredAt === undefined && isRunning(session.node),
    )
  }
}

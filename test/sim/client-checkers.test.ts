// Goal: every checker of what clients see says yes to a history that is right and no to one made wrong by hand, for the right reason.
import { describe, expect, it } from 'vitest'
import type { AppResponse } from '../../protocols/app.ts'
import { utf8 } from '../../protocols/codec/bytes.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import { seqno as asSeqno, view as asView, type TxId } from '../../protocols/ids.ts'
import { encodeEntry } from '../../protocols/ledger/entry.ts'
import { fastCrypto } from '../../runtime/models/service/crypto.ts'
import { LEDGER_SECRET } from '../../runtime/models/service/identities.ts'
import { readsChecker } from '../../runtime/sim/checkers/reads.ts'
import { receiptsChecker } from '../../runtime/sim/checkers/receipts.ts'
import { serialisabilityChecker } from '../../runtime/sim/checkers/serialisability.ts'
import { statusesChecker } from '../../runtime/sim/checkers/statuses.ts'
import { CommittedWrites } from '../../runtime/sim/committed-writes.ts'
import { History, type Operation, type Question, type Session } from '../../runtime/sim/history.ts'
import { ACCOUNTS, REGISTERS } from '../../runtime/sim/register-values.ts'
import { broken, node, world } from './hand-made.ts'

const tx = (seqno: number, view = 2): TxId => ({ view: asView(view), seqno: asSeqno(seqno) })

/** A committed transaction that wrote these values. */
function wrote(id: TxId, writes: Readonly<Record<string, string>>, table = REGISTERS): LogRecord {
  const list = Object.entries(writes).map(([key, value]) => ({ key: utf8(key), value: utf8(value) }))
  const { bytes } = encodeEntry(fastCrypto, LEDGER_SECRET, {
    ...id,
    flags: 0,
    claimsDigest: undefined,
    commitEvidenceDigest: new Uint8Array(32),
    writes: [{ name: table, writes: list, removes: [] }],
  })
  return { ...id, kind: 'transaction', bytes }
}

/** Checkers of one history over one committed log, and a client that asks and is answered by hand. */
function court() {
  const sight = node('n0')
  const there = world([sight])
  const history = new History()
  const writes = new CommittedWrites(fastCrypto, LEDGER_SECRET, () => new Uint8Array())
  const checkers = [
    serialisabilityChecker(there, history, writes),
    readsChecker(there, writes),
    statusesChecker(there, history, () => 'n0'),
    receiptsChecker(there, fastCrypto, 'no certificate'),
  ]
  const session: Session = { client: 1, node: 'n0', view: 0, written: 0 }
  return {
    history,
    ask: (name: string, question: Question): Operation => history.ask(name, question, session),
    answer(operation: Operation, body: string, txId?: TxId, status = 200): string | undefined {
      const response: AppResponse = { id: 0, status, contentType: 'bytes', body: utf8(body), txId }
      history.answer(operation, response)
      return broken(() => checkers.forEach((checker) => checker.onAnswer?.(operation)))
    },
    commit(...records: LogRecord[]): string | undefined {
      const from = there.committed.last + 1
      for (const record of records) there.committed.append(record, record.view)
      return broken(() => checkers.forEach((checker) => checker.onCommit?.(sight, from, sight.replica)))
    },
    end: () => broken(() => checkers.forEach((checker) => checker.onEnd?.())),
  }
}

const write = (key: string, number = 1): Question => ({ kind: 'write', key, number })
const read = (key: string): Question => ({ kind: 'read', table: REGISTERS, key })

describe('committed writes', () => {
  it('are what was answered, in whatever order answers and commits arrive', () => {
    const { ask, answer, commit, end } = court()
    const [a, b] = [ask('a', write('k')), ask('b', write('k', 2))]
    expect(answer(a, '', tx(1))).toBeUndefined()
    expect(commit(wrote(tx(1), { k: '1/a' }), wrote(tx(2), { k: '2/b' }))).toBeUndefined()
    expect(answer(b, '', tx(2))).toBeUndefined()
    expect(end()).toBeUndefined()
  })

  it('respect real time', () => {
    const { ask, answer, commit } = court()
    const a = ask('a', write('k'))
    answer(a, '', tx(2))
    ask('b', write('k', 2))
    expect(commit(wrote(tx(1), { k: '2/b' }), wrote(tx(2), { k: '1/a' }))).toBe(
      'serialisability: a (write) was answered before b at 1 was sent, but follows it in the ledger, at 2',
    )
  })

  it('happen once, at the place that was answered, and only if they were asked for and not refused', () => {
    const twice = court()
    twice.ask('a', write('k'))
    expect(twice.commit(wrote(tx(1), { k: '1/a' }), wrote(tx(2), { k: '1/a' }))).toMatch(
      /a \(write\) is committed twice/,
    )

    const elsewhere = court()
    elsewhere.answer(elsewhere.ask('a', write('k')), '', tx(2))
    expect(elsewhere.commit(wrote(tx(1), { k: '1/a' }))).toMatch(/was answered with 2.2 and is committed at 1/)

    const nobody = court()
    expect(nobody.commit(wrote(tx(1), { k: '1/x' }))).toBe('serialisability: nobody asked for x, committed at 1')

    const refused = court()
    refused.answer(refused.ask('a', write('k')), '', undefined, 503)
    expect(refused.commit(wrote(tx(1), { k: '1/a' }))).toMatch(/was refused and is committed at 1/)

    const late = court()
    const a = late.ask('a', write('k'))
    late.commit(wrote(tx(1), { k: '1/a' }))
    expect(late.answer(a, '', undefined, 503)).toMatch(/is committed at 1 and was refused with 503/)
  })

  it('may follow an answer that says only that the outcome is unknown', () => {
    const { ask, answer, commit } = court()
    answer(ask('a', write('k')), '', undefined, 504)
    ask('b', write('k', 2))
    expect(commit(wrote(tx(1), { k: '2/b' }), wrote(tx(2), { k: '1/a' }))).toBeUndefined()
  })

  it('are not replaced by others of the same view', () => {
    const before = court()
    before.answer(before.ask('a', write('k')), '', tx(1))
    before.ask('b', write('k', 2))
    expect(before.commit(wrote(tx(1), { k: '2/b' }))).toBe(
      'serialisability: a was answered with 2.1, where b is committed',
    )
    const after = court()
    const late = after.ask('a', write('k'))
    after.ask('b', write('k', 2))
    after.commit(wrote(tx(1), { k: '2/b' }))
    expect(after.answer(late, '', tx(1))).toMatch(/answered with 2.1, where something else is committed/)
    const otherView = court()
    otherView.answer(otherView.ask('a', write('k')), '', tx(1))
    otherView.ask('b', write('k', 2))
    expect(otherView.commit(wrote(tx(1, 3), { k: '2/b' }))).toBeUndefined()
  })

  it('do what a serial execution does', () => {
    const transfer: Question = { kind: 'transfer', from: 'x', to: 'y', amount: 30 }
    const right = court()
    right.answer(right.ask('a', transfer), '70 130', tx(1))
    expect(right.commit(wrote(tx(1), { x: '70/a', y: '130/a' }, ACCOUNTS))).toBeUndefined()
    right.ask('b', transfer)
    expect(right.commit(wrote(tx(2), { x: '70/b', y: '130/b' }, ACCOUNTS))).toMatch(
      /b \(transfer\) at 2: wrote .*x = 70\/b.* should have written .*x = 40\/b/,
    )
    const wrongAnswer = court()
    wrongAnswer.answer(wrongAnswer.ask('a', transfer), '60 140', tx(1))
    expect(wrongAnswer.commit(wrote(tx(1), { x: '70/a', y: '130/a' }, ACCOUNTS))).toMatch(/answered 60 140, not 70 130/)
    const compared = court()
    compared.ask('a', { kind: 'compareAndSet', key: 'k', expected: 'z', number: 1 })
    expect(compared.commit(wrote(tx(1), { k: '1/a' }))).toMatch(/expected z, but - had written last/)
  })
})

describe('reads', () => {
  it('see the state they name, whether it is committed before or after', () => {
    const { ask, answer, commit } = court()
    ask('a', write('k'))
    expect(answer(ask('r', read('k')), '1/a', tx(1))).toBeUndefined()
    expect(commit(wrote(tx(1), { k: '1/a' }))).toBeUndefined()
    expect(answer(ask('s', read('k')), '1/a', tx(1))).toBeUndefined()
    expect(answer(ask('t', read('k')), '', tx(1))).toBe("reads: t read registers k = '' at 2.1, where it was '1/a'")
  })

  it('of the future are judged when it comes, unless it is another one', () => {
    const { ask, answer, commit } = court()
    ask('a', write('k'))
    answer(ask('r', read('k')), '9/z', tx(1))
    expect(commit(wrote(tx(1), { k: '1/a' }))).toMatch(/^reads: r read registers k = '9\/z'/)
    const other = court()
    other.ask('a', write('k'))
    other.answer(other.ask('r', read('k')), '9/z', tx(1))
    expect(other.commit(wrote(tx(1, 3), { k: '1/a' }))).toBeUndefined()
  })

  it('in a session see what it wrote', () => {
    const { ask, answer } = court()
    answer(ask('a', write('k')), '', tx(5))
    expect(answer(ask('r', read('k')), '', tx(4))).toBe('reads: r read at 2.4; its session had written at 5')
  })

  it('by comparisons that fail are reads too', () => {
    const { ask, answer, commit } = court()
    ask('a', write('k'))
    commit(wrote(tx(1), { k: '1/a' }))
    const compare: Question = { kind: 'compareAndSet', key: 'k', expected: 'z', number: 1 }
    expect(answer(ask('c', compare), 'a', tx(1))).toBeUndefined()
    expect(answer(ask('d', compare), 'b', tx(1))).toBe('reads: d found b at 2.1, where it was a')
  })
})

describe('transaction statuses', () => {
  const told = (status: string) => JSON.stringify({ status })
  const status = (of: TxId): Question => ({ kind: 'status', of })

  it('are true', () => {
    const { ask, answer, commit } = court()
    expect(answer(ask('q', status(tx(1))), told('Pending'))).toBeUndefined()
    expect(answer(ask('r', status(tx(1))), told('Committed'))).toMatch(/calls 2.1 Committed; at 1 nothing is committed/)
    ask('a', write('k'))
    commit(wrote(tx(1, 3), { k: '1/a' }))
    expect(answer(ask('s', status(tx(1, 3))), told('Invalid'))).toMatch(/calls 3.1 Invalid; it is committed/)
    expect(answer(ask('t', status(tx(1))), told('Invalid'))).toBeUndefined()
  })

  it('are final', () => {
    const { ask, answer, commit } = court()
    expect(answer(ask('q', status(tx(1))), told('Invalid'))).toBeUndefined()
    expect(answer(ask('r', status(tx(1))), told('Pending'))).toBeUndefined()
    ask('a', write('k'))
    expect(commit(wrote(tx(1), { k: '1/a' }))).toBe('transaction status: 2.1 was Invalid on n0 and is committed')
    expect(answer(ask('s', status(tx(1))), told('Committed'))).toMatch(/2.1 is Committed on n0, but was Invalid on n0/)
  })

  it('leave no answered write in between when all is over', () => {
    const { ask, answer, commit, end } = court()
    ask('a', write('k'))
    commit(wrote(tx(1), { k: '1/a' }))
    answer(ask('b', write('k')), '', tx(2))
    expect(end()).toBe('transaction status: b was answered with 2.2, which is neither committed nor Invalid')
    const other = court()
    other.answer(other.ask('b', write('k')), '', tx(2))
    other.ask('a', write('k'))
    other.commit(wrote(tx(1, 3), { k: '1/a' }))
    expect(other.end()).toBeUndefined()
  })
})

describe('receipts', () => {
  const receipt = (of: TxId): Question => ({ kind: 'receipt', of })

  it('are for what is committed, and hold', () => {
    const { ask, answer, commit } = court()
    expect(answer(ask('q', receipt(tx(1))), '{}')).toBe('receipts: q: a receipt for 2.1, which is not committed')
    ask('a', write('k'))
    commit(wrote(tx(1), { k: '1/a' }))
    expect(answer(ask('r', receipt(tx(1))), '{}')).toMatch(/^receipts: r: the receipt for 2.1 does not hold: /)
  })
})

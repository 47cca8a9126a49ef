// Goal: what nodes say of the past is what the committed ledger says, replayed by hand, on every node and whatever they did before: states as of
// any transaction, histories of keys, receipts; a lagging, lost or foreign index is built anew; a changed byte is named and never shown; a
// query that may not wait is told 202 and finds its answer later.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type NodeId } from '../../protocols/ids.ts'
import { HISTORY_QUERIES_MAX } from '../../protocols/limits.ts'
import { verifyReceipt } from '../../protocols/receipts/verify-receipt.ts'
import { expectedHistory, Past, tx, type Change } from '../unit/historian/past.ts'

const item = fc.record({ id: fc.nat(3), msg: fc.option(fc.stringMatching(/^[a-z]{1,12}$/), { nil: undefined }) })

describe('the past', () => {
  it('is what replaying the ledger by hand gives: every state, every history, on every node', () => {
    fc.assert(
      fc.property(
        fc.nat(1000),
        fc.array(fc.array(item, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 }),
        (seed, batches) => {
          const past = new Past(seed)
          for (const batch of batches) past.change(batch)
          const { changes } = past
          for (const node of [past.leader, past.backup]) {
            const states = changes.flatMap(({ txId }) => [0, 1, 2, 3].map((id) => ({ txId, id })))
            const answers = past.ask(
              node,
              states.map(({ txId, id }) => `/app/log/private/historical?id=${id}&${tx(txId)}`),
            )
            states.forEach(({ txId, id }, i) => {
              const expected = past.asOf(id, txId.seqno)
              if (expected?.msg === undefined) expect(answers[i]!.status).toBe(404)
              else expect(answers[i]!.body).toEqual({ id, msg: expected.msg, seqno: expected.txId.seqno })
            })
            for (const id of [0, 1, 2, 3]) expect(historyOf(past, node, id)).toEqual(expectedHistory(past, id))
          }
        },
      ),
      { seed: 20, numRuns: 8 },
    )
  })

  it('comes with receipts that prove it', () => {
    const past = new Past(3)
    past.change([{ id: 1, msg: 'proven' }])
    const [{ txId }] = past.changes as [Change]
    const [answer] = past.ask(past.backup, [`/app/log/private/historical_receipt?id=1&${tx(txId)}`])
    const { msg, receipt } = answer!.body as { readonly msg: string; readonly receipt: unknown }
    expect(msg).toBe('proven')
    const { crypto, serviceCertificatePem: serviceCertificate } = past.service
    expect(verifyReceipt(crypto, receipt, { serviceCertificate })).toMatchObject({ ok: true, txId })
  })

  it('is only what is committed, on the ledger that is committed', () => {
    const past = new Past(4)
    past.change([{ id: 1, msg: 'a' }])
    const [{ txId }] = past.changes as [Change]
    const { view, seqno } = txId
    const [later, other, malformed, unwaiting] = past.ask(past.leader, [
      `/app/log/private/historical?id=1&transaction_id=${view}.${seqno + 1000}`,
      `/app/log/private/historical?id=1&transaction_id=${view - 1}.${seqno}`,
      '/app/log/private/historical?id=1',
      `/app/log/private/historical?id=1&${tx(txId)}&wait=perhaps`,
    ])
    expect(later).toMatchObject({ status: 404, body: { error: { code: 'TransactionPendingOrUnknown' } } })
    expect(other).toMatchObject({ status: 404, body: { error: { code: 'TransactionInvalid' } } })
    expect(malformed).toMatchObject({ status: 400, body: { error: { code: 'InvalidQueryParameterValue' } } })
    expect(unwaiting).toMatchObject({ status: 400, body: { error: { code: 'InvalidQueryParameterValue' } } })
  })

  it('is answered by a backup although its session has writes on the way to the primary', () => {
    const past = new Past(5)
    past.change([{ id: 1, msg: 'a' }])
    const { service, backup } = past
    const token = service.request(backup, [
      { target: 'POST /log/private', body: { id: 2, msg: 'b' } },
      { target: `GET /app/receipt?${tx(past.changes[0]!.txId)}` },
      { target: `GET /app/log/private/historical?id=1&${tx(past.changes[0]!.txId)}` },
    ])
    expect(service.sim.run(2000, () => service.responses(backup, token).length === 3)).toBe(true)
    expect(service.responses(backup, token).map(({ status }) => status)).toEqual([200, 200, 200])
  })

  it('says how far its index has come, which is as far as what is committed once it had time', () => {
    const past = new Past(12)
    past.change([{ id: 1, msg: 'a' }])
    past.service.sim.run(1000)
    const [answer] = past.ask(past.backup, ['/node/index/strategies'])
    const { committed } = past.service.executorOf(past.backup).summary
    const watermark = `${committed.view}.${committed.seqno}`
    expect(answer).toEqual({ status: 200, body: [{ name: 'WritesByKey', begin: 1, watermark, problem: null }] })
  })

  it('is not waited for by those who say so: 202, and a retry finds it', () => {
    const past = new Past(6)
    past.change([{ id: 1, msg: 'a' }])
    const target = `/app/receipt?${tx(past.changes[0]!.txId)}&wait=false`
    const [first] = past.ask(past.backup, [target])
    expect(first).toEqual({ status: 202, body: { retry_after_seconds: 1 } })
    past.service.sim.run(100)
    expect(past.ask(past.backup, [target])[0]!.status).toBe(200)
    expect(past.historian(past.backup)).toMatchObject({ activeCount: 0, readCount: 0 })
  })
})

function historyOf(past: Past, node: NodeId, id: number) {
  const items: unknown[] = []
  for (let from: number | undefined = 1; from !== undefined;) {
    const [answer] = past.ask(node, [`/app/log/private/history?id=${id}&from=${from}&limit=2`])
    expect(answer!.body).toMatchObject({ items: expect.any(Array) as unknown })
    const page = answer!.body as { readonly items: readonly unknown[]; readonly next?: number }
    items.push(...page.items)
    from = page.next
  }
  return items
}

describe('a ledger file that was changed', () => {
  const changed = (where: (past: Past, seqno: number) => { readonly seqno: number; readonly offset: number }) => {
    const past = new Past(7)
    past.change([{ id: 1, msg: 'a' }])
    const [{ txId }] = past.changes as [Change]
    const { seqno, offset } = where(past, txId.seqno)
    past.corrupt(past.backup, seqno, offset)
    const target = `/app/log/private/historical_receipt?id=1&${tx(txId)}`
    return { seqno, bad: past.ask(past.backup, [target])[0]!, good: past.ask(past.leader, [target])[0]! }
  }
  const signatureAfter = (past: Past, seqno: number): number =>
    past.service.sim.node(past.backup).disk.signatureAfter(seqno)!.seqno

  it.each([
    ['the sealed part of the entry', (_: Past, seqno: number) => ({ seqno, offset: -1 })],
    ['its public part', (_: Past, seqno: number) => ({ seqno, offset: 60 })],
    ['its tag', (_: Past, seqno: number) => ({ seqno, offset: 10 })],
    ['the tree of the signature', (past: Past, seqno: number) => ({ seqno: signatureAfter(past, seqno), offset: -1 })],
    ['the node’s signature', (past: Past, seqno: number) => ({ seqno: signatureAfter(past, seqno), offset: 900 })],
  ])('is named and not shown: %s', (_, where) => {
    const { seqno, bad, good } = changed(where)
    expect(bad).toMatchObject({ status: 500, body: { error: { code: 'InternalError' } } })
    expect(JSON.stringify(bad.body)).toContain(`Ledger entry ${seqno} of this node is corrupt`)
    expect(good.status).toBe(200)
  })
})

describe('bounds', () => {
  it('are kept: the rest is refused, and everyone is answered', () => {
    const past = new Past(11)
    past.change([{ id: 1, msg: 'a' }])
    const target = { target: `GET /app/receipt?${tx(past.changes[0]!.txId)}` }
    const { service, leader } = past
    const token = service.request(
      leader,
      Array.from({ length: HISTORY_QUERIES_MAX + 10 }, () => target),
    )
    expect(service.sim.run(60_000, () => service.responses(leader, token).length === HISTORY_QUERIES_MAX + 10)).toBe(
      true,
    )
    const statuses = service.responses(leader, token).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(HISTORY_QUERIES_MAX)
    expect(statuses.filter((status) => status === 503)).toHaveLength(10)
  })
})

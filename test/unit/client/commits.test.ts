// Goal: whoever waits for a commit is told exactly once and rightly, in time that the test dictates; and what is asked about is little and enough.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seqno, view, type TxId } from '../../../protocols/ids.ts'
import { Commits } from '../../../runtime/client/commits.ts'

const tx = (v: number, s: number): TxId => ({ view: view(v), seqno: seqno(s) })
const QUIET_MS = 500

function waiting(...ids: readonly TxId[]) {
  const commits = new Commits()
  const told: string[] = []
  for (const id of ids)
    commits.wait(id, 0, 10_000, (error) => told.push(`${id.view}.${id.seqno} ${error?.code ?? 'ok'}`))
  return { commits, told }
}

describe('notices', () => {
  it('settle their view up to their seqno, in order, and nothing else', () => {
    const { commits, told } = waiting(tx(2, 5), tx(2, 3), tx(3, 4), tx(2, 9))
    commits.committed(tx(2, 5))
    expect(told).toEqual(['2.3 ok', '2.5 ok'])
    commits.committed(tx(2, 4))
    commits.committed(tx(4, 100))
    expect([told.length, commits.waiting]).toEqual([2, 2])
  })

  it('count for those who come later', () => {
    const { commits, told } = waiting()
    commits.committed(tx(2, 5))
    commits.wait(tx(2, 5), 0, 1, () => told.push('at once'))
    commits.wait(tx(2, 6), 0, 1, () => told.push('too early'))
    expect(told).toEqual(['at once'])
  })
})

it('an invalid transaction takes the later ones of its view with it', () => {
  const { commits, told } = waiting(tx(2, 3), tx(2, 5), tx(2, 7), tx(3, 6))
  commits.invalid(tx(2, 5))
  expect(told).toEqual(['2.5 TransactionInvalid', '2.7 TransactionInvalid'])
})

it('time runs out for each by itself, and a closed client tells everyone', () => {
  const { commits, told } = waiting(tx(2, 3))
  commits.wait(tx(2, 4), 0, 50, (error) => told.push(`2.4 ${error?.code} ${error?.outcomeUnknown}`))
  commits.expire(49)
  expect(told).toEqual([])
  commits.expire(50)
  expect(told).toEqual(['2.4 RequestTimeout true'])
  expect(commits.waiting).toBe(1)
})

describe('questions', () => {
  it('are asked after silence, and not again at once: lowest, middle, highest', () => {
    const { commits } = waiting(...[1, 2, 3, 4, 5].map((s) => tx(2, s)))
    expect(commits.toAsk(QUIET_MS - 1, QUIET_MS)).toEqual([])
    expect(commits.toAsk(QUIET_MS, QUIET_MS)).toEqual([tx(2, 1), tx(2, 3), tx(2, 5)])
    expect(commits.toAsk(QUIET_MS + 1, QUIET_MS)).toEqual([])
    expect(commits.toAsk(2 * QUIET_MS, QUIET_MS)).toHaveLength(3)
  })

  it('are asked at once of a view that a newer one has overtaken', () => {
    const { commits } = waiting(tx(2, 4), tx(3, 9))
    commits.committed(tx(3, 6))
    expect(commits.toAsk(0, QUIET_MS)).toEqual([tx(2, 4)])
  })
})

it('everyone is told exactly once, whatever happens in which order', () => {
  const action = fc.record({
    kind: fc.constantFrom(
      'wait' as const,
      'wait' as const,
      'committed' as const,
      'invalid' as const,
      'expire' as const,
    ),
    v: fc.integer({ min: 2, max: 4 }),
    s: fc.integer({ min: 1, max: 30 }),
  })
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (plan) => {
      const commits = new Commits()
      const told: number[] = []
      plan.forEach(({ kind, v, s }, now) => {
        if (kind === 'wait') {
          const place = told.push(0) - 1
          commits.wait(tx(v, s), now, now + s, () => void told[place]!++)
        } else if (kind === 'expire') commits.expire(now)
        else commits[kind](tx(v, s))
        expect(told.filter((times) => times === 0)).toHaveLength(commits.waiting)
      })
      commits.expire(Infinity)
      expect(told.every((times) => times === 1)).toBe(true)
    }),
    { seed: 1, numRuns: 300 },
  )
})

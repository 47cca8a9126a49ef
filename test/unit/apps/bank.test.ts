// Goal: SmallBank's operations do what they say, refuse what would overdraw or overflow, and neither make nor lose money.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bank, CENTS_MAX, OVERDRAFT_PENALTY_CENTS } from '../../../runtime/samples/bank.ts'
import { TestService } from './harness.ts'

function opened(...customers: readonly (readonly [name: string, checking: number, savings: number])[]): TestService {
  const service = new TestService(bank)
  for (const [customer, checking, savings] of customers)
    expect(service.call('POST', '/bank/accounts', { customer, checking, savings }).status).toBe(200)
  return service
}

const balance = (service: TestService, customer: string) =>
  service.call('GET', `/bank/balance?customer=${customer}`).body as { checking: number; savings: number; total: number }

describe('bank', () => {
  it('does each operation', () => {
    const service = opened(['ann', 1000, 500], ['bob', 0, 0])
    service.call('POST', '/bank/deposit-checking', { customer: 'ann', amount: 50 })
    expect(balance(service, 'ann')).toEqual({ checking: 1050, savings: 500, total: 1550 })
    service.call('POST', '/bank/transact-savings', { customer: 'ann', amount: -500 })
    expect(balance(service, 'ann')).toEqual({ checking: 1050, savings: 0, total: 1050 })
    service.call('POST', '/bank/send-payment', { from: 'ann', to: 'bob', amount: 1050 })
    expect(balance(service, 'bob')).toEqual({ checking: 1050, savings: 0, total: 1050 })
    service.call('POST', '/bank/transact-savings', { customer: 'bob', amount: 10 })
    service.call('POST', '/bank/amalgamate', { from: 'bob', to: 'ann' })
    expect(balance(service, 'ann').checking).toBe(1060)
    expect(balance(service, 'bob')).toEqual({ checking: 0, savings: 0, total: 0 })
  })

  it('charges a penalty for a cheque that both accounts cannot cover', () => {
    const service = opened(['ann', 100, 100])
    expect(service.call('POST', '/bank/write-check', { customer: 'ann', amount: 200 }).body).toEqual({
      checking: -100,
      savings: 100,
      total: 0,
      penalty: 0,
    })
    expect(service.call('POST', '/bank/write-check', { customer: 'ann', amount: 1 }).body).toMatchObject({
      checking: -101 - OVERDRAFT_PENALTY_CENTS,
      penalty: OVERDRAFT_PENALTY_CENTS,
    })
  })

  it.each([
    ['accounts', { customer: 'ann', checking: 1, savings: 1 }, 409, 'PreconditionFailed'],
    ['accounts', { customer: 'eve', checking: -1, savings: 1 }, 400, 'InvalidInput'],
    ['accounts', { customer: 'e v', checking: 1, savings: 1 }, 400, 'InvalidInput'],
    ['deposit-checking', { customer: 'ann', amount: 0 }, 400, 'InvalidInput'],
    ['deposit-checking', { customer: 'ann', amount: 0.5 }, 400, 'InvalidInput'],
    ['deposit-checking', { customer: 'nobody', amount: 1 }, 404, 'ResourceNotFound'],
    ['deposit-checking', { customer: 'max', amount: 1 }, 400, 'InvalidInput'],
    ['transact-savings', { customer: 'ann', amount: -101 }, 409, 'PreconditionFailed'],
    ['transact-savings', { customer: 'max', amount: 1 }, 400, 'InvalidInput'],
    ['transact-savings', { customer: 'nobody', amount: 1 }, 404, 'ResourceNotFound'],
    ['amalgamate', { from: 'ann', to: 'ann' }, 400, 'InvalidInput'],
    ['amalgamate', { from: 'ann', to: 'nobody' }, 404, 'ResourceNotFound'],
    ['amalgamate', { from: 'ann', to: 'max' }, 400, 'InvalidInput'],
    ['amalgamate', { from: 'max', to: 'ann' }, 400, 'InvalidInput'],
    ['amalgamate', { from: 'debtor', to: 'ann' }, 409, 'PreconditionFailed'],
    ['write-check', { customer: 'nobody', amount: 1 }, 404, 'ResourceNotFound'],
    ['write-check', { customer: 'debtor', amount: CENTS_MAX }, 400, 'InvalidInput'],
    ['write-check', { customer: 'ann', amount: -1 }, 400, 'InvalidInput'],
    ['send-payment', { from: 'ann', to: 'bob', amount: 101 }, 409, 'PreconditionFailed'],
    ['send-payment', { from: 'ann', to: 'ann', amount: 1 }, 400, 'InvalidInput'],
    ['send-payment', { from: 'nobody', to: 'bob', amount: 1 }, 404, 'ResourceNotFound'],
    ['send-payment', { from: 'ann', to: 'max', amount: 1 }, 400, 'InvalidInput'],
    ['send-payment', { from: 'ann', to: 'bob', amount: 1, note: 'x' }, 400, 'InvalidInput'],
  ])('%s refuses %j', (operation, body, status, code) => {
    const service = opened(['ann', 100, 100], ['bob', 0, 0], ['max', CENTS_MAX, CENTS_MAX], ['debtor', 0, 0])
    service.call('POST', '/bank/write-check', { customer: 'debtor', amount: 1 })
    const before = service.kv
    expect(service.call('POST', `/bank/${operation}`, body)).toMatchObject({ status, code })
    expect(service.kv).toBe(before)
  })

  it('refuses to read an unknown customer or without one', () => {
    const service = opened()
    expect(service.call('GET', '/bank/balance?customer=ann').status).toBe(404)
    expect(service.call('GET', '/bank/balance').message).toBe('query.customer: is missing')
  })

  it('conserves money', () => {
    const names = ['a', 'b', 'c']
    const name = fc.constantFrom(...names)
    const amount = fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: CENTS_MAX }))
    const operation = fc.oneof(
      fc.record({ op: fc.constant('deposit-checking'), body: fc.record({ customer: name, amount }) }),
      fc.record({
        op: fc.constant('transact-savings'),
        body: fc.record({ customer: name, amount: fc.integer({ min: -3000, max: 3000 }) }),
      }),
      fc.record({ op: fc.constant('write-check'), body: fc.record({ customer: name, amount }) }),
      fc.record({ op: fc.constant('send-payment'), body: fc.record({ from: name, to: name, amount }) }),
      fc.record({ op: fc.constant('amalgamate'), body: fc.record({ from: name, to: name }) }),
    )
    const done = new Map<string, number>()
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const service = opened(['a', 1000, 1000], ['b', 500, 0], ['c', 0, 0])
        let expected = 2500n
        for (const { op, body } of operations) {
          const answer = service.call('POST', `/bank/${op}`, body)
          if (answer.code !== undefined) continue
          done.set(op, (done.get(op) ?? 0) + 1)
          const amount = 'amount' in body ? BigInt(body.amount) : 0n
          if (op === 'deposit-checking' || op === 'transact-savings') expected += amount
          if (op === 'write-check') expected -= amount + BigInt((answer.body as { penalty: number }).penalty)
        }
        let total = 0n
        for (const name of names) {
          const { checking, savings } = balance(service, name)
          expect(savings).toBeGreaterThanOrEqual(0)
          for (const cents of [checking, savings]) expect(Math.abs(cents)).toBeLessThanOrEqual(CENTS_MAX)
          total += BigInt(checking) + BigInt(savings)
        }
        expect(total).toBe(expected)
      }),
      { seed: 1, numRuns: 200 },
    )
    expect(done.size).toBe(5)
  })
})

// SmallBank: the bank of the transaction-processing benchmark (Alomari et al., "The Cost of Serializability on Platforms
// That Use Snapshot Isolation", ICDE 2008). Balances are private, in whole cents; a checking account may be overdrawn by
// a cheque, which costs a penalty. Not a model of real banking: any registered user may do anything.
// The rule to remember: money is made and destroyed only by openings, deposits, savings transactions, cheques and penalties.
import * as v from 'valibot'
import type { HandlerContext, HandlerResult } from '../../protocols/app.ts'
import { defineApp, endpoint, refuse } from './define-app.ts'
import { wholeNumber } from './fields.ts'
import { jsonTable, text } from './typed-table.ts'

/** Largest balance and amount, in cents: sums of three stay exact. */
export const CENTS_MAX = 2 ** 51
/** Taken in addition by a cheque that overdraws both accounts (SmallBank's one dollar). */
export const OVERDRAFT_PENALTY_CENTS = 100

const checking = jsonTable<string, number>('bank.checking', text)
const savings = jsonTable<string, number>('bank.savings', text)

const customer = v.pipe(
  v.string(),
  v.check((name) => /^[A-Za-z0-9_.@-]{1,64}$/.test(name), 'expected 1 to 64 of A–Z a–z 0–9 _ . @ -'),
)
const amount = wholeNumber(1, CENTS_MAX)
const balance = wholeNumber(0, CENTS_MAX)

const noSuchCustomer = refuse(404, 'ResourceNotFound', 'no such customer')
const insufficientFunds = refuse(409, 'PreconditionFailed', 'insufficient funds')
const outOfRange = refuse(400, 'InvalidInput', `a balance would leave ±${CENTS_MAX} cents`)
const sameCustomer = refuse(400, 'InvalidInput', 'body.to: is the same customer as body.from')

const holds = (cents: number): boolean => Math.abs(cents) <= CENTS_MAX

interface Accounts {
  readonly checking: number
  readonly savings: number
}

type Context = Pick<HandlerContext<unknown, unknown>, 'table'>

function accountsOf(context: Context, name: string): Accounts | undefined {
  const inChecking = checking(context).get(name)
  const inSavings = savings(context).get(name)
  return inChecking === undefined || inSavings === undefined ? undefined : { checking: inChecking, savings: inSavings }
}

const balances = (accounts: Accounts): HandlerResult => ({
  body: { checking: accounts.checking, savings: accounts.savings, total: accounts.checking + accounts.savings },
})

const common = { auth: ['user_cert'], mode: 'readwrite' } as const

const open = endpoint({
  ...common,
  verb: 'POST',
  path: '/bank/accounts',
  body: v.strictObject({ customer, checking: balance, savings: balance }),
  handler(context) {
    const { customer, ...opening } = context.input.body
    if (accountsOf(context, customer) !== undefined)
      return refuse(409, 'PreconditionFailed', 'this customer has accounts already')
    checking(context).put(customer, opening.checking)
    savings(context).put(customer, opening.savings)
    return balances(opening)
  },
})

const readBalance = endpoint({
  verb: 'GET',
  path: '/bank/balance',
  auth: ['user_cert'],
  mode: 'readonly',
  query: v.strictObject({ customer }),
  handler(context) {
    const accounts = accountsOf(context, context.input.query.customer)
    return accounts === undefined ? noSuchCustomer : balances(accounts)
  },
})

const depositChecking = endpoint({
  ...common,
  verb: 'POST',
  path: '/bank/deposit-checking',
  body: v.strictObject({ customer, amount }),
  handler(context) {
    const { customer, amount } = context.input.body
    const before = accountsOf(context, customer)
    if (before === undefined) return noSuchCustomer
    const after = { ...before, checking: before.checking + amount }
    if (!holds(after.checking)) return outOfRange
    checking(context).put(customer, after.checking)
    return balances(after)
  },
})

const transactSavings = endpoint({
  ...common,
  verb: 'POST',
  path: '/bank/transact-savings',
  /** Negative withdraws. */
  body: v.strictObject({ customer, amount: wholeNumber(-CENTS_MAX, CENTS_MAX) }),
  handler(context) {
    const { customer, amount } = context.input.body
    const before = accountsOf(context, customer)
    if (before === undefined) return noSuchCustomer
    const after = { ...before, savings: before.savings + amount }
    if (after.savings < 0) return insufficientFunds
    if (!holds(after.savings)) return outOfRange
    savings(context).put(customer, after.savings)
    return balances(after)
  },
})

const amalgamate = endpoint({
  ...common,
  verb: 'POST',
  path: '/bank/amalgamate',
  body: v.strictObject({ from: customer, to: customer }),
  /** Moves all that `from` has into the checking account of `to`. A debt cannot be given away. */
  handler(context) {
    const { from, to } = context.input.body
    if (from === to) return sameCustomer
    const source = accountsOf(context, from)
    const target = accountsOf(context, to)
    if (source === undefined || target === undefined) return noSuchCustomer
    const moved = source.checking + source.savings
    if (moved < 0) return insufficientFunds
    const after = { ...target, checking: target.checking + moved }
    if (!holds(after.checking)) return outOfRange
    checking(context).put(from, 0)
    savings(context).put(from, 0)
    checking(context).put(to, after.checking)
    return balances(after)
  },
})

const writeCheck = endpoint({
  ...common,
  verb: 'POST',
  path: '/bank/write-check',
  body: v.strictObject({ customer, amount }),
  /** Never refused for want of money: SmallBank's rule is a penalty. */
  handler(context) {
    const { customer, amount } = context.input.body
    const before = accountsOf(context, customer)
    if (before === undefined) return noSuchCustomer
    const penalty = before.checking + before.savings < amount ? OVERDRAFT_PENALTY_CENTS : 0
    const after = before.checking - amount - penalty
    if (!holds(after)) return outOfRange
    checking(context).put(customer, after)
    return { body: { checking: after, savings: before.savings, total: after + before.savings, penalty } }
  },
})

const sendPayment = endpoint({
  ...common,
  verb: 'POST',
  path: '/bank/send-payment',
  body: v.strictObject({ from: customer, to: customer, amount }),
  handler(context) {
    const { from, to, amount } = context.input.body
    if (from === to) return sameCustomer
    const source = accountsOf(context, from)
    const target = accountsOf(context, to)
    if (source === undefined || target === undefined) return noSuchCustomer
    if (source.checking < amount) return insufficientFunds
    if (!holds(target.checking + amount)) return outOfRange
    checking(context).put(from, source.checking - amount)
    checking(context).put(to, target.checking + amount)
    return balances({ ...source, checking: source.checking - amount })
  },
})

export const bank = defineApp({
  name: 'bank',
  endpoints: { open, readBalance, depositChecking, transactSavings, amalgamate, writeCheck, sendPayment },
})

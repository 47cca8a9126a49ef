// The application that simulated clients use: registers and accounts whose every value names the request that wrote it, so that the
// committed ledger says what happened and in which order. Parsing is by hand: a run is not to be spent on schemas.
// Values are `<number>/<request>`. Not a sample: nothing outside simulations mounts it.
import type {
  App,
  Endpoint,
  HandlerContext,
  HandlerResult,
  PresentEndpoint,
  TableHandle,
} from '../../../protocols/app.ts'
import { fromUtf8, utf8 } from '../../../protocols/codec/bytes.ts'
import { refusal } from '../../../protocols/errors.ts'
import { ACCOUNTS, OPENING_BALANCE, parseValue, REGISTERS } from '../../sim/register-values.ts'

type Context = HandlerContext<Readonly<Record<string, string>>, unknown>

const valueAt = (table: TableHandle, key: string) => {
  const bytes = table.get(utf8(key))
  return bytes === undefined ? undefined : parseValue(fromUtf8(bytes))
}

const bodyOf = (context: Context): string => fromUtf8(context.input as Uint8Array)

const endpoint = (
  verb: Endpoint['verb'],
  path: string,
  mode: PresentEndpoint['mode'],
  handler: (context: Context) => HandlerResult,
): Endpoint => ({ verb, path, mode, auth: ['user_cert'], schema: ({ body }) => ({ ok: true, value: body }), handler })

const read =
  (table: string) =>
  (context: Context): HandlerResult => {
    const bytes = context.table(table).get(utf8(context.params['key']!))
    return bytes === undefined ? {} : { bytes }
  }

/** Body: the new value. */
function write(context: Context): HandlerResult {
  context.table(REGISTERS).put(utf8(context.params['key']!), context.input as Uint8Array)
  return {}
}

/** Writes only if the register was last written by `expected` (`-`: never). Answers what it found. */
function compareAndSet(context: Context): HandlerResult {
  const { key, expected } = context.params
  const registers = context.table(REGISTERS)
  const found = valueAt(registers, key!)?.request ?? '-'
  if (found === expected) registers.put(utf8(key!), context.input as Uint8Array)
  return { bytes: utf8(found) }
}

/** Body: the request's name. Refused, without a trace, if the account does not hold enough. */
function transfer(context: Context): HandlerResult {
  const { from, to, amount } = context.params
  const accounts = context.table(ACCOUNTS)
  const request = bodyOf(context)
  const source = (valueAt(accounts, from!)?.number ?? OPENING_BALANCE) - Number(amount)
  const target = (valueAt(accounts, to!)?.number ?? OPENING_BALANCE) + Number(amount)
  if (source < 0) return { refused: refusal(400, 'PreconditionFailed', 'insufficient funds') }
  accounts.put(utf8(from!), utf8(`${source}/${request}`))
  accounts.put(utf8(to!), utf8(`${target}/${request}`))
  return { bytes: utf8(`${source} ${target}`) }
}

export const registerApp: App = {
  name: 'registers',
  endpoints: [
    endpoint('GET', '/registers/{key}', 'readonly', read(REGISTERS)),
    endpoint('GET', '/accounts/{key}', 'readonly', read(ACCOUNTS)),
    endpoint('PUT', '/registers/{key}', 'readwrite', write),
    endpoint('PUT', '/registers/{key}/{expected}', 'readwrite', compareAndSet),
    endpoint('POST', '/transfers/{from}/{to}/{amount}', 'readwrite', transfer),
  ],
}

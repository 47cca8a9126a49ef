// How the simulated application's tables are named and its values read: what clients, application and checkers agree on.

/** Private: values are sealed in the ledger. */
export const REGISTERS = 'registers'
/** Public. */
export const ACCOUNTS = 'public:accounts'
/** What an account holds that was never written. */
export const OPENING_BALANCE = 100

/** `<number>/<request>`: the request is the name of the one that wrote it. */
export interface RegisterValue {
  readonly number: number
  readonly request: string
}

export function parseValue(text: string): RegisterValue {
  const slash = text.indexOf('/')
  return { number: Number(text.slice(0, slash)), request: text.slice(slash + 1) }
}

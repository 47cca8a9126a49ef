// Who counts as registered: which table and key decide for an authentication policy (CCF facts §7.1, §10.2).
// Not authentication itself: the session has proven that the caller holds the certificate's key.
// The rule to remember: decided at execution, against the store of that transaction, never remembered by a session.
import type { AuthPolicy, Caller } from '../app.ts'
import { utf8 } from '../codec/bytes.ts'
import { GOV_TABLES } from '../ledger/tables.ts'

/** Key of a user, member or node in CCF's tables: its id as raw text. */
export const idKey = (id: string): Uint8Array => utf8(id)

/** The table in which the caller's id must be a key; undefined when the policy needs no registration. */
export function registrationTable(policy: AuthPolicy): string | undefined {
  switch (policy) {
    case 'user_cert':
      return GOV_TABLES.usersCerts
    case 'member_cert':
      return GOV_TABLES.membersCerts
    case 'any_cert':
    case 'no_auth':
      return undefined
  }
}

/**
 * The first policy that accepts the caller, as in CCF (any one suffices); undefined: refuse with 401
 * InvalidAuthenticationInfo. `has` looks a key up in a table of the current transaction.
 */
export function acceptingPolicy(
  policies: readonly AuthPolicy[],
  caller: Caller,
  has: (table: string, key: Uint8Array) => boolean,
): AuthPolicy | undefined {
  return policies.find((policy) => {
    if (policy === 'no_auth') return true
    if (caller.kind !== 'certificate') return false
    const table = registrationTable(policy)
    return table === undefined || has(table, idKey(caller.id))
  })
}

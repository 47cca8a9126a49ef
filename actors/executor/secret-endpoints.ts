// The endpoints by which an operator renews ledger secrets and recovery shares: what CCF's actions trigger_ledger_rekey and
// trigger_recovery_shares_refresh do. Concordat's own, until members decide by proposals (protocols/README.md §9.9); and the one by which
// members get their shares, which is CCF's (CCF facts §8.3).
import type { AppRequest, AppResponse } from '../../protocols/app.ts'
import { INTERNAL_TABLES, SINGLE_KEY } from '../../protocols/ledger/tables.ts'
import { jsonResponse } from '../../protocols/requests.ts'
import { decodeRecoveryShares } from '../../protocols/secrets/recovery-shares.ts'
import { readMap } from '../../store/kv/kv-state.ts'
import { toBase64 } from '../../protocols/codec/bytes.ts'
import { refuse } from './answers.ts'
import type { ExecutorState, SecretEndpoint } from './state.ts'

const byOperator = { verb: 'POST', auth: ['member_cert'], mode: 'readwrite' } as const

export const SECRET_ENDPOINTS: readonly SecretEndpoint[] = [
  { ...byOperator, path: '/node/ledger-secrets:rekey', issues: 'rekey' },
  { ...byOperator, path: '/node/recovery-shares:refresh', issues: 'shares' },
]

const SHARE_PATH = /^\/gov\/recovery\/encrypted-shares\/([^/]+)$/

/** The member whose share a path asks for. */
export const memberOfSharePath = (path: string): string | undefined => SHARE_PATH.exec(path)?.[1]

const API_VERSIONS: readonly string[] = ['2023-06-01-preview', '2024-07-01']

export function encryptedShare(
  s: ExecutorState,
  request: AppRequest,
  query: Readonly<Record<string, string>>,
  memberId: string,
): AppResponse {
  const version = query['api-version']
  if (version === undefined) {
    return refuse(request, 400, 'MissingApiVersionParameter', 'The query must have api-version.')
  }
  if (!API_VERSIONS.includes(version)) {
    return refuse(request, 400, 'UnsupportedApiVersionValue', `api-version must be one of ${API_VERSIONS.join(', ')}.`)
  }
  const value = readMap(s.kv, INTERNAL_TABLES.recoveryShares).get(SINGLE_KEY)
  const shares = value && decodeRecoveryShares(value).encryptedShares
  if (shares === undefined || !Object.hasOwn(shares, memberId)) {
    return refuse(request, 404, 'ResourceNotFound', 'There is no recovery share for this member.')
  }
  return jsonResponse(request.id, 200, { memberId, encryptedShare: toBase64(shares[memberId]!) })
}

// A row of `nodes.info` as it is found in the table: read for its status, rewritten with another one. Everything else in it is kept as it is.
// Not how a row is first made (node-info.ts). The rule to remember: Pending → Trusted → Retired → Retired with `retired_committed` (CCF facts §13).
import { DecodeError } from '../codec/bytes.ts'
import { decodeJsonObject } from '../ledger/tables.ts'
import { encodeSortedJson, type JsonValue } from './sorted-json.ts'

/** CCF's status of a node; `RetiredCommitted` is Retired with `retired_committed`. */
export type NodeStanding = 'Pending' | 'Trusted' | 'Retired' | 'RetiredCommitted'

export interface NodeRow {
  readonly standing: NodeStanding
  /** The whole row. */
  readonly info: { readonly [name: string]: JsonValue }
}

/** @throws DecodeError when it is no JSON object, or its status is none of CCF's. */
export function decodeNodeRow(value: Uint8Array): NodeRow {
  const info = decodeJsonObject(value) as NodeRow['info']
  const { status } = info
  if (status === 'Retired') return { standing: info['retired_committed'] === true ? 'RetiredCommitted' : status, info }
  if (status !== 'Pending' && status !== 'Trusted') throw new DecodeError('unknown status of a node', 0)
  return { standing: status, info }
}

/**
 * The row of a node that becomes Trusted.
 * @param ledgerSecretSeqno version of the newest ledger secret at that moment (CCF facts §7.3, §13)
 */
export const encodeTrustedRow = ({ info }: NodeRow, ledgerSecretSeqno: number): Uint8Array =>
  encodeSortedJson({ ...info, ledger_secret_seqno: ledgerSecretSeqno, status: 'Trusted' })

/** The row with another standing; for Trusted there is `encodeTrustedRow`. */
export function encodeNodeRow(row: NodeRow, standing: Exclude<NodeStanding, 'Trusted'>): Uint8Array {
  switch (standing) {
    case 'Pending':
    case 'Retired':
      return encodeSortedJson({ ...row.info, status: standing })
    case 'RetiredCommitted':
      return encodeSortedJson({ ...row.info, status: 'Retired', retired_committed: true })
  }
}

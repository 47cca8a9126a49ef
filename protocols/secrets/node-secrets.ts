// `encrypted_ledger_secrets` (CCF facts §6.2): ledger secrets encrypted to each node, in the entry from which on they are known.
// Not who gets one (the keeper). The rule to remember: an item without a version is for the seqno after the entry that carries it.
import { DecodeError, toBase64 } from '../codec/bytes.ts'
import { encodeSortedJson } from '../governance/sorted-json.ts'
import type { NodeId } from '../ids.ts'
import { decodeJsonObject } from '../ledger/tables.ts'
import { LEDGER_SECRETS_MAX } from '../limits.ts'
import { base64At, objectAt, optional, seqnoAt } from './fields.ts'

export interface NodeSecret {
  /** RSA-OAEP under the node's encryption key. */
  readonly encryptedSecret: Uint8Array
  /** Undefined for a rekey: the seqno after the entry. */
  readonly version?: number
  readonly previousSecretStoredVersion?: number
}

export type NodeSecrets = Readonly<Record<NodeId, readonly NodeSecret[]>>

export function encodeNodeSecrets(secrets: NodeSecrets): Uint8Array {
  const items = (list: readonly NodeSecret[]) =>
    list.map(({ encryptedSecret, version, previousSecretStoredVersion }) => ({
      encrypted_secret: toBase64(encryptedSecret),
      previous_secret_stored_version: previousSecretStoredVersion,
      version: version ?? null,
    }))
  return encodeSortedJson(Object.fromEntries(Object.entries(secrets).map(([node, list]) => [node, items(list)])))
}

/** The items of one node; none when it is not named. @throws DecodeError */
export function decodeNodeSecrets(value: Uint8Array, nodeId: NodeId): readonly NodeSecret[] {
  const lists = decodeJsonObject(value)
  const list = Object.hasOwn(lists, nodeId) ? lists[nodeId] : []
  if (!Array.isArray(list) || list.length > LEDGER_SECRETS_MAX) throw new DecodeError('ledger secrets: no list', 0)
  return list.map((item: unknown): NodeSecret => {
    const fields = objectAt(item, 'ledger secret')
    return {
      encryptedSecret: base64At(fields['encrypted_secret'], 'encrypted_secret'),
      ...optional('version', seqnoAt(fields['version'], 'version')),
      ...optional(
        'previousSecretStoredVersion',
        seqnoAt(fields['previous_secret_stored_version'], 'previous_secret_stored_version'),
      ),
    }
  })
}

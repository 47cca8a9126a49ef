// What the entries of a scenario are made of: the JSON texts that CCF's test driver writes, because a leader's batch size follows from their
// lengths and scenario files count messages (consensus.md §14; scenario-dsl.md, "Entry sizes").
import { toBase64, utf8 } from '../../protocols/codec/bytes.ts'
import type { RecordKind } from '../../protocols/consensus/log.ts'

const SIGNATURE_TEXT = 'signature'

const TYPES: Readonly<Record<RecordKind, string>> = {
  transaction: 'raw',
  signature: 'raw',
  reconfiguration: 'reconfiguration',
  retiredCommitted: 'retired_committed',
}

const ofType = (kind: RecordKind, content: string): Uint8Array =>
  utf8(JSON.stringify({ data: toBase64(utf8(content)), type: TYPES[kind] }))

export const transactionBytes = (text: string): Uint8Array => ofType('transaction', text)

export const signatureBytes = (): Uint8Array => ofType('signature', SIGNATURE_TEXT)

/** @param nodes in ascending order */
export function nodesBytes(kind: 'reconfiguration' | 'retiredCommitted', nodes: readonly string[]): Uint8Array {
  // Not through an object: its keys would come out in numerical order.
  const members = nodes.map((node) => `${JSON.stringify(node)}:{"address":":"}`)
  return ofType(kind, `{${members.join(',')}}`)
}

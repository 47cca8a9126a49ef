// What a receipt is worth: verified offline against the statement it proves, and refused when either has been tampered with.
// The rule to remember: nothing here asks a node about validity; the service certificate alone decides.
import type { Client, Receipt, VerifyReceipt } from '../client/index.ts'
import { formatTxId } from '../../protocols/ids.ts'
import { statementBytes } from '../samples/statement.ts'
import { Problem } from '../terminal/problem.ts'
import type { Registration } from './registrar.ts'

const RECEIPT_TIMEOUT_MS = 30_000
const RETRY_AFTER_MS = 25

/** The receipt of a committed transaction. @throws Problem */
export async function fetchReceipt(client: Client, { txId }: Registration): Promise<Receipt> {
  const deadline = performance.now() + RECEIPT_TIMEOUT_MS
  for (;;) {
    const response = await client.request(`GET /app/receipt?transaction_id=${formatTxId(txId)}`)
    if (response.status === 200) return response.body as Receipt
    const isPending = response.status === 202 || response.error?.code === 'TransactionPendingOrUnknown'
    if (!isPending || performance.now() > deadline) {
      throw new Problem(`no receipt of ${formatTxId(txId)}: ${response.error?.message ?? `status ${response.status}`}`)
    }
    await new Promise((done) => setTimeout(done, RETRY_AFTER_MS))
  }
}

/** Undefined when the receipt proves that this very statement is in that very transaction; else why not. */
export function receiptProblem(
  verify: VerifyReceipt,
  serviceCertificate: string,
  { txId, claims }: Registration,
  receipt: Receipt,
): string | undefined {
  const result = verify(receipt, { serviceCertificate, claims })
  if (!result.ok) return result.reason
  const proven = result.txId && formatTxId(result.txId)
  return proven === formatTxId(txId) ? undefined : `it is of transaction ${proven ?? '(unnamed)'}`
}

export interface Tampering {
  readonly what: string
  readonly refused: boolean
  readonly reason: string
}

const flipHexDigit = (hex: string): string => (hex.startsWith('0') ? '1' : '0') + hex.slice(1)

/** The same package with another version's content, and a receipt changed in one digit: neither may be believed. */
export function tamper(
  verify: VerifyReceipt,
  serviceCertificate: string,
  { statement, claims }: Registration,
  receipt: Receipt,
): readonly Tampering[] {
  const forged = statementBytes({ ...statement, payload: `${statement.payload} ` })
  const components = receipt.leaf_components!
  const altered: Receipt = {
    ...receipt,
    leaf_components: { ...components, write_set_digest: flipHexDigit(components.write_set_digest) },
  }
  const attempts = [
    { what: 'a tampered statement', receipt, claims: forged },
    { what: 'a tampered receipt', receipt: altered, claims },
  ]
  return attempts.map(({ what, receipt, claims }) => {
    const result = verify(receipt, { serviceCertificate, claims })
    return { what, refused: !result.ok, reason: result.ok ? 'it was believed' : result.reason }
  })
}

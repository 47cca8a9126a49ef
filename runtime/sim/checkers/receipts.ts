// Receipts that the service gives out hold under its certificate, for the transaction that was asked for, and only for committed ones.
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
import { formatTxId } from '../../../protocols/ids.ts'
import { verifyReceipt } from '../../../protocols/receipts/verify-receipt.ts'
import type { Checker, World } from '../world.ts'

const NAME = 'receipts'

export function receiptsChecker(world: World, crypto: Crypto, serviceCertificate: string): Checker {
  return {
    name: NAME,
    onAnswer({ question, outcome, answer, name }) {
      if (question.kind !== 'receipt' || outcome !== 'done') return
      const id = formatTxId(question.of)
      if (world.committed.at(question.of.seqno)?.view !== question.of.view) {
        world.fail(NAME, `${name}: a receipt for ${id}, which is not committed`)
      }
      const receipt: unknown = JSON.parse(answer)
      const verified = verifyReceipt(crypto, receipt, { serviceCertificate })
      if (!verified.ok) world.fail(NAME, `${name}: the receipt for ${id} does not hold: ${verified.reason}`)
      if (verified.txId !== undefined && formatTxId(verified.txId) !== id) {
        world.fail(NAME, `${name}: the receipt for ${id} is one for ${formatTxId(verified.txId)}`)
      }
    },
  }
}

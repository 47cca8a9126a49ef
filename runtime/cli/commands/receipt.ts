// `concordat receipt verify`: checks a receipt with nothing but the service certificate. No network, no node, no clock.
// Not the rules (protocols/receipts/verify-receipt.ts). The rule to remember: a receipt proves what its claims digest says and no more;
// with --claims the claims themselves are checked against it.
import type { Command } from 'commander'
import { DecodeError, toHex } from '../../../protocols/codec/bytes.ts'
import { parseCertificate } from '../../../protocols/crypto/certificate.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { UsageError } from '../../../protocols/errors.ts'
import { formatTxId } from '../../../protocols/ids.ts'
import { verifyReceipt } from '../../../protocols/receipts/verify-receipt.ts'
import { readInput, readJsonInput, readTextInput } from '../input.ts'
import { printJson, printLine } from '../../terminal/output.ts'

const EXIT_PROBLEM = 1

interface VerifyOptions {
  readonly serviceCert: string
  readonly claims?: string
  readonly json?: boolean
}

export function register(program: Command): void {
  program
    .command('receipt')
    .description('examine receipts, offline')
    .command('verify')
    .description('prove that a transaction is in the ledger of a service')
    .argument('<file>', 'the receipt (JSON), - for stdin')
    .requiredOption('--service-cert <file>', 'PEM of the service you trust')
    .option('--claims <file>', 'the claims: their SHA-256 must be the claims digest of the transaction')
    .option('--json', 'print one JSON object')
    .action(verify)
}

async function verify(file: string, options: VerifyOptions): Promise<void> {
  const receipt = await readJsonInput(file, 'receipt')
  const serviceCertificate = await readTextInput(options.serviceCert, 'service certificate')
  requireCertificate(serviceCertificate, options.serviceCert)
  const claims = options.claims === undefined ? undefined : await readInput(options.claims, 'claims')
  const trust = { serviceCertificate, ...(claims !== undefined && { claims }) }
  const result = verifyReceipt(nativeCrypto, receipt, trust)
  if (!result.ok) {
    process.exitCode = EXIT_PROBLEM
    if (options.json) printJson(result)
    else printLine(`REFUSED: ${result.reason}`)
    return
  }
  const txId = result.txId === undefined ? undefined : formatTxId(result.txId)
  const claimsDigest = result.claimsDigest === undefined ? undefined : toHex(result.claimsDigest)
  const { nodeId } = result
  const root = toHex(result.root)
  if (options.json) return printJson({ ok: true, txId, nodeId, root, leaf: toHex(result.leaf), claimsDigest })
  printLine(`verified: transaction ${txId ?? '(not named)'} is in the ledger of the service`)
  printLine(`claims digest ${claimsDigest ?? 'none'}${claims === undefined ? '' : ', that of the claims given'}`)
  printLine(`root ${root}, signed by node ${nodeId}`)
}

/** A wrong certificate file is a mistake of the user, not of the receipt. @throws UsageError */
function requireCertificate(pem: string, file: string): void {
  try {
    parseCertificate(pem)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new UsageError(`${file} is not a certificate: ${error.message}`)
  }
}

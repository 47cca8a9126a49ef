// `concordat receipt`: `get` asks a running service, `make` reads a ledger directory, `verify` checks with nothing but the service certificate: no network, no node, no clock.
// Not the rules (protocols/receipts). The rule to remember: a receipt proves what its claims digest says and no more; with --claims the claims
// themselves are checked against it.
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { DecodeError, fromHex, toHex } from '../../../protocols/codec/bytes.ts'
import { parseCertificate } from '../../../protocols/crypto/certificate.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { UsageError } from '../../../protocols/errors.ts'
import { formatTxId, parseTxId, type TxId } from '../../../protocols/ids.ts'
import { parseEndorsements } from '../../../protocols/receipts/endorsements.ts'
import type { ReceiptTrust } from '../../../protocols/receipts/trust.ts'
import { verifyCoseReceipt } from '../../../protocols/receipts/verify-cose-receipt.ts'
import { verifyReceipt } from '../../../protocols/receipts/verify-receipt.ts'
import { addConnectionOptions, type ConnectionOptions, withClient } from '../connection.ts'
import { parseJson, readInput, readJsonInput, readTextInput, reasonOf } from '../input.ts'
import { gather, readSecrets } from '../secret-files.ts'
import { chunkRow } from '../../ledger-tools/chunk-row.ts'
import { makeReceipt, recordedEndorsements } from '../../ledger-tools/receipt-maker.ts'
import { note, printJson, printLine } from '../../terminal/output.ts'
import { Problem } from '../../terminal/problem.ts'
import { realFiles } from '../../../store/ledger/real-files.ts'

const EXIT_PROBLEM = 1
/** First byte of a COSE_Sign1: its tag. No JSON begins so. */
const COSE_SIGN1 = 0xd2

const MAKE_HELP = `
Reads the transaction and the first signature after it. Signature transactions and old entry types (0, 2, 3) get a bare leaf and need no
secret; all others show their commit evidence, for which --secret is needed (see concordat ledger read for its forms).
Only committed chunks are read, unless --uncommitted: then you vouch that the transaction is committed.
Exit code 1: there is no such receipt (the reason is one line), or the ledger is corrupt.
`

const VERIFY_HELP = `
Both kinds of receipt are known by their first byte. Dates of certificates are not looked at: a receipt is evidence of what was.
Receipts of an identity the service had before a recovery need --endorsements, as written by concordat receipt make.
Exit code 1: the receipt is refused; the reason is one line.
`

interface VerifyOptions {
  readonly serviceCert: string
  readonly claims?: string
  readonly claimsDigest?: Uint8Array
  readonly endorsements?: string
  readonly json?: boolean
}

interface FormatOptions {
  readonly cose?: boolean
  readonly out?: string
}

interface MakeOptions extends FormatOptions {
  readonly secret?: readonly string[]
  readonly endorsements?: string
  readonly uncommitted?: boolean
}

export function register(program: Command): void {
  const receipt = program.command('receipt').description('get receipts, and check them offline')
  addConnectionOptions(
    receipt
      .command('get')
      .description('ask a running service for the receipt of a committed transaction')
      .argument('<txid>', '<view>.<seqno>', txIdArgument)
      .option('--cose', 'COSE instead of JSON')
      .option('--out <file>', 'write it there instead of stdout')
      .action(get),
  )
  receipt
    .command('make')
    .description('make the receipt of a transaction from a ledger directory')
    .argument('<directory>', 'the ledger directory of a node')
    .argument('<txid>', '<view>.<seqno>', txIdArgument)
    .option('--cose', 'COSE instead of JSON')
    .option('--out <file>', 'write it there instead of stdout')
    .option('--secret <file>', 'ledger secret(s); may be repeated', gather)
    .option('--endorsements <file>', 'also write there the endorsements of earlier service identities')
    .option('--uncommitted', 'also from chunks that are not committed')
    .addHelpText('after', MAKE_HELP)
    .action(make)
  receipt
    .command('verify')
    .description('prove that a transaction is in the ledger of a service')
    .argument('<file>', 'the receipt, JSON or COSE; - for stdin')
    .requiredOption('--service-cert <file>', 'PEM of the service you trust')
    .option('--claims <file>', 'the claims: their SHA-256 must be the claims digest of the transaction')
    .option('--claims-digest <hex>', 'the claims digest itself', digestOption)
    .option('--endorsements <file>', 'of earlier identities of the service: JSON, newest first')
    .option('--json', 'print one JSON object')
    .addHelpText('after', VERIFY_HELP)
    .action(verify)
}

/** @throws UsageError */
function txIdArgument(text: string): TxId {
  const txId = parseTxId(text)
  if (txId === undefined) throw new UsageError(`${JSON.stringify(text)} is not a transaction id: <view>.<seqno>`)
  return txId
}

/** @throws UsageError */
function digestOption(text: string): Uint8Array {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) throw new UsageError('--claims-digest is 64 hex digits')
  return fromHex(text)
}

/** JSON, or bytes as they are; on stdout without a file. @throws UsageError when it cannot be written. */
async function writeOut(what: string, value: Uint8Array | object, out: string | undefined): Promise<void> {
  const content = value instanceof Uint8Array ? value : `${JSON.stringify(value, undefined, 2)}\n`
  if (out === undefined) return void process.stdout.write(content)
  try {
    await writeFile(out, content)
  } catch (error) {
    throw new UsageError(`cannot write ${out}: ${reasonOf(error)}`)
  }
  note(`${what} written to ${out}`)
}

async function get(txId: TxId, options: ConnectionOptions & FormatOptions): Promise<void> {
  await withClient(options, async (client) => {
    const receipt = options.cose === true ? await client.coseReceipt(txId) : await client.receipt(txId)
    await writeOut('receipt', receipt, options.out)
  })
}

async function make(directory: string, txId: TxId, options: MakeOptions): Promise<void> {
  const secrets = await readSecrets(options.secret ?? [])
  const all = chunkRow(realFiles, directory)
  const chunks = options.uncommitted === true ? all : all.filter(({ committed }) => committed)
  const made = makeReceipt(nativeCrypto, chunks, { txId, format: options.cose === true ? 'cose' : 'json', secrets })
  if (!made.ok) {
    const hint =
      chunks.length < all.length ? ` (${all.length - chunks.length} uncommitted not read: --uncommitted)` : ''
    throw new Problem(`no receipt: ${made.reason}${hint}`)
  }
  await writeOut('receipt', made.receipt, options.out)
  note(`under the signature at ${formatTxId(made.signedAt)}`)
  if (options.endorsements === undefined) return
  const endorsements = recordedEndorsements(chunks)
  await writeOut(`endorsements (${endorsements.length})`, endorsements, options.endorsements)
}

/** @throws UsageError for what the user got wrong besides the receipt. */
async function trustFrom(options: VerifyOptions): Promise<ReceiptTrust> {
  const serviceCertificate = await readTextInput(options.serviceCert, 'service certificate')
  asUsage(`${options.serviceCert} is not a certificate`, () => parseCertificate(serviceCertificate))
  const claims = options.claims === undefined ? undefined : await readInput(options.claims, 'claims')
  const { claimsDigest, endorsements: file } = options
  const endorsements = file === undefined ? undefined : await readJsonInput(file, 'endorsements')
  if (file !== undefined) asUsage(`${file} holds no endorsements`, () => parseEndorsements(nativeCrypto, endorsements))
  return {
    serviceCertificate,
    ...(claims !== undefined && { claims }),
    ...(claimsDigest !== undefined && { claimsDigest }),
    ...(endorsements !== undefined && { endorsements: endorsements as readonly string[] }),
  }
}

/** A malformed file beside the receipt is a mistake of the user, not of the receipt. @throws UsageError */
function asUsage(what: string, parse: () => unknown): void {
  try {
    parse()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new UsageError(`${what}: ${error.message}`)
  }
}

async function verify(file: string, options: VerifyOptions): Promise<void> {
  const bytes = await readInput(file, 'receipt')
  const trust = await trustFrom(options)
  const outcome =
    bytes[0] === COSE_SIGN1
      ? coseOutcome(bytes, trust)
      : jsonOutcome(parseJson(new TextDecoder().decode(bytes), `receipt ${file}`), trust)
  if (!outcome.ok) process.exitCode = EXIT_PROBLEM
  if (options.json) return printJson(outcome)
  if (!outcome.ok) return printLine(`REFUSED: ${outcome.reason}`)
  const { txId, claimsDigest, root, signedBy } = outcome
  printLine(`verified: transaction ${txId ?? '(not named)'} is in the ledger of the service`)
  const isGiven = trust.claims !== undefined || trust.claimsDigest !== undefined
  printLine(`claims digest ${claimsDigest ?? 'none'}${isGiven ? ', that of the claims given' : ''}`)
  printLine(`root ${root}, signed by ${signedBy}`)
}

type Outcome =
  | { readonly ok: false; readonly reason: string }
  | {
      readonly ok: true
      readonly txId: string | undefined
      readonly claimsDigest: string | undefined
      readonly root: string
      readonly signedBy: string
      readonly nodeId?: string
      readonly leaf?: string
      readonly signatureTxId?: string
    }

function jsonOutcome(receipt: unknown, trust: ReceiptTrust): Outcome {
  const result = verifyReceipt(nativeCrypto, receipt, trust)
  if (!result.ok) return result
  const { txId, nodeId, root, leaf, claimsDigest } = result
  return {
    ok: true,
    txId: txId && formatTxId(txId),
    claimsDigest: claimsDigest && toHex(claimsDigest),
    root: toHex(root),
    signedBy: `node ${nodeId}`,
    nodeId,
    leaf: toHex(leaf),
  }
}

function coseOutcome(bytes: Uint8Array, trust: ReceiptTrust): Outcome {
  const result = verifyCoseReceipt(nativeCrypto, bytes, trust)
  if (!result.ok) return result
  const { inclusions, root, signatureTxId } = result
  const signature = formatTxId(signatureTxId)
  return {
    ok: true,
    txId: inclusions.map(({ txId }) => formatTxId(txId)).join(', '),
    claimsDigest: inclusions.map(({ claimsDigest }) => toHex(claimsDigest)).join(', '),
    root: toHex(root),
    signedBy: `the service at ${signature}`,
    signatureTxId: signature,
  }
}

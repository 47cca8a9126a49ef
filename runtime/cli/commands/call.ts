// `concordat call METHOD PATH`: one request over a sealed session, from a shell.
// Not a client library (runtime/client). The rule to remember: the body is on stdout, everything else on stderr; a refusal is exit code 1.
import { Option, type Command } from 'commander'
import type { Response } from '../../client/index.ts'
import { addConnectionOptions, type ConnectionOptions, withClient } from '../connection.ts'
import { parseJson, readInput } from '../input.ts'
import { note, printJson, printLine } from '../../terminal/output.ts'

const EXIT_PROBLEM = 1

interface CallOptions extends ConnectionOptions {
  readonly body?: string
  readonly wait?: 'committed'
  readonly receipt?: boolean
  readonly json?: boolean
}

export function register(program: Command): void {
  const command = program
    .command('call')
    .description('send one request to a service, sealed end to end, and print the body of its response')
    .argument('<method>', 'GET, POST, PUT, DELETE, …')
    .argument('<path>', 'e.g. /app/commit; a path not below /app, /node or /gov belongs to the application')
    .option('--body <json>', 'the body: JSON, or @file for the bytes of a file (@- for stdin)')
    .addOption(new Option('--wait <until>', 'return only once the transaction is committed').choices(['committed']))
    .option('--receipt', 'wait for the receipt of the transaction, and print it too')
    .option('--json', 'print one JSON object: {status, txId, body, receipt}')
    .action(call)
  addConnectionOptions(command)
}

async function call(method: string, path: string, options: CallOptions): Promise<void> {
  const body = options.body === undefined ? undefined : await readBody(options.body)
  await withClient(options, async (client) => {
    const wait = options.wait === undefined ? {} : { wait: options.wait }
    const response = await client.request(`${method.toUpperCase()} ${path}`, body, wait)
    await report(response, options)
  })
}

/** @throws UsageError */
async function readBody(given: string): Promise<unknown> {
  return given.startsWith('@') ? readInput(given.slice(1), 'body') : parseJson(given, '--body')
}

async function report(response: Response, options: CallOptions): Promise<void> {
  const { status, txId, ok } = response
  const receipt = options.receipt && ok ? await response.receipt() : undefined
  if (!ok) process.exitCode = EXIT_PROBLEM
  const body = response.body instanceof Uint8Array ? textOrBase64(response.body) : response.body
  if (options.json) return printJson({ status, txId, body, ...(receipt !== undefined && { receipt }) })
  note(txId === undefined ? `${status}` : `${status}  transaction ${txId}${options.wait ? ' (committed)' : ''}`)
  if (typeof body === 'string') printLine(body)
  else if (body !== undefined) printJson(body)
  if (receipt !== undefined) printJson(receipt)
}

/** Bytes that are text are shown as text. */
function textOrBase64(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return Buffer.from(bytes).toString('base64')
  }
}

// `concordat call METHOD PATH`: one request over a sealed session, from a shell.
// Not a client library (runtime/client). The rule to remember: the body is on stdout, everything else on stderr; a refusal is exit code 1.
import { createPrivateKey } from 'node:crypto'
import { join } from 'node:path'
import { Option, type Command } from 'commander'
import { UsageError } from '../../../protocols/errors.ts'
import { connect, ConcordatError, type ClientIdentity, type ConnectOptions, type Response } from '../../client/index.ts'
import { parseJson, readInput, readTextInput } from '../input.ts'
import { note, printJson, printLine } from '../../terminal/output.ts'
import { Problem } from '../../terminal/problem.ts'
import { readServiceFile, SERVICE_FILE, type ServiceFile } from '../service-file.ts'

const EXIT_PROBLEM = 1

interface CallOptions {
  readonly body?: string
  readonly data: string
  readonly servers?: string
  readonly service?: string
  readonly serviceCert?: string
  readonly cert?: string
  readonly key?: string
  readonly token?: string
  readonly wait?: 'committed'
  readonly receipt?: boolean
  readonly timeout: string
  readonly json?: boolean
}

export function register(program: Command): void {
  program
    .command('call')
    .description('send one request to a service, sealed end to end, and print the body of its response')
    .argument('<method>', 'GET, POST, PUT, DELETE, …')
    .argument('<path>', 'e.g. /app/commit; a path not below /app, /node or /gov belongs to the application')
    .option('--body <json>', 'the body: JSON, or @file for the bytes of a file (@- for stdin)')
    .option('--data <directory>', `where ${SERVICE_FILE} is, which says all of the following`, './concordat-data')
    .option('--servers <urls>', 'NATS servers, separated by commas')
    .option('--service <name>', "the service's name")
    .option('--service-cert <file>', 'PEM of the service you trust')
    .option('--cert <file>', 'PEM of your certificate; together with --key')
    .option('--key <file>', 'PEM of your private key')
    .option('--token <token>', "NATS' auth token")
    .addOption(new Option('--wait <until>', 'return only once the transaction is committed').choices(['committed']))
    .option('--receipt', 'wait for the receipt of the transaction, and print it too')
    .option('--timeout <ms>', 'until the request is given up', '10000')
    .option('--json', 'print one JSON object: {status, txId, body, receipt}')
    .action(call)
}

async function call(method: string, path: string, options: CallOptions): Promise<void> {
  const body = options.body === undefined ? undefined : await readBody(options.body)
  const connectOptions = await connectionFrom(options)
  try {
    const client = await connect(connectOptions)
    try {
      const wait = options.wait === undefined ? {} : { wait: options.wait }
      const response = await client.request(`${method.toUpperCase()} ${path}`, body, wait)
      await report(response, options)
    } finally {
      await client.close()
    }
  } catch (error) {
    if (!(error instanceof ConcordatError)) throw error
    if (error.code === 'InvalidInput') throw new UsageError(error.message)
    const doubt = error.outcomeUnknown ? ' (the request may or may not have been executed)' : ''
    throw new Problem(`${error.code}: ${error.message}${doubt}`)
  }
}

/** @throws UsageError */
async function readBody(given: string): Promise<unknown> {
  return given.startsWith('@') ? readInput(given.slice(1), 'body') : parseJson(given, '--body')
}

/** Options of the command line first, then the data directory's. @throws UsageError naming what neither says. */
async function connectionFrom(options: CallOptions): Promise<ConnectOptions> {
  const file = await readServiceFile(options.data)
  const missing = (what: string): never => {
    const where = join(options.data, SERVICE_FILE)
    throw new UsageError(`${what} is needed, because there is no ${where} (run \`npm start\`, or name its --data)`)
  }
  const serviceCertificate = options.serviceCert ?? file?.serviceCertificate ?? missing('--service-cert')
  const timeoutMs = Number(options.timeout)
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1) throw new UsageError('--timeout is a whole number of milliseconds')
  const identity = await identityFrom(options, file)
  return {
    servers: options.servers?.split(',') ?? file?.servers ?? missing('--servers'),
    service: options.service ?? file?.service ?? missing('--service'),
    trust: await readTextInput(serviceCertificate, 'service certificate'),
    requestTimeoutMs: timeoutMs,
    ...(identity !== undefined && { identity }),
    ...(options.token !== undefined && { token: options.token }),
  }
}

/** Undefined: anonymous. @throws UsageError */
async function identityFrom(options: CallOptions, file: ServiceFile | undefined): Promise<ClientIdentity | undefined> {
  if ((options.cert === undefined) !== (options.key === undefined)) throw new UsageError('--cert and --key go together')
  const cert = options.cert ?? file?.user?.certificate
  const key = options.key ?? file?.user?.privateKey
  if (cert === undefined || key === undefined) return undefined
  const certificatePem = await readTextInput(cert, 'certificate')
  return { certificatePem, privateKeyPkcs8: toPkcs8(await readTextInput(key, 'private key'), key) }
}

/** Any PEM form of a private key, as OpenSSL writes them. @throws UsageError */
function toPkcs8(pem: string, file: string): Uint8Array {
  try {
    return new Uint8Array(createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' }))
  } catch {
    throw new UsageError(`${file} is not a private key in PEM, or it is encrypted`)
  }
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

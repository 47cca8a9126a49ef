// How commands reach a running service: the options that say where it is and who asks, and a client for as long as a task takes.
// Not a client library (runtime/client). The rule to remember: the command line comes first, then the data directory's service file.
import { createPrivateKey } from 'node:crypto'
import { join } from 'node:path'
import type { Command } from 'commander'
import { UsageError } from '../../protocols/errors.ts'
import { type Client, type ClientIdentity, ConcordatError, connect, type ConnectOptions } from '../client/index.ts'
import { Problem } from '../terminal/problem.ts'
import { readTextInput } from './input.ts'
import { readServiceFile, SERVICE_FILE, type ServiceFile } from './service-file.ts'

/** Where the service is. */
export interface ReachOptions {
  readonly data: string
  readonly servers?: string
  readonly service?: string
  readonly serviceCert?: string
  readonly token?: string
  readonly timeout: string
}

export interface ConnectionOptions extends ReachOptions {
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

/** For commands that need not say who asks, or whose `--key` is another one. */
export const addReachOptions = (command: Command): Command =>
  command
    .option('--data <directory>', `where ${SERVICE_FILE} is, which says all of the following`, './concordat-data')
    .option('--servers <urls>', 'NATS servers, separated by commas')
    .option('--service <name>', "the service's name")
    .option('--service-cert <file>', 'PEM of the service you trust')
    .option('--token <token>', "NATS' auth token")
    .option('--timeout <ms>', 'until the request is given up', '10000')

export const addConnectionOptions = (command: Command): Command =>
  addReachOptions(command)
    .option('--cert <file>', 'PEM of your certificate; together with --key')
    .option('--key <file>', 'PEM of your private key')

/** Connects, does the task, closes. @throws UsageError; Problem with the code of whatever the service or the client refused. */
export async function withClient(options: ConnectionOptions, task: (client: Client) => Promise<void>): Promise<void> {
  const connectOptions = await connectionFrom(options)
  try {
    const client = await connect(connectOptions)
    try {
      await task(client)
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

/** Options of the command line first, then the data directory's. @throws UsageError naming what neither says. */
async function connectionFrom(options: ConnectionOptions): Promise<ConnectOptions> {
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
async function identityFrom(
  options: ConnectionOptions,
  file: ServiceFile | undefined,
): Promise<ClientIdentity | undefined> {
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

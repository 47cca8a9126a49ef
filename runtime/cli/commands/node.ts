// `concordat node add|list|remove`: the nodes of a running service on this machine, changed by its operator until governance decides.
// `add` stays in the foreground as the new node's supervisor, as `up` is for its nodes. The rule to remember: a node that is trusted counts in
// every majority; stop it only after removing it.
import { existsSync, mkdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { UsageError } from '../../../protocols/errors.ts'
import { formatTxId, type TxId } from '../../../protocols/ids.ts'
import { connect, ConcordatError, type Client, type ClientIdentity } from '../../client/index.ts'
import { readTextInput } from '../input.ts'
import { joinService, type JoinedNode } from '../../join-service.ts'
import { listNodes, removeNode, type NodeListing } from '../../operator.ts'
import { readServiceFile, SERVICE_FILE, type ServiceFile } from '../service-file.ts'
import { note, printJson, printLine } from '../../terminal/output.ts'
import { Problem } from '../../terminal/problem.ts'
import { integer, SNAPSHOT_TX_COUNT_OPTION, snapshotTxCount, thisProgram } from './up.ts'

interface ServiceOptions {
  readonly data: string
  readonly token?: string
  readonly json?: boolean
}

interface OperatorOptions extends ServiceOptions {
  readonly cert?: string
  readonly key?: string
}

interface AddOptions extends OperatorOptions {
  readonly nodeData?: string
  readonly address?: string
  readonly flush: 'commit' | 'interval' | 'never'
  readonly snapshotTxCount?: number
}

const SHORT_ID_CHARS = 12
const ID_PREFIX_CHARS_MIN = 4

const textOf = (txId: TxId | undefined): string | null => (txId === undefined ? null : formatTxId(txId))
const short = (id: string): string => `${id.slice(0, SHORT_ID_CHARS)}…`

export function register(program: Command): void {
  const node = program.command('node').description('list, add and remove the nodes of a running service')
  const ofService = (command: Command): Command =>
    command
      .option('--data <dir>', `where ${SERVICE_FILE} is`, 'concordat-data')
      .option('--token <token>', "NATS' auth token")
      .option('--json', 'print one JSON object')
  const byOperator = (command: Command): Command =>
    ofService(command)
      .option('--cert <file>', "PEM of the operator's certificate (default: member0's, in --data)")
      .option('--key <file>', 'PEM (PKCS#8) of its private key')
  ofService(node.command('list').description('the nodes of the service, and which of them leads it')).action(list)
  byOperator(node.command('add').description('start a node on this machine, add it to the service, and run it'))
    .option(
      '--node-data <dir>',
      "directory of the node's ledger (default: the next free node<n> in --data); an earlier node\'s is set aside, its snapshots used again",
    )
    .option('--address <text>', 'where operators find the node')
    .option('--flush <policy>', 'commit: fsync before commit; interval; never', 'commit')
    .option(...SNAPSHOT_TX_COUNT_OPTION, snapshotTxCount)
    .action(add)
  byOperator(node.command('remove').description('remove a node; ends once the node may be, and is being, shut down'))
    .argument('<id>', 'its id, or the first characters of it')
    .option('--timeout <ms>', 'until waiting is given up (the removal goes on)', integer, 60_000)
    .action(remove)
}

async function list(options: ServiceOptions): Promise<void> {
  const file = await serviceFile(options)
  const nodes = await withClient(file, options, undefined, (client) => listNodes(client))
  if (options.json) return printJson({ nodes })
  for (const { node_id: id, status, primary, rpc_interfaces: interfaces } of nodes) {
    const address = Object.values(interfaces)[0]?.published_address ?? ''
    printLine(`${id}  ${status.padEnd(8)} ${primary ? 'primary' : '       '}  ${address}`)
  }
}

async function remove(id: string, options: OperatorOptions & { readonly timeout: number }): Promise<void> {
  const file = await serviceFile(options)
  const identity = await operator(options)
  const { nodeId, txId } = await withClient(file, options, identity, async (client) => {
    const found = nodeNamed(await listNodes(client), id)
    return { nodeId: found, txId: await removeNode(client, found, options.timeout) }
  })
  if (options.json) return printJson({ nodeId, transactionId: textOf(txId) })
  printLine(`node ${nodeId} was removed, which is committed: it stops by itself and may be switched off`)
}

/** A whole id is passed on as it is: the service says what is wrong with it. */
function nodeNamed(nodes: readonly NodeListing[], id: string): string {
  const found = nodes.filter(({ node_id: nodeId }) => nodeId.startsWith(id))
  if (found.length > 1) throw new UsageError(`${found.length} nodes begin with ${id}`)
  if (found.length === 1 && id.length < ID_PREFIX_CHARS_MIN) {
    throw new UsageError(`give at least ${ID_PREFIX_CHARS_MIN} characters of the id`)
  }
  return found[0]?.node_id ?? id
}

async function add(options: AddOptions): Promise<void> {
  const file = await serviceFile(options)
  const identity = await operator(options)
  const directory = resolve(options.nodeData ?? nextNodeDirectory(options.data))
  const name = basename(directory)
  const [server] = [file.servers].flat()
  const aborting = new AbortController()
  const stopped = new Promise<void>((done) => {
    const stop = (): void => {
      aborting.abort()
      done()
    }
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
  })
  const joined = await explained(
    joinService({
      program: thisProgram(),
      directory,
      name,
      address: options.address ?? `${server}#${name}`,
      service: file.service,
      servers: file.servers,
      serviceCertificatePem: await readTextInput(file.serviceCertificate, 'service certificate'),
      operator: identity,
      flush: options.flush,
      signal: aborting.signal,
      onNotice: note,
      onPending: (nodeId, txId) =>
        note(`node ${short(nodeId)} is Pending (transaction ${textOf(txId) ?? 'unknown'}); it catches up`),
      ...(options.snapshotTxCount === undefined ? {} : { snapshotTxCount: options.snapshotTxCount }),
      ...(options.token === undefined ? {} : { token: options.token }),
    }),
  )
  await supervise(joined, file.service, stopped, options)
}

/** Runs until the node is removed, or until it is told to stop. */
async function supervise(joined: JoinedNode, service: string, stopped: Promise<void>, options: AddOptions) {
  const { nodeId, txId, ledgerDirectory, child } = joined
  if (options.json)
    printJson({ nodeId, transactionId: textOf(txId), status: 'Trusted', process: child.pid, ledgerDirectory })
  else {
    printLine(`node ${nodeId} is part of service '${service}' (registered by transaction ${textOf(txId) ?? 'unknown'})`)
    printLine(`  ledger  ${ledgerDirectory}`)
    printLine(
      `Ctrl-C stops it; the service goes on counting it until \`concordat node remove ${nodeId.slice(0, SHORT_ID_CHARS)}\``,
    )
  }
  const ended = new Promise<string>((done) => child.onExit(done))
  const why = await Promise.race([ended, stopped])
  if (why === undefined) return child.stop()
  if (child.exitCode !== 0) throw new Problem(`node ${short(nodeId)} ended (${why})`)
  note(`node ${short(nodeId)} has left the service`)
}

function nextNodeDirectory(data: string): string {
  for (let n = 0; ; n++) {
    const directory = join(data, `node${n}`)
    if (!existsSync(directory)) {
      mkdirSync(directory, { mode: 0o700 })
      return directory
    }
  }
}

/** @throws UsageError when there is none. */
async function serviceFile({ data }: ServiceOptions): Promise<ServiceFile> {
  const file = await readServiceFile(data)
  if (file === undefined)
    throw new UsageError(`there is no ${join(data, SERVICE_FILE)} (start a service, or name its --data)`)
  return file
}

/** @throws UsageError when a file cannot be read. */
async function operator({ data, cert, key }: OperatorOptions): Promise<ClientIdentity> {
  if ((cert === undefined) !== (key === undefined)) throw new UsageError('--cert and --key go together')
  const certificatePem = await readTextInput(cert ?? join(data, 'member0_cert.pem'), 'certificate')
  return { certificatePem, privateKeyPem: await readTextInput(key ?? join(data, 'member0_privk.pem'), 'private key') }
}

async function withClient<T>(
  file: ServiceFile,
  { token }: ServiceOptions,
  identity: ClientIdentity | undefined,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const trust = await readTextInput(file.serviceCertificate, 'service certificate')
  const run = async (): Promise<T> => {
    const client = await connect({
      servers: file.servers,
      service: file.service,
      trust,
      ...(identity === undefined ? {} : { identity }),
      ...(token === undefined ? {} : { token }),
    })
    try {
      return await use(client)
    } finally {
      await client.close()
    }
  }
  return explained(run())
}

/** A client's error is said in one line; wrong input is the user's. */
async function explained<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof ConcordatError)) throw error
    if (error.code === 'InvalidInput') throw new UsageError(error.message)
    throw new Problem(`${error.code}: ${error.message}`)
  }
}

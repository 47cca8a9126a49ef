// `concordat up` (npm start): a whole service on this machine, until Ctrl-C. Also registers the hidden `node-process` it forks.
import { fileURLToPath } from 'node:url'
import { join, relative } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { SNAPSHOT_TX_COUNT, SNAPSHOT_TX_COUNT_MIN } from '../../../protocols/limits.ts'
import { LocalService, type LocalServiceOptions } from '../../local-service.ts'
import { runNodeProcess } from '../../node-process.ts'
import { connectNats } from '../../bus/nats.ts'

export interface UpOptions {
  readonly data: string
  readonly nodes: number
  readonly nats?: string
  readonly token?: string
  readonly service: string
  readonly port: number
  readonly webSocketPort?: number
  readonly curve: 'P-256' | 'P-384'
  readonly flush: 'commit' | 'interval' | 'never'
  readonly snapshotTxCount?: number
  readonly fresh?: boolean
  readonly journal?: boolean
}

export function integer(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('a whole number is expected')
  return Number(text)
}

/** Transactions between two snapshots. */
export function snapshotTxCount(text: string): number {
  const count = integer(text)
  if (!Number.isSafeInteger(count) || count < SNAPSHOT_TX_COUNT_MIN) {
    throw new InvalidArgumentError(`at least ${SNAPSHOT_TX_COUNT_MIN} transactions lie between two snapshots`)
  }
  return count
}

export const SNAPSHOT_TX_COUNT_OPTION = [
  '--snapshot-tx-count <n>',
  `transactions between two snapshots (default: ${SNAPSHOT_TX_COUNT}; at least ${SNAPSHOT_TX_COUNT_MIN})`,
] as const

/** The bundled program, which is also every node's program. */
export const thisProgram = (): string => process.argv[1] ?? fileURLToPath(import.meta.url)

export const serviceOptions = (options: UpOptions): LocalServiceOptions => ({
  program: thisProgram(),
  directory: options.data,
  nodes: options.nodes,
  service: options.service,
  curve: options.curve,
  flush: options.flush,
  port: options.port,
  journal: options.journal ?? false,
  fresh: options.fresh ?? false,
  ...(options.nats === undefined ? {} : { nats: options.nats }),
  ...(options.snapshotTxCount === undefined ? {} : { snapshotTxCount: options.snapshotTxCount }),
  ...(options.token === undefined ? {} : { token: options.token }),
  ...(options.webSocketPort === undefined ? {} : { webSocketPort: options.webSocketPort }),
  onNotice: (notice) => console.error(notice),
})

function introduce(service: LocalService): void {
  const data = relative(process.cwd(), service.directory) || '.'
  const broker = service.broker === undefined ? 'NATS server' : 'embedded broker'
  console.log(`
Concordat: service '${service.service}' is open on ${service.nodes.length} node${service.nodes.length === 1 ? '' : 's'}.

  NATS address          ${service.servers}  (${broker})
  service certificate   ${join(data, 'service_cert.pem')}
  user certificate      ${join(data, 'user0_cert.pem')}`)
  for (const { nodeId, pid } of service.nodes) console.log(`  node ${nodeId.slice(0, 12)}…    process ${pid}`)
  console.log(`
${service.serviceCertificatePem}
Try, in another terminal:

  npx concordat call POST /log/private --body '{"id":1,"msg":"hello"}' --wait committed --data ${data}
  npx concordat call GET '/log/private?id=1' --data ${data}
  nats --server ${service.servers} req ccf.${service.service}.rpc 'GET /node/network'     # any NATS client, in clear, public endpoints only

Ctrl-C stops it.`)
}

async function up(options: UpOptions): Promise<void> {
  if (options.nats !== undefined) await reachable(options)
  const service = await LocalService.start(serviceOptions(options))
  introduce(service)
  service.onExit(({ nodeId }, why) => {
    // A node that was removed ends by itself, without fault.
    const outcome = why === 'exit code 0' ? 'has left the service' : `ended (${why}); the others go on`
    console.error(`node ${nodeId.slice(0, 12)}… ${outcome}`)
  })
  await new Promise<void>((done) => {
    const stop = (): void => done()
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
  })
  console.log('stopping')
  await service.stop()
}

/** A clear word before anything is created when the server is not there. */
async function reachable({ nats, token }: UpOptions): Promise<void> {
  const bus = await connectNats({ servers: nats!, ...(token === undefined ? {} : { token }) })
  await bus.close()
}

export function register(program: Command): void {
  program
    .command('up')
    .description('start a whole service on this machine: broker, nodes, consortium, sample apps')
    .option('--data <dir>', 'directory of the service', 'concordat-data')
    .option('--nodes <n>', '1, 3, 5 or 7', integer, 3)
    .option('--nats <url>', 'use this NATS server instead of the embedded broker')
    .option('--token <token>', 'auth token of the broker or server')
    .option('--service <name>', 'name of the service, as in subjects', 'demo')
    .option('--port <port>', 'port of the embedded broker (0: any)', integer, 4222)
    .option('--web-socket-port <port>', 'also accept browsers on this port', integer)
    .option('--curve <curve>', 'curve of node and service keys: P-384 (as CCF) or P-256', 'P-384')
    .option('--flush <policy>', 'commit: fsync before commit; interval; never', 'commit')
    .option(...SNAPSHOT_TX_COUNT_OPTION, snapshotTxCount)
    .option('--fresh', 'move an earlier service in the same directory aside')
    .option('--journal', 'record every step of every node for replay (holds secrets)')
    .action((options: UpOptions) => up(options))
  program.command('node-process', { hidden: true }).action(() => runNodeProcess())
}

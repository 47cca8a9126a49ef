// `concordat demo` (npm run demo): a whole service through its whole story, on its own, and a summary at the end.
// Not the story itself (runtime/demo). The rule to remember: exit code 0 only if every promise held; with --json stdout is one object.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { UsageError } from '../../../protocols/errors.ts'
import { connectNats } from '../../bus/nats.ts'
import { narrator, type Narrator } from '../../demo/narrator.ts'
import { packageStatements } from '../../demo/packages.ts'
import { tellStory, type DemoReport, type Story } from '../../demo/story.ts'
import { LocalService } from '../../local-service.ts'
import { note, printJson } from '../../terminal/output.ts'
import { Problem } from '../../terminal/problem.ts'
import { integer, thisProgram } from './up.ts'

interface DemoOptions {
  readonly json?: boolean
  readonly nats?: string
  readonly token?: string
  readonly nodes: number
  readonly data?: string
  readonly keep?: boolean
}

const EXIT_PROBLEM = 1
/** One node is killed, and the others must still be a majority. */
const NODE_COUNTS = [3, 5, 7]
const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

export function register(program: Command): void {
  program
    .command('demo')
    .description(
      'Show the whole story: register packages, kill the primary, verify receipts and ledgers; ends by itself.',
    )
    .option('--nodes <n>', '3, 5 or 7', integer, 3)
    .option('--nats <url>', 'use this NATS server instead of the embedded broker')
    .option('--token <token>', 'auth token of that server')
    .option('--data <dir>', 'directory of the service (default: a fresh one, removed at the end)')
    .option('--keep', 'do not remove the fresh directory')
    .option('--json', 'print one JSON object')
    .action(demo)
}

async function demo(options: DemoOptions): Promise<void> {
  if (!NODE_COUNTS.includes(options.nodes))
    throw new UsageError(`--nodes must be one of ${NODE_COUNTS.join(', ')}: the demo kills one of them`)
  const statements = packageStatements(join(dirname(dirname(thisProgram())), 'package-lock.json'))
  const narrate = narrator(options.json === true)
  if (options.nats !== undefined) await assertReachable(options.nats, options.token)
  const directory = options.data ?? mkdtempSync(join(tmpdir(), 'concordat-demo-'))
  const isTemporary = options.data === undefined && options.keep !== true
  const removeDirectory = (): void => {
    if (isTemporary) rmSync(directory, { recursive: true, force: true })
  }
  const forgetSignals = onSignals(removeDirectory)
  try {
    const { report, failures } = await run(options, directory, statements, narrate)
    if (failures.length > 0) process.exitCode = EXIT_PROBLEM
    for (const failure of failures) note(`FAILED: ${failure}`)
    if (options.json === true) printJson(report)
    else summarise(report, failures.length, narrate)
    if (!isTemporary) narrate.say(`everything is kept in ${directory}`)
  } finally {
    forgetSignals()
    removeDirectory()
  }
}

/** A clear word before anything is created. */
async function assertReachable(servers: string, token: string | undefined): Promise<void> {
  try {
    const bus = await connectNats({ servers, ...(token === undefined ? {} : { token }), waitOnFirstConnectMs: 1000 })
    await bus.close()
  } catch (error) {
    throw new Problem(error instanceof Error ? error.message : String(error))
  }
}

/** Nodes end by themselves when this process does; only the directory is left to remove. */
function onSignals(cleanUp: () => void): () => void {
  const end = (signal: keyof typeof SIGNAL_EXIT_CODES): void => {
    cleanUp()
    process.exit(SIGNAL_EXIT_CODES[signal])
  }
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
  return () => {
    process.off('SIGINT', end)
    process.off('SIGTERM', end)
  }
}

async function run(
  options: DemoOptions,
  directory: string,
  statements: ReturnType<typeof packageStatements>,
  narrate: Narrator,
): Promise<Story> {
  const { nodes, nats, token } = options
  const service = await LocalService.start({
    program: thisProgram(),
    directory,
    nodes,
    // A shared server may carry other services, and other demos.
    service: `demo-${randomBytes(4).toString('hex')}`,
    ...(nats === undefined ? {} : { nats }),
    ...(token === undefined ? {} : { token }),
    onNotice: note,
  })
  try {
    const broker = nats ?? 'embedded'
    narrate.say(`service '${service.service}' is open: ${nodes} nodes, ${broker === nats ? nats : 'embedded broker'}`)
    return await tellStory(service, statements, narrate, broker)
  } finally {
    await service.stop()
  }
}

function summarise(report: DemoReport, failures: number, { say }: Narrator): void {
  const { failover } = report
  say('')
  say(`  statements registered and committed   ${report.committed} of ${report.statements}`)
  say(`  receipts verified offline             ${report.receiptsVerified}`)
  say(`  tampered statement and receipt        ${report.tamperedRefused} of 2 refused`)
  say(`  primary killed                        ${failover.killed}`)
  say(`  new primary                           ${failover.newPrimary}`)
  say(`  service resumed after                 ${failover.resumedAfterMs} ms`)
  say(`  committed and lost                    ${report.lostCommitted}`)
  say(`  ledgers verified offline              ${report.ledgersVerified} of ${report.nodes - 1} surviving`)
  say(`  ledger root                           ${report.ledgerRoot ?? 'none'}`)
  say('')
  say(failures === 0 ? 'Everything held.' : `${failures} promises did not hold.`)
}

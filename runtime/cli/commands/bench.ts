// `concordat bench` (npm run bench): figures and ratios of this machine, in one run.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { auditFigures } from '../../bench/audit.ts'
import { runBench, type BenchPlan, type Row } from '../../bench/bench.ts'
import { runBenchProcess } from '../../bench/client-process.ts'
import { primitiveCosts } from '../../bench/primitives.ts'
import { stepCosts } from '../../bench/steps.ts'
import { LocalService } from '../../local-service.ts'
import { askRpc } from '../../rpc-request.ts'
import { integer, thisProgram } from './up.ts'

interface BenchOptions {
  readonly json?: boolean
  readonly quick?: boolean
  readonly nats?: string
  readonly nodes: number
  readonly flush: 'commit' | 'interval' | 'never'
  readonly curve: 'P-256' | 'P-384'
  /** Loads to run: echo, writes, reads. */
  readonly only?: string
  readonly inFlight?: string
  readonly ccfPython?: string
  /** For nodes, e.g. `--cpu-prof`. */
  readonly nodeArgs?: string
}

const FULL: Omit<BenchPlan, 'only'> = {
  inFlight: [1, 64, 512],
  valueBytes: [20, 1024],
  warmUpMs: 1500,
  measureMs: 3000,
  heat: { loadedMs: 20_000, aloneMs: 30_000 },
}
const QUICK: Omit<BenchPlan, 'only'> = {
  inFlight: [1, 512],
  valueBytes: [20],
  warmUpMs: 1000,
  measureMs: 2000,
  heat: { loadedMs: 5000, aloneMs: 5000 },
}

const number = (value: number): string => Math.round(value).toLocaleString('en-US')
const ms = (value: number): string => value.toFixed(value < 10 ? 2 : 1)

function print(row: Row): void {
  const { what, inFlight, valueBytes, perSecond, response, commit, failed, cpu } = row
  const latency = `answer p50 ${ms(response.p50)} p99 ${ms(response.p99)} ms`
  const committed = commit === undefined ? '' : `, commit p50 ${ms(commit.p50)} p99 ${ms(commit.p99)} ms`
  const time = Object.entries(cpu)
    .map(([name, us]) => `${name} ${us.toFixed(1)}`)
    .join(', ')
  console.log(
    `${what.padEnd(24)} ${String(inFlight).padStart(4)} in flight ${String(valueBytes).padStart(5)} B ${number(perSecond).padStart(9)}/s  ` +
      `${latency}${committed}\n${' '.repeat(25)}CPU µs per operation: ${time}${failed === 0 ? '' : `; FAILED ${failed}`}`,
  )
}

interface Ratio {
  readonly inFlight: number
  readonly valueBytes: number
  readonly writesToEcho: number
  readonly readsToEcho: number
}

function ratiosOf(rows: readonly Row[]): Ratio[] {
  const floors = rows.filter(({ what }) => what === 'echo (default options)')
  return floors.map(({ inFlight, valueBytes, perSecond }) => {
    const of = (name: string): number =>
      (rows.find((row) => row.what === name && row.inFlight === inFlight && row.valueBytes === valueBytes)?.perSecond ??
        0) / perSecond
    return { inFlight, valueBytes, writesToEcho: of('committed writes'), readsToEcho: of('reads') }
  })
}

async function benchAudit({ json, ccfPython }: BenchOptions): Promise<void> {
  const bundles = dirname(thisProgram())
  const figures = await auditFigures({
    helperProgram: join(bundles, 'verify-helper.mjs'),
    python: ccfPython ?? join(bundles, 'venv/bin/python'),
  })
  const { entries, bytes, verifiedPerCpuSecond, inParallelPerSecond, hashedPerCpuSecond, ccfPythonPerSecond } = figures
  const toHashes = verifiedPerCpuSecond / hashedPerCpuSecond
  const toCcfPython = ccfPythonPerSecond && inParallelPerSecond / ccfPythonPerSecond
  if (json === true) return console.log(JSON.stringify({ ...figures, toHashes, toCcfPython }))
  const ccf =
    ccfPythonPerSecond === undefined
      ? "CCF's Python verifier is not installed (npm run test:interop installs it; or --ccf-python FILE)"
      : `CCF's Python verifier: ${number(ccfPythonPerSecond)} a second; ours with threads ${toCcfPython!.toFixed(1)} times as fast`
  console.log(`a ledger of ${number(entries)} entries, ${number(bytes)} bytes; entries a second:`)
  console.log(
    `  one core ${number(verifiedPerCpuSecond)}; only hashed ${number(hashedPerCpuSecond)}; ratio ${toHashes.toFixed(2)}`,
  )
  console.log(`  ${cpus().length} helper threads, by the clock: ${number(inParallelPerSecond)}`)
  console.log(`  ${ccf}`)
}

/** A bounded form of `npm run durability`, which is a tool of test/: started as a program, since nothing here may import it. */
function benchDurability(json: boolean): void {
  const start = join(dirname(dirname(thisProgram())), 'test', 'durability', 'start.mjs')
  const args = [start, '--kills', '20', '--faults', '20', '--only', 'crashes,operations,rot,kills,index']
  const { status } = spawnSync(process.execPath, [...args, ...(json ? ['--json'] : [])], { stdio: 'inherit' })
  process.exitCode = status ?? 1
}

async function bench(options: BenchOptions): Promise<void> {
  if (options.only === 'audit') return benchAudit(options)
  if (options.only === 'durability') return benchDurability(options.json === true)
  const directory = mkdtempSync(join(tmpdir(), 'concordat-bench-'))
  const { nodes, flush, curve } = options
  const service = await LocalService.start({
    program: thisProgram(),
    directory: join(directory, 'data'),
    nodes,
    flush,
    curve,
    ...(options.nats === undefined ? {} : { nats: options.nats }),
    ...(options.nodeArgs === undefined ? {} : { execArgv: options.nodeArgs.split(' ') }),
  })
  try {
    const network = await askRpc(service.bus, service.service, 'GET /node/network', 2000)
    const primary = String((network?.body as { primary_id?: unknown } | undefined)?.primary_id)
    const broker = options.nats ?? 'embedded broker'
    const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, Node ${process.version}`
    const header = { machine, broker, nodes, flush, curve, note: 'clients, broker and nodes share this machine' }
    if (options.json !== true) {
      console.log(
        `${machine}; ${nodes} nodes on the ${broker}; flush: ${flush}; keys ${curve}; everything on this machine\n`,
      )
    }
    const base = options.quick === true ? QUICK : FULL
    const inFlight = options.inFlight?.split(',').map(integer) ?? base.inFlight
    const only = options.only?.split(',') ?? ['echo', 'writes', 'reads']
    const rows = await runBench(thisProgram(), service, primary, { ...base, inFlight, only }, (row) => {
      if (options.json !== true) print(row)
    })
    const steps = stepCosts()
    const primitives = await primitiveCosts(curve)
    const ratios = ratiosOf(rows)
    if (options.json === true) console.log(JSON.stringify({ ...header, rows, ratios, steps, primitives }))
    else {
      console.log('\nratios to echo with default options, same load:')
      for (const { inFlight, valueBytes, writesToEcho, readsToEcho } of ratios) {
        console.log(
          `  ${inFlight} in flight, ${valueBytes} B: committed writes ${writesToEcho.toFixed(2)}, reads ${readsToEcho.toFixed(2)}`,
        )
      }
      console.log('\ncost of one step of a small chart:')
      for (const { host, microsecondsPerStep } of steps)
        console.log(`  ${host.padEnd(32)} ${microsecondsPerStep.toFixed(2)} µs`)
      const { sign, verify, seal, durableWrite } = primitives
      console.log(
        `\nwhat no commit can do without here, one after the other and undisturbed: ${curve} sign ${sign.toFixed(0)} µs, verify ${verify.toFixed(0)} µs; ` +
          `AES-256-GCM of 64 B ${seal.toFixed(1)} µs; 2 KiB and fdatasync ${durableWrite.toFixed(0)} µs`,
      )
    }
  } finally {
    await service.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

export function register(program: Command): void {
  program
    .command('bench')
    .description('measure echo, committed writes, reads and steps on this machine')
    .option('--json', 'print one JSON object')
    .option('--quick', 'fewer loads, shorter')
    .option('--nats <url>', 'use this NATS server instead of the embedded broker')
    .option('--nodes <n>', '1, 3, 5 or 7', integer, 3)
    .option('--flush <policy>', 'commit, interval or never', 'commit')
    .option('--curve <curve>', 'P-384 (as CCF) or P-256', 'P-384')
    .option(
      '--only <loads>',
      'some of echo,writes,reads; or audit: how fast a ledger is verified; or durability: crashes tried, losses',
    )
    .option('--ccf-python <file>', 'for audit: a Python interpreter with the package ccf')
    .option('--in-flight <counts>', 'e.g. 1,64,512')
    .option('--node-args <args>', 'arguments of Node for the node processes, e.g. "--cpu-prof"')
    .action((options: BenchOptions) => bench(options))
  program.command('bench-process', { hidden: true }).action(() => runBenchProcess())
}

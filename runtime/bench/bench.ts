// `npm run bench`: echo, writes and reads on one broker and one machine in one run, so that ratios mean something.
// Never asserted in tests. The rule to remember: a figure without its floor beside it says nothing.
import { fork, type ChildProcess } from 'node:child_process'
import type { LocalService } from '../local-service.ts'
import type { BenchReport, BenchTask } from './client-process.ts'
import { cpuMicroseconds } from './cpu.ts'
import type { LoadResult } from './load.ts'

/**
 * A service runs for days, and what its code costs before V8 has compiled it is not what is asked for. What runs once for a commit, and not for each
 * transaction, needs commits for that, and so a load of single requests too.
 */
export interface HeatPlan {
  /** 512 in flight. */
  readonly loadedMs: number
  /** One after the other; only before such a load is measured. */
  readonly aloneMs: number
}

export interface BenchPlan {
  /** `echo`, `writes`, `reads`. */
  readonly only: readonly string[]
  readonly inFlight: readonly number[]
  readonly valueBytes: readonly number[]
  /** Before each load. */
  readonly warmUpMs: number
  readonly measureMs: number
  /** Writes on the fresh service before anything is measured. */
  readonly heat: HeatPlan
}

export interface Row extends LoadResult {
  readonly what: string
  readonly inFlight: number
  readonly valueBytes: number
  readonly perSecond: number
  /** CPU µs for each operation, by process. */
  readonly cpu: Readonly<Record<string, number>>
}

/** Processes whose CPU time is read while a load runs. */
type Watched = Readonly<Record<string, number>>

const ECHO_KINDS = [
  { what: 'echo (default options)', noAsyncTraces: false },
  { what: 'echo (noAsyncTraces)', noAsyncTraces: true },
] as const

class Worker {
  readonly #child: ChildProcess

  constructor(program: string) {
    this.#child = fork(program, ['bench-process'], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Sends the task and resolves with the first report that `pick` accepts; `onPhase` hears of the measured part. */
  run<T>(
    task: BenchTask,
    pick: (report: BenchReport) => T | undefined,
    onPhase: (phase: 'begin' | 'end') => void = () => undefined,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#child.on('message', (message) => {
        const report = message as BenchReport
        if (report.type === 'failed') reject(new Error(report.reason))
        else if (report.type === 'phase') onPhase(report.phase)
        const picked = pick(report)
        if (picked !== undefined) resolve(picked)
      })
      this.#child.on('exit', () => reject(new Error('a bench process ended')))
      this.#child.send(task)
    })
  }

  stop(): void {
    this.#child.removeAllListeners('exit')
    this.#child.kill('SIGKILL')
  }
}

/** One load in a process of its own. */
async function measure(
  program: string,
  task: Extract<BenchTask, { readonly inFlight: number }>,
  what: string,
  watched: Watched,
): Promise<Row> {
  const worker = new Worker(program)
  const all: Watched = { ...watched, client: worker.pid }
  let before: Record<string, number> = {}
  const spent: Record<string, number> = {}
  const onPhase = (phase: 'begin' | 'end'): void => {
    const now = Object.fromEntries(Object.entries(all).map(([name, pid]) => [name, cpuMicroseconds(pid)]))
    if (phase === 'begin') before = now
    else for (const name of Object.keys(all)) spent[name] = now[name]! - before[name]!
  }
  try {
    const result = await worker.run(task, (report) => (report.type === 'result' ? report.result : undefined), onPhase)
    const cpu = Object.fromEntries(
      Object.entries(spent).map(([name, time]) => [name, time / Math.max(1, result.operations)]),
    )
    const { inFlight, valueBytes } = task
    return { ...result, what, inFlight, valueBytes, perSecond: result.operations / result.seconds, cpu }
  } finally {
    worker.stop()
  }
}

/** Runs the whole plan on a running service; `onRow` hears of each row as it is measured. */
export async function runBench(
  program: string,
  service: LocalService,
  primary: string,
  plan: BenchPlan,
  onRow: (row: Row) => void,
): Promise<Row[]> {
  const { servers } = service
  const broker: Watched = service.broker === undefined ? {} : { broker: process.pid }
  const backups = service.nodes.filter(({ nodeId }) => nodeId !== primary)
  const nodes: Watched = {
    primary: service.nodes.find(({ nodeId }) => nodeId === primary)!.pid,
    ...Object.fromEntries(backups.map(({ pid }, i) => [`backup ${i + 1}`, pid])),
    ...broker,
  }
  const rows: Row[] = []
  const add = async (row: Promise<Row>): Promise<void> => {
    rows.push(await row)
    onRow(rows.at(-1)!)
  }
  const { warmUpMs, measureMs } = plan
  const identity = { certificatePem: service.user.certificatePem, privateKeyPkcs8: service.user.privateKeyPkcs8 }
  const common = { identity, servers, service: service.service, trust: service.serviceCertificatePem }
  const heat = async (inFlight: number, forMs: number): Promise<void> => {
    const load = { inFlight, valueBytes: 20, warmUpMs: 0, measureMs: forMs }
    await measure(program, { type: 'requests', kind: 'write', ...load, ...common }, 'warm-up', nodes)
  }
  await heat(512, plan.heat.loadedMs)
  if (plan.only.includes('writes') && plan.inFlight.includes(1)) await heat(1, plan.heat.aloneMs)
  const echoServer = new Worker(program)
  await echoServer.run({ type: 'echoServer', servers }, (report) => (report.type === 'ready' ? true : undefined))
  try {
    for (const valueBytes of plan.valueBytes) {
      for (const inFlight of plan.inFlight) {
        const load = { servers, inFlight, valueBytes, warmUpMs, measureMs }
        for (const { what, noAsyncTraces } of plan.only.includes('echo') ? ECHO_KINDS : []) {
          await add(
            measure(program, { type: 'echo', noAsyncTraces, ...load }, what, { responder: echoServer.pid, ...broker }),
          )
        }
        for (const kind of ['write', 'read'] as const) {
          if (!plan.only.includes(`${kind}s`)) continue
          const task = { type: 'requests', kind, ...common, ...load } as const
          await add(measure(program, task, kind === 'write' ? 'committed writes' : 'reads', nodes))
        }
      }
    }
  } finally {
    echoServer.stop()
  }
  return rows
}

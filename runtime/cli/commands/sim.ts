// `concordat sim`: whole services under seeded faults, judged from outside (runtime/sim). A failing seed prints the one command that
// repeats it; --shrink makes the failing plan small, --save keeps it.
import { writeFileSync } from 'node:fs'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { UsageError } from '../../../protocols/errors.ts'
import { serviceMaker } from '../../models/service/service.ts'
import { describeAction, FAULTS, type Fault, type Plan } from '../../sim/plan.ts'
import { formatPlan, parsePlan } from '../../sim/plan-file.ts'
import { runPlan, type RunOptions, type RunResult } from '../../sim/run.ts'
import { Score } from '../../sim/score.ts'
import { shrink, type Shrunk } from '../../sim/shrink.ts'
import { drawPlan } from '../../sim/swarm.ts'
import { note, printLine } from '../../terminal/output.ts'
import { readTextInput, reasonOf } from '../input.ts'
import { integer } from './up.ts'

interface SimCommandOptions {
  readonly seed: number
  readonly runs: number
  readonly nodes?: number
  readonly steps: number
  /** Undefined: drawn. */
  readonly faults?: readonly Fault[]
  readonly crypto: Plan['crypto']
  readonly plan?: string
  readonly json?: boolean
  readonly score?: boolean
  readonly shrink?: boolean
  readonly save?: string
}

const NODES_MAX = 15
/** Runs that shrinking may take. */
const SHRINK_RUNS_MAX = 1500

function nodes(text: string): number {
  const count = integer(text)
  if (count < 1 || count > NODES_MAX) throw new InvalidArgumentError(`1 to ${NODES_MAX} nodes`)
  return count
}

function faults(text: string): readonly Fault[] {
  if (text === 'all') return FAULTS
  if (text === 'none') return []
  const names = text.split(',')
  const unknown = names.find((name) => !FAULTS.includes(name as Fault))
  if (unknown !== undefined) {
    throw new InvalidArgumentError(`'${unknown}' is no fault; known: ${FAULTS.join(', ')}, or all, or none`)
  }
  return names as Fault[]
}

/** The command that does the same run again. */
function repeatCommand(plan: Plan, options: SimCommandOptions): string {
  if (options.plan !== undefined) return `concordat sim --plan ${options.plan}`
  const parts = [`concordat sim --seed ${plan.seed} --steps ${plan.steps}`]
  if (options.nodes !== undefined) parts.push(`--nodes ${options.nodes}`)
  if (options.faults !== undefined) parts.push(`--faults ${options.faults.join() || 'none'}`)
  if (options.crypto === 'real') parts.push('--crypto real')
  return parts.join(' ')
}

interface Reported extends RunResult {
  readonly repeat: string
}

function summary({ seed, steps, nodes: count, faults: kinds, ...rest }: RunResult, seconds: number): string {
  const { elections, committed, crashed, reconfigurations, requests, hash } = rest
  const names = kinds.length === 0 ? 'none' : kinds.join('+')
  const facts = [
    `${steps} steps`,
    `${count} nodes`,
    `faults ${names}`,
    `${elections} elections`,
    `${crashed} crashed`,
    `${reconfigurations} reconfigurations`,
    `${requests} requests`,
    `${committed} committed`,
    `hash ${hash}`,
    `${seconds.toFixed(2)} s`,
  ]
  return `seed ${seed}: ${facts.join(', ')}`
}

function printFailure({ violation, repeat }: Reported): void {
  if (violation === undefined) return
  const { checker, message, step, timeMs } = violation
  printLine(`  ${checker} is broken at step ${step}, ${(timeMs / 1000).toFixed(3)} s: ${message}`)
  printLine(`  again: ${repeat}`)
}

function printShrunk({ plan, violation, runs }: Shrunk): void {
  const { checker, message, step } = violation
  printLine(`shrunk in ${runs} runs to ${plan.nodes} nodes, ${plan.steps} steps, ${plan.actions.length} actions:`)
  for (const action of plan.actions) printLine(`${String(action.at).padStart(8)}  ${describeAction(action)}`)
  printLine(`  ${checker} is broken at step ${step}: ${message}`)
}

function scored(): RunOptions {
  const score = new Score()
  return {
    onStep: (node, envelope, _effects, state) => printLine(score.step(node.virtualNow(), node, envelope, state)),
    onAction: (action, timeMs) => printLine(score.action(timeMs, action)),
  }
}

async function plansOf(options: SimCommandOptions): Promise<() => Generator<Plan>> {
  const { plan: path, seed, runs, steps, crypto } = options
  const saved = path === undefined ? undefined : parsePlan(await readTextInput(path, 'plan'), path)
  return function* () {
    if (saved !== undefined) yield saved
    for (let i = 0; i < runs && saved === undefined; i++) {
      yield drawPlan({ seed: seed + i, steps, nodes: options.nodes, faults: options.faults, crypto })
    }
  }
}

function save(path: string, plan: Plan): void {
  try {
    writeFileSync(path, formatPlan(plan))
  } catch (error) {
    throw new UsageError(`cannot write ${path}: ${reasonOf(error)}`)
  }
}

async function sim(options: SimCommandOptions): Promise<void> {
  const isPerson = options.json !== true
  const make = serviceMaker()
  const runs: Reported[] = []
  let failed: { readonly plan: Plan; readonly result: Reported } | undefined
  let last: Plan | undefined
  const began = performance.now()
  for (const plan of (await plansOf(options))()) {
    const start = performance.now()
    const result = runPlan(plan, make, options.score === true ? scored() : {})
    const reported = { ...result, repeat: repeatCommand(plan, options) }
    runs.push(reported)
    last = plan
    if (isPerson) {
      printLine(summary(result, (performance.now() - start) / 1000))
      printFailure(reported)
    }
    if (result.violation !== undefined) failed ??= { plan, result: reported }
  }
  const steps = runs.reduce((sum, run) => sum + run.steps, 0)
  const eventsPerSecond = Math.round((steps * 1000) / (performance.now() - began))
  const shrunk = options.shrink === true && failed !== undefined ? shrinkFailed(failed.plan, failed.result) : undefined
  if (shrunk !== undefined && isPerson) printShrunk(shrunk)
  const toSave = shrunk?.plan ?? failed?.plan ?? last
  if (options.save !== undefined && toSave !== undefined) {
    save(options.save, toSave)
    if (isPerson) printLine(`saved: concordat sim --plan ${options.save}`)
  }
  if (isPerson && runs.length > 1) {
    const failures = runs.filter(({ violation }) => violation !== undefined).length
    printLine(`${runs.length} runs, ${steps} steps, ${failures} failed, ${eventsPerSecond} steps/s`)
  }
  if (!isPerson)
    printLine(JSON.stringify({ ok: failed === undefined, runs, eventsPerSecond, ...(shrunk && { shrunk }) }))
  if (failed !== undefined) process.exitCode = 1
}

function shrinkFailed(plan: Plan, { violation }: RunResult): Shrunk {
  note('shrinking …')
  return shrink({
    plan,
    violation: violation!,
    runsMax: SHRINK_RUNS_MAX,
    run: (candidate) => runPlan(candidate, serviceMaker()).violation,
  })
}

export function register(program: Command): void {
  program
    .command('sim')
    .description(
      'run whole services under seeded faults and check them from outside; fails with the seed that repeats it',
    )
    .option('--seed <n>', 'first seed', integer, 1)
    .option('--runs <n>', 'so many seeds, one after the other', integer, 1)
    .option('--nodes <n>', 'nodes of the service (otherwise drawn)', nodes)
    .option('--steps <n>', 'steps of actors under faults, before everything heals', integer, 20_000)
    .option('--faults <list>', `all, none, or some of ${FAULTS.join(',')} (otherwise a random half)`, faults)
    .addOption(new Option('--crypto <kind>', 'real: the product’s, slower').choices(['fast', 'real']).default('fast'))
    .option('--plan <file>', 'run a saved plan instead of seeds')
    .option('--score', 'one line for every step')
    .option('--shrink', 'make the first failing plan as small as it will go')
    .option('--save <file>', 'keep the failing (or else the last) plan, e.g. as failure.sim.json')
    .option('--json', 'print one JSON object')
    .action((options: SimCommandOptions) => sim(options))
}

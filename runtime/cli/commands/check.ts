// `concordat check MODEL`: explores a model of real actors, exhaustively or directed, and says what it found.
// Not the search (runtime/check), nor the models (runtime/models). The rule to remember: exit 0 only if nothing is wrong; a search that ends at a
// limit says that it is unfinished.
import { writeFileSync } from 'node:fs'
import { Option, type Command } from 'commander'
import { UsageError } from '../../../protocols/errors.ts'
import { breadthFirst, type Violation } from '../../check/breadth-first.ts'
import { directed } from '../../check/directed.ts'
import { line, sequenceDiagram, tell } from '../../check/events.ts'
import type { AnyModel } from '../../check/model.ts'
import { Space } from '../../check/space.ts'
import { MODELS, type Bound, type Bounds, type CheckableModel } from '../../models/catalogue.ts'
import { note, printJson, printLine } from '../../terminal/output.ts'

interface CheckOptions {
  readonly directed?: boolean
  readonly seed: number
  readonly stretches: number
  readonly steps: number
  readonly statesMax: number
  readonly depthMax: number
  readonly edges?: boolean
  readonly save?: string
  readonly mermaid?: string
  readonly json?: boolean
}

const EXIT_PROBLEM = 1
const INTEGER = /^[0-9]{1,12}$/

/** `--sendAtOnce` is written `--send-at-once`. */
const flagOf = (bound: string): string => `--${bound.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

function parseBound(model: CheckableModel, name: string, text: string): Bound {
  const fallback = model.defaults[name]
  if (typeof fallback === 'boolean') {
    if (text !== 'true' && text !== 'false') throw new UsageError(`${flagOf(name)} is true or false, not '${text}'`)
    return text === 'true'
  }
  if (typeof fallback === 'number') {
    if (!INTEGER.test(text)) throw new UsageError(`${flagOf(name)} is a whole number, not '${text}'`)
    return Number(text)
  }
  const words = model.words[name] ?? []
  if (!words.includes(text)) throw new UsageError(`${flagOf(name)} is one of ${words.join(', ')}, not '${text}'`)
  return text
}

export function register(program: Command): void {
  const check = program
    .command('check')
    .description('explore a model of the real actors: every world within its bounds')
  for (const [name, model] of Object.entries(MODELS)) addModel(check, name, model)
}

function addModel(check: Command, name: string, model: CheckableModel): void {
  const command = check.command(name).description(model.about)
  for (const [bound, value] of Object.entries(model.defaults)) {
    const words = model.words[bound]?.join('|') ?? (typeof value === 'boolean' ? 'true|false' : 'n')
    const option = new Option(`${flagOf(bound)} <${words}>`, `default ${String(value)}`)
    // `--no-dead-end` is a bound of its own, and not the negation of another.
    option.negate = false
    command.addOption(option.argParser((text: string) => parseBound(model, bound, text)))
  }
  const whole = (flag: string) => (text: string) => {
    if (!INTEGER.test(text)) throw new UsageError(`${flag} is a whole number, not '${text}'`)
    return Number(text)
  }
  command
    .option(
      '--states-max <n>',
      'give up, unfinished, beyond so many distinct worlds',
      whole('--states-max'),
      50_000_000,
    )
    .option('--depth-max <n>', 'events from the start', whole('--depth-max'), 1_000_000)
    .option('--directed', 'instead of every world: random stretches from where the search has seldom been')
    .option('--seed <n>', 'of a directed search', whole('--seed'), 1)
    .option('--stretches <n>', 'of a directed search', whole('--stretches'), 100_000)
    .option('--steps <n>', 'events in one stretch', whole('--steps'), 30)
    .option('--edges', 'list the chart edges that were not taken')
    .option('--save <file>', 'write a counterexample as a scenario file')
    .option('--mermaid <file>', 'write a counterexample as a sequence diagram')
    .option('--json', 'print one JSON object')
    .action((options: CheckOptions & Partial<Bounds>) => {
      const bounds: Record<string, Bound> = {}
      for (const [bound, value] of Object.entries(model.defaults))
        bounds[bound] = (options as Partial<Bounds>)[bound] ?? value
      run(name, model, bounds, options)
    })
}

/** What both kinds of search report. */
interface Report {
  readonly violation: Violation | undefined
  readonly edges: ReadonlyMap<string, number>
  readonly goals: ReadonlyMap<string, boolean>
  /** For people, after the model's name. */
  readonly text: string
  readonly facts: Readonly<Record<string, unknown>>
}

function run(name: string, checkable: CheckableModel, bounds: Bounds, options: CheckOptions): void {
  const model = build(checkable, bounds)
  const beganAtMs = performance.now()
  const report = options.directed === true ? searchDirected(model, options) : searchAll(model, options)
  const seconds = (performance.now() - beganAtMs) / 1000
  const missed = model.edges.filter((edge) => !report.edges.has(edge))
  const unreached = [...report.goals].filter(([, isReached]) => !isReached).map(([goal]) => goal)
  const told = report.violation === undefined ? [] : tell(new Space(model), report.violation.events)
  const repeat = commandLine(name, checkable, bounds, options)
  save(checkable, model, bounds, options, report.violation, repeat)
  if (report.violation !== undefined) process.exitCode = EXIT_PROBLEM
  if (options.json === true) {
    printJson({
      ok: report.violation === undefined,
      model: name,
      bounds,
      ...report.facts,
      seconds: Math.round(seconds * 10) / 10,
      edges: { all: model.edges.length, missed },
      goals: Object.fromEntries(report.goals),
      ...(report.violation === undefined
        ? {}
        : { violation: report.violation.message, events: told.map(line), repeat }),
    })
    return
  }
  printLine(`${name}: ${report.text}, ${seconds.toFixed(1)} s`)
  printLine(`  chart edges taken: ${model.edges.length - missed.length} of ${model.edges.length}`)
  if (options.edges === true) for (const edge of missed) printLine(`    not taken: ${edge}`)
  if (unreached.length > 0) printLine(`  never seen: ${unreached.join('; ')}`)
  if (report.violation === undefined) {
    printLine('  nothing is wrong')
    return
  }
  printLine(`  WRONG: ${report.violation.message}`)
  told.forEach((event, i) => printLine(`  ${String(i + 1).padStart(4)}  ${line(event)}`))
  printLine(`  again: ${repeat}`)
}

function build(checkable: CheckableModel, bounds: Bounds): AnyModel {
  try {
    return checkable.build(bounds)
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message)
    throw error
  }
}

function searchAll(model: AnyModel, { statesMax, depthMax, json }: CheckOptions): Report {
  const onProgress = (states: number, depth: number): void => {
    if (json !== true && process.stderr.isTTY) process.stderr.write(`\r${states} worlds, depth ${depth} `)
  }
  const result = breadthFirst(model, { statesMax, depthMax, onProgress })
  if (json !== true && process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  const { states, transitions, depth, localStates, localSteps, isComplete } = result
  const extent = isComplete ? 'all' : 'unfinished,'
  return {
    ...result,
    text: `${extent} ${states} worlds, ${transitions} transitions, depth ${depth}`,
    facts: { isComplete, states, transitions, depth, localStates, localSteps },
  }
}

function searchDirected(model: AnyModel, { seed, stretches, steps, json }: CheckOptions): Report {
  const onProgress = (done: number, cells: number): void => {
    if (json !== true && process.stderr.isTTY) process.stderr.write(`\r${done} stretches, ${cells} cells `)
  }
  const result = directed(model, { seed, stretches, stepsMax: steps, onProgress })
  if (json !== true && process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  return {
    ...result,
    text: `directed, seed ${seed}: ${result.stretches} stretches, ${result.steps} steps, ${result.cells} cells`,
    facts: {
      isComplete: false,
      seed,
      stretches: result.stretches,
      steps: result.steps,
      cells: result.cells,
      eventsBeforeShrinking: result.eventsBefore,
    },
  }
}

/** The one command that finds it again. */
function commandLine(name: string, { defaults }: CheckableModel, bounds: Bounds, options: CheckOptions): string {
  const changed = Object.entries(bounds).filter(([bound, value]) => value !== defaults[bound])
  const how =
    options.directed === true
      ? ['--directed', `--seed ${options.seed}`, `--stretches ${options.stretches}`, `--steps ${options.steps}`]
      : []
  return [
    'concordat check',
    name,
    ...changed.map(([bound, value]) => `${flagOf(bound)} ${String(value)}`),
    ...how,
  ].join(' ')
}

function save(
  checkable: CheckableModel,
  model: AnyModel,
  bounds: Bounds,
  options: CheckOptions,
  violation: Violation | undefined,
  repeat: string,
): void {
  if (violation === undefined) return
  if (options.save !== undefined) {
    if (checkable.toScenario === undefined)
      throw new UsageError(`runs of the model ${model.name} cannot be written as scenarios`)
    const title = `${violation.message}. Found by: ${repeat}`
    writeFileSync(options.save, checkable.toScenario(bounds, violation.events, title))
    note(`saved: concordat scenario ${options.save}`)
  }
  if (options.mermaid !== undefined) {
    writeFileSync(options.mermaid, `${sequenceDiagram(model.places, tell(new Space(model), violation.events))}\n`)
  }
}

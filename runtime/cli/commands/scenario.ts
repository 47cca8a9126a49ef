// `concordat scenario FILE...`: runs CCF's raft scenario files, and ours, against the replica that nodes run.
// Not the running (models/scenario), nor the commands (runtime/scenario). The rule to remember: all files are parsed before any is run.
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Option, type Command } from 'commander'
import { invariant, UsageError } from '../../../protocols/errors.ts'
import { runScenario, type Reporter, type ScenarioResult } from '../../models/scenario/run.ts'
import { MermaidDiagram, SequencePrinter } from '../../models/scenario/sequence.ts'
import { Tracer } from '../../models/scenario/tracer.ts'
import type { ScenarioLine } from '../../scenario/command.ts'
import { parseScenario, ScenarioSyntaxError, usageOf } from '../../scenario/parse.ts'
import { CCF_COMMANDS, OWN_COMMANDS } from '../../scenario/syntax.ts'
import { traceFile, UntraceableError } from '../../scenario/trace-file.ts'
import { note, printJson, printLine } from '../../terminal/output.ts'
import { readTextInput, reasonOf } from '../input.ts'
import { integer } from './up.ts'

const EXIT_PROBLEM = 1
const DEFAULT_SEED = 1

interface ScenarioOptions {
  readonly trace?: string
  readonly mermaid?: string
  readonly seed: number
  readonly print?: boolean
  readonly json?: boolean
}

interface Scenario {
  readonly file: string
  readonly lines: readonly ScenarioLine[]
}

interface Outcome extends ScenarioResult {
  readonly file: string
  readonly traceEvents: number
  /** Why a trace that was asked for was not written. */
  readonly untraceable: string | undefined
}

export function register(program: Command): void {
  program
    .command('scenario')
    .description("run raft scenario files, CCF's unmodified ones too, against the replica")
    .argument('<file...>', 'scenario files, - for stdin')
    .option(
      '--trace <file>',
      "write NDJSON for CCF's trace validation; with several files a directory of <name>.ndjson",
    )
    .option('--mermaid <file>', 'write a sequence diagram; with several files a directory of <name>.mmd')
    .option('--seed <n>', 'decides what CCF leaves to chance; no scenario should depend on it', integer, DEFAULT_SEED)
    .addOption(new Option('--print', 'print every message and every change of a node').conflicts('json'))
    .option('--json', 'print one JSON object')
    .addHelpText('after', commandsHelp)
    .action(run)
}

const commandsHelp = (): string => `
Commands in scenario files (T: a view, or 'latest'; A, B, X: nodes; '#' begins a comment, a line of '====' ends the file):
  ${usageOf(CCF_COMMANDS).join('\n  ')}
Ours, beyond CCF's:
  ${usageOf(OWN_COMMANDS).join('\n  ')}
After every command except printing, assert_state_sync and assert_commit_idx, what nodes have committed must be held by a majority of each
of their configurations. After the last one, loop_until_sync must succeed.
Exit code 0: all passed, 1: a scenario failed, 2: a file cannot be read, parsed or traced.`

async function run(files: readonly string[], options: ScenarioOptions): Promise<void> {
  const scenarios: Scenario[] = []
  for (const file of files) scenarios.push({ file, lines: parse(file, await readTextInput(file, 'scenario')) })
  const outcomes = scenarios.map((scenario) => runOne(scenario, options, files.length > 1))
  const failed = outcomes.filter(({ failure }) => failure !== undefined)
  if (failed.length > 0) process.exitCode = EXIT_PROBLEM
  if (options.json === true) printJson({ ok: failed.length === 0, scenarios: outcomes.map(asJson) })
  else {
    for (const outcome of outcomes) report(outcome)
    if (files.length > 1) printLine(`${files.length} scenarios, ${failed.length} failed`)
  }
  // A scenario that failed has said enough: that is why there is no trace.
  const refused = outcomes.find(({ untraceable, failure }) => untraceable !== undefined && failure === undefined)
  if (refused !== undefined) throw new UsageError(`${refused.file} cannot be traced: ${refused.untraceable}`)
}

/** @throws UsageError */
function parse(file: string, text: string): ScenarioLine[] {
  try {
    return parseScenario(text)
  } catch (error) {
    if (error instanceof ScenarioSyntaxError) throw new UsageError(`${file}:${error.line}: ${error.message}`)
    throw error
  }
}

function runOne({ file, lines }: Scenario, options: ScenarioOptions, isOneOfMany: boolean): Outcome {
  const tracer = new Tracer()
  const diagram = new MermaidDiagram()
  const reporters: Reporter[] = [tracer]
  if (options.mermaid !== undefined) reporters.push(diagram)
  if (options.print === true) {
    if (isOneOfMany) printLine(`${file}:`)
    reporters.push(new SequencePrinter(printLine))
  }
  const result = runScenario(lines, { seed: options.seed, reporters })
  const path = (given: string, extension: string): string =>
    isOneOfMany || isDirectory(given) ? join(given, `${basename(file)}.${extension}`) : given
  if (options.mermaid !== undefined) write(path(options.mermaid, 'mmd'), diagram.text)
  const untraceable =
    options.trace === undefined ? undefined : writeTrace(path(options.trace, 'ndjson'), tracer, result)
  return { file, ...result, traceEvents: tracer.events.length, untraceable }
}

/** @returns why there is no trace, if so */
function writeTrace(path: string, { events, mismatch }: Tracer, { nodes }: ScenarioResult): string | undefined {
  invariant(mismatch === undefined, `a trace that does not explain what happened: ${mismatch}`)
  const created = nodes.map(({ id }) => id)
  try {
    write(path, traceFile(events, created))
  } catch (error) {
    if (error instanceof UntraceableError) return error.message
    throw error
  }
  return undefined
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

/** @throws UsageError */
function write(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  } catch (error) {
    throw new UsageError(`cannot write ${path}: ${reasonOf(error)}`)
  }
}

const asJson = ({ file, failure, nodes, traceEvents }: Outcome) => ({
  file,
  ok: failure === undefined,
  ...failure,
  nodes,
  traceEvents,
})

function report({ file, failure, nodes }: Outcome): void {
  if (failure !== undefined) return note(`${file}:${failure.line}: ${failure.command}: ${failure.reason}`)
  const ends = nodes.map(({ id, leadership, membership, view, lastIdx, commitIdx }) => {
    const role = membership === 'Active' ? leadership : `${leadership} (${membership})`
    return `${id} ${role} ${view}.${lastIdx} committed ${commitIdx}`
  })
  printLine(`${file}: ok; ${ends.join(', ')}`)
}

// `npm run mutants`: each known bug is put back, and the checker, the simulator or a scenario must find it; a table says which and how fast.
// First the control: every hunt, on the program as it is, must find nothing, or what it finds in a mutant would prove nothing.
// The rule to remember: exit code 0 only if every mutant was found and no control was.
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bundleProgram } from './bundle.ts'
import { runHunt, savingTo, type Result } from './hunt.ts'
import { commandOf, type Hunt, type Mutant } from './mutant.ts'
import { MUTANTS } from './mutants.ts'
import { controlLine, heading, row, type Verdict } from './table.ts'

const USAGE = `npm run mutants -- [ID...] [options]

Puts known bugs back, one at a time, and hunts them. Without IDs: all of them.

  --list            the mutants and their hunts; runs nothing
  --control-only    only the control: every hunt on the program as it is
  --jobs N          hunts at a time (default 2)
  --budget SECONDS  for one hunt (default 60)
  --save FOLDER     counterexamples: scenarios, sequence diagrams, plans of simulations
  --json            print one JSON object`

const EXIT_PROBLEM = 1
const EXIT_USAGE = 2

interface Options {
  readonly mutants: readonly Mutant[]
  readonly jobs: number
  readonly budgetSeconds: number
  readonly list: boolean
  readonly controlOnly: boolean
  readonly json: boolean
  readonly save: string | undefined
}

class UsageProblem extends Error {}

function parse(args: readonly string[]): Options | 'help' {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      list: { type: 'boolean', default: false },
      'control-only': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      jobs: { type: 'string', default: '2' },
      budget: { type: 'string', default: '60' },
      save: { type: 'string' },
    },
  })
  if (values.help === true) return 'help'
  const whole = (flag: string, text: string): number => {
    if (!/^[1-9][0-9]{0,4}$/.test(text)) throw new UsageProblem(`${flag} is a whole number above zero, not '${text}'`)
    return Number(text)
  }
  const unknown = positionals.find((id) => !MUTANTS.some((mutant) => mutant.id === id))
  if (unknown !== undefined) throw new UsageProblem(`no mutant '${unknown}'; --list shows them`)
  return {
    mutants: positionals.length === 0 ? MUTANTS : MUTANTS.filter(({ id }) => positionals.includes(id)),
    jobs: whole('--jobs', values.jobs),
    budgetSeconds: whole('--budget', values.budget),
    list: values.list,
    controlOnly: values['control-only'],
    json: values.json,
    save: values.save,
  }
}

/** Runs `work` on every item, so many at a time. */
async function inParallel<T>(items: readonly T[], jobs: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(jobs, items.length) }, worker))
}

const say = (text: string): void => void process.stderr.write(`${text}\n`)

class Run {
  readonly #root: string
  readonly #options: Options
  readonly #folder: string

  constructor(root: string, options: Options) {
    this.#root = root
    this.#options = options
    this.#folder = join(root, '.build', 'mutants')
    mkdirSync(this.#folder, { recursive: true })
    if (options.save !== undefined) mkdirSync(options.save, { recursive: true })
  }

  /** @returns the hunts that find something in the program as it is, or cannot be run on it */
  async control(): Promise<readonly { readonly hunt: Hunt; readonly result: Result }[]> {
    const { mutants, jobs } = this.#options
    const hunts = new Map(mutants.flatMap(({ hunts }) => hunts.map((hunt) => [commandOf(hunt), hunt] as const)))
    const bundle = join(this.#folder, 'control.mjs')
    await bundleProgram(this.#root, bundle)
    const wrong: { readonly hunt: Hunt; readonly result: Result }[] = []
    await inParallel([...hunts.values()], jobs, async (hunt) => {
      const result = await this.#hunt(bundle, hunt)
      say(controlLine(hunt, result))
      if (result.outcome === 'found' || result.outcome === 'broken') wrong.push({ hunt, result })
    })
    return wrong
  }

  /** In the order in which they end. What finds something in the program as it is proves nothing, so hunts with `alarms` are left out. */
  async mutants(alarms: ReadonlySet<string>, onVerdict: (verdict: Verdict) => void): Promise<readonly Verdict[]> {
    const verdicts: Verdict[] = []
    await inParallel(this.#options.mutants, this.#options.jobs, async (mutant) => {
      const verdict = await this.#try(mutant, alarms)
      verdicts.push(verdict)
      onVerdict(verdict)
    })
    return verdicts
  }

  async #try(mutant: Mutant, alarms: ReadonlySet<string>): Promise<Verdict> {
    const bundle = join(this.#folder, `${mutant.id}.mjs`)
    await bundleProgram(this.#root, bundle, mutant)
    const tried: { readonly hunt: Hunt; readonly result: Result }[] = []
    for (const hunt of mutant.hunts.filter((each) => !alarms.has(commandOf(each)))) {
      const { save } = this.#options
      const more = save === undefined ? [] : savingTo(join(save, mutant.id), hunt)
      const result = await this.#hunt(bundle, hunt, more)
      tried.push({ hunt, result })
      if (result.outcome === 'found') break
    }
    rmSync(bundle)
    return { mutant, tried }
  }

  #hunt(bundle: string, hunt: Hunt, more: readonly string[] = []): Promise<Result> {
    return runHunt(bundle, hunt, { root: this.#root, budgetSeconds: this.#options.budgetSeconds, more })
  }
}

const isFound = ({ tried }: Verdict): boolean => tried.at(-1)?.result.outcome === 'found'

/** @returns the exit code */
async function main(root: string, options: Options): Promise<number> {
  const print = (text: string): void => void (options.json || process.stdout.write(`${text}\n`))
  if (options.list) {
    for (const { id, kind, title, hunts } of options.mutants) {
      process.stdout.write(`${id} (${kind}): ${title}\n${hunts.map((hunt) => `    ${commandOf(hunt)}\n`).join('')}`)
    }
    return 0
  }
  const run = new Run(root, options)
  const alarms = await run.control()
  if (options.controlOnly) {
    print(alarms.length === 0 ? 'control: nothing is found' : `control: ${alarms.length} false alarms`)
  } else print(heading())
  const verdicts = options.controlOnly
    ? []
    : await run.mutants(new Set(alarms.map(({ hunt }) => commandOf(hunt))), (verdict) => print(row(verdict)))
  const found = verdicts.filter(isFound).length
  if (!options.controlOnly) print(`\n${found} of ${verdicts.length} found, ${alarms.length} false alarms`)
  const ok = found === verdicts.length && alarms.length === 0
  if (options.json) {
    const mutants = verdicts.map(({ mutant: { id, title, kind }, tried }) => ({ id, title, kind, tried }))
    process.stdout.write(`${JSON.stringify({ ok, found, alarms, mutants }, undefined, 2)}\n`)
  }
  return ok ? 0 : EXIT_PROBLEM
}

/** The command line. @returns the exit code */
export async function mutants(root: string, args: readonly string[]): Promise<number> {
  try {
    const options = parse(args)
    if (options !== 'help') return await main(root, options)
    process.stdout.write(`${USAGE}\n`)
    return 0
  } catch (error) {
    const isUsage = error instanceof UsageProblem || (error instanceof TypeError && 'code' in error)
    if (!isUsage) throw error
    process.stderr.write(`mutants: ${error.message}\n${USAGE}\n`)
    return EXIT_USAGE
  }
}

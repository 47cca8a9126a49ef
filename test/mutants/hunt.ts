// One search by one bundle of the program, as a child process with a time budget, and what its JSON says.
// The rule to remember: exit code 1 alone finds nothing; a program that fails for another reason must not pass for one that has found the bug.
import { spawn } from 'node:child_process'
import type { Hunt } from './mutant.ts'

export interface Found {
  readonly outcome: 'found'
  /** What is broken, by its name. */
  readonly property: string
  /** The whole sentence. */
  readonly problem: string
  /** Events of the counterexample, or lines of the scenario up to the failure. */
  readonly length: number
}

export type Result = { readonly seconds: number; /** Distinct worlds, or steps. */ readonly explored: number } & (
  | Found
  | { readonly outcome: 'nothing' }
  /** Ended by the budget, before it had looked at everything. */
  | { readonly outcome: 'outOfTime' }
  /** The program did not do what was asked. */
  | { readonly outcome: 'broken'; readonly problem: string }
)

interface Exit {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
  readonly isOutOfTime: boolean
}

/** Options by which a hunt keeps its counterexample in files whose names begin with `path`. Only runs of replicas can be scenarios. */
export function savingTo(path: string, { tool, args }: Hunt): string[] {
  if (tool === 'sim') return ['--save', `${path}.sim.json`]
  if (tool === 'scenario') return ['--mermaid', `${path}.mmd`]
  const scenario = args[0] === 'replica' ? ['--save', `${path}.scenario`] : []
  return [...scenario, '--mermaid', `${path}.mmd`]
}

/** Runs `hunt` with the program in `bundle`. */
export async function runHunt(
  bundle: string,
  hunt: Hunt,
  options: { readonly root: string; readonly budgetSeconds: number; readonly more?: readonly string[] },
): Promise<Result> {
  const args = [bundle, hunt.tool, ...hunt.args, ...(options.more ?? []), '--json']
  const exit = await run(args, options.root, options.budgetSeconds)
  return judge(hunt, exit)
}

function run(args: readonly string[], cwd: string, budgetSeconds: number): Promise<Exit> {
  const beganAtMs = performance.now()
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  let isOutOfTime = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const timer = setTimeout(() => (isOutOfTime = child.kill('SIGKILL')), budgetSeconds * 1000)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code, stdout, stderr, seconds: (performance.now() - beganAtMs) / 1000, isOutOfTime })
    })
  })
}

function judge({ tool }: Hunt, { code, stdout, stderr, seconds, isOutOfTime }: Exit): Result {
  if (isOutOfTime) return { outcome: 'outOfTime', seconds, explored: 0 }
  const report = parse(stdout)
  if (report === undefined || (code !== 0 && code !== 1) || report.ok !== (code === 0)) {
    const problem = stderr.trim().split('\n')[0] ?? ''
    return { outcome: 'broken', problem: `exit code ${code}: ${problem}`, seconds, explored: 0 }
  }
  const { explored, ...found } = READ[tool](report)
  if (report.ok) return { outcome: 'nothing', seconds, explored }
  const { problem, property, length } = found
  if (problem === undefined) return { outcome: 'broken', problem: 'no violation is reported', seconds, explored }
  return {
    outcome: 'found',
    problem,
    property: property ?? problem.split(':')[0]!,
    length: length ?? 0,
    seconds,
    explored,
  }
}

/** What of the tools' JSON is read here. */
interface Report {
  readonly ok: boolean
  readonly violation?: string
  readonly states?: number
  readonly steps?: number
  readonly events?: readonly string[]
  readonly runs?: readonly {
    readonly steps: number
    readonly violation?: { readonly checker: string; readonly message: string; readonly step: number }
  }[]
  readonly scenarios?: readonly { readonly line?: number; readonly reason?: string; readonly traceEvents: number }[]
}

function parse(stdout: string): Report | undefined {
  try {
    return JSON.parse(stdout) as Report
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

type Reading = { readonly explored: number } & Partial<Omit<Found, 'outcome'>>

const READ: Readonly<Record<Hunt['tool'], (report: Report) => Reading>> = {
  check: ({ states, steps, violation, events = [] }) => ({
    explored: states ?? steps ?? 0,
    ...(violation === undefined ? {} : { problem: violation, length: events.length }),
  }),
  sim: ({ runs = [] }) => {
    const violation = runs.find((run) => run.violation !== undefined)?.violation
    return {
      explored: runs.reduce((sum, { steps }) => sum + steps, 0),
      ...(violation && { property: violation.checker, problem: violation.message, length: violation.step }),
    }
  },
  scenario: ({ scenarios = [] }) => {
    const failed = scenarios.find(({ reason }) => reason !== undefined)
    return {
      explored: scenarios.reduce((sum, { traceEvents }) => sum + traceEvents, 0),
      ...(failed?.reason === undefined ? {} : { problem: failed.reason, length: failed.line ?? 0 }),
    }
  },
}

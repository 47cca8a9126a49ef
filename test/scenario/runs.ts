// Running scenarios inside tests. Not the command line (cli.test.ts).
import { readFileSync } from 'node:fs'
import { runScenario, type ScenarioResult } from '../../runtime/models/scenario/run.ts'
import { Tracer } from '../../runtime/models/scenario/tracer.ts'
import { parseScenario } from '../../runtime/scenario/parse.ts'
import type { TraceEvent } from '../../runtime/scenario/trace-event.ts'

export interface Traced extends ScenarioResult {
  readonly events: readonly TraceEvent[]
  readonly mismatch: string | undefined
  readonly printed: readonly string[]
  readonly ids: readonly string[]
}

export function run(text: string, seed = 1): Traced {
  const tracer = new Tracer()
  const printed: string[] = []
  const printer = { printed: (line: string) => void printed.push(line) }
  const result = runScenario(parseScenario(text), { seed, reporters: [tracer, printer] })
  const ids = result.nodes.map(({ id }) => id)
  return { ...result, events: tracer.events, mismatch: tracer.mismatch, printed, ids }
}

export const runFile = (path: string, seed = 1): Traced => run(readFileSync(path, 'utf8'), seed)

/** As CCF's `end-states.txt` puts it: `0:PA 2.9/9  1:FR 2.5/5`. */
export const endStates = ({ nodes }: ScenarioResult): string =>
  nodes
    .map(({ id, leadership, membership, view, lastIdx, commitIdx }) => {
      const role = leadership === 'Leader' ? 'P' : leadership === 'Follower' ? 'F' : '?'
      return `${id}:${role}${membership === 'Active' ? 'A' : 'R'} ${view}.${lastIdx}/${commitIdx}`
    })
    .join('  ')

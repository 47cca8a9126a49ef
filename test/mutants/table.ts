// The table that people read: one row for each mutant, in Markdown; and a line for each control.
import type { Result } from './hunt.ts'
import { commandOf, type Hunt, type Mutant } from './mutant.ts'

export interface Verdict {
  readonly mutant: Mutant
  /** In order; the last one found it, or none did. */
  readonly tried: readonly { readonly hunt: Hunt; readonly result: Result }[]
}

export const heading = (): string =>
  [
    '| mutant | bug | found by | seconds | explored | counterexample |',
    '| --- | --- | --- | ---: | ---: | ---: |',
  ].join('\n')

const UNITS: Readonly<Record<Hunt['tool'], readonly [explored: string, length: string]>> = {
  check: ['worlds', 'events'],
  sim: ['steps', 'steps'],
  scenario: ['trace events', 'lines'],
}

export function row({ mutant: { id, title }, tried }: Verdict): string {
  const seconds = tried.reduce((sum, { result }) => sum + result.seconds, 0).toFixed(1)
  const last = tried.at(-1)
  if (last?.result.outcome !== 'found') {
    const outcomes = tried.map(({ hunt, result }) => `${hunt.tool}: ${outcomeOf(result)}`).join('; ')
    const why = outcomes === '' ? 'its hunts raise false alarms' : outcomes
    return cells([id, title, `**not found** (${why})`, seconds, '', ''])
  }
  const { hunt, result } = last
  const isDirected = hunt.args.includes('--directed')
  const [explored, length] = UNITS[hunt.tool]
  const tool = isDirected ? 'directed search' : hunt.tool
  return cells([
    id,
    title,
    `${tool}: ${result.property}`,
    seconds,
    `${result.explored} ${isDirected ? 'steps' : explored}`,
    `${result.length} ${length}`,
  ])
}

const cells = (texts: readonly string[]): string =>
  `| ${texts.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`

const OUTCOMES: Readonly<Record<Exclude<Result['outcome'], 'found' | 'broken'>, string>> = {
  nothing: 'nothing',
  outOfTime: 'out of time',
}

function outcomeOf(result: Result): string {
  if (result.outcome === 'found') return `found ${result.problem}`
  return result.outcome === 'broken' ? `cannot be run, ${result.problem}` : OUTCOMES[result.outcome]
}

export const controlLine = (hunt: Hunt, result: Result): string => {
  const isFine = result.outcome === 'nothing' || result.outcome === 'outOfTime'
  return `control ${isFine ? 'ok' : 'FALSE ALARM'}: ${commandOf(hunt)}: ${outcomeOf(result)}, ${result.seconds.toFixed(1)} s`
}

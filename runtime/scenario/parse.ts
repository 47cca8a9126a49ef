// A scenario file's text becomes its commands. Total and bounded: any text is either a list of commands or one error that names its line.
// The rule to remember: line numbers are physical ones, comments and empty lines included (scenario-dsl.md, "File syntax").
import type { ScenarioLine } from './command.ts'
import { CCF_COMMANDS, FieldError, Fields, OWN_COMMANDS, type Syntax } from './syntax.ts'

/** Characters of a scenario file. */
export const SCENARIO_CHARS_MAX = 1024 * 1024
/** Commands of a scenario. CCF's longest has about 200. */
export const SCENARIO_COMMANDS_MAX = 5000

export class ScenarioSyntaxError extends Error {
  override readonly name = 'ScenarioSyntaxError'
  /** Physical line, from 1. */
  readonly line: number
  constructor(line: number, reason: string) {
    super(reason)
    this.line = line
  }
}

const SYNTAX = new Map<string, Syntax>([...Object.entries(CCF_COMMANDS), ...Object.entries(OWN_COMMANDS)])
const END_MARK = '===='

/** @throws ScenarioSyntaxError */
export function parseScenario(text: string): ScenarioLine[] {
  if (text.length > SCENARIO_CHARS_MAX) {
    throw new ScenarioSyntaxError(1, `${text.length} characters, at most ${SCENARIO_CHARS_MAX}`)
  }
  const lines: ScenarioLine[] = []
  for (const [i, physical] of text.split('\n').entries()) {
    const stripped = physical.replace(/#.*$/s, '').trimEnd()
    if (stripped.startsWith(END_MARK)) break
    if (stripped === '') continue
    if (lines.length === SCENARIO_COMMANDS_MAX) {
      throw new ScenarioSyntaxError(i + 1, `more than ${SCENARIO_COMMANDS_MAX} commands`)
    }
    lines.push(parseLine(i + 1, stripped))
  }
  return lines
}

function parseLine(line: number, text: string): ScenarioLine {
  const [name, ...fields] = text.split(',')
  // As in CCF's driver, an empty field at the end does not count.
  if (fields.at(-1) === '') fields.pop()
  const syntax = SYNTAX.get(name!)
  if (syntax === undefined) throw new ScenarioSyntaxError(line, `unknown command '${name!.slice(0, 40)}'`)
  if (fields.length < syntax.least || fields.length > syntax.most) {
    throw new ScenarioSyntaxError(
      line,
      `${name} takes ${described(syntax)}, found ${fields.length} field${fields.length === 1 ? '' : 's'}`,
    )
  }
  try {
    return { line, text, command: syntax.make(new Fields(fields)) }
  } catch (error) {
    if (error instanceof FieldError) throw new ScenarioSyntaxError(line, `${name}: ${error.message}`)
    throw error
  }
}

const described = ({ usage }: Syntax): string => (usage === '' ? 'no fields' : `the fields ${usage}`)

/** `name,fields` of every command of a table, for help texts. */
export const usageOf = (table: Readonly<Record<string, Syntax>>): string[] =>
  Object.entries(table).map(([name, { usage }]) => (usage === '' ? name : `${name},${usage}`))

// A scenario's run for people: one line for each event, or a Mermaid sequence diagram.
// Not a trace (tracer.ts). The rule to remember: steps in which nothing a reader can see has changed are left out.
import type { ConsensusMessage } from '../../../protocols/consensus/messages.ts'
import type { Pair, ScenarioLine } from '../../scenario/command.ts'
import type { Reporter } from './run.ts'
import { logText, messageText, stateText } from './text.ts'
import type { Loss, Turn } from './world.ts'

/** What of a node's change a line says: its state, and its log when entries came or went. */
function changeOf({ before, after }: Turn): string | undefined {
  const state = stateText(after)
  return state === stateText(before) ? undefined : state
}

/** Lines of text, as they happen. */
export class SequencePrinter implements Reporter {
  readonly #print: (line: string) => void

  constructor(print: (line: string) => void) {
    this.#print = print
  }

  commanded(line: ScenarioLine | undefined): void {
    this.#print(line === undefined ? '     loop_until_sync (end)' : `${String(line.line).padStart(4)} ${line.text}`)
  }

  printed(text: string): void {
    this.#print(`       ${text}`)
  }

  delivered([from, to]: Pair, message: ConsensusMessage): void {
    this.#print(`       ${from} -> ${to}: ${messageText(message)}`)
  }

  lost([from, to]: Pair, message: ConsensusMessage, why: Loss): void {
    this.#print(`       ${from} -x ${to}: ${messageText(message)} (${why})`)
  }

  turned(turn: Turn): void {
    const change = changeOf(turn)
    if (change !== undefined) this.#print(`       ${turn.node}: ${change}`)
  }
}

/** Nodes as participants, messages as arrows; lost ones end in a cross. */
export class MermaidDiagram implements Reporter {
  readonly #lines: string[] = []
  readonly #nodes = new Set<string>()

  /** The whole diagram, once the scenario has ended. */
  get text(): string {
    const participants = [...this.#nodes].sort().map((node) => `  participant ${alias(node)} as ${node}`)
    return ['sequenceDiagram', ...participants, ...this.#lines, ''].join('\n')
  }

  commanded(line: ScenarioLine | undefined): void {
    this.#lines.push(`  %% ${line === undefined ? 'loop_until_sync (end)' : `${line.line}: ${line.text}`}`)
  }

  delivered(pair: Pair, message: ConsensusMessage): void {
    this.#arrow(pair, '->>', messageText(message))
  }

  lost(pair: Pair, message: ConsensusMessage, why: Loss): void {
    this.#arrow(pair, '-x', `${messageText(message)} (${why})`)
  }

  turned(turn: Turn): void {
    this.#nodes.add(turn.node)
    const change = changeOf(turn)
    if (change !== undefined) this.#lines.push(`  Note over ${alias(turn.node)}: ${change} [${logText(turn.after)}]`)
  }

  #arrow([from, to]: Pair, arrow: string, text: string): void {
    this.#nodes.add(from)
    this.#nodes.add(to)
    this.#lines.push(`  ${alias(from)}${arrow}${alias(to)}: ${text}`)
  }
}

/** Ids may hold characters that Mermaid gives a meaning to. */
const alias = (node: string): string => `n${node.replace(/[^A-Za-z0-9]/g, (c) => `_${c.charCodeAt(0)}_`)}`

// Runs a scenario: its commands one after the other, commit safety after each that could have harmed it, a way to sync at the end.
// Deterministic: the seed decides only what CCF leaves open (election timers after a restart, shuffles); scenarios must not depend on it.
// The rule to remember: a scenario fails at the first command that does, and the failure names its line.
import { replica } from '../../../actors/replica/replica.ts'
import { InvariantViolation } from '../../../protocols/errors.ts'
import { isQuiet, type ScenarioLine } from '../../scenario/command.ts'
import { worldProperties } from '../replica/properties.ts'
import { checkCommitSafety } from './checks.ts'
import { ScenarioFailure } from './failure.ts'
import { summaryOf, type NodeSummary, type ReplicaDefinition } from './node.ts'
import { loopUntilSync, perform } from './perform.ts'
import { World, type Observer } from './world.ts'

export interface Reporter extends Observer {
  /** Before a command is carried out; undefined: the loop until sync that ends every scenario. */
  commanded?(line: ScenarioLine | undefined): void
  /** What a command prints. */
  printed?(text: string): void
}

export interface RunOptions {
  readonly seed: number
  readonly reporters?: readonly Reporter[]
  /** Another replica in place of ours: mutants. */
  readonly definition?: ReplicaDefinition
}

export interface Failure {
  /** Physical line of the file; at the end of the scenario that of the last command. */
  readonly line: number
  readonly command: string
  readonly reason: string
}

export interface ScenarioResult {
  readonly failure: Failure | undefined
  readonly nodes: readonly NodeSummary[]
}

export function runScenario(
  lines: readonly ScenarioLine[],
  { seed, reporters = [], definition = replica }: RunOptions,
): ScenarioResult {
  const world = new World(definition, seed, reporters)
  const print = (text: string): void => {
    for (const reporter of reporters) reporter.printed?.(text)
  }
  const announce = (line: ScenarioLine | undefined): void => {
    for (const reporter of reporters) reporter.commanded?.(line)
  }
  const end = { line: lines.at(-1)?.line ?? 1, text: 'loop_until_sync, which ends every scenario' }
  let current: Pick<ScenarioLine, 'line' | 'text'> = end
  let failure: Failure | undefined
  try {
    for (const line of lines) {
      current = line
      announce(line)
      perform(world, line.command, print)
      if (!isQuiet(line.command)) checkAll(world)
    }
    current = end
    announce(undefined)
    loopUntilSync(world)
    checkAll(world)
  } catch (error) {
    // A defect of the replica is what scenarios look for: it fails the scenario, not the runner.
    if (!(error instanceof ScenarioFailure || error instanceof InvariantViolation)) throw error
    failure = { line: current.line, command: current.text, reason: error.message }
  }
  return { failure, nodes: world.nodes.map(summaryOf) }
}

/** Commit safety as CCF's driver checks it, and the specification's properties over all nodes (consensus.md §17). */
function checkAll(world: World): void {
  const states = world.nodes.map(({ state }) => state)
  for (const { name, broken } of worldProperties) {
    const problem = broken(states)
    if (problem !== undefined) throw new ScenarioFailure(`${name}: ${problem}`)
  }

  for (const node of world.nodes) if (!node.isCrashed) checkCommitSafety(world, node)
}

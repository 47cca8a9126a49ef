// The commands of `concordat`, and what becomes of their errors.
// Not the commands: each is a module in commands/ with `register`. The rule to remember (DESIGN §14): 0 ok · 1 found a problem · 2 usage;
// stdout is for results, everything said to a person besides goes to stderr.
import { Command, CommanderError } from 'commander'
import { CorruptDataError, UsageError } from '../../protocols/errors.ts'
import { StorageError } from '../../store/ledger/files.ts'
import * as bench from './commands/bench.ts'
import * as call from './commands/call.ts'
import * as check from './commands/check.ts'
import * as demo from './commands/demo.ts'
import * as keygen from './commands/keygen.ts'
import * as ledger from './commands/ledger.ts'
import * as member from './commands/member.ts'
import * as node from './commands/node.ts'
import * as receipt from './commands/receipt.ts'
import * as replay from './commands/replay.ts'
import * as scenario from './commands/scenario.ts'
import * as sim from './commands/sim.ts'
import * as snapshot from './commands/snapshot.ts'
import * as up from './commands/up.ts'
import { SOFTWARE_VERSION } from '../version.ts'
import { Problem } from '../terminal/problem.ts'

const COMMANDS = [up, node, demo, call, keygen, ledger, snapshot, member, receipt, check, replay, scenario, sim, bench]

export const EXIT_PROBLEM = 1
export const EXIT_USAGE = 2

export function buildProgram(): Command {
  const program = new Command('concordat')
    .description('the Confidential Consortium Framework as an actor runtime over NATS')
    .version(SOFTWARE_VERSION)
    .showHelpAfterError('(add --help for what it understands)')
    .exitOverride()
  for (const { register } of COMMANDS) register(program)
  return program
}

/** Runs one command line (without `node` and the script). @returns the exit code; a command may also have set `process.exitCode`. */
export async function run(args: readonly string[], program = buildProgram()): Promise<number> {
  try {
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    return explain(error, (text) => process.stderr.write(text))
  }
}

/** Tells a person what went wrong, in as few lines as it takes. @returns the exit code. */
export function explain(error: unknown, write: (text: string) => void): number {
  // Commander has written its message already; asking for help or the version is no error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
  if (error instanceof UsageError) {
    write(`concordat: ${error.message}\n(add --help to the command for what it understands)\n`)
    return EXIT_USAGE
  }
  const isExpected = error instanceof Problem || error instanceof CorruptDataError || error instanceof StorageError
  const message = error instanceof Error ? error.message : String(error)
  write(`concordat: ${message}\n`)
  if (process.env['CONCORDAT_DEBUG'] === '1') write(`${error instanceof Error ? error.stack : ''}\n`)
  else if (!isExpected) write('(CONCORDAT_DEBUG=1 shows where)\n')
  return EXIT_PROBLEM
}

// `concordat replay FILE`: re-executes a recorded node and says whether it did the same again.
import type { Command } from 'commander'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { DivergenceError } from '../../../protocols/errors.ts'
import { readJournal } from '../../host/journal.ts'
import { replay, type Replayed } from '../../host/replay.ts'
import { catalogue } from '../../catalogue.ts'
import { nodeConfig } from '../../node.ts'
import { sampleApps } from '../../samples/index.ts'

/** Replays the journal at `path` with the actors of this program. @throws DivergenceError, CorruptDataError, UsageError */
export function replayFile(path: string): Replayed & { readonly tornBytes: number } {
  const journal = readJournal(path)
  const config = nodeConfig(journal.header.setup, nativeCrypto, sampleApps)
  const replayed = replay({ journal, catalogue: catalogue(), begin: (kernel) => kernel.start('node', 'node', config) })
  return { ...replayed, tornBytes: journal.tornBytes }
}

export function register(program: Command): void {
  program
    .command('replay')
    .description('re-execute a recorded node (up --journal) and fail at the first step that differs')
    .argument('<file>', 'a node.journal file')
    .option('--json', 'print one JSON object')
    .action((file: string, options: { readonly json?: boolean }) => {
      try {
        const result = replayFile(file)
        if (options.json === true) console.log(JSON.stringify({ ok: true, ...result }))
        else {
          console.log(`${result.steps} steps replayed, all the same`)
          for (const { address, state } of result.actors) console.log(`  ${address}: ${state}`)
          if (result.tornBytes > 0) console.log(`  (${result.tornBytes} bytes at the end are no whole step)`)
        }
      } catch (error) {
        if (!(error instanceof DivergenceError)) throw error
        if (options.json === true)
          console.log(
            JSON.stringify({ ok: false, position: error.position, actor: error.actor, message: error.message }),
          )
        else console.error(error.message)
        process.exitCode = 1
      }
    })
}

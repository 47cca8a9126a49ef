// The `concordat` program's entry: launch.mjs imports the bundle of this file.
// Not the program itself (program.ts). The exit code is set, never forced, so that output is flushed and handles close.
import { run } from './program.ts'

// `concordat … | head` closes our stdout: nothing is left to say.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

const exitCode = await run(process.argv.slice(2))
if (exitCode !== 0) process.exitCode = exitCode

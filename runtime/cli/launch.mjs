#!/usr/bin/env node
// What `npm start`, `npm test`, `npm run …` and `npx concordat` run: installs what is missing, bundles the TypeScript sources when they
// changed, and hands over. Plain JavaScript without dependencies, because on a fresh clone there is nothing else yet.
// The rule to remember: nothing here writes to stdout; it belongs to the command (`--json`).
import { fileURLToPath, pathToFileURL } from 'node:url'
import { dirname } from 'node:path'

const NODE_MINIMUM = [20, 19]
const EXIT_USAGE = 2

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < NODE_MINIMUM[0] || (major === NODE_MINIMUM[0] && minor < NODE_MINIMUM[1])) {
  process.stderr.write(`concordat needs Node ${NODE_MINIMUM.join('.')} or newer; this is ${process.version}.\n`)
  process.exit(EXIT_USAGE)
}

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const args = process.argv.slice(2)

try {
  const { installPackages } = await import('./install.mjs')
  installPackages(root)
  if (args[0] === 'test') {
    const { runTests } = await import('./run-tests.mjs')
    process.exitCode = await runTests(root, args.slice(1))
  } else {
    await runCommand()
  }
} catch (error) {
  if (process.env.CONCORDAT_DEBUG === '1') throw error
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`concordat: ${message}\n(CONCORDAT_DEBUG=1 shows where)\n`)
  process.exitCode = 1
}

/** In this very process, so that signals and exit codes need no forwarding. Children are started from the bundle: it is argv[1]. */
async function runCommand() {
  const { upToDateBundle } = await import('./bundle.mjs')
  const bundle = await upToDateBundle(root)
  process.setSourceMapsEnabled(true)
  process.argv[1] = bundle
  await import(pathToFileURL(bundle).href)
}

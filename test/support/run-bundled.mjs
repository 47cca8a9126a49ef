// Bundles a tool of test/ and hands over to it, since Node 20 runs no TypeScript. As runtime/cli/launch.mjs does for the program.
// Plain JavaScript without dependencies, because on a fresh clone there is nothing else yet.
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { installPackages } from '../../runtime/cli/install.mjs'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

// `npm run fuzz | head` closes our stdout: nothing is left to say.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

/** Runs what test/<tool>/run.ts exports by the tool's name, with the root of the repository and the arguments given; its result is the exit code. */
export async function runBundled(tool) {
  installPackages(root)
  const { buildSync } = await import('esbuild')
  const folder = join(root, '.build', tool)
  const outfile = join(folder, `run.${process.pid}.mjs`)
  mkdirSync(folder, { recursive: true })
  const common = {
    absWorkingDir: root,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
  }
  buildSync({ ...common, entryPoints: [`test/${tool}/run.ts`], outfile, logLevel: 'warning' })
  // Until the end: the program may start workers from it.
  process.on('exit', () => rmSync(outfile, { force: true }))
  const program = await import(pathToFileURL(outfile).href)
  process.exitCode = await program[tool](root, process.argv.slice(2))
}

// What `npm run fuzz` runs: bundles run.ts, since Node 20 runs no TypeScript, and hands over. As runtime/cli/launch.mjs does for the program.
// Plain JavaScript without dependencies, because on a fresh clone there is nothing else yet.
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { installPackages } from '../../runtime/cli/install.mjs'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
installPackages(root)
const { buildSync } = await import('esbuild')
const folder = join(root, '.build', 'fuzz')
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
buildSync({ ...common, entryPoints: ['test/fuzz/run.ts'], outfile, logLevel: 'warning' })
const { fuzz } = await import(pathToFileURL(outfile).href)
rmSync(outfile)
process.exitCode = fuzz(root, process.argv.slice(2))

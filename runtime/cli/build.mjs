// `npm run build`: the client SDK as others import it. dist/client.mjs for Node (packages stay imports), dist/client.browser.mjs for browsers
// (one file, nothing else needed), and their types in dist/types.
// Not the command line's bundle (bundle.mjs). The rule to remember: nothing of Node may end in the browser's file; esbuild refuses it.
import { spawnSync } from 'node:child_process'
import { renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installPackages } from './install.mjs'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
installPackages(root)
const { build, stop } = await import('esbuild')
const dist = join(root, 'dist')
const common = { absWorkingDir: root, bundle: true, format: 'esm', sourcemap: 'linked', logLevel: 'warning' }

/** Built beside its place and moved there, so that a reader never meets half a file. */
async function bundle(entry, name, options) {
  const staging = join(dist, `.${process.pid}`)
  const file = `${name}.mjs`
  await build({ ...common, ...options, entryPoints: [entry], outfile: join(staging, file) })
  for (const made of [`${file}.map`, file]) renameSync(join(staging, made), join(dist, made))
  rmSync(staging, { recursive: true })
}

function emitTypes() {
  const options = [
    ['--noEmit', 'false'],
    ['--declaration', '--emitDeclarationOnly', '--rewriteRelativeImportExtensions', '--noCheck'],
    ['--ignoreConfig', '--target', 'es2023', '--lib', 'es2023,dom', '--module', 'nodenext', '--skipLibCheck'],
    ['--strict', '--verbatimModuleSyntax', '--types', 'node', '--rootDir', root, '--outDir', join(dist, 'types')],
  ].flat()
  const entries = ['runtime/client/index.ts', 'runtime/client/browser.ts']
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, ...options, ...entries], { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error('the declarations of the client could not be made')
}

await bundle('runtime/client/index.ts', 'client', { platform: 'node', target: 'node20', packages: 'external' })
await bundle('runtime/client/browser.ts', 'client.browser', { platform: 'browser', target: 'es2022' })
emitTypes()
await stop()

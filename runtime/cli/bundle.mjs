// Bundles runtime/cli/main.ts into .build/concordat.mjs, and the helper threads' program beside it, only when a source is newer than the bundle. Node 20 runs no TypeScript by itself.
// Not the published build (build.mjs). Packages stay outside the bundle: native ones cannot be bundled, the others need not be.
// The rule to remember: launches may overlap, so the bundle is replaced by renaming and never written in place.
import { mkdirSync, readdirSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const SOURCE_FOLDERS = ['protocols', 'store', 'actors', 'runtime']

/** Path of a bundle made from the sources as they are now. */
export async function upToDateBundle(root) {
  const bundle = join(root, '.build', 'concordat.mjs')
  const newestMs = newestSource(root)
  if (changedMs(bundle) !== newestMs) await build(root, bundle, newestMs)
  return bundle
}

/** Whole milliseconds of the youngest source or folder (a folder's time tells of removed files). */
function newestSource(root) {
  let newestMs = Math.max(changedMs(join(root, 'package-lock.json')), changedMs(join(root, 'runtime/cli/bundle.mjs')))
  const visit = (folder) => {
    newestMs = Math.max(newestMs, changedMs(folder))
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) visit(path)
      else if (entry.name.endsWith('.ts')) newestMs = Math.max(newestMs, changedMs(path))
    }
  }
  for (const folder of SOURCE_FOLDERS) visit(join(root, folder))
  return newestMs
}

function changedMs(path) {
  return Math.round(statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0)
}

/** The bundle gets the time of the youngest source read, so a source edited during the build makes it stale again. */
async function build(root, bundle, newestMs) {
  // Synchronously, because that leaves no service process of esbuild behind.
  const { buildSync } = await import('esbuild')
  const result = buildSync({
    absWorkingDir: root,
    entryPoints: { concordat: 'runtime/cli/main.ts', 'verify-helper': 'runtime/parallel-verify/helper.ts' },
    outdir: '.build',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    write: false,
    logLevel: 'silent',
  })
  mkdirSync(join(root, '.build'), { recursive: true })
  // The bundle last: whoever sees it finds its map and the helpers' program.
  const files = result.outputFiles.toSorted((a, b) => Number(a.path === bundle) - Number(b.path === bundle))
  for (const { path, contents } of files) {
    const temporary = `${path}.${process.pid}`
    writeFileSync(temporary, contents)
    utimesSync(temporary, newestMs / 1000, newestMs / 1000)
    renameSync(temporary, path)
  }
}

// Bundles a TypeScript file so that a plain node process can run it, packages left outside as in the product's build.
import { build } from 'esbuild'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** `entry`: path below the repository. Returns the bundle's path: inside it, so that packages are found; or `whole`, with them. */
export async function bundle(entry: string, name: string, whole = false, root = ROOT): Promise<string> {
  const outfile = join(root, 'node_modules', '.cache', 'concordat-test', `${name}-${process.pid}.mjs`)
  await build({
    entryPoints: [join(root, entry)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: whole ? 'bundle' : 'external',
    logLevel: 'error',
  })
  return outfile
}

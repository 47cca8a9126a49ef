// The program with one mutant in it, or with none, as one file. Nothing of it is ever in the build that people run (runtime/cli/bundle.mjs).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import type { Mutant } from './mutant.ts'

type Replacement = Pick<Mutant, 'file' | 'find' | 'replace'>

/** The file's text with the bug in it. @throws Error unless `find` stands in it exactly once */
export function mutate(text: string, { file, find, replace }: Replacement): string {
  const [before, after, ...more] = text.split(find)
  if (before === undefined || after === undefined || more.length > 0) {
    throw new Error(`${file} has '${find}' ${text.split(find).length - 1} times: the mutant must be brought up to date`)
  }
  return before + replace + after
}

/** Bundles the program below `root` into `outfile`, which must be in a folder below it, so that packages are found. */
export async function bundleProgram(root: string, outfile: string, mutant?: Replacement): Promise<void> {
  const mutated = mutant === undefined ? undefined : join(root, mutant.file)
  await build({
    absWorkingDir: root,
    entryPoints: ['runtime/cli/main.ts'],
    outfile,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'silent',
    plugins: [
      {
        name: 'mutant',
        setup: ({ onLoad }) => {
          onLoad({ filter: /\.ts$/ }, ({ path }) =>
            path === mutated && mutant !== undefined
              ? { contents: mutate(readFileSync(path, 'utf8'), mutant), loader: 'ts' }
              : undefined,
          )
        },
      },
    ],
  })
}

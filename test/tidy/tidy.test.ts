// Goal: the rules of the house (DESIGN §2, §3, CONTRIBUTING.md) hold for every file of the project, and each failure says what to do.
// That the rules themselves can fail is shown in rules.test.ts.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { actorsReachingOut, circles, hostsKnowingActors, wrongDirection } from './direction-rules.ts'
import { impurities, isPure } from './purity-rules.ts'
import { codeSources, LAYERS, layerOf, projectFiles, readText, ROOT } from './sources.ts'
import { isKebabCase, privateKeys, silenced, switchedOff, tooLong, unfinished } from './text-rules.ts'

const files = projectFiles()
const sources = codeSources()

describe('folders', () => {
  it('are the five, and nothing else holds sources', () => {
    const outside = files.filter(
      (path) => /\.(ts|tsx|mts|js|mjs|cjs|py|go|rs)$/.test(path) && layerOf(path) === undefined,
    )
    expect(outside.filter((path) => !/^[^/]+\.config\.(ts|js)$/.test(path))).toEqual([])
    const folders = new Set(files.filter((path) => path.includes('/')).map((path) => path.split('/')[0]!))
    expect([...folders].filter((folder) => !folder.startsWith('.')).sort()).toEqual([...LAYERS].sort())
  })

  it.each(LAYERS)('%s has a README.md', (layer) => {
    expect(existsSync(join(ROOT, layer, 'README.md'))).toBe(true)
  })
})

describe('imports', () => {
  it('go in one direction', () => expect(wrongDirection(sources)).toEqual([]))
  it('form no circle', () => expect(circles(sources)).toEqual([]))
  it("of an actor's folder stay within protocols/, store/kv and the contract", () =>
    expect(actorsReachingOut(sources)).toEqual([]))
  it('of actors by name are left to composition roots', () => expect(hostsKnowingActors(sources)).toEqual([]))
})

describe('actors/, protocols/ and store/kv', () => {
  it('touch no clock, randomness, timer, process, promise or device', () =>
    expect(sources.filter(({ path }) => isPure(path)).flatMap(impurities)).toEqual([]))
})

describe('files', () => {
  it('are named in kebab-case', () =>
    expect(sources.map(({ path }) => path).filter((path) => !isKebabCase(path))).toEqual([]))
  it('are not too long', () => expect(sources.flatMap(tooLong)).toEqual([]))
  it('hold no unfinished work', () => expect(sources.flatMap(unfinished)).toEqual([]))
  it('switch no test off', () => expect(sources.flatMap(switchedOff)).toEqual([]))
  it('silence neither compiler nor linter', () => expect(sources.flatMap(silenced)).toEqual([]))
  it('hold no private key', () => expect(files.flatMap((path) => privateKeys(path, readText(path)))).toEqual([]))
})

describe('dependencies', () => {
  const { dependencies, devDependencies } = JSON.parse(readText('package.json')) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >
  const all = { ...dependencies, ...devDependencies }
  const contributing = existsSync(join(ROOT, 'CONTRIBUTING.md')) ? readText('CONTRIBUTING.md') : ''

  it('are pinned exactly', () => {
    const loose = Object.entries(all).filter(([, version]) => !/^(npm:@?[a-z0-9/-]+@)?\d+\.\d+\.\d+$/.test(version))
    expect(loose).toEqual([])
  })

  it('each have a line of reason in CONTRIBUTING.md', () =>
    expect(Object.keys(all).filter((name) => !contributing.includes(`- \`${name}\`: `))).toEqual([]))

  it('named there are still used', () => {
    const named = [...contributing.matchAll(/^- `([^`]+)`: /gm)].map((match) => match[1]!)
    expect(named.filter((name) => !(name in all))).toEqual([])
  })
})

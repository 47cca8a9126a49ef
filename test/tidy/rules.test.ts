// Goal: every tidy rule fails on what it forbids and stays quiet on what merely looks like it. Without this, a rule that never fires
// would keep the house tidy on paper only.
import { describe, expect, it } from 'vitest'
import { actorsReachingOut, circles, findCircles, hostsKnowingActors, wrongDirection } from './direction-rules.ts'
import { impurities } from './purity-rules.ts'
import { importsOf, parse } from './sources.ts'
import { isKebabCase, LINES_MAX, privateKeys, silenced, switchedOff, tooLong, unfinished } from './text-rules.ts'

describe('imports', () => {
  it('are all found, and known to be types where they are', () => {
    const source = parse(
      'a.ts',
      `import a from './a.ts'
import type { b } from './b.ts'
import { type c } from './c.ts'
export * from './d.ts'
export type { e } from './e.ts'
const f = await import('./f.ts')
type G = import('./g.ts').G
// import h from './h.ts'
const text = "import i from './i.ts'"`,
    )
    expect(importsOf(source).map(({ specifier, typeOnly }) => `${specifier} ${typeOnly}`)).toEqual([
      './a.ts false',
      './b.ts true',
      './c.ts true',
      './d.ts false',
      './e.ts true',
      './f.ts false',
      './g.ts true',
    ])
  })

  const importing = (from: string, to: string, type = '') => parse(from, `import ${type} { x } from '${to}'`)

  it('go in one direction', () => {
    expect(wrongDirection([importing('protocols/a.ts', '../store/kv/b.ts', 'type')])).toHaveLength(1)
    expect(wrongDirection([importing('runtime/a.ts', '../other/b.ts')])).toHaveLength(1)
    expect(
      wrongDirection([importing('store/a.ts', '../protocols/b.ts'), importing('test/a.ts', '../runtime/b.ts')]),
    ).toEqual([])
  })

  it("do not leave an actor's folder except for the contract", () => {
    expect(actorsReachingOut([importing('actors/node/a.ts', '../replica/b.ts', 'type')])).toHaveLength(1)
    expect(actorsReachingOut([importing('actors/node/a.ts', '../../store/ledger/b.ts')])).toHaveLength(1)
    const allowed = ['../machine.ts', './b.ts', '../../protocols/ids.ts', '../../store/kv/kv-state.ts']
    expect(actorsReachingOut(allowed.map((to) => importing('actors/node/a.ts', to)))).toEqual([])
  })

  it('of actors by name belong to composition roots', () => {
    expect(hostsKnowingActors([importing('runtime/host/live.ts', '../../actors/node/node.ts')])).toHaveLength(1)
    expect(hostsKnowingActors([importing('runtime/host/live.ts', '../../actors/node/node.ts', 'type')])).toEqual([])
    expect(hostsKnowingActors([importing('runtime/host/live.ts', '../../actors/actor.ts')])).toEqual([])
    expect(hostsKnowingActors([importing('runtime/node.ts', '../actors/node/node.ts')])).toEqual([])
  })

  it('form no circle of files or folders', () => {
    const [a, b] = [importing('store/a.ts', './b.ts'), importing('store/b.ts', './a.ts', 'type')]
    expect(circles([a, b])).toEqual(['circle: store/a.ts → store/b.ts → store/a.ts'])
    const there = importing('runtime/bus/a.ts', '../host/b.ts')
    const back = importing('runtime/host/c.ts', '../bus/d.ts')
    expect(circles([there, back])).toEqual(['circle: runtime/bus → runtime/host → runtime/bus'])
    expect(circles([a, there])).toEqual([])
  })

  it('have circles exactly when following them never ends', () => {
    expect(
      findCircles([
        ['a', 'b'],
        ['a', 'c'],
        ['b', 'd'],
        ['c', 'd'],
      ]),
    ).toEqual([])
    expect(
      findCircles([
        ['a', 'b'],
        ['b', 'c'],
        ['c', 'b'],
        ['c', 'd'],
        ['d', 'd'],
      ]),
    ).toEqual([
      ['b', 'c', 'b'],
      ['d', 'd'],
    ])
  })
})

describe('purity', () => {
  const found = (text: string): number => impurities(parse('actors/a.ts', text)).length

  it.each([
    'const t = Date.now()',
    'const t = new Date()',
    'const r = Math.random()',
    'const t = performance.now()',
    'setTimeout(f, 1)',
    'const f = setImmediate',
    'const { env } = process',
    'console.log(1)',
    'const f = async () => 1',
    'let p: Promise<void>',
    "const b = Buffer.from('a')",
    'const o = { console }',
    "import { readFileSync } from 'node:fs'",
    "import { connect } from 'nats'",
    "const lmdb = await import('lmdb')",
  ])('refuses %s', (text) => expect(found(text)).toBeGreaterThan(0))

  it.each([
    '// Date.now() and setTimeout(…)',
    "const text = 'process.env, await Promise'",
    'const o = { process: 1, console: 2, setTimeout() {} }',
    'const n = o.process + o.console',
    "const e = { type: 'setTimeout' }",
    'interface I { performance: number; process(): void }',
    'const t = Date.UTC(2026, 0)',
    "import { x } from './nats.ts'",
  ])('allows %s', (text) => expect(found(text)).toBe(0))

  it('names the replacement', () =>
    expect(impurities(parse('actors/a.ts', '\nsetTimeout(f, 1)'))).toEqual([
      'actors/a.ts:2 uses setTimeout: return a `setTimer` effect; it comes back as an event of that name',
    ]))

  it('lets one file, and no other, import node:', () => {
    const text = "import { createHash } from 'node:crypto'"
    expect(impurities(parse('protocols/crypto/native.ts', text))).toEqual([])
    expect(impurities(parse('protocols/crypto/noble.ts', text))).toHaveLength(1)
  })
})

describe('files', () => {
  it('are named in kebab-case', () => {
    expect(['a/b-c.ts', 'a/b2.test.ts', 'x.mjs'].filter((path) => !isKebabCase(path))).toEqual([])
    expect(['a/bC.ts', 'a/b_c.ts', 'a/B.ts', 'a/b--c.ts'].filter(isKebabCase)).toEqual([])
  })

  it('are at most so long', () => {
    expect(tooLong(parse('a.ts', '\n'.repeat(LINES_MAX)))).toEqual([])
    expect(tooLong(parse('a.ts', '\n'.repeat(LINES_MAX + 1)))).toHaveLength(1)
  })

  it('hold no unfinished work', () => {
    const word = 'TO' + 'DO'
    expect(unfinished(parse('a.ts', `const a = 1 // ${word} later\n/* ${word} */\nf(/* ${word} */)`))).toHaveLength(3)
    expect(unfinished(parse('a.ts', `const a = '// ${word}'`))).toEqual([])
  })

  it('switch no test off', () => {
    const off = "it.only('a', f); describe.skip('b', f); it.skipIf(x)('c', f); test.todo('d'); it.only.each([])('e', f)"
    expect(switchedOff(parse('a.ts', off))).toHaveLength(5)
    expect(switchedOff(parse('a.ts', "it.each([1])('a', f); options.only; reader.skip(2)"))).toEqual([])
  })

  it('silence nothing', () => {
    const silencer = '@ts-' + 'ignore'
    expect(silenced(parse('a.ts', `// ${silencer}\nf()`))).toHaveLength(1)
    expect(silenced(parse('a.ts', 'f() // which is right'))).toEqual([])
  })

  it('hold no private key', () => {
    const label = 'PRIVATE ' + 'KEY'
    for (const kind of ['', 'EC ', 'ENCRYPTED ']) {
      expect(privateKeys('a.pem', `x\n-----BEGIN ${kind}${label}-----`)).toEqual(['a.pem:2 holds a private key'])
    }
    expect(privateKeys('a.pem', '-----BEGIN PUBLIC KEY-----')).toEqual([])
  })
})

// Goal: no decoder of outside input is forgotten by the hunt (test/fuzz/decoders): whatever is exported from protocols/ and is called decode…,
// parse…, read…, take… or deserialise… is in its catalogue, or listed here with the reason.
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { catalogue } from '../fuzz/decoders/catalogue.ts'
import { codeSources, parse, type Source } from './sources.ts'

/** Functions that decode no input of their own. */
const EXEMPT: Readonly<Record<string, string>> = {
  'protocols/consensus/peer-codec-requests.ts#readForward': 'called by decodePeerMessage only',
  'protocols/consensus/peer-codec-requests.ts#readForwarded': 'called by decodePeerMessage only',
}

const NAME = /^(?:try(?:Decode|Parse|Read|Take|Deserialise)|decode|parse|read|take|deserialise)(?![a-z])/

/** `path#name` of the exported functions that are called like decoders. */
function decodersIn(source: Source): string[] {
  const names: string[] = []
  const isExported = (node: ts.HasModifiers): boolean =>
    ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true
  for (const node of source.tree.statements) {
    if (ts.isFunctionDeclaration(node) && isExported(node)) names.push(node.name!.text)
    if (!ts.isVariableStatement(node) || !isExported(node)) continue
    for (const { name, initializer } of node.declarationList.declarations) {
      if (initializer !== undefined && ts.isArrowFunction(initializer)) names.push(name.getText())
    }
  }
  return names.filter((name) => NAME.test(name)).map((name) => `${source.path}#${name}`)
}

const inProtocols = codeSources().filter(({ path }) => path.startsWith('protocols/'))
const exported = inProtocols.flatMap(decodersIn)
const covered = catalogue.flatMap(({ of }) => of)

describe('the catalogue of decoders', () => {
  it('holds every decoder of protocols/, or it is exempt', () => {
    expect(exported.filter((name) => !covered.includes(name) && EXEMPT[name] === undefined)).toEqual([])
    expect(exported.length).toBeGreaterThan(30)
  })

  it('names functions that exist, and exempts none that is in it', () => {
    const names = new Set(
      codeSources().flatMap(({ path, tree }) =>
        tree.statements.flatMap((node) => {
          if (ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node)) return [`${path}#${node.name?.text ?? ''}`]
          if (!ts.isVariableStatement(node)) return []
          return node.declarationList.declarations.map(({ name }) => `${path}#${name.getText()}`)
        }),
      ),
    )
    expect(covered.filter((name) => !names.has(name))).toEqual([])
    expect(Object.keys(EXEMPT).filter((name) => !names.has(name) || covered.includes(name))).toEqual([])
  })

  it('names every decoder once, in words that fit a command line', () => {
    const names = catalogue.map(({ name }) => name)
    expect(names.filter((name, i) => names.indexOf(name) !== i || !/^[a-z0-9-]+$/.test(name))).toEqual([])
  })

  it('would see a new one', () => {
    const text =
      'export function decodeNew() {}\nexport const takeIt = () => 1\nexport const decoded = 1\nfunction parseIt() {}'
    expect(decodersIn(parse('protocols/new.ts', text))).toEqual([
      'protocols/new.ts#decodeNew',
      'protocols/new.ts#takeIt',
    ])
  })
})

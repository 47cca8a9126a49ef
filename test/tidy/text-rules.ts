// Rules about files as such: names, sizes, unfinished work, secrets.
// The rule to remember: findings are `path:line what`, ready to be clicked.
import ts from 'typescript'
import { lineOf, type Source } from './sources.ts'

export const LINES_MAX = 500

export const isKebabCase = (path: string): boolean =>
  /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.(ts|tsx|mjs)$/.test(path.split('/').at(-1) ?? '')

export const tooLong = ({ path, text }: Source): string[] => {
  const lines = text.split('\n').length - 1
  return lines > LINES_MAX ? [`${path} has ${lines} lines, at most ${LINES_MAX}`] : []
}

const UNFINISHED = /\b(TODO|FIXME|XXX|HACK)\b/

/** Notes to oneself, in comments. Strings may speak of them. */
export function unfinished(source: Source): string[] {
  const found: string[] = []
  const seen = new Set<number>()
  const visit = (node: ts.Node): void => {
    for (const { pos, end } of ts.getLeadingCommentRanges(source.text, node.getFullStart()) ?? []) check(pos, end)
    for (const { pos, end } of ts.getTrailingCommentRanges(source.text, node.getEnd()) ?? []) check(pos, end)
    node.getChildren().forEach(visit)
  }
  const check = (from: number, to: number): void => {
    if (seen.has(from)) return
    seen.add(from)
    const match = UNFINISHED.exec(source.text.slice(from, to))
    if (match !== null)
      found.push(`${source.path}:${lineOf(source, from + match.index)} ${match[0]}: do it, or say why not`)
  }
  visit(source.tree)
  return found
}

const SWITCHES = ['only', 'skip', 'todo', 'skipIf', 'runIf', 'fails']
const RUNNERS = ['it', 'test', 'describe', 'suite', 'bench']

/** Tests that do not run, or keep others from running. */
export function switchedOff(source: Source): string[] {
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && SWITCHES.includes(node.name.text)) {
      const base = node.expression.getText().split('.')[0]!
      if (RUNNERS.includes(base)) found.push(`${source.path}:${lineOf(source, node.getStart())} ${node.getText()}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(source.tree)
  return found
}

const SILENCERS = /@ts-(ignore|nocheck|expect-error)|eslint-disable/

/** Comments that keep the compiler or the linter quiet. */
export const silenced = ({ path, text }: Source): string[] =>
  text.split('\n').flatMap((line, i) => {
    const match = /\/[/*].*/.exec(line)?.[0] ?? ''
    return SILENCERS.test(match) ? [`${path}:${i + 1} ${match.trim()}`] : []
  })

// The pattern spelt so that this file does not find itself.
const PRIVATE_KEY = new RegExp(`-----BEGIN ([A-Z0-9 ]+ )?PRIVATE ${'KEY'}-----`)

/** @returns lines on which a private key begins. */
export const privateKeys = (path: string, text: string): string[] =>
  text.split('\n').flatMap((line, i) => (PRIVATE_KEY.test(line) ? [`${path}:${i + 1} holds a private key`] : []))

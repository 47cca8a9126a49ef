// The project's files as the tidy rules see them: which there are, their layers, their syntax trees, what they import.
// Not the rules. The rule to remember: rules look at syntax, never at text, so that comments and strings cannot break or hide them.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const LAYERS = ['protocols', 'store', 'actors', 'runtime', 'test'] as const
export type Layer = (typeof LAYERS)[number]

export interface Source {
  /** Relative to the repository, with slashes. */
  readonly path: string
  readonly text: string
  readonly tree: ts.SourceFile
}

export interface Import {
  readonly specifier: string
  /** Nothing of it remains at run time. */
  readonly typeOnly: boolean
  readonly line: number
}

/** Every file that is or would be committed. */
export const projectFiles = (): string[] =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: ROOT, encoding: 'utf8' })
    .split('\0')
    .filter((path) => path !== '' && existsSync(join(ROOT, path)))
    .sort()

export const readText = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

export const parse = (path: string, text: string): Source => ({
  path,
  text,
  tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true),
})

export const isCode = (path: string): boolean => /\.(ts|tsx|mjs)$/.test(path)

/** TypeScript and JavaScript of the five folders. */
export const codeSources = (): Source[] =>
  projectFiles()
    .filter((path) => isCode(path) && layerOf(path) !== undefined)
    .map((path) => parse(path, readText(path)))

export const layerOf = (path: string): Layer | undefined => LAYERS.find((layer) => path.startsWith(`${layer}/`))

export const lineOf = (source: Source, position: number): number =>
  source.tree.getLineAndCharacterOfPosition(position).line + 1

const importsKnown = new WeakMap<Source, readonly Import[]>()

/** Static and dynamic imports, re-exports and type imports. */
export function importsOf(source: Source): readonly Import[] {
  const known = importsKnown.get(source) ?? findImports(source)
  importsKnown.set(source, known)
  return known
}

function findImports(source: Source): Import[] {
  const found: Import[] = []
  const add = (specifier: ts.Node, typeOnly: boolean): void => {
    if (!ts.isStringLiteralLike(specifier)) return
    found.push({ specifier: specifier.text, typeOnly, line: lineOf(source, specifier.getStart()) })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnlyClause(node.importClause))
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier) add(node.moduleSpecifier, isTypeOnlyExport(node))
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      if (node.arguments[0] !== undefined) add(node.arguments[0], false)
    }
    ts.forEachChild(node, visit)
  }
  visit(source.tree)
  return found
}

function isTypeOnlyClause(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const { namedBindings } = clause
  if (clause.name !== undefined || namedBindings === undefined || !ts.isNamedImports(namedBindings)) return false
  return namedBindings.elements.length > 0 && namedBindings.elements.every((element) => element.isTypeOnly)
}

function isTypeOnlyExport({ isTypeOnly, exportClause }: ts.ExportDeclaration): boolean {
  if (isTypeOnly) return true
  if (exportClause === undefined || !ts.isNamedExports(exportClause)) return false
  return exportClause.elements.length > 0 && exportClause.elements.every((element) => element.isTypeOnly)
}

/** The file a relative specifier names, or undefined for packages. */
export const resolveImport = (from: string, specifier: string): string | undefined =>
  specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(from), specifier)) : undefined

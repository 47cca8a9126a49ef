// Who may import whom (DESIGN §2), as functions from sources to findings.
// The rule to remember: one direction, protocols ← store ← actors ← runtime ← test, and no circle at any level.
import { importsOf, LAYERS, layerOf, resolveImport, type Source } from './sources.ts'

interface Edge {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
  readonly line: number
}

const edgesOf = (sources: readonly Source[]): Edge[] =>
  sources.flatMap((source) =>
    importsOf(source).flatMap(({ specifier, typeOnly, line }) => {
      const to = resolveImport(source.path, specifier)
      return to === undefined ? [] : [{ from: source.path, to, typeOnly, line }]
    }),
  )

const rank = (path: string): number => LAYERS.findIndex((layer) => path.startsWith(`${layer}/`))

export const wrongDirection = (sources: readonly Source[]): string[] =>
  edgesOf(sources)
    .filter(({ from, to }) => rank(to) > rank(from) || rank(to) < 0)
    .map(({ from, to, line }) => `${from}:${line} imports ${to}; only ${LAYERS.join(' ← ')} is allowed`)

const CONTRACT = ['actors/actor.ts', 'actors/effects.ts', 'actors/machine.ts']

/** `actors/replica` of `actors/replica/state.ts`; undefined for files outside an actor's folder. */
const actorFolder = (path: string): string | undefined => /^(actors\/[^/]+)\/./.exec(path)?.[1]

/** An actor's folder imports protocols/, store/kv and the contract, and itself. */
export const actorsReachingOut = (sources: readonly Source[]): string[] =>
  edgesOf(sources)
    .filter(({ from, to }) => {
      const folder = actorFolder(from)
      if (folder === undefined) return false
      const allowed = to.startsWith(`${folder}/`) || to.startsWith('protocols/') || to.startsWith('store/kv/')
      return !allowed && !CONTRACT.includes(to)
    })
    .map(({ from, to, line }) => `${from}:${line} imports ${to}; put shared message types into protocols/`)

/** Outside tests, only composition roots know actors by name; others may name their types. */
const COMPOSITION_ROOTS = [/^runtime\/(catalogue|node|node-process)\.ts$/, /^runtime\/cli\//, /^runtime\/models\//]

export const hostsKnowingActors = (sources: readonly Source[]): string[] =>
  edgesOf(sources)
    .filter(({ from, to, typeOnly }) => {
      if (typeOnly || layerOf(from) !== 'runtime' || actorFolder(to) === undefined) return false
      return !COMPOSITION_ROOTS.some((root) => root.test(from))
    })
    .map(
      ({ from, to, line }) =>
        `${from}:${line} imports ${to}; hosts know actors/actor.ts alone (compose in runtime/node.ts)`,
    )

/** Circles of files, and of the folders inside a layer (a file directly in a layer stands for itself). */
export function circles(sources: readonly Source[]): string[] {
  const edges = edgesOf(sources)
  const byFile = findCircles(edges.map(({ from, to }) => [from, to]))
  const folderOf = (path: string): string => path.split('/').slice(0, 2).join('/')
  const between = edges
    .filter(({ from, to }) => layerOf(from) === layerOf(to) && layerOf(from) !== 'test')
    .map(({ from, to }): readonly [string, string] => [folderOf(from), folderOf(to)])
    .filter(([from, to]) => from !== to)
  return [...new Set([...byFile, ...findCircles(between)].map((circle) => `circle: ${circle.join(' → ')}`))]
}

/** One circle through each edge that closes one in a depth-first walk, first node repeated at the end: none exactly when there is no circle. */
export function findCircles(edges: readonly (readonly [string, string])[]): string[][] {
  const next = new Map<string, Set<string>>()
  for (const [from, to] of edges) next.set(from, (next.get(from) ?? new Set()).add(to))
  const circles: string[][] = []
  const finished = new Set<string>()
  const path: string[] = []
  const visit = (node: string): void => {
    const at = path.indexOf(node)
    if (at >= 0) return void circles.push([...path.slice(at), node])
    if (finished.has(node)) return
    path.push(node)
    for (const to of next.get(node) ?? []) visit(to)
    path.pop()
    finished.add(node)
  }
  for (const node of next.keys()) visit(node)
  return circles
}

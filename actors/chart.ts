// What an actor's chart may be (DESIGN §3), and a chart as a table: for each simple state and event, what it may lead to, in the order tried.
// Not the meaning of guards and actions (machine.ts): here they are names.
// The rule to remember: the charts are so small that a table says all there is: no entry or exit actions, no parallel regions, no time.
import type { AnyStateMachine } from 'xstate'
import { InvariantViolation } from '../protocols/errors.ts'

type StateNode = AnyStateMachine['root']

/** One arrow of a chart. */
export interface Edge {
  /** The state that declares it: its key, or `*` for the whole chart. */
  readonly source: string
  readonly event: string
  readonly guard: string | undefined
  readonly actions: readonly string[]
  /** Key of the state it points to, and the simple state in which that begins, as a dotted path. Undefined: nothing is left or entered. */
  readonly target: { readonly key: string; readonly path: string } | undefined
}

/** Simple state (dotted path: `open`, `open.draining`) → event → edges. The innermost state's come first; the first whose guard holds is taken. */
export type ChartTable = ReadonlyMap<string, ReadonlyMap<string, readonly Edge[]>>

const STATES_MAX = 12
const DEPTH_MAX = 3

/** The table of a chart. Throws InvariantViolation when it is not one that actors may have (see `forbidden`). */
export function chartTable(machine: AnyStateMachine): ChartTable {
  const problem = forbidden(machine)
  if (problem !== undefined) throw new InvariantViolation(`chart ${machine.id}: ${problem}`)
  const table = new Map<string, ReadonlyMap<string, readonly Edge[]>>()
  const collect = (node: StateNode, outer: readonly StateNode[]): void => {
    const inwards = [node, ...outer]
    const children = Object.values(node.states)
    if (children.length === 0) table.set(node.path.join('.'), edgesOf(inwards))
    else for (const child of children) collect(child, inwards)
  }
  collect(machine.root, [])
  return table
}

/** Dotted path of the simple state in which a chart begins. */
export const initialState = (machine: AnyStateMachine): string => begins(machine.root)

function edgesOf(nodes: readonly StateNode[]): Map<string, Edge[]> {
  const edges = new Map<string, Edge[]>()
  for (const node of nodes) {
    for (const [event, transitions] of node.transitions) {
      const own = transitions.map(({ guard, actions, target }): Edge => ({
        source: node.path.length === 0 ? '*' : node.key,
        event,
        guard: guard as string | undefined,
        actions: actions as readonly string[],
        target: target?.[0] && { key: target[0].key, path: begins(target[0]) },
      }))
      edges.set(event, [...(edges.get(event) ?? []), ...own])
    }
  }
  return edges
}

function begins(node: StateNode): string {
  if (Object.keys(node.states).length === 0) return node.path.join('.')
  return begins(node.initial.target[0]!)
}

/** Why a chart may not be used: too large, or with features whose behaviour belongs to hosts. Undefined if it may. */
export function forbidden(machine: AnyStateMachine): string | undefined {
  let states = 0
  const visit = (node: StateNode, depth: number): string | undefined => {
    states += depth === 0 ? 0 : 1
    if (depth > DEPTH_MAX) return `deeper than ${DEPTH_MAX}`
    const problem = forbiddenIn(node) ?? forbiddenOn(node, machine)
    if (problem !== undefined) return problem
    for (const child of Object.values(node.states)) {
      const below = visit(child, depth + 1)
      if (below !== undefined) return below
    }
    return undefined
  }
  const problem = visit(machine.root, 0)
  return problem ?? (states > STATES_MAX ? `${states} states, at most ${STATES_MAX}` : undefined)
}

function forbiddenIn(node: StateNode): string | undefined {
  const { type, key } = node
  if (type !== 'atomic' && type !== 'compound') return `a ${type} state '${key}'`
  if (node.invoke.length > 0) return `invoke in '${key}'`
  if (node.after.length > 0) return `after in '${key}'`
  if (node.always !== undefined && node.always.length > 0) return `always in '${key}'`
  if (node.entry.length > 0 || node.exit.length > 0) return `entry or exit actions in '${key}'`
  if (type === 'compound' && node.initial.actions.length > 0) return `actions on entering '${key}'`
  return undefined
}

function forbiddenOn(node: StateNode, { implementations }: AnyStateMachine): string | undefined {
  for (const [event, transitions] of node.transitions) {
    if (event.includes('*')) return `a wildcard in '${node.key}'`
    for (const { guard, actions } of transitions) {
      const where = `on ${event} in '${node.key}' is not a name in setup()`
      if (guard !== undefined && (typeof guard !== 'string' || !(guard in implementations.guards))) {
        return `guard '${typeof guard === 'string' ? guard : typeof guard}' ${where}`
      }
      // XState would ignore an unknown action.
      for (const action of actions as readonly unknown[]) {
        if (typeof action !== 'string' || !(action in implementations.actions)) {
          return `action '${typeof action === 'string' ? action : typeof action}' ${where}`
        }
      }
    }
  }
  return undefined
}

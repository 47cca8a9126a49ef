// Draws a machine as a Mermaid state diagram: states, and on each transition `event [guard] / action, action`.
// Transitions that stay in their state stand inside its box, as UML draws them; those of a whole machine start at a box `in any state`.
// The rule to remember: of one event's alternatives the first whose guard holds is taken; the one without guard is marked [else].
import type { AnyStateMachine, AnyStateNode } from 'xstate'

const INDENT = '  '

/** Ends without a line break. */
export const mermaid = (machine: AnyStateMachine): string =>
  ['stateDiagram-v2', ...inside(machine.root).map((line) => INDENT + line)].join('\n')

const idOf = (node: AnyStateNode): string => node.path.join('_')
const children = (node: AnyStateNode): AnyStateNode[] => Object.values(node.states)

/** A compound node: its initial state, its children, and what happens in any of them. */
function inside(node: AnyStateNode): string[] {
  const initial = node.initial.target?.[0]
  return [
    ...(initial === undefined ? [] : [`[*] --> ${idOf(initial)}`]),
    ...children(node).flatMap((child) => (children(child).length > 0 ? compound(child) : simple(child))),
    ...(node.transitions.size > 0 ? box(`anywhere${idOf(node)}`, 'in any state', node) : []),
  ]
}

const compound = (node: AnyStateNode): string[] => [
  `state "${node.key}" as ${idOf(node)} {`,
  ...inside(node).map((line) => INDENT + line),
  '}',
]

const simple = (node: AnyStateNode): string[] => box(idOf(node), node.key, node)

function box(id: string, title: string, node: AnyStateNode): string[] {
  const stays: string[] = []
  const leaves: string[] = []
  for (const transitions of node.transitions.values()) {
    for (const transition of transitions) {
      const [target] = transition.target ?? []
      const label = labelOf(transition, transitions.length > 1)
      if (target === undefined) stays.push(`${id}: ${label}`)
      else leaves.push(`${id} --> ${idOf(target as AnyStateNode)}: ${label}`)
    }
  }
  return [`state "${title}" as ${id}`, ...stays, ...leaves]
}

interface Transition {
  readonly eventType: string
  readonly guard?: unknown
  readonly actions: readonly unknown[]
}

function labelOf({ eventType, guard, actions }: Transition, hasAlternatives: boolean): string {
  const condition = guard === undefined ? (hasAlternatives ? ' [else]' : '') : ` [${String(guard)}]`
  return `${eventType}${condition}${actions.length === 0 ? '' : ` / ${actions.map(String).join(', ')}`}`
}

// What a log says by itself: its entries, the configurations in force, and a node's membership. Computed anew from the entries, so that what the
// replica keeps beside its log can be held against it (ccfraft.tla derives the same).
import type { ReplicaState } from '../../../actors/replica/state.ts'
import type { RecordKind } from '../../../protocols/consensus/log.ts'
import type { Configuration, Membership } from '../../../protocols/consensus/messages.ts'
import type { NodeId } from '../../../protocols/ids.ts'

export interface Entry {
  readonly idx: number
  readonly view: number
  readonly kind: RecordKind
  readonly nodes: readonly NodeId[] | undefined
  /** Equal exactly for equal entries. */
  readonly key: string
}

const known = new WeakMap<object, readonly Entry[]>()

/** All entries; the log must be in memory from its beginning. */
export function entriesOf(s: ReplicaState): readonly Entry[] {
  const before = known.get(s.log)
  if (before !== undefined) return before
  const entries = s.log.toArray().map(({ record }): Entry => {
    const { seqno, view, kind, nodes } = record
    return { idx: seqno, view, kind, nodes, key: `${view} ${kind} ${nodes?.join() ?? ''}` }
  })
  known.set(s.log, entries)
  return entries
}

const sameNodes = (a: readonly NodeId[], b: readonly NodeId[]): boolean =>
  a.length === b.length && a.every((node) => b.includes(node))

/** Every configuration that changed the one before. */
function changes(s: ReplicaState): Configuration[] {
  const all: Configuration[] = []
  for (const { kind, idx, nodes = [] } of entriesOf(s)) {
    const last = all.at(-1)
    if (kind === 'reconfiguration' && (last === undefined || !sameNodes(last.nodes, nodes))) all.push({ idx, nodes })
  }
  return all
}

/** The last committed configuration, and those after it. */
export function configurationsOf(s: ReplicaState): Configuration[] {
  const all = changes(s)
  const current = all.findLastIndex(({ idx }) => idx <= s.commitIdx)
  return all.slice(Math.max(0, current))
}

/** Nodes that were in some configuration and are not in the newest. */
export function removedNodes(s: ReplicaState): NodeId[] {
  const all = changes(s)
  const newest = all.at(-1)?.nodes ?? []
  return [...new Set(all.flatMap(({ nodes }) => nodes))].filter((node) => !newest.includes(node))
}

/** Nodes that some retired_committed entry names. */
export const namedRetired = (s: ReplicaState): NodeId[] =>
  entriesOf(s).flatMap(({ kind, nodes = [] }) => (kind === 'retiredCommitted' ? [...nodes] : []))

export function membershipOf(s: ReplicaState): Membership {
  const self = s.config.nodeId
  const all = changes(s)
  const removal = all.find(({ nodes }, i) => !nodes.includes(self) && (all[i - 1]?.nodes.includes(self) ?? false))
  if (removal === undefined) return 'Active'
  const finished = entriesOf(s).find(({ kind, nodes }) => kind === 'retiredCommitted' && nodes?.includes(self))
  if (finished !== undefined && finished.idx <= s.commitIdx) return 'RetiredCommitted'
  const signature = entriesOf(s).find(({ kind, idx }) => kind === 'signature' && idx > removal.idx)
  if (signature === undefined) return 'RetirementOrdered'
  return signature.idx <= s.commitIdx ? 'RetirementCompleted' : 'RetirementSigned'
}

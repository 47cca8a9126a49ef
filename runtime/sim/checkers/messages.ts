// MonoTermInv and MonotonicMatchIndexProp (consensus.md §17, §18): nobody speaks of a view it has not reached, and what a leader knows to be
// replicated does not become less while it leads.
import type { NodeId } from '../../../protocols/ids.ts'
import type { Checker, World } from '../world.ts'

export function messagesChecker(world: World): Checker {
  return {
    name: 'MonoTermInv',
    onReplica(node, { before, after, effects }) {
      for (const effect of effects) {
        if (effect.type !== 'send') continue
        const { view } = effect.message as { readonly view?: number }
        if (view === undefined || view <= after.s.currentView) continue
        world.fail(
          'MonoTermInv',
          `${node.name} sent ${effect.message.type} of view ${view} in view ${after.s.currentView}`,
        )
      }
      const isLeading = before.value === 'leader' && after.value === 'leader'
      if (!isLeading || before.s.peers === after.s.peers) return
      for (const id in after.s.peers) {
        const was = before.s.peers[id as NodeId]?.matchIdx ?? 0
        const is = after.s.peers[id as NodeId]!.matchIdx
        if (is >= was) continue
        const name = world.nodes.find((other) => other.id === id)?.name
        world.fail('MonotonicMatchIndexProp', `${node.name} lowered the match of ${name} from ${was} to ${is}`)
      }
    },
  }
}

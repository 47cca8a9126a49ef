// Who may lead, and when: MoreThanOneLeaderInv, NoLeaderBeforeInitialTerm, LeaderCompletenessInv, MonotonicTermProp and
// StateTransitionsProp (consensus.md §2, §17, §18).
import { FIRST_VIEW } from '../../../protocols/ids.ts'
import { describeRecord, isSame, recordAt, type Checker, type NodeSight, type World } from '../world.ts'

/** Edges of consensus.md §2; `halted` is ours and reached from anywhere. A candidacy that times out begins anew, with a pre-vote if those are on. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  none: ['follower', 'leader'],
  follower: ['preVoteCandidate', 'candidate', 'leader'],
  preVoteCandidate: ['follower', 'candidate', 'leader'],
  candidate: ['follower', 'preVoteCandidate', 'leader'],
  leader: ['follower', 'none'],
  halted: [],
}

export function leadersChecker(world: World): Checker {
  const leaders = new Map<number, NodeSight>()
  return {
    name: 'leaders',
    onReplica(node, { before, after }) {
      const view = after.s.currentView
      if (view < before.s.currentView) {
        world.fail('MonotonicTermProp', `${node.name} went from view ${before.s.currentView} to ${view}`)
      }
      if (after.value === before.value) {
        if (after.value === 'leader' && view !== before.s.currentView) {
          world.fail('StateTransitionsProp', `${node.name} leads on from view ${before.s.currentView} in view ${view}`)
        }
        return
      }
      if (after.value !== 'halted' && !ALLOWED[before.value]!.includes(after.value)) {
        world.fail('StateTransitionsProp', `${node.name} went from ${before.value} to ${after.value}`)
      }
      if (after.value !== 'leader') return
      if (view < FIRST_VIEW) world.fail('NoLeaderBeforeInitialTerm', `${node.name} leads view ${view}`)
      const other = leaders.get(view)
      if (other !== undefined && other !== node) {
        world.fail('MoreThanOneLeaderInv', `${node.name} and ${other.name} both lead view ${view}`)
      }
      leaders.set(view, node)
      checkCompleteness(world, node, view)
    },
  }
}

/** Everything committed in earlier views is in the log of a new leader. Equal last entries mean equal logs (LogMatchingInv). */
function checkCompleteness(world: World, node: NodeSight, view: number): void {
  let seqno = world.committed.last
  while (seqno > 0 && world.committed.viewOfCommit(seqno) >= view) seqno--
  const wanted = world.committed.at(seqno)
  if (wanted === undefined || isSame(recordAt(node, seqno), wanted)) return
  const found = describeRecord(recordAt(node, seqno))
  world.fail(
    'LeaderCompletenessInv',
    `${node.name} leads view ${view} with ${found} at ${seqno}, where ${describeRecord(wanted)} is committed`,
  )
}

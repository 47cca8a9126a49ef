// What a log may look like when it changes: MonoLogInv, PermittedLogChangesProp and ElectionSafetyInv (consensus.md §17, §18).
// Only new entries are looked at. The rule to remember: a log that only grows costs nothing to check twice.
import { describeRecord, firstNew, isSame, recordAt, type Checker, type NodeSight, type World } from '../world.ts'

export function logsChecker(world: World): Checker {
  return {
    name: 'MonoLogInv',
    onReplica(node, step) {
      const { before, after } = step
      if (before.s.log === after.s.log) return
      const from = firstNew(step)
      if (from < before.s.log.end && before.value === 'leader' && after.value === 'leader') {
        world.fail(
          'PermittedLogChangesProp',
          `${node.name} leads and cut its log from ${before.s.log.end - 1} to ${from - 1}`,
        )
      }
      for (let seqno = from; seqno < after.s.log.end; seqno++) checkEntry(world, node, seqno)
    },
  }
}

function checkEntry(world: World, node: NodeSight, seqno: number): void {
  const { s } = node.replica
  const record = s.log.at(seqno)?.record
  // What was committed and forgotten in the same step is compared with the committed log instead.
  if (record === undefined) return
  if (record.seqno !== seqno) world.fail('MonoLogInv', `${node.name} holds ${describeRecord(record)} at ${seqno}`)
  if (record.view > s.currentView) {
    world.fail('MonoLogInv', `${node.name} holds ${describeRecord(record)} in view ${s.currentView}`)
  }
  const before = recordAt(node, seqno - 1)
  if (before !== undefined && before.view > record.view) {
    world.fail('MonoLogInv', `${node.name} holds ${describeRecord(record)} after ${describeRecord(before)}`)
  }
  if (before !== undefined && before.view < record.view && before.kind !== 'signature') {
    world.fail('MonoLogInv', `${node.name}: view rises at ${seqno} after ${describeRecord(before)}`)
  }
  checkLeaderHolds(world, node, seqno)
}

/** Whoever leads the view of an entry, and still does, has that very entry. */
function checkLeaderHolds(world: World, node: NodeSight, seqno: number): void {
  const record = recordAt(node, seqno)
  for (const leader of world.nodes) {
    const { value, s } = leader.replica
    if (leader === node || value !== 'leader' || s.currentView !== record?.view || !leader.isRunning) continue
    if (isSame(recordAt(leader, seqno), record)) continue
    const found = describeRecord(recordAt(leader, seqno))
    world.fail(
      'ElectionSafetyInv',
      `${node.name} has ${describeRecord(record)}, ${leader.name}, who leads that view, ${found}`,
    )
  }
}

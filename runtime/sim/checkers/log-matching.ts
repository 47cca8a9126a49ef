// LogMatchingInv (consensus.md §17), sampled: where two logs have an entry of the same view at the same index, everything before is equal.
import { describeRecord, isSame, recordAt, type Checker, type NodeSight, type World } from '../world.ts'

/** One in so many changes of a log is followed by a comparison of two logs. */
const SAMPLE = 16
/** Entries compared near the end, where logs differ if they do; and as many spread over the rest. */
const COMPARED = 8

export function logMatchingChecker(world: World): Checker {
  let changes = 0
  return {
    name: 'LogMatchingInv',
    onReplica(node, { before, after }) {
      if (before.s.log === after.s.log || ++changes % SAMPLE !== 0) return
      const others = world.nodes.filter((other) => other !== node && other.isRunning)
      const other = others[Math.floor(changes / SAMPLE) % Math.max(1, others.length)]
      if (other !== undefined) compare(world, node, other)
    },
  }
}

function compare(world: World, a: NodeSight, b: NodeSight): void {
  let top = Math.min(a.replica.s.log.end, b.replica.s.log.end) - 1
  while (top > 0 && recordAt(a, top)?.view !== recordAt(b, top)?.view) top--
  const stride = Math.max(1, Math.floor(top / COMPARED))
  for (let i = 0; i < 2 * COMPARED; i++) {
    const seqno = i < COMPARED ? top - i : top - (i - COMPARED) * stride
    const [inA, inB] = [recordAt(a, seqno), recordAt(b, seqno)]
    // A full disk has not kept what memory has forgotten.
    if (inA === undefined || inB === undefined || isSame(inA, inB)) continue
    const found = `${describeRecord(inA)} and ${describeRecord(inB)}`
    world.fail('LogMatchingInv', `${a.name} and ${b.name} agree on the view at ${top}, but hold ${found} at ${seqno}`)
  }
}

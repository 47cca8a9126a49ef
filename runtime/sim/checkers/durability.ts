// What a node said is durable, to its replica or to a leader, is on its disk, and is there still after a crash.
// The rule to remember: saying so too early is invisible until the power fails, so it is checked when it is said.
import type {
  AppendEntriesResponse,
  LedgerWriterNotice,
  LedgerWriterRequest,
} from '../../../protocols/consensus/messages.ts'
import { splitAddress } from '../../../actors/actor.ts'
import {
  describeRecord,
  isSame,
  recordAt,
  type Checker,
  type NodeSight,
  type ReplicaStep,
  type World,
} from '../world.ts'

const NAME = 'durability'

export function durabilityChecker(world: World): Checker {
  /** Highest seqno each node was told to be durable, and has not cut since. */
  const promised = new Map<NodeSight, number>()
  return {
    name: NAME,
    onReplica(node, step) {
      const notice = step.envelope.event as LedgerWriterNotice
      if (notice.type === 'durable' && notice.epoch === step.after.s.epoch) {
        if (notice.seqno > node.disk.durable) {
          world.fail(NAME, `${node.name} was told that ${notice.seqno} is durable; its disk has ${node.disk.durable}`)
        }
        promised.set(node, Math.max(promised.get(node) ?? 0, notice.seqno))
      }
      checkAnswers(world, node, step)
    },
    onLedgerWriter(node, event) {
      const request = event as LedgerWriterRequest
      if (request.type !== 'truncateAfter') return
      promised.set(node, Math.min(promised.get(node) ?? 0, request.seqno))
    },
    onCrash(node) {
      const wanted = promised.get(node) ?? 0
      if (node.disk.last < wanted)
        world.fail(NAME, `${node.name} crashed and kept ${node.disk.last} of ${wanted} durable entries`)
      for (let seqno = wanted; seqno > 0 && seqno > wanted - 4; seqno--) {
        if (isSame(node.disk.at(seqno), recordAt(node, seqno))) continue
        world.fail(NAME, `${node.name} crashed, and has ${describeRecord(node.disk.at(seqno))} at ${seqno}`)
      }
    },
  }
}

/** A positive answer promises every signature up to its index: a majority of such promises is what commits. */
function checkAnswers(world: World, node: NodeSight, { effects, after }: ReplicaStep): void {
  for (const effect of effects) {
    if (effect.type !== 'send' || effect.message.type !== 'AppendEntriesResponse') continue
    const { success, lastLogIdx } = effect.message as AppendEntriesResponse
    if (!success || splitAddress(effect.to).node === undefined) continue
    const signed = after.s.committableIndices.findLast((idx) => idx <= lastLogIdx)
    if (signed !== undefined && signed > node.disk.durable) {
      world.fail(NAME, `${node.name} acknowledged ${lastLogIdx}; its disk has ${node.disk.durable} durable`)
    }
  }
}

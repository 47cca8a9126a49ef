// QuorumLogInv, ReplicationInv and NeverCommitEntryPrevTermsProp (consensus.md §17, §18), read strictly: when something becomes committed, a
// majority of every configuration in force has it on disk, fsynced, and no cut ever takes it away from them again.
import type { LedgerWriterRequest } from '../../../protocols/consensus/messages.ts'
import { membersOf, quorumInEach } from '../../../protocols/consensus/quorum.ts'
import type { ReplicaSight } from '../service.ts'
import { describeRecord, isSame, type Checker, type NodeSight, type World } from '../world.ts'

const NAME = 'QuorumLogInv'

export function quorumChecker(world: World): Checker {
  /** In force when the committed log grew last. */
  let configurations: ReplicaSight['s']['configurations'] = []
  const holds = (node: NodeSight, seqno: number): boolean =>
    node.disk.durable >= seqno && isSame(node.disk.at(seqno), world.committed.at(seqno))
  const requireQuorum = (seqno: number, why: string, except?: NodeSight): void => {
    const holders = world.nodes.filter((node) => node !== except && holds(node, seqno))
    if (quorumInEach(configurations, (id) => holders.some((node) => node.id === id))) return
    const names = holders.map(({ name }) => name).join(', ')
    const members = world.nodes.filter(({ id }) => membersOf(configurations).includes(id)).map(({ name }) => name)
    world.fail(
      NAME,
      `${why}: ${describeRecord(world.committed.at(seqno))} is durable on ${names === '' ? 'no node' : names} only, of ${members.join(', ')}`,
    )
  }
  return {
    name: NAME,
    onCommit(node, _from, before) {
      const seqno = world.committed.last
      const { s, value } = node.replica
      const record = world.committed.at(seqno)
      if (value === 'leader' && record?.view !== s.currentView) {
        world.fail(
          'NeverCommitEntryPrevTermsProp',
          `${node.name} leads view ${s.currentView} and committed ${describeRecord(record)}`,
        )
      }
      // Before the step: a configuration that this very commit ends had to agree to it.
      configurations = before.s.configurations
      requireQuorum(seqno, `${node.name} committed`)
    },
    onLedgerWriter(node, event) {
      const request = event as LedgerWriterRequest
      if (request.type !== 'truncateAfter') return
      const lost = Math.min(world.committed.last, node.disk.last)
      if (lost <= request.seqno || !isSame(node.disk.at(lost), world.committed.at(lost))) return
      requireQuorum(lost, `${node.name} cut its ledger after ${request.seqno}`, node)
    },
  }
}

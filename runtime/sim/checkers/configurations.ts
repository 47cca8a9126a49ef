// Reconfiguration (consensus.md §17): LogConfigurationConsistentInv, MembershipStateConsistentInv, RetiredCommittedInv and
// RetirementCompletedNotInConfigsInv. What a node believes of configurations and of its own part follows from its log and commit index alone;
// here it is worked out again from the entries.
import type { Configuration, Membership } from '../../../protocols/consensus/messages.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import { describeRecord, firstNew, type Checker, type NodeSight, type World } from '../world.ts'

/** What was found in a node's log, ascending. */
interface Found {
  readonly reconfigurations: Configuration[]
  readonly retiredCommitted: Configuration[]
  /** First signature after each reconfiguration. */
  readonly signatures: number[]
}

export function configurationsChecker(world: World): Checker {
  const logs = new Map<NodeSight, Found>()
  return {
    name: 'LogConfigurationConsistentInv',
    onReplica(node, step) {
      const { before, after } = step
      let found = logs.get(node)
      let isNews = before.s.configurations !== after.s.configurations || before.s.membership !== after.s.membership
      if (found === undefined) {
        found = { reconfigurations: [], retiredCommitted: [], signatures: [] }
        logs.set(node, found)
        isNews = read(world, node, found, 1)
      } else if (before.s.log !== after.s.log) isNews = read(world, node, found, firstNew(step)) || isNews
      // A commit matters while something about membership is not committed.
      const last = Math.max(found.signatures.at(-1) ?? 0, found.retiredCommitted.at(-1)?.idx ?? 0)
      if (!isNews && (before.s.commitIdx === after.s.commitIdx || last <= before.s.commitIdx)) return
      compareConfigurations(world, node, found)
      compareMembership(world, node, found)
    },
  }
}

/** Reads entries from `from` on. @returns true if anything about membership changed. */
function read(world: World, node: NodeSight, found: Found, from: number): boolean {
  const { log } = node.replica.s
  let isNews = false
  for (const list of [found.reconfigurations, found.retiredCommitted]) {
    while ((list.at(-1)?.idx ?? 0) >= from) isNews = list.pop() !== undefined
  }
  while ((found.signatures.at(-1) ?? 0) >= from) isNews = found.signatures.pop() !== undefined
  for (let seqno = from; seqno < log.end; seqno++) {
    const record = log.at(seqno)?.record ?? node.disk.at(seqno)
    if (record === undefined || record.kind === 'transaction') continue
    if (record.kind === 'reconfiguration') found.reconfigurations.push({ idx: seqno, nodes: record.nodes ?? [] })
    else if (record.kind === 'retiredCommitted') {
      checkRetired(world, node, record)
      found.retiredCommitted.push({ idx: seqno, nodes: record.nodes ?? [] })
    } else if (found.signatures.length === found.reconfigurations.length) continue
    while (record.kind === 'signature' && found.signatures.length < found.reconfigurations.length) {
      found.signatures.push(seqno)
    }
    isNews = true
  }
  return isNews
}

/** A primary may say so only of nodes whose removal is committed. */
function checkRetired(world: World, node: NodeSight, record: LogRecord): void {
  const member = record.nodes?.find((id) => world.committed.members.includes(id))
  if (member === undefined) return
  const name = nameOf(world, member)
  world.fail(
    'RetiredCommittedInv',
    `${node.name} holds ${describeRecord(record)} of ${name}, which is a member by the committed log`,
  )
}

const nameOf = (world: World, id: NodeId): string => world.nodes.find((node) => node.id === id)?.name ?? id
const describe = (world: World, list: readonly Configuration[]): string =>
  list.map(({ idx, nodes }) => `${idx}:{${nodes.map((id) => nameOf(world, id)).join(',')}}`).join(' ')

function compareConfigurations(world: World, node: NodeSight, { reconfigurations }: Found): void {
  const { commitIdx, configurations } = node.replica.s
  // Entries that name the nodes that were there already change nothing.
  const changes = reconfigurations.filter(({ nodes }, i) => {
    const last = reconfigurations[i - 1]?.nodes
    return last === undefined || nodes.length !== last.length || nodes.some((id) => !last.includes(id))
  })
  const current = Math.max(
    0,
    changes.findLastIndex(({ idx }) => idx <= commitIdx),
  )
  const wanted = describe(world, changes.slice(current))
  const there = describe(world, configurations)
  if (wanted === there) return
  world.fail('LogConfigurationConsistentInv', `${node.name} acts by ${there}; its log says ${wanted}`)
}

function compareMembership(world: World, node: NodeSight, found: Found): void {
  const { membership, configurations } = node.replica.s
  const wanted = membershipOf(node, found)
  if (membership !== wanted) {
    world.fail('MembershipStateConsistentInv', `${node.name} believes to be ${membership}; its log says ${wanted}`)
  }
  const isFinished = membership === 'RetirementCompleted' || membership === 'RetiredCommitted'
  if (isFinished && configurations.some(({ nodes }) => nodes.includes(node.id))) {
    world.fail(
      'RetirementCompletedNotInConfigsInv',
      `${node.name} is ${membership} and in ${describe(world, configurations)}`,
    )
  }
}

function membershipOf(node: NodeSight, { reconfigurations, retiredCommitted, signatures }: Found): Membership {
  const { commitIdx } = node.replica.s
  const has = (configuration: Configuration | undefined): boolean => configuration?.nodes.includes(node.id) ?? false
  const removal = reconfigurations.findIndex((configuration, i) => has(reconfigurations[i - 1]) && !has(configuration))
  if (removal < 0) return 'Active'
  const signedAt = signatures[removal]
  if (signedAt === undefined) return 'RetirementOrdered'
  if (commitIdx < signedAt) return 'RetirementSigned'
  const isFinal = retiredCommitted.some((entry) => has(entry) && entry.idx <= commitIdx)
  return isFinal ? 'RetiredCommitted' : 'RetirementCompleted'
}

// Goal: whole nodes join and leave a running service in simulation: under loss, reordering and crashes nothing committed is lost, whoever joins
// becomes Trusted whichever primary it takes, and a removed node ends by itself, after its removal is final and never before.
import { describe, expect, it } from 'vitest'
import { findNode } from '../../actors/executor/node-table.ts'
import { toHex } from '../../protocols/codec/bytes.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type { NodeStanding } from '../../protocols/governance/node-row.ts'
import { CALM, STORMY, type SimFaults } from '../../runtime/host/sim.ts'
import { WholeNodes } from './whole-nodes.ts'

const PATIENCE_MS = 60_000

function serviceOf(seed: number, nodes: number, faults: SimFaults): WholeNodes {
  const service = new WholeNodes({ seed, nodes, faults })
  // Final means: some ledger has it committed that every future primary knows of the removal.
  service.onEnd = (node) => {
    const isFinal = service.nodeIds.some((other) =>
      service.committed(other).some(({ kind, nodes: named }) => kind === 'retiredCommitted' && named?.includes(node)),
    )
    expect(isFinal, `${service.sim.node(node).name} ended before its removal was final`).toBe(true)
  }
  until(service, 'the service is open', () =>
    service.running.every((node) => service.phaseOf(node) === 'partOfNetwork'),
  )
  return service
}

function until(service: WholeNodes, what: string, holds: () => boolean): void {
  if (!service.sim.run(PATIENCE_MS, holds)) throw new Error(`not in time: ${what}; ${service.describe()}`)
}

/** What the committed ledger says of a node, as the leader knows it. */
function standing(service: WholeNodes, node: NodeId): NodeStanding | undefined {
  const leader = service.leader()
  const executor = leader && service.executorOf(leader)
  return executor && findNode(executor.committed.kv, node)?.standing
}

/** Asks again, at whoever leads, until it is so: an operator would do the same. */
function insist(service: WholeNodes, what: string, ask: (leader: NodeId) => void, holds: () => boolean): void {
  let askedAt = -Infinity
  until(service, what, () => {
    if (holds()) return true
    const leader = service.leader()
    if (leader === undefined || service.sim.nowMs - askedAt < 500) return false
    askedAt = service.sim.nowMs
    ask(leader)
    service.write(leader)
    return false
  })
}

function add(service: WholeNodes, name: string): NodeId {
  const leader = service.leader() ?? service.running[0]!
  const node = service.join(name, service.running, leader)
  insist(
    service,
    `${name} is Trusted`,
    (at) => standing(service, node) === undefined && service.register(name, at),
    () => service.phaseOf(node) === 'partOfNetwork',
  )
  return node
}

function remove(service: WholeNodes, node: NodeId): void {
  insist(
    service,
    'the removal is final',
    (at) => standing(service, node) === 'Trusted' && service.operate(at, `DELETE /node/network/nodes/${node}`),
    () => standing(service, node) === 'RetiredCommitted',
  )
}

/** All ledgers are one, everything reported as committed is in it, and the service still commits, on every node. */
function expectWhole(service: WholeNodes): void {
  service.sim.heal()
  const before = service.written.length
  insist(
    service,
    'a last write',
    () => undefined,
    () => service.written.length > before && service.written.at(-1)!.isCommitted,
  )
  const last = service.written.at(-1)!.txId.seqno
  until(service, 'everyone has it', () => service.running.every((node) => service.sim.ledgerOf(node).committed >= last))
  const ledgers = service.nodeIds.map((node) => service.committed(node))
  const longest = ledgers.reduce((a, b) => (a.length >= b.length ? a : b))
  for (const ledger of ledgers) {
    ledger.forEach(({ bytes }, i) => expect(toHex(bytes)).toBe(toHex(longest[i]!.bytes)))
  }
  for (const { txId, isCommitted } of service.written) {
    if (isCommitted) expect(longest[txId.seqno - 1]).toMatchObject(txId)
  }
}

describe('whole nodes in simulation', () => {
  it('found a service of three, take in two more, and let the primary go', () => {
    const service = serviceOf(1, 3, CALM)
    const dora = add(service, 'dora')
    add(service, 'emil')
    const primary = service.leader()!
    remove(service, primary)
    until(service, 'the removed node ends by itself', () => service.endedByThemselves.includes(primary))
    expect(service.running).toHaveLength(4)
    expectWhole(service)
    expect(service.readBacks).toBeGreaterThan(0)
    expect(service.committed(dora)).toHaveLength(service.committed(service.leader()!).length)
    const configurations = service
      .committed(dora)
      .flatMap(({ kind, nodes }) => (kind === 'reconfiguration' ? [nodes!.length] : []))
    expect(configurations).toEqual([3, 4, 5, 4])
  })

  it('grow from one to three, and shrink to the newest alone', () => {
    const service = serviceOf(2, 1, CALM)
    const first = service.leader()!
    const dora = add(service, 'dora')
    const emil = add(service, 'emil')
    remove(service, first)
    until(service, 'the founder ends', () => service.endedByThemselves.includes(first))
    remove(service, dora)
    until(service, 'the next one ends', () => service.endedByThemselves.includes(dora))
    expect(service.running).toEqual([emil])
    expectWhole(service)
  })

  it('remove a node that is gone already, and one that was cut off meanwhile ends when it is back', () => {
    const service = serviceOf(3, 5, CALM)
    const [dead, cutOff] = service.running.filter((node) => node !== service.leader()) as [NodeId, NodeId]
    service.sim.crash(dead)
    remove(service, dead)
    for (const other of service.running) if (other !== cutOff) service.sim.disconnect(cutOff, other)
    remove(service, cutOff)
    service.sim.run(2000)
    expect(service.phaseOf(cutOff)).toBe('partOfNetwork')
    service.sim.heal()
    until(service, 'the one that was cut off ends', () => service.endedByThemselves.includes(cutOff))
    expectWhole(service)
  })

  it('do not end a removed node while the removal is not final', () => {
    const service = serviceOf(4, 3, CALM)
    const primary = service.leader()!
    const [other, third] = service.running.filter((node) => node !== primary) as [NodeId, NodeId]
    service.sim.crash(third)
    until(service, 'the removal is ordered', () => {
      service.operate(primary, `DELETE /node/network/nodes/${other}`)
      return service.phaseOf(other) === 'retiring'
    })
    // The new configuration is the primary and the crashed node: it cannot commit.
    service.sim.run(10_000)
    expect(service.phaseOf(other)).toBe('retiring')
    expect(service.endedByThemselves).toEqual([])
  })

  const story = (seed: number): WholeNodes => {
    const service = serviceOf(seed, 3, STORMY)
    const joining = service.join('dora', service.running, service.leader() ?? service.running[0]!)
    // Whatever has come of it by then, the primary dies.
    service.sim.run(20 + 15 * (seed % 16))
    const killed = service.leader() ?? service.running[0]!
    if (killed !== joining) service.sim.crash(killed)
    insist(
      service,
      'dora is Trusted',
      (at) => standing(service, joining) === undefined && service.register('dora', at),
      () => service.phaseOf(joining) === 'partOfNetwork',
    )
    remove(service, killed)
    add(service, 'emil')
    const primary = service.leader() ?? service.running[0]!
    remove(service, primary)
    until(service, 'the removed primary ends', () => service.endedByThemselves.includes(primary))
    return service
  }

  it.each(Array.from({ length: 16 }, (_, i) => i + 1))(
    'join and leave in a storm, with a crash in between (seed %i)',
    (seed) => {
      const service = story(seed)
      expect(service.running).toHaveLength(3)
      expectWhole(service)
    },
  )

  it('do the same again for the same seed', () => {
    expect(story(5).sim.traceHash).toBe(story(5).sim.traceHash)
  })
})

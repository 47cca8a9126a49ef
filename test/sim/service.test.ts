// Goal: the replica, executor and ledger writer of production form a service in simulation: it opens, commits on every node, survives a
// crash of the primary, agrees on one ledger under loss, duplication and reordering, and does exactly the same again for the same seed.
import { describe, expect, it } from 'vitest'
import { serviceStatus } from '../../actors/executor/service.ts'
import { fromUtf8, toHex } from '../../protocols/codec/bytes.ts'
import { CALM, STORMY } from '../../runtime/host/sim.ts'
import { SimService, type SimServiceOptions } from '../../runtime/models/service/service.ts'
import { sampleApps } from '../../runtime/samples/index.ts'

const serviceOf = (options: Omit<SimServiceOptions, 'apps'>): SimService =>
  new SimService({ ...options, apps: sampleApps })

const post = (id: number) => ({ target: 'POST /log/private', body: { id, msg: `message ${id}` } })

/** Every committed prefix of every ledger is a prefix of the longest. */
function expectOneLedger(service: SimService): void {
  const ledgers = service.nodeIds.map((id) => service.sim.ledgerOf(id))
  const longest = ledgers.reduce((a, b) => (a.committed >= b.committed ? a : b))
  for (const { records, committed } of ledgers) {
    for (let i = 0; i < committed; i++) expect(toHex(records[i]!.bytes)).toBe(toHex(longest.records[i]!.bytes))
  }
}

describe('a simulated service', () => {
  it('opens and commits on all nodes', () => {
    const service = serviceOf({ seed: 1, nodes: 3, faults: CALM })
    const leader = service.leader()
    const token = service.request(leader, [post(1), post(2), { target: 'GET /log/private?id=1' }])
    const { sim } = service
    expect(sim.run(1000, () => service.messages(leader).some((m) => m.type === 'commitNotice'))).toBe(true)
    const responses = service.responses(leader, token)
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(JSON.parse(fromUtf8(responses[2]!.body))).toEqual({ id: 1, msg: 'message 1' })
    const committed = responses[1]!.txId!.seqno
    expect(
      sim.run(1000, () => service.nodeIds.every((id) => service.executorOf(id).summary.committed.seqno >= committed)),
    ).toBe(true)
    expectOneLedger(service)
  })

  it('forwards writes from a backup and reads them there', () => {
    const service = serviceOf({ seed: 2, nodes: 3, faults: CALM })
    const leader = service.leader()
    const backup = service.nodeIds.find((id) => id !== leader)!
    const write = service.request(backup, [post(7)])
    expect(service.sim.run(1000, () => service.messages(backup).some((m) => m.type === 'commitNotice'))).toBe(true)
    expect(service.responses(backup, write)[0]!.status).toBe(200)
    const read = service.request(backup, [{ target: 'GET /log/private?id=7' }])
    service.sim.run(100)
    expect(fromUtf8(service.responses(backup, read)[0]!.body)).toBe('{"id":7,"msg":"message 7"}')
  })

  it('does not replace a joiner while nobody could let another in (sim seed 6038 did, without end)', () => {
    const service = serviceOf({ seed: 1, nodes: 1, faults: CALM })
    service.sim.crash(service.leader())
    expect(service.isStranded(service.addNode())).toBe(false)
  })

  it('says how long ago the others answered, also when nothing is written', () => {
    const service = serviceOf({ seed: 1, nodes: 3, faults: CALM })
    const leader = service.leader()
    service.sim.run(5000)
    const token = service.request(leader, [{ target: 'GET /node/consensus' }])
    service.sim.run(10)
    const { details } = JSON.parse(fromUtf8(service.responses(leader, token)[0]!.body)) as {
      readonly details: { readonly acks: Readonly<Record<string, { readonly last_received_ms: number }>> }
    }
    const ages = Object.values(details.acks).map((ack) => ack.last_received_ms)
    expect(ages).toHaveLength(2)
    expect(Math.max(...ages)).toBeLessThan(500)
  })

  it('survives the crash of its primary and keeps what was committed', () => {
    const service = serviceOf({ seed: 3, nodes: 3, faults: CALM })
    const first = service.leader()
    service.request(first, [post(1)])
    expect(service.sim.run(1000, () => service.messages(first).some((m) => m.type === 'commitNotice'))).toBe(true)
    service.sim.crash(first)
    const second = service.leader()
    expect(second).not.toBe(first)
    const read = service.request(second, [{ target: 'GET /log/private?id=1' }, post(2)])
    service.sim.run(500)
    expect(service.responses(second, read).map(({ status }) => status)).toEqual([200, 200])
    expectOneLedger(service)
  })

  it('refuses a session whose view has passed', () => {
    const service = serviceOf({ seed: 4, nodes: 3, faults: CALM })
    const first = service.leader()
    const view = service.executorOf(first).summary.view
    service.sim.crash(first)
    const second = service.leader()
    const token = service.request(second, [post(1)], view)
    service.sim.run(10)
    expect(fromUtf8(service.responses(second, token)[0]!.body)).toContain('SessionConsistencyLost')
  })

  it('names no view for what it refused before executing it', () => {
    const service = serviceOf({ seed: 6, nodes: 3, faults: CALM })
    const [first, second, third] = [service.leader(), ...service.nodeIds.slice(1)]
    const view = service.executorOf(first).summary.view
    service.sim.crash(first)
    service.sim.crash(third!)
    service.sim.run(1000)
    const token = service.request(second!, [post(1)], view)
    service.sim.run(10)
    // A 503 of a later view, named as executed there, would end the session instead of letting the client try again.
    const answer = service.messages(second!).find((m) => m.type === 'executed' && m.token === token)
    expect(answer).toMatchObject({ view: 0, responses: [{ status: 503 }] })
  })

  it('leaves the service to the others when its disk is full', () => {
    const service = serviceOf({ seed: 5, nodes: 3, faults: CALM })
    const first = service.leader()
    service.sim.fillDisk(first)
    service.request(first, [post(1)])
    service.sim.run(50)
    expect(service.replicaOf(first).value).toBe('halted')
    const second = service.leader()
    expect(second).not.toBe(first)
    const token = service.request(first, [post(2)])
    service.sim.run(50)
    expect(service.responses(first, token)[0]!.status).toBe(503)
  })

  /** Asked of whoever leads, until somebody who does has done it. */
  const write = (service: SimService): number => {
    for (let tries = 0; tries < 400; tries++) {
      const leader = service.leader()
      const token = service.request(leader, [post(1000)])
      service.sim.run(50)
      const seqno = service.responses(leader, token)[0]?.txId?.seqno
      if (seqno !== undefined) return seqno
    }
    return expect.unreachable(service.describe())
  }

  const storm = (seed: number): SimService => {
    const service = serviceOf({ seed, nodes: 5, faults: STORMY })
    // Only the node that founds a service opens it: until governance arrives, its death before that ends the service.
    service.sim.run(5000, () => service.nodeIds.every((node) => serviceStatus(service.executorOf(node).kv) === 'Open'))
    let id = 0
    for (let round = 0; round < 12; round++) {
      const leader = service.nodeIds.find(
        (node) => service.sim.nodeIds.includes(node) && service.replicaOf(node).value === 'leader',
      )
      if (leader !== undefined) service.request(leader, [post(id++), post(id++)])
      if (round === 4 && leader !== undefined) service.sim.crash(leader)
      if (round === 8) service.sim.disconnect(service.sim.nodeIds[0]!, service.sim.nodeIds[1]!)
      service.sim.run(150)
    }
    service.sim.heal()
    return service
  }

  it.each(Array.from({ length: 12 }, (_, i) => i + 1))('agrees on one ledger in a storm (seed %i)', (seed) => {
    const service = storm(seed)
    const written = write(service)
    const all = service.sim.nodeIds
    expect(
      service.sim.run(20_000, () => all.every((id) => service.executorOf(id).summary.committed.seqno >= written)),
      service.describe(),
    ).toBe(true)
    expectOneLedger(service)
  })

  it('does the same again for the same seed, and something else for another', () => {
    const hash = storm(1).sim.traceHash
    expect(storm(1).sim.traceHash).toBe(hash)
    expect(storm(2).sim.traceHash).not.toBe(hash)
  })
})

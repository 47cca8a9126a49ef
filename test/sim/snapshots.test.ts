// Goal: a service makes snapshots while it works; they verify as files and against the ledger; nodes join from them without the entries before,
// hold what the others hold, and lead; whatever crashes meanwhile does no harm.
import { describe, expect, it } from 'vitest'
import { toHex } from '../../protocols/codec/bytes.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { NodeId } from '../../protocols/ids.ts'
import { ENTRY_FLAGS } from '../../protocols/ledger/entry.ts'
import { startVerification, verifyEntry } from '../../protocols/ledger/verify.ts'
import { SNAPSHOTS_KEPT } from '../../protocols/limits.ts'
import { root } from '../../protocols/merkle/tree.ts'
import { openSnapshot } from '../../protocols/snapshot/beginning.ts'
import { parseSnapshotFileName } from '../../protocols/snapshot/format.ts'
import { beginningAfter, SnapshotsInLedger } from '../../protocols/snapshot/in-ledger.ts'
import type { VerifiedSnapshot } from '../../protocols/snapshot/verify.ts'
import { CALM, STORMY, type SimFaults } from '../../runtime/host/sim.ts'
import { fastCrypto, realCrypto } from '../../runtime/models/service/crypto.ts'
import { SECRETS } from '../../runtime/models/service/identities.ts'
import { SimService } from '../../runtime/models/service/service.ts'
import { USUAL_KNOBS } from '../../runtime/sim/plan.ts'
import { sampleApps } from '../../runtime/samples/index.ts'
import { kvDigest } from '../../store/kv/digest.ts'

const TX_COUNT = 40

/** A service under load, whose operator may add nodes. */
class Scene {
  readonly service: SimService
  #id = 0
  #token = 0

  readonly #crypto: Crypto

  constructor(seed: number, faults: SimFaults, crypto: Crypto = fastCrypto) {
    this.#crypto = crypto
    const knobs = { ...USUAL_KNOBS, snapshotTxCount: TX_COUNT }
    this.service = new SimService({ seed, nodes: 3, faults, crypto, apps: sampleApps, knobs, clients: 2 })
    this.service.leader()
  }

  trustOf(nodeId: NodeId) {
    const { serviceCertificatePem } = this.service
    return { nodeId, encryptionKey: this.service.encryptionKeyOf(nodeId), serviceCertificatePem, secrets: SECRETS }
  }

  /** Writes, and every third time a removal: maps that lose keys are part of a snapshot too. */
  work(rounds: number): void {
    for (let i = 0; i < rounds; i++) {
      const id = this.#id++
      const body = { id, msg: `message ${id}` }
      const old = { target: `DELETE /log/private?id=${id - 3}` }
      this.service.request(this.service.leader(), [
        { target: 'POST /log/private', body },
        { target: 'POST /log/public', body },
        ...(i % 3 === 2 ? [old] : []),
      ])
      this.service.sim.run(20)
    }
  }

  ask(verb: 'PUT' | 'POST', path: string, body: Uint8Array = new Uint8Array(0)): void {
    const requests = [{ id: 0, verb, path, body }]
    this.service.submit(this.service.leader(), 1, { as: 'operator', token: ++this.#token, activeView: 0, requests })
  }

  /** Until it takes part. */
  join(): NodeId {
    const node = this.service.addNode()
    for (let i = 0; i < 50 && !this.service.serving.includes(node); i++) {
      this.ask('PUT', `/node/network/nodes/${node}`, this.service.registration(node))
      this.service.sim.run(500, () => this.service.serving.includes(node))
    }
    const phase = (this.service.sim.stateOf(node, 'node') as { value: string }).value
    expect(this.service.serving, `${phase}: ${this.service.describe()}`).toContain(node)
    return node
  }

  /** Whoever leads proposes it. */
  handOverTo(node: NodeId): void {
    const { service } = this
    for (let i = 0; i < 20 && service.leader() !== node; i++) {
      const leader = service.leader()
      const { currentView: view } = service.replicaOf(leader).s
      service.sim.post(node, `replica@${leader}`, 'replica', { type: 'ProposeRequestVote', view } as { type: string })
      service.sim.run(500)
    }
    expect(service.leader()).toBe(node)
  }

  snapshotsOf(node: NodeId): VerifiedSnapshot[] {
    const { disk } = this.service.sim.node(node)
    return disk.snapshotNames.map(
      (name) => openSnapshot(this.#crypto, this.trustOf(node), name, disk.snapshots.get(name)!).verified,
    )
  }

  beginningOf(node: NodeId): number {
    return this.service.replicaOf(node).s.config.beginning?.seqno ?? 0
  }

  agree(): void {
    const { service } = this
    const crypto = this.#crypto
    const running = service.nodeIds.filter((id) => service.sim.node(id).running)
    const last = (): number[] => running.map((id) => service.executorOf(id).summary.committed.seqno)
    expect(
      service.sim.run(20_000, () => new Set(last()).size === 1),
      last().join(' '),
    ).toBe(true)
    const [first, ...others] = running.map((id) => service.executorOf(id).committed)
    for (const other of others) {
      expect(toHex(root(crypto, other.tree).root)).toBe(toHex(root(crypto, first!.tree).root))
      expect(toHex(kvDigest(other.kv, crypto.sha256))).toBe(toHex(kvDigest(first!.kv, crypto.sha256)))
    }
  }

  /** As `ledger verify --snapshots` does it. */
  verifyLedger(node: NodeId): readonly string[] {
    const { records } = this.service.sim.ledgerOf(node)
    const crypto = this.#crypto
    const snapshots = this.snapshotsOf(node)
    const at = this.beginningOf(node)
    const from = snapshots.find(({ snapshot }) => snapshot.seqno === at)
    const held = new SnapshotsInLedger(crypto, snapshots, from)
    let state = startVerification({ crypto, ...(from === undefined ? {} : { from: beginningAfter(from) }) })
    for (const { bytes, seqno } of records) {
      state = verifyEntry(state, bytes, { file: String(seqno), offset: 0 }, (entry, after) => held.visit(entry, after))
    }
    return held.agreeing
  }
}

describe('snapshots of a simulated service', () => {
  it('are made by the primary as transactions pass, and say what the ledger says', () => {
    const scene = new Scene(1, CALM)
    scene.work(100)
    scene.agree()
    const { service } = scene
    const primary = service.leader()
    const snapshots = scene.snapshotsOf(primary)
    expect(snapshots).toHaveLength(SNAPSHOTS_KEPT)
    expect([...scene.verifyLedger(primary)].sort()).toEqual(snapshots.map(({ fileName }) => fileName).sort())
    for (const node of service.nodeIds) {
      if (node !== primary) expect(scene.snapshotsOf(node)).toEqual([])
      for (const { snapshot } of snapshots) {
        // Its chunk ends there, on every node.
        const point = service.sim.ledgerOf(node).records[snapshot.seqno - 1]!
        expect([point.kind, point.bytes[1]! & ENTRY_FLAGS.forceChunkAfter]).toEqual(['signature', 1])
      }
    }
  })

  it('are made at once when an operator asks for one, and only then', () => {
    const scene = new Scene(2, CALM)
    const primary = scene.service.leader()
    expect(scene.snapshotsOf(primary)).toEqual([])
    scene.ask('POST', '/node/snapshot:create')
    scene.service.sim.run(200)
    const [snapshot, ...more] = scene.snapshotsOf(primary)
    expect(more).toEqual([])
    expect(snapshot!.snapshot.seqno).toBeLessThan(TX_COUNT)
    expect(scene.verifyLedger(primary)).toEqual([snapshot!.fileName])
  })

  it.each([
    ['real', realCrypto],
    ['fast', fastCrypto],
  ])('let a node join that never gets the entries before, and leads (%s cryptography)', (_, crypto) => {
    const scene = new Scene(3, CALM, crypto)
    scene.work(60)
    const { service } = scene
    const joiner = scene.join()
    const begins = scene.beginningOf(joiner)
    expect(begins).toBeGreaterThan(TX_COUNT)
    expect(service.sim.ledgerOf(joiner).records[0]!.seqno).toBe(begins + 1)
    scene.work(10)
    scene.agree()
    scene.handOverTo(joiner)
    scene.work(60)
    scene.agree()
    // What it makes itself continues what it began with, and is as good for the next.
    expect(scene.verifyLedger(joiner).length).toBeGreaterThan(1)
    const next = scene.join()
    expect(scene.beginningOf(next)).toBeGreaterThan(begins)
    scene.agree()
  })

  it('with nobody to give a snapshot, a node begins with the first transaction', () => {
    const scene = new Scene(4, CALM)
    const joiner = scene.join()
    expect(scene.beginningOf(joiner)).toBe(0)
    scene.agree()
  })

  it('are looked for anew by a node that missed them, and cannot be brought up without', () => {
    const scene = new Scene(7, CALM)
    scene.work(60)
    const { service } = scene
    const standing = scene.join()
    // Nobody else has a snapshot, and whoever stands on this one leads.
    for (const node of service.nodeIds) if (node !== standing) service.sim.node(node).disk.snapshots.clear()
    scene.handOverTo(standing)
    const joiner = service.addNode()
    const phase = (): string => (service.sim.stateOf(joiner, 'node') as { value: string }).value
    for (let i = 0; i < 50 && phase() === 'pending'; i++) {
      scene.ask('PUT', `/node/network/nodes/${joiner}`, service.registration(joiner))
      service.sim.run(500, () => phase() !== 'pending')
    }
    expect(phase()).toBe('findingSnapshot')
    service.sim.disconnect(standing, joiner)
    service.sim.run(5000, () => phase() === 'catchingUp')
    expect([phase(), scene.beginningOf(joiner)]).toEqual(['catchingUp', 0])
    service.sim.heal()
    expect(service.sim.run(5000, () => service.serving.includes(joiner))).toBe(true)
    expect(service.leader()).toBe(standing)
    expect(scene.beginningOf(joiner)).toBeGreaterThan(0)
    scene.agree()
  })

  it('are opened with the secrets of today by a node that was let in before they changed', () => {
    const scene = new Scene(9, CALM)
    scene.work(60)
    const { service } = scene
    const { sim } = service
    const standing = scene.join()
    scene.handOverTo(standing)
    const others = [...service.nodeIds]
    const joiner = service.addNode()
    const phase = (): string => (sim.stateOf(joiner, 'node') as { value: string }).value
    for (let i = 0; i < 50 && phase() === 'pending'; i++) {
      scene.ask('PUT', `/node/network/nodes/${joiner}`, service.registration(joiner))
      sim.run(500, () => phase() !== 'pending')
    }
    expect(phase()).toBe('findingSnapshot')
    for (const node of others) sim.disconnect(node, joiner)
    for (let i = 0; i < 2; i++) {
      scene.ask('POST', '/node/ledger-secrets:rekey')
      scene.work(30)
    }
    const { all } = service.executorOf(standing).secrets
    expect(all).toHaveLength(3)
    // Nothing is left that the secrets of its welcome open.
    for (const node of others) {
      const { snapshots } = sim.node(node).disk
      for (const fileName of [...snapshots.keys()]) {
        if (parseSnapshotFileName(fileName)!.seqno < all.at(-1)!.version) snapshots.delete(fileName)
      }
    }
    expect(sim.node(standing).disk.snapshots.size).toBeGreaterThan(0)
    sim.heal()
    expect(sim.run(20_000, () => service.serving.includes(joiner))).toBe(true)
    expect(service.leader()).toBe(standing)
    expect(scene.beginningOf(joiner)).toBeGreaterThan(all.at(-1)!.version)
    scene.agree()
  })

  it('leave a learner behind that holds a part of the log, and whose leader begins later: it stops, and another joins', () => {
    const scene = new Scene(8, CALM)
    scene.work(10)
    const { service } = scene
    const { sim } = service
    const others = [...service.nodeIds]
    const late = service.addNode()
    const held = (): number => service.replicaOf(late).s.log.end - 1
    for (let i = 0; i < 50 && held() === 0; i++) {
      scene.ask('PUT', `/node/network/nodes/${late}`, service.registration(late))
      sim.run(500, () => held() > 0)
    }
    expect([held() > 0, scene.beginningOf(late)]).toEqual([true, 0])
    for (const node of others) sim.disconnect(node, late)
    scene.work(60)
    const standing = scene.join()
    expect(scene.beginningOf(standing)).toBeGreaterThan(held() + 1)
    scene.handOverTo(standing)
    sim.heal()
    expect(sim.run(20_000, () => !sim.node(late).running)).toBe(true)
    const another = scene.join()
    expect(scene.beginningOf(another)).toBeGreaterThan(0)
    scene.agree()
  })

  it('that were changed, cut or put under another name are refused, and another is taken', () => {
    const scene = new Scene(5, CALM)
    scene.work(100)
    const { service } = scene
    const primary = service.leader()
    const { snapshots, snapshotNames } = service.sim.node(primary).disk
    const [oldest, middle, newest] = snapshotNames as readonly [string, string, string]
    const changed = snapshots.get(newest)!.slice()
    changed[changed.length >> 1]! ^= 1
    snapshots.set(newest, changed)
    snapshots.set(middle, snapshots.get(middle)!.subarray(0, -10))
    snapshots.set('snapshot_999999_1000000.committed', snapshots.get(oldest)!)
    const joiner = scene.join()
    expect(`snapshot_${scene.beginningOf(joiner)}_`).toBe(/^snapshot_\d+_/.exec(oldest)![0])
    scene.agree()
  })

  it('that cannot be written are not there, and the node goes on', () => {
    const scene = new Scene(6, CALM)
    const { service } = scene
    const primary = service.leader()
    const { disk } = service.sim.node(primary)
    // Full while the snapshot is written, and not when the next entries are.
    const isSaving = (): boolean =>
      (service.sim.stateOf(primary, 'snapshotter') as { value: string }).value === 'awaitingReceipt'
    scene.ask('POST', '/node/snapshot:create')
    expect(service.sim.run(500, isSaving)).toBe(true)
    disk.full = true
    expect(service.sim.run(500, () => !isSaving())).toBe(true)
    disk.full = false
    service.sim.run(100)
    expect(scene.snapshotsOf(primary)).toEqual([])
    scene.work(30)
    expect(service.leader()).toBe(primary)
    expect(scene.snapshotsOf(primary).length).toBeGreaterThan(0)
    scene.agree()
  })

  it.each([11, 12, 13, 14, 15, 16])('storm, crashes and joiners leave one service (seed %i)', (seed) => {
    const scene = new Scene(seed, STORMY)
    const { service } = scene
    scene.work(50)
    const first = scene.join()
    service.sim.crash(service.leader())
    scene.work(40)
    scene.join()
    scene.work(20)
    service.sim.heal()
    scene.agree()
    for (const node of service.nodeIds.filter((id) => service.sim.node(id).running)) scene.verifyLedger(node)
    expect(service.nodeIds.indexOf(first)).toBe(3)
  })
})

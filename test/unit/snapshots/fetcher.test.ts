// Goal: the snapshot fetcher ends with the newest snapshot that holds, on this node's disk, or with none; whatever a source does costs a try, is
// named, and is never believed. Method: a real snapshot of a simulated service; every message and timer by hand.
import { describe, expect, it } from 'vitest'
import type { Effect } from '../../../actors/effects.ts'
import type { MachineState } from '../../../actors/machine.ts'
import { snapshotFetcher } from '../../../actors/snapshot-fetcher/snapshot-fetcher.ts'
import type { FetcherEvent, FetcherState } from '../../../actors/snapshot-fetcher/state.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import { SNAPSHOT_BYTES_MAX, SNAPSHOT_PIECE_BYTES } from '../../../protocols/limits.ts'
import type { StoredSnapshot } from '../../../protocols/snapshot/format.ts'
import type { FetchPiece, SnapshotChosen } from '../../../protocols/snapshot/messages.ts'
import { CALM } from '../../../runtime/host/sim.ts'
import { fastCrypto as crypto } from '../../../runtime/models/service/crypto.ts'
import { encryptionKeyOf, SECRETS } from '../../../runtime/models/service/identities.ts'
import { SimService } from '../../../runtime/models/service/service.ts'
import { sampleApps } from '../../../runtime/samples/index.ts'

const service = new SimService({ seed: 1, nodes: 1, faults: CALM, crypto, apps: sampleApps })
const primary = service.leader()
// More than one piece.
for (let id = 0; id < 120; id++) {
  service.request(primary, [{ target: 'POST /log/private', body: { id, msg: 'm'.repeat(3000) } }])
  service.sim.run(10)
}
service.submit(primary, 0, {
  as: 'operator',
  token: 1,
  activeView: 0,
  requests: [{ id: 0, verb: 'POST', path: '/node/snapshot:create', body: new Uint8Array(0) }],
})
service.sim.run(1000)
const { disk } = service.sim.node(primary)
const [fileName] = disk.snapshotNames as readonly [string]
const snapshot = disk.snapshots.get(fileName)!
const sizeBytes = snapshot.length
const seqno = Number(/^snapshot_(\d+)_/.exec(fileName)![1])

const [alice, bob] = ['alice', 'bob'] as NodeId[] as [NodeId, NodeId]
const [OWN, ALICE, BOB] = ['snapshotter', `snapshotter@${alice}`, `snapshotter@${bob}`] as const
const offer = (name = fileName, size = sizeBytes): StoredSnapshot => ({ fileName: name, sizeBytes: size })
const newer = fileName.replace(String(seqno), String(seqno + 1))

class Fetcher {
  #state: MachineState<FetcherState>
  #seq = 0
  effects: readonly Effect[]
  readonly refused: string[] = []

  constructor(serviceCertificatePem = service.serviceCertificatePem, peers: readonly NodeId[] = [alice, bob]) {
    const timing = { searchMs: 100, pieceMs: 50 }
    const joiner = { nodeId: 'joiner' as NodeId, encryptionKey: encryptionKeyOf(crypto, 1).pkcs8 }
    const start = snapshotFetcher.start({
      crypto,
      serviceCertificatePem,
      secrets: SECRETS,
      peers,
      ...joiner,
      ...timing,
    })
    this.#state = start.state
    this.effects = start.effects
  }

  post(event: FetcherEvent, from: string = 'host'): this {
    const envelope = { seq: ++this.#seq, at: 0, from, to: 'snapshot-fetcher', event }
    const { state, effects } = snapshotFetcher.step(this.#state, envelope)
    this.#state = state
    this.effects = effects
    for (const { name, broken } of snapshotFetcher.invariants) {
      const problem = broken(state)
      if (problem !== undefined) throw new Error(`${name}: ${problem}`)
    }
    for (const effect of effects) {
      if (effect.type === 'trace' && effect.point === 'snapshotRefused') {
        this.refused.push(`${String(effect.fields['source'])}: ${String(effect.fields['reason'])}`)
      }
    }
    return this
  }

  get phase(): string {
    return this.#state.value
  }

  offers(from: string, ...snapshots: StoredSnapshot[]): this {
    return this.post({ type: 'snapshotsOffered', snapshots }, from)
  }

  get asked(): string[] {
    return this.effects.flatMap((effect) =>
      effect.type === 'send' && effect.message.type === 'findSnapshots' ? [effect.to] : [],
    )
  }

  /** The request for a piece that was sent last. */
  get wanted(): (FetchPiece & { readonly of: string }) | undefined {
    const [request] = this.effects.flatMap((effect) =>
      effect.type === 'send' && effect.message.type === 'fetchPiece'
        ? [{ ...(effect.message as FetchPiece), of: effect.to }]
        : [],
    )
    return request
  }

  /** Answers requests for pieces of `bytes` until something else happens. */
  serve(bytes = snapshot): this {
    while (this.wanted !== undefined) {
      const { of, offset } = this.wanted
      const from = of
      this.piece(bytes.subarray(offset, offset + SNAPSHOT_PIECE_BYTES), from)
      if (this.wanted?.of !== of) break
    }
    return this
  }

  piece(bytes: Uint8Array, from: string): this {
    const { fileName: name, offset } = this.wanted!
    return this.post({ type: 'snapshotPiece', fileName: name, offset, bytes }, from)
  }

  saved(reason?: string): this {
    const effect = this.effects.find(({ type }) => type === 'saveSnapshot')
    return this.post({ type: 'snapshotSaved', fileName: (effect as { fileName: string }).fileName, reason })
  }

  /** What the node is told; null: nothing. */
  get chosen(): string | undefined | null {
    const told = this.effects.find((effect) => effect.type === 'send' && effect.to === 'node')
    if (told?.type !== 'send') return null
    return (told.message as SnapshotChosen).snapshot?.fileName
  }
}

/** Has been offered the snapshot by both, and fetches it of alice. */
const fetching = (...args: ConstructorParameters<typeof Fetcher>): Fetcher =>
  new Fetcher(...args).offers(OWN).offers(ALICE, offer()).offers(BOB, offer())

describe('looking for a snapshot', () => {
  it('asks everybody, and takes the newest of all answers', () => {
    const fetcher = new Fetcher()
    expect(fetcher.asked).toEqual([OWN, ALICE, BOB])
    fetcher.offers(ALICE, offer()).offers(BOB, offer(newer))
    expect([fetcher.phase, fetcher.wanted]).toEqual(['searching', undefined])
    fetcher.offers(OWN)
    expect(fetcher.wanted).toMatchObject({ of: BOB, fileName: newer, offset: 0 })
  })

  it('takes its own of equal ones, and does not write it again', () => {
    const fetcher = new Fetcher().offers(ALICE, offer()).offers(OWN, offer()).offers(BOB)
    expect(fetcher.wanted?.of).toBe(OWN)
    fetcher.serve()
    expect([fetcher.phase, fetcher.chosen]).toEqual(['done', fileName])
  })

  it('does not wait for ever for who does not answer', () => {
    const fetcher = new Fetcher().offers(ALICE, offer()).post({ type: 'searchTimeout' })
    expect([fetcher.phase, fetcher.wanted?.of]).toEqual(['fetching', ALICE])
  })

  it('asks again while it hears itself alone, a few times', () => {
    const fetcher = new Fetcher().offers(OWN)
    expect(fetcher.post({ type: 'searchTimeout' }).asked).toEqual([ALICE, BOB])
    expect(fetcher.post({ type: 'searchTimeout' }).asked).toEqual([ALICE, BOB])
    expect(fetcher.post({ type: 'searchTimeout' }).asked).toEqual([])
    expect([fetcher.phase, fetcher.chosen]).toEqual(['done', undefined])
  })

  it('ends with none when one has answered that has none, and when nobody has one', () => {
    const one = new Fetcher().offers(OWN).offers(ALICE).post({ type: 'searchTimeout' })
    expect([one.phase, one.chosen]).toEqual(['done', undefined])
    const all = new Fetcher().offers(OWN).offers(ALICE).offers(BOB)
    expect([all.phase, all.chosen]).toEqual(['done', undefined])
  })

  it('hears each once, and nobody whom it did not ask', () => {
    const fetcher = new Fetcher().offers(ALICE).offers(ALICE, offer()).offers('snapshotter@mallory', offer())
    fetcher.offers(OWN).offers(BOB)
    expect(fetcher.chosen).toBeUndefined()
  })

  it('leaves out what cannot be: names, sizes, and files without their receipt', () => {
    const impossible = [offer('../x'), offer(fileName, 0), offer(fileName, SNAPSHOT_BYTES_MAX + 1)]
    const fetcher = new Fetcher().offers(OWN).offers(BOB)
    fetcher.offers(ALICE, ...impossible, offer(fileName.replace('.committed', '')))
    expect([fetcher.phase, fetcher.chosen]).toEqual(['done', undefined])
  })
})

describe('fetching a snapshot', () => {
  it('is done in pieces, on disk before it is used, and says where the log begins', () => {
    expect(sizeBytes).toBeGreaterThan(SNAPSHOT_PIECE_BYTES)
    const fetcher = fetching().serve()
    expect([fetcher.phase, fetcher.chosen]).toEqual(['keeping', null])
    fetcher.saved()
    expect([fetcher.phase, fetcher.chosen, fetcher.refused]).toEqual(['done', fileName, []])
  })

  it('ignores pieces that it did not ask for', () => {
    const fetcher = fetching()
    const before = fetcher.wanted!
    const bytes = snapshot.subarray(0, SNAPSHOT_PIECE_BYTES)
    fetcher.post({ type: 'snapshotPiece', fileName, offset: 0, bytes }, BOB)
    expect(fetcher.effects).toEqual([])
    fetcher.post({ type: 'snapshotPiece', fileName: newer, offset: 0, bytes }, ALICE)
    fetcher.post({ type: 'snapshotPiece', fileName, offset: 1, bytes }, ALICE)
    expect(fetcher.effects).toEqual([])
    expect(before).toMatchObject({ of: ALICE, offset: 0 })
  })

  it.each([
    ['a changed byte', snapshot.map((byte, i) => (i === sizeBytes >> 1 ? byte ^ 1 : byte)), /^alice: /],
    ['a file that ends early', snapshot.subarray(0, -1), /^alice: it has fewer than the \d+ bytes/],
    ['a file that is gone', new Uint8Array(0), /^alice: it is not there any more/],
  ])('of %s is refused, and the next source is asked', (_, bytes, reason) => {
    const fetcher = fetching().serve(bytes)
    expect(fetcher.refused).toEqual([expect.stringMatching(reason)])
    expect([fetcher.phase, fetcher.wanted]).toEqual(['fetching', { type: 'fetchPiece', fileName, offset: 0, of: BOB }])
    expect(fetcher.serve().saved().chosen).toBe(fileName)
  })

  it('of another size than was offered is refused', () => {
    const small = new Fetcher(undefined, [alice]).offers(OWN).offers(ALICE, offer(fileName, 10))
    small.serve()
    expect(small.refused).toEqual(['alice: it has more than the 10 bytes it was offered with'])
    expect([small.phase, small.chosen]).toEqual(['done', undefined])
    const large = new Fetcher(undefined, [alice]).offers(OWN).offers(ALICE, offer(fileName, sizeBytes + 1))
    large.serve()
    expect(large.refused[0]).toMatch(/^alice: it has fewer than/)
  })

  it('of another service is refused and named', () => {
    const foreign = new SimService({ seed: 1, nodes: 1, faults: CALM, crypto, apps: [] }).setup
    const { certificatePem } = foreign.nodes[0]!
    const fetcher = fetching(certificatePem, [alice, bob]).serve().serve()
    expect(fetcher.refused).toEqual([
      expect.stringContaining('is of another service'),
      expect.stringContaining('is of another service'),
    ])
    expect([fetcher.phase, fetcher.chosen]).toEqual(['done', undefined])
  })

  it('under another name than its own is refused', () => {
    const fetcher = new Fetcher(undefined, [alice]).offers(OWN).offers(ALICE, offer(newer)).serve()
    expect(fetcher.refused).toEqual([expect.stringContaining(`is of seqno ${seqno}`)])
    expect(fetcher.chosen).toBeUndefined()
  })

  it('from a source that dies half way is begun again at the next', () => {
    const fetcher = fetching().piece(snapshot.subarray(0, SNAPSHOT_PIECE_BYTES), ALICE)
    expect(fetcher.wanted).toMatchObject({ of: ALICE, offset: SNAPSHOT_PIECE_BYTES })
    for (let i = 0; i < 2; i++) {
      fetcher.post({ type: 'pieceTimeout' })
      expect(fetcher.wanted).toMatchObject({ of: ALICE, offset: SNAPSHOT_PIECE_BYTES })
    }
    fetcher.post({ type: 'pieceTimeout' })
    expect(fetcher.refused).toEqual(['alice: its source does not answer'])
    expect(fetcher.wanted).toMatchObject({ of: BOB, offset: 0 })
    expect(fetcher.serve().saved().chosen).toBe(fileName)
  })

  it('ends with none when the last source is silent', () => {
    const fetcher = new Fetcher(undefined, [alice]).offers(OWN).offers(ALICE, offer())
    for (let i = 0; i < 3; i++) fetcher.post({ type: 'pieceTimeout' })
    expect([fetcher.phase, fetcher.chosen]).toEqual(['done', undefined])
  })

  it('that cannot be kept here is not used', () => {
    const fetcher = fetching().serve().saved('ENOSPC')
    expect(fetcher.refused).toEqual(['alice: it cannot be kept here: ENOSPC'])
    expect(fetcher.wanted?.of).toBe(BOB)
    fetcher.serve().saved('ENOSPC')
    expect([fetcher.phase, fetcher.chosen]).toEqual(['done', undefined])
  })
})

// Goal: the snapshotter makes one snapshot after the other, writes none before its evidence is committed and its receipt is there, forgets those that
// a new primary may never commit, and serves files whatever else it does. Method: every message by hand; the store is two rows.
import { describe, expect, it } from 'vitest'
import type { Effect } from '../../../actors/effects.ts'
import type { MachineState } from '../../../actors/machine.ts'
import { snapshotter } from '../../../actors/snapshotter/snapshotter.ts'
import type { SnapshotterEvent, SnapshotterState } from '../../../actors/snapshotter/state.ts'
import { utf8 } from '../../../protocols/codec/bytes.ts'
import { InvariantViolation } from '../../../protocols/errors.ts'
import { seqno as asSeqno, view } from '../../../protocols/ids.ts'
import { SNAPSHOT_BYTES_MAX, SNAPSHOT_PIECE_BYTES, SNAPSHOTS_KEPT } from '../../../protocols/limits.ts'
import { decodeSnapshot } from '../../../protocols/snapshot/format.ts'
import type { RecordEvidence } from '../../../protocols/snapshot/messages.ts'
import { fastCrypto as crypto } from '../../../runtime/models/service/crypto.ts'

const RECEIPT_REQUESTS = 1000
const row = (key: string) => ({ key: utf8(key), version: 3, value: utf8('value') })
const PART = { maps: [{ name: 'public:a', version: 3, rows: [row('x'), row('y')] }], next: undefined }

class Maker {
  #state: MachineState<SnapshotterState> = snapshotter.start({ crypto, pauseMs: 1, receiptRetryMs: 10 }).state
  #seq = 0
  effects: readonly Effect[] = []

  post(event: SnapshotterEvent, from = 'host'): this {
    const envelope = { seq: ++this.#seq, at: 0, from, to: 'snapshotter', event }
    const { state, effects } = snapshotter.step(this.#state, envelope)
    this.#state = state
    this.effects = effects
    for (const { name, broken } of snapshotter.invariants) {
      const problem = broken(state)
      if (problem !== undefined) throw new Error(`${name}: ${problem}`)
    }
    return this
  }

  get phase(): string {
    return this.#state.value
  }

  /** Names of effects; of messages, theirs. */
  get did(): string[] {
    return this.effects.map((effect) => {
      if (effect.type === 'send') return `${effect.message.type} to ${effect.to}`
      return effect.type === 'trace' ? effect.point : effect.type
    })
  }

  /** As if rows of so many bytes had been read: a test has no room for them. */
  grownTo(sizeBytes: number): this {
    const { s } = this.#state
    const job = { ...s.job!, draft: { ...s.job!.draft, sizeBytes } }
    this.#state = { ...this.#state, s: { ...s, job } }
    return this
  }

  due(seqno: number): this {
    const [leaf, ledgerSecret] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
    return this.post({ type: 'snapshotDue', seqno, leaf, viewHistory: [1, 1], ledgerSecret }, 'executor')
  }

  rows(seqno: number, part: Omit<Extract<SnapshotterEvent, { type: 'stateRead' }>, 'type' | 'seqno'> = PART): this {
    return this.post({ type: 'stateRead', seqno, ...part }, 'executor')
  }

  /** Until something else than a pause comes of it. */
  goOn(): this {
    do this.post({ type: 'goOn' })
    while (this.did.join() === 'setTimer')
    return this
  }

  evidence(seqno: number, at: number): this {
    return this.post({ type: 'evidenceRecorded', seqno, txId: { view: view(2), seqno: asSeqno(at) } }, 'executor')
  }

  committed(seqno: number): this {
    return this.post({ type: 'commitNotice', view: 2, seqno }, 'executor')
  }

  answer(status: number, body = ''): this {
    const response = { id: 0, status, contentType: 'json' as const, body: utf8(body), txId: undefined }
    return this.post({ type: 'executed', token: 1, view: 2, responses: [response] }, 'executor')
  }
}

/** The snapshot of seqno 10 waits for the commit of its evidence, 12. */
const proving = (): Maker => new Maker().due(10).rows(10).goOn().evidence(10, 12)

describe('making a snapshot', () => {
  it('reads, assembles, records its digest, waits for the commit, fetches the receipt and writes', () => {
    const maker = new Maker().due(10)
    expect(maker.did).toEqual(['readState to executor', 'snapshotBegun'])
    maker.rows(10, { ...PART, next: { map: 'public:b', key: undefined } })
    expect([maker.phase, maker.did]).toEqual(['reading', ['setTimer']])
    maker.post({ type: 'goOn' })
    expect(maker.effects).toMatchObject([{ message: { type: 'readState', seqno: 10, from: { map: 'public:b' } } }])
    maker.rows(10, { maps: [{ name: 'public:b', version: 3, rows: [row('z')] }], next: undefined })
    expect([maker.phase, maker.did]).toEqual(['assembling', ['setTimer']])
    maker.goOn()
    expect([maker.phase, maker.did]).toEqual(['proving', ['recordEvidence to executor']])
    const [{ message }] = maker.effects as unknown as [{ message: RecordEvidence }]
    maker.evidence(10, 12).committed(11)
    expect([maker.phase, maker.effects]).toEqual(['proving', []])
    maker.committed(12)
    expect(maker.effects).toMatchObject([{ message: { requests: [{ path: '/node/receipt?transaction_id=2.12' }] } }])
    maker.answer(202)
    expect([maker.phase, maker.did]).toEqual(['awaitingReceipt', ['setTimer']])
    maker.post({ type: 'goOn' }).answer(200, '{"receipt":1}')
    const [save] = maker.effects as [Extract<Effect, { type: 'saveSnapshot' }>]
    expect(save).toMatchObject({ fileName: 'snapshot_10_12.committed', keep: SNAPSHOTS_KEPT })
    const { entryBytes, receiptBytes, publicMaps } = decodeSnapshot(save.bytes)
    expect(crypto.sha256(entryBytes)).toEqual(message.digest)
    expect(receiptBytes).toEqual(utf8('{"receipt":1}'))
    expect(publicMaps.map(({ name, rows }) => [name, rows.length])).toEqual([
      ['public:a', 2],
      ['public:b', 1],
    ])
    maker.post({ type: 'snapshotSaved', fileName: save.fileName, reason: undefined })
    expect([maker.phase, maker.did]).toEqual(['idle', ['snapshotSaved']])
  })

  it('says so when it cannot be written, and goes on with the next', () => {
    const maker = proving().due(20).committed(12).answer(200)
    maker.post({ type: 'snapshotSaved', fileName: 'snapshot_10_12.committed', reason: 'ENOSPC' })
    expect(maker.did).toEqual(['snapshotNotSaved', 'readState to executor', 'snapshotBegun'])
    expect(maker.phase).toBe('reading')
  })

  it('takes no rows and no evidence of another snapshot', () => {
    const maker = new Maker().due(10).rows(9)
    expect([maker.phase, maker.effects]).toEqual(['reading', []])
    maker.rows(10).goOn().evidence(9, 12).committed(12)
    expect([maker.phase, maker.effects]).toEqual(['proving', []])
  })

  it('is given up when it is larger than a snapshot may be, which the executor learns', () => {
    const maker = new Maker().due(10).due(20)
    maker.grownTo(SNAPSHOT_BYTES_MAX).rows(10, { ...PART, next: { map: 'public:b', key: undefined } })
    expect(maker.phase).toBe('reading')
    maker
      .post({ type: 'goOn' })
      .grownTo(SNAPSHOT_BYTES_MAX + 1)
      .rows(10)
    expect(maker.phase).toBe('abandoning')
    maker.post({ type: 'goOn' })
    expect(maker.did).toEqual([
      'snapshotAbandoned to executor',
      'snapshotAbandoned',
      'readState to executor',
      'snapshotBegun',
    ])
  })

  it('is given up when there is no receipt after so many requests', () => {
    const maker = proving().committed(12)
    for (let i = 1; i < RECEIPT_REQUESTS; i++) maker.answer(404).post({ type: 'goOn' })
    maker.answer(404)
    expect(maker.phase).toBe('abandoning')
    maker.post({ type: 'goOn' })
    expect([maker.phase, maker.did]).toEqual(['idle', ['snapshotAbandoned to executor', 'snapshotAbandoned']])
  })

  it('makes them in turn, and never has more than may be pending', () => {
    const maker = new Maker().due(10).due(20).due(30).due(40).due(50)
    expect(() => maker.due(60)).toThrow(/pending/)
    expect(() => maker.due(70)).toThrow(InvariantViolation)
  })
})

describe('a node that is not primary any more', () => {
  it.each<[string, () => Maker]>([
    ['reading', () => new Maker().due(10)],
    ['assembling', () => new Maker().due(10).rows(10)],
    ['proving, its evidence rolled back', proving],
  ])('drops a snapshot it was %s, and those that wait', (_, make) => {
    const maker = make().due(20).post({ type: 'snapshotsDropped' }, 'executor')
    expect([maker.phase, maker.did]).toEqual(['idle', ['cancelTimer']])
    // Whatever is committed at that seqno now, no file comes of it.
    expect(maker.committed(12).effects).toEqual([])
    expect(maker.rows(10).evidence(10, 12).effects).toEqual([])
    expect(maker.due(30).phase).toBe('reading')
  })

  it('finishes one whose evidence is committed', () => {
    const maker = proving().committed(12).due(20).post({ type: 'snapshotsDropped' }, 'executor').answer(200)
    expect([maker.phase, maker.did]).toEqual(['saving', ['saveSnapshot']])
    maker.post({ type: 'snapshotsDropped' }, 'executor')
    maker.post({ type: 'snapshotSaved', fileName: 'snapshot_10_12.committed', reason: undefined })
    expect(maker.phase).toBe('idle')
  })
})

describe('serving snapshots', () => {
  it('answers in every state, each asker its own question', () => {
    for (const maker of [new Maker(), proving(), proving().committed(12)]) {
      const { phase } = maker
      maker.post({ type: 'findSnapshots' }, 'snapshot-fetcher@a').post({ type: 'findSnapshots' }, 'snapshot-fetcher@b')
      const snapshots = [{ fileName: 'snapshot_10_12.committed', sizeBytes: 5 }]
      maker.post({ type: 'snapshotsListed', snapshots })
      expect(maker.did).toEqual(['snapshotsOffered to snapshot-fetcher@a'])
      maker.post({ type: 'snapshotsListed', snapshots })
      expect(maker.did).toEqual(['snapshotsOffered to snapshot-fetcher@b'])
      expect(maker.post({ type: 'snapshotsListed', snapshots }).effects).toEqual([])
      expect(maker.phase).toBe(phase)
    }
  })

  it('hands out bounded pieces, and an empty one of what is not there any more', () => {
    const maker = new Maker()
    maker.post({ type: 'fetchPiece', fileName: 'snapshot_1_2.committed', offset: 7 }, 'snapshot-fetcher@a')
    const [read] = maker.effects as [Extract<Effect, { type: 'readSnapshot' }>]
    expect(read).toMatchObject({ offset: 7, length: SNAPSHOT_PIECE_BYTES })
    maker.post({ type: 'snapshotRead', token: read.token, bytes: undefined })
    expect(maker.effects).toMatchObject([
      { to: 'snapshot-fetcher@a', message: { offset: 7, bytes: new Uint8Array(0) } },
    ])
    expect(maker.post({ type: 'snapshotRead', token: read.token, bytes: undefined }).effects).toEqual([])
  })

  it('answers no more than 256 questions at a time', () => {
    const maker = new Maker()
    for (let i = 0; i < 256; i++) {
      maker.post({ type: 'findSnapshots' }, 'a').post({ type: 'fetchPiece', fileName: 's', offset: i }, 'a')
    }
    expect(maker.did).toEqual(['readSnapshot'])
    expect(maker.post({ type: 'findSnapshots' }, 'a').effects).toEqual([])
    expect(maker.post({ type: 'fetchPiece', fileName: 's', offset: 0 }, 'a').effects).toEqual([])
  })
})

// A handful of replicas and every message between them in the tester's hands: nothing is delivered, fires or becomes durable by itself.
import type { Envelope } from '../../../actors/actor.ts'
import { splitAddress } from '../../../actors/actor.ts'
import type { MachineState } from '../../../actors/machine.ts'
import { replica } from '../../../actors/replica/replica.ts'
import { lastIdx, type ReplicaConfig, type ReplicaEvent, type ReplicaState } from '../../../actors/replica/state.ts'
import type { LogRecord, RecordKind } from '../../../protocols/consensus/log.ts'
import type {
  ConsensusMessage,
  LedgerWriterRequest,
  NodeNotice,
  ReplicaNotice,
} from '../../../protocols/consensus/messages.ts'
import { utf8 } from '../../../protocols/codec/bytes.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import { APPEND_BYTES_MAX } from '../../../protocols/limits.ts'

export interface Sent {
  readonly from: string
  readonly to: string
  readonly message: ConsensusMessage
}

const LETTERS: Readonly<Record<RecordKind, string>> = {
  transaction: '',
  signature: 's',
  reconfiguration: 'c',
  retiredCommitted: 'r',
}

export class World {
  readonly #states = new Map<string, MachineState<ReplicaState>>()
  readonly notices = new Map<string, (ReplicaNotice | NodeNotice)[]>()
  /** In the order in which they were sent. */
  network: Sent[] = []
  /** False: `durable` must be called. */
  diskIsFast = true
  now = 0
  #seq = 0

  readonly ids: readonly string[]

  constructor(
    ids: readonly string[],
    options: { readonly preVote?: boolean; readonly pacing?: ReplicaConfig['pacing'] } = {},
  ) {
    this.ids = ids
    for (const id of ids) {
      const config: ReplicaConfig = {
        nodeId: id as NodeId,
        messageTimeoutMs: 10,
        electionTimeoutMs: 100,
        preVoteEnabled: options.preVote ?? false,
        pacing: options.pacing ?? 'eager',
        tickingFromStart: false,
        appendBytesMax: APPEND_BYTES_MAX,
        sendAfterBytes: 1,
        logTailBytesMax: 1e9,
        beginning: undefined,
        viewAtLeast: 0,
      }
      this.#states.set(id, replica.start(config).state)
      this.notices.set(id, [])
    }
  }

  value = (id: string): string => this.#states.get(id)!.value
  s = (id: string): ReplicaState => this.#states.get(id)!.s
  commit = (id: string): number => this.s(id).commitIdx
  /** `view` of each entry, `s` after signatures, `c` after configurations, `r` after retired_committed: `2c 2s 2`. */
  log = (id: string): string =>
    this.s(id)
      .log.toArray()
      .map(({ record }) => `${record.view}${LETTERS[record.kind]}`)
      .join(' ')

  event(id: string, event: ReplicaEvent, from = 'host'): void {
    const envelope: Envelope<ReplicaEvent> = { seq: ++this.#seq, at: this.now, from, to: 'replica', event }
    const { state, effects } = replica.step(this.#states.get(id)!, envelope)
    this.#states.set(id, state)
    for (const { name, broken } of replica.invariants) {
      const problem = broken(state)
      if (problem !== undefined) throw new Error(`${id}: ${name}: ${problem}`)
    }
    for (const effect of effects) {
      if (effect.type !== 'send') continue
      const { actor, node } = splitAddress(effect.to)
      if (node !== undefined) this.network.push({ from: id, to: node, message: effect.message as ConsensusMessage })
      else if (actor !== 'ledger-writer') this.notices.get(id)!.push(effect.message as ReplicaNotice | NodeNotice)
      else if (this.diskIsFast) this.#write(id, effect.message as LedgerWriterRequest)
    }
  }

  #write(id: string, request: LedgerWriterRequest): void {
    if (request.type !== 'appendRecords') return
    const last = request.records.at(-1)!
    if (request.records.some(({ kind }) => kind === 'signature')) {
      this.event(id, { type: 'durable', epoch: request.epoch, seqno: last.seqno }, 'ledger-writer')
    }
  }

  durable(id: string, seqno: number): void {
    this.event(id, { type: 'durable', epoch: this.s(id).epoch, seqno }, 'ledger-writer')
  }

  /** Appends entries at a leader: one letter each, `t` transaction, `s` signature. */
  append(id: string, letters: string): void {
    for (const letter of letters) {
      const seqno = lastIdx(this.s(id)) + 1
      const view = this.s(id).currentView
      const kind: RecordKind = letter === 's' ? 'signature' : 'transaction'
      this.event(
        id,
        { type: 'replicate', view, records: [{ seqno, view, kind, bytes: utf8(`${id}.${view}.${seqno}`) }] },
        'executor',
      )
    }
  }

  /** Appends an entry that names nodes at a leader. */
  appendNaming(id: string, kind: 'reconfiguration' | 'retiredCommitted', nodes: readonly string[]): void {
    const seqno = lastIdx(this.s(id)) + 1
    const view = this.s(id).currentView
    const record: LogRecord = { seqno, view, kind, bytes: utf8(`${id}.${view}.${seqno}`), nodes: nodes as NodeId[] }
    this.event(id, { type: 'replicate', view, records: [record] }, 'executor')
  }

  /** Node `id` leads view 2 with these nodes as configuration; entries 1 (configuration) and 2 (signature) are committed there. */
  begin(id: string, nodes: readonly string[] = this.ids): void {
    this.event(id, { type: 'forceLeader' })
    this.appendNaming(id, 'reconfiguration', nodes)
    this.append(id, 's')
    this.settle(id)
  }

  /** Delivers everything, again and again with heartbeats of `leader`, until nothing new happens. */
  settle(leader: string): void {
    for (let round = 0; round < 8; round++) {
      this.deliverAll()
      this.event(leader, { type: 'heartbeatTimeout' })
    }
    this.deliverAll()
  }

  /** Delivers all messages that match, in order; those they cause stay in the network. Returns how many. */
  deliver(pattern: Partial<{ from: string; to: string; type: ConsensusMessage['type'] }>, most = Infinity): number {
    const matches = (m: Sent): boolean =>
      (pattern.from ?? m.from) === m.from &&
      (pattern.to ?? m.to) === m.to &&
      (pattern.type ?? m.message.type) === m.message.type
    const chosen = this.network.filter(matches).slice(0, most)
    this.network = this.network.filter((m) => !chosen.includes(m))
    for (const { from, to, message } of chosen) this.event(to, message, `replica@${from}`)
    return chosen.length
  }

  deliverAll(): void {
    while (this.network.length > 0) {
      const batch = this.network
      this.network = []
      for (const { from, to, message } of batch) this.event(to, message, `replica@${from}`)
    }
  }

  drop(pattern: Partial<{ from: string; to: string }> = {}): Sent[] {
    const dropped = this.network.filter((m) => (pattern.from ?? m.from) === m.from && (pattern.to ?? m.to) === m.to)
    this.network = this.network.filter((m) => !dropped.includes(m))
    return dropped
  }

  /** Node `id` stands for election and gets the votes of `voters`; all other messages of the election are lost. */
  elect(id: string, voters: readonly string[]): void {
    this.event(id, { type: 'electionTimeout' })
    for (const voter of voters) this.deliver({ from: id, to: voter, type: 'RequestVote' })
    for (const voter of voters) this.deliver({ from: voter, to: id, type: 'RequestVoteResponse' })
    this.network = this.network.filter(
      ({ message }) => message.type !== 'RequestVote' && message.type !== 'RequestVoteResponse',
    )
  }
}

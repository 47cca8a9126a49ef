// What checkers see: every node from outside, and the one committed log that all of them must agree on.
// Not the judgement itself. The rule to remember: a checker never asks an actor what is right; it only compares what is there.
import type { Envelope } from '../../actors/actor.ts'
import type { Effect, Message } from '../../actors/effects.ts'
import type { ExecutorState } from '../../actors/executor/state.ts'
import { equalBytes } from '../../protocols/codec/bytes.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type { SimDisk } from '../host/sim-disk.ts'
import type { Operation } from './history.ts'
import type { ReplicaSight } from './service.ts'

/** A promise that was broken, and when. */
export interface Violation {
  readonly checker: string
  readonly message: string
  /** Steps of actors taken before. */
  readonly step: number
  /** Virtual ms. */
  readonly timeMs: number
}

/** Stops the run at the first broken promise. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise'
  readonly checker: string
  constructor(checker: string, message: string) {
    super(message)
    this.checker = checker
  }
}

/** A node from outside. */
export interface NodeSight {
  readonly id: NodeId
  /** `n0`, `n1`, … */
  readonly name: string
  readonly disk: Pick<SimDisk, 'at' | 'last' | 'durable' | 'committed'>
  isRunning: boolean
  /** After its last step. */
  replica: ReplicaSight
}

export interface ReplicaStep {
  readonly before: ReplicaSight
  readonly after: ReplicaSight
  readonly envelope: Envelope
  readonly effects: readonly Effect[]
}

/** What one checker looks at; what it does not name it is not called for. Each keeps what it must remember of one run. */
export interface Checker {
  readonly name: string
  onReplica?(node: NodeSight, step: ReplicaStep): void
  /** `state`: after the step. */
  onExecutor?(node: NodeSight, event: Message, state: ExecutorState): void
  /** Before the ledger changes. */
  onLedgerWriter?(node: NodeSight, event: Message): void
  /** The committed log grew to `committed.last`; `from` is its first new entry, `node` the first to know. */
  onCommit?(node: NodeSight, from: number, before: ReplicaSight): void
  /** A client was answered. */
  onAnswer?(operation: Operation): void
  /** After the node stopped; its disk is what the crash left. */
  onCrash?(node: NodeSight): void
  /** Everything healed and agreed. */
  onEnd?(): void
}

/** The committed entries, as the first node that committed each had them. */
export class CommittedLog {
  readonly #records: LogRecord[] = []
  readonly #views: number[] = []
  /** Nodes of the last committed configuration. */
  members: readonly NodeId[] = []
  /** Committed configurations, the first included. */
  configurations = 0

  get last(): number {
    return this.#records.length
  }

  at(seqno: number): LogRecord | undefined {
    return this.#records[seqno - 1]
  }

  /** View of the signature by which the entry became committed. */
  viewOfCommit(seqno: number): number {
    return this.#views[seqno - 1] ?? 0
  }

  append(record: LogRecord, viewOfCommit: number): void {
    this.#records.push(record)
    this.#views.push(viewOfCommit)
    if (record.kind !== 'reconfiguration') return
    this.members = record.nodes ?? []
    this.configurations++
  }
}

/**
 * A node's disk as checkers see it: a snapshot stands for the committed entries up to its seqno. Whether it does so rightly shows in the Merkle
 * root and the store of the node that began at it, which are compared with those of the others.
 */
export class DiskSight {
  readonly #disk: NodeSight['disk']
  readonly #beginning: () => number
  readonly #committed: CommittedLog

  constructor(disk: NodeSight['disk'], beginning: () => number, committed: CommittedLog) {
    this.#disk = disk
    this.#beginning = beginning
    this.#committed = committed
  }

  get last(): number {
    return Math.max(this.#disk.last, this.#beginning())
  }
  get durable(): number {
    return Math.max(this.#disk.durable, this.#beginning())
  }
  get committed(): number {
    return this.#disk.committed
  }
  at(seqno: number): LogRecord | undefined {
    return this.#disk.at(seqno) ?? (seqno <= this.#beginning() ? this.#committed.at(seqno) : undefined)
  }
}

export interface World {
  readonly nodes: readonly NodeSight[]
  readonly committed: CommittedLog
  /** Stops the run. */
  fail(checker: string, message: string): never
}

/** An entry a node holds: in memory, or on its disk if it is older than what is kept in memory. */
export const recordAt = (node: NodeSight, seqno: number): LogRecord | undefined => {
  const { log } = node.replica.s
  if (seqno >= log.end) return undefined
  return log.at(seqno)?.record ?? node.disk.at(seqno)
}

/** Seqno of the first entry that was not there before the step. */
export function firstNew({ before, after }: ReplicaStep): number {
  const old = before.s.log
  const { log } = after.s
  let seqno = Math.min(old.end, log.end)
  while (seqno > log.first && seqno > old.first && old.at(seqno - 1) !== log.at(seqno - 1)) seqno--
  return seqno
}

/** Messages carry references, so entries that were never copied are compared by identity first. */
export const isSame = (a: LogRecord | undefined, b: LogRecord | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.view === b.view &&
    a.seqno === b.seqno &&
    a.kind === b.kind &&
    (a.bytes === b.bytes || equalBytes(a.bytes, b.bytes)))

export const describeRecord = (record: LogRecord | undefined): string =>
  record === undefined ? 'nothing' : `${record.kind} ${record.view}.${record.seqno}`

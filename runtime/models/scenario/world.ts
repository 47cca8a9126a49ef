// The replicas of a scenario and the network between them, in the scenario's hands: nothing is delivered, fires or is lost by itself, except
// that writing to disk takes no time. It runs the very replica actor that nodes run, under CCF's pacing.
// The rule to remember: connections count when a message is dispatched, never when it is sent (scenario-dsl.md, "World model").
import { splitAddress, type Envelope } from '../../../actors/actor.ts'
import type { Effect } from '../../../actors/effects.ts'
import { addConfiguration } from '../../../actors/replica/membership.ts'
import type { ReplicaEvent } from '../../../actors/replica/state.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import type { AppendEntries, ConsensusMessage, LedgerWriterRequest } from '../../../protocols/consensus/messages.ts'
import { InvariantViolation } from '../../../protocols/errors.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import { Prng } from '../../prng.ts'
import type { Pair, Profile } from '../../scenario/command.ts'
import { ScenarioFailure } from './failure.ts'
import {
  configOf,
  ELECTION_TIMEOUT_MS,
  type NodeState,
  type Queued,
  type ReplicaDefinition,
  type ScenarioNode,
} from './node.ts'

/** One event of one node, with all that came of it, the answers of its disk included. */
export interface Turn {
  readonly node: string
  readonly from: string
  readonly event: ReplicaEvent
  readonly before: NodeState
  readonly after: NodeState
  readonly effects: readonly Effect[]
}

/** Why a message was not received. */
export type Loss = 'dropped' | 'disconnected' | 'entries are gone' | 'receiver crashed'

/** Who wants to know what happens: the trace, the printer, the diagram. */
export interface Observer {
  delivered?(pair: Pair, message: ConsensusMessage): void
  lost?(pair: Pair, message: ConsensusMessage, why: Loss, sender: NodeState): void
  turned?(turn: Turn): void
}

/** Nodes of one world. */
const NODES_MAX = 64

export class World {
  readonly #definition: ReplicaDefinition
  readonly #prng: Prng
  readonly #observers: readonly Observer[]
  readonly #connections = new Set<string>()
  #nodes: readonly ScenarioNode[] = []
  #seq = 0
  /** For nodes created from now on. */
  preVoteEnabled = false
  profile: Profile = 'ccf'
  /** True: an AppendEntries carries its entries from the moment of sending; false: they are read when it is dispatched, as CCF does. */
  carryEntries = false

  constructor(definition: ReplicaDefinition, seed: number, observers: readonly Observer[]) {
    this.#definition = definition
    this.#prng = new Prng(seed)
    this.#observers = observers
  }

  /** In ascending order of id. */
  get nodes(): readonly ScenarioNode[] {
    return this.#nodes
  }

  has = (id: string): boolean => this.#nodes.some((node) => node.id === id)

  /** @throws ScenarioFailure */
  node(id: string): ScenarioNode {
    const node = this.#nodes.find((candidate) => candidate.id === id)
    if (node === undefined) throw new ScenarioFailure(`there is no node ${id}`)
    return node
  }

  /** @throws ScenarioFailure if it exists */
  create(id: string): ScenarioNode {
    if (this.has(id)) throw new ScenarioFailure(`node ${id} already exists`)
    if (this.#nodes.length === NODES_MAX) throw new ScenarioFailure(`more than ${NODES_MAX} nodes`)
    const { state } = this.#definition.start(configOf(id, this.preVoteEnabled, this.profile))
    const node = { id, prng: this.#prng.fork(id), state, queue: [], clockMs: 0, elapsedMs: 0, isCrashed: false }
    this.#nodes = [...this.#nodes, node].sort((a, b) => (a.id < b.id ? -1 : 1))
    return node
  }

  /**
   * CCF's deprecated `nodes`: the node knows a configuration that is in no log. It begins as a follower of nobody: a replica that has never
   * heard anything (None) does not stand for election.
   */
  giveConfiguration(node: ScenarioNode, nodes: readonly string[]): void {
    const { s } = node.state
    const configured = addConfiguration(s, { idx: 0, nodes: nodes as readonly NodeId[] }, node.clockMs)
    node.state = { value: 'follower', s: configured }
  }

  connect([a, b]: Pair): void {
    this.#connections.add(`${a}>${b}`).add(`${b}>${a}`)
  }

  disconnect([a, b]: Pair): void {
    this.#connections.delete(`${a}>${b}`)
    this.#connections.delete(`${b}>${a}`)
  }

  /** Takes the nth message of the pair out of its queue; undefined if there is none. */
  take(pair: Pair, nth = 0): Queued | undefined {
    const node = this.node(pair[0])
    const taken = this.queued(pair, nth)
    if (taken !== undefined) node.queue = node.queue.filter((queued) => queued !== taken)
    return taken
  }

  /** The nth message of the pair; undefined if there is none. */
  queued([from, to]: Pair, nth: number): Queued | undefined {
    return this.node(from).queue.filter((queued) => queued.to === to)[nth]
  }

  /** Loses the messages of a queue that match. */
  drop(from: string, matches: (queued: Queued) => boolean): void {
    const node = this.node(from)
    const dropped = node.queue.filter(matches)
    node.queue = node.queue.filter((queued) => !dropped.includes(queued))
    for (const { to, message } of dropped) this.lose([from, to], message, 'dropped')
  }

  shuffle(node: ScenarioNode): void {
    for (let i = node.queue.length - 1; i > 0; i--) {
      const j = this.#prng.integer(0, i)
      const moved = node.queue[i]!
      node.queue[i] = node.queue[j]!
      node.queue[j] = moved
    }
  }

  /** Hands a message to its receiver, if they are connected and it can still be read. Answers land in the receiver's queue. */
  deliver(from: string, { to, message }: Queued): boolean {
    const pair: Pair = [from, to]
    if (!this.#connections.has(`${from}>${to}`)) return this.lose(pair, message, 'disconnected')
    const complete = this.carryEntries ? message : this.#withEntries(from, message)
    if (complete === undefined) return this.lose(pair, message, 'entries are gone')
    if (this.node(to).isCrashed) return this.lose(pair, message, 'receiver crashed')
    for (const observer of this.#observers) observer.delivered?.(pair, complete)
    this.post(to, complete, `replica@${from}`)
    return true
  }

  lose(pair: Pair, message: ConsensusMessage, why: Loss): false {
    for (const observer of this.#observers) observer.lost?.(pair, message, why, this.node(pair[0]).state)
    return false
  }

  /** An AppendEntries in CCF's queues is a header: its entries are what the sender's log holds there by now. */
  #withEntries(from: string, message: ConsensusMessage): ConsensusMessage | undefined {
    if (message.type !== 'AppendEntries') return message
    const { log } = this.node(from).state.s
    const records = log.slice(message.prevIdx + 1, Math.min(message.idx + 1, log.end)).map(({ record }) => record)
    if (records.length !== message.idx - message.prevIdx) return undefined
    return { ...message, records } satisfies AppendEntries
  }

  /** One event, and what the node's disk answers at once. A crashed node does nothing. */
  post(id: string, event: ReplicaEvent, from = 'host'): void {
    const node = this.node(id)
    if (node.isCrashed) return
    const before = node.state
    const effects: Effect[] = []
    const pending: { readonly event: ReplicaEvent; readonly from: string }[] = [{ event, from }]
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      const stepped = this.#step(node, next.event, next.from)
      effects.push(...stepped)
      pending.push(...stepped.flatMap(written))
    }
    const turn = { node: id, from, event, before, after: node.state, effects }
    for (const observer of this.#observers) observer.turned?.(turn)
  }

  #step(node: ScenarioNode, event: ReplicaEvent, from: string): readonly Effect[] {
    const envelope: Envelope<ReplicaEvent> = { seq: ++this.#seq, at: node.clockMs, from, to: 'replica', event }
    const { state, effects } = this.#definition.step(node.state, envelope)
    node.state = state
    for (const { name, broken } of this.#definition.invariants) {
      const problem = broken(state)
      if (problem !== undefined) throw new InvariantViolation(`node ${node.id}: ${name}: ${problem}`)
    }
    for (const effect of effects) this.#perform(node, effect)
    return effects
  }

  #perform(node: ScenarioNode, effect: Effect): void {
    if (effect.type === 'setTimer' && effect.name === 'electionTimeout') {
      node.elapsedMs = node.prng.integer(0, ELECTION_TIMEOUT_MS / 2)
    } else if (effect.type === 'cancelTimer' && effect.name === 'electionTimeout') {
      node.elapsedMs = 0
    } else if (effect.type === 'send') {
      const to = splitAddress(effect.to).node
      if (to !== undefined) node.queue.push({ to, message: effect.message as ConsensusMessage })
    }
  }
}

/** The disk's answer to what a step asked of it. */
function written(effect: Effect): { readonly event: ReplicaEvent; readonly from: string }[] {
  if (effect.type !== 'send' || effect.to !== 'ledger-writer') return []
  const request = effect.message as LedgerWriterRequest
  if (request.type !== 'appendRecords') return []
  const { seqno } = request.records.at(-1) as LogRecord
  return [{ event: { type: 'durable', epoch: request.epoch, seqno }, from: 'ledger-writer' }]
}

// The simulation host: several nodes in one process, in virtual time, over a seeded network and seeded disks. The actors are those of production.
// Sends between nodes go straight to the receiving actor: the sealed channel is left out here and tested by itself.
// The rule to remember: one seed, one run. Everything random is drawn from streams forked from it; the trace hash proves it.
import type { Address, AnyActorDefinition, Envelope, Message } from '../../actors/actor.ts'
import type { Effect, LifecycleStage, SigningKeyName } from '../../actors/effects.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { Prng } from '../prng.ts'
import { EventQueue } from './event-queue.ts'
import { Kernel } from './kernel.ts'
import { MemoryPastIndex } from './memory-past-index.ts'
import { SimClock } from './sim-clock.ts'
import { SimDisk } from './sim-disk.ts'
import { SimNetwork, type Weather } from './sim-network.ts'
import { SimPerformer, type SimNode } from './sim-performer.ts'
import { TimerTable } from './timer-table.ts'
import { TraceHash } from './trace-hash.ts'

export type { SimNode } from './sim-performer.ts'

export interface SimFaults extends Weather {
  /** Time an fsync takes, ms: uniform. */
  readonly fsyncMs: readonly [number, number]
  /** Time a signature takes, ms: uniform. */
  readonly signMs: readonly [number, number]
}

export const CALM: SimFaults = {
  lossPerMille: 0,
  duplicationPerMille: 0,
  reorderPerMille: 0,
  delayMs: [1, 2],
  fsyncMs: [1, 2],
  signMs: [1, 1],
}
export const STORMY: SimFaults = {
  lossPerMille: 50,
  duplicationPerMille: 20,
  reorderPerMille: 500,
  delayMs: [1, 40],
  fsyncMs: [1, 30],
  signMs: [1, 5],
}

export interface SimOptions {
  readonly seed: number
  readonly faults: SimFaults
  readonly catalogue: readonly AnyActorDefinition[]
  readonly crypto: Crypto
  /** Addresses of actors that tolerate messages of other nodes twice and in another order: more than a channel inflicts. */
  readonly tolerant?: readonly Address[]
  /** What becomes of a node, when it says so itself. */
  readonly onLifecycle?: (node: SimNode, stage: LifecycleStage) => void
  /** Called for every step, after it and before its effects: the score, the checkers. */
  readonly observe?: SimObserver
}

export type SimObserver = (node: SimNode, envelope: Envelope, effects: readonly Effect[], state: string) => void

/** Virtual time begins here (2026-01-01T00:00:00Z), so that dates in signatures are plausible and the same in every run. */
const EPOCH_MS = Date.UTC(2026, 0, 1)

const ignore = (): void => undefined

export class Simulation {
  readonly network: SimNetwork
  readonly #options: SimOptions
  readonly #queue = new EventQueue<() => void>()
  readonly #nodes = new Map<string, SimNode>()
  readonly #root: Prng
  readonly #trace = new TraceHash()
  readonly #performer: SimPerformer
  #now = 0
  #steps = 0

  constructor(options: SimOptions) {
    this.#options = options
    this.#root = new Prng(options.seed)
    this.network = new SimNetwork({
      weather: options.faults,
      prng: this.#root.fork('network'),
      now: () => this.#now,
      at: (timeMs, callback) => this.#queue.push(timeMs, callback),
    })
    this.#performer = new SimPerformer({
      crypto: options.crypto,
      network: this.network,
      fsyncMs: options.faults.fsyncMs,
      signMs: options.faults.signMs,
      tolerant: new Set(options.tolerant),
      onLifecycle: options.onLifecycle ?? ignore,
      nodeOf: (id) => this.#nodes.get(id),
      after: (delayMs, callback) => this.after(delayMs, callback),
      post: (node, from, to, event) => this.#post(node, from, to, event),
      drain: (node) => this.#drain(node),
    })
  }

  get nowMs(): number {
    return this.#now
  }

  get steps(): number {
    return this.#steps
  }

  /** 16 hexadecimal digits over every step: when, where, what came in, what went out. */
  get traceHash(): string {
    return this.#trace.digest()
  }

  /** Of nodes that run, in order of creation. */
  get nodeIds(): readonly string[] {
    return [...this.#nodes.values()].filter(({ running }) => running).map(({ id }) => id)
  }

  addNode(id: string): SimNode {
    const name = `n${this.#nodes.size}`
    const prng = this.#root.fork(name)
    const clock = new SimClock(EPOCH_MS, () => this.#now)
    const node: SimNode = {
      id,
      name,
      running: true,
      keys: new Map(),
      signMs: undefined,
      disk: new SimDisk(),
      pastIndex: new MemoryPastIndex(),
      clock,
      virtualNow: () => this.#now,
      prng,
      timers: new TimerTable({
        now: () => clock.now(),
        wait: (delayMs, callback) => {
          let given = false
          this.after(clock.virtualMs(delayMs), () => {
            if (!given && node.running) callback()
          })
          return () => {
            given = true
          }
        },
        fire: (address, timer) => this.#post(node, 'host', address, { type: timer }),
      }),
      kernel: new Kernel({
        catalogue: this.#options.catalogue,
        now: () => clock.now(),
        checkInvariants: true,
        performer: {
          perform: (from, effect) => this.#performer.perform(node, from, effect),
          appendDurably: (from, effect, whenDurable) => this.#performer.append(node, from, effect.records, whenDurable),
          forget: (address) => node.timers.forget(address),
        },
        observe: (envelope, effects, state) => this.#observe(node, envelope, effects, state),
      }),
    }
    this.#nodes.set(id, node)
    return node
  }

  #observe(node: SimNode, envelope: Envelope, effects: readonly Effect[], state: string): void {
    this.#steps++
    this.#trace.number(this.#now).word(node.name).word(envelope.to).step(envelope.event, effects, state)
    this.#options.observe?.(node, envelope, effects, state)
  }

  /** Starts an actor on a node. */
  start(id: string, address: Address, kind: string, config: unknown): void {
    this.node(id).kernel.start(address, kind, config)
    this.#drain(this.node(id))
  }

  /** A private key the node signs with, PKCS#8. */
  installKey(id: string, name: SigningKeyName, pkcs8: Uint8Array): void {
    this.node(id).keys.set(name, pkcs8)
  }

  /** An event for an actor of a node, now. */
  post(id: string, from: Address, to: Address, event: Message): void {
    this.#post(this.node(id), from, to, event)
  }

  /** Calls back after so many virtual ms. */
  after(delayMs: number, callback: () => void): void {
    this.#queue.push(this.#now + delayMs, callback)
  }

  /** The node stops for ever, as after a power cut: of what was not fsynced, some is lost. */
  crash(id: string): void {
    this.stop(id)
    const { disk, prng } = this.node(id)
    disk.crash(prng)
  }

  /** The node ends in order, for ever: everything it wrote is kept. */
  stop(id: string): void {
    const node = this.node(id)
    node.running = false
    node.timers.clear()
  }

  fillDisk(id: string): void {
    this.node(id).disk.full = true
  }

  /** Messages between the two are lost until `heal`; `oneWay` only those from the first to the second. */
  disconnect(from: string, to: string, oneWay = false): void {
    this.network.cut(this.node(from).name, this.node(to).name)
    if (!oneWay) this.network.cut(this.node(to).name, this.node(from).name)
  }

  /** Links work again. Other faults stay. */
  heal(): void {
    this.network.mend()
    this.network.unclogAll()
  }

  ledgerOf(id: string): {
    readonly records: readonly LogRecord[]
    readonly durable: number
    readonly committed: number
  } {
    return this.node(id).disk
  }

  stateOf(id: string, address: Address): unknown {
    return this.node(id).kernel.stateOf(address)
  }

  node(id: string): SimNode {
    const node = this.#nodes.get(id)
    if (node === undefined) throw new RangeError(`no node ${id} in this simulation`)
    return node
  }

  /** Lets virtual time pass until `until` holds, or for `maxMs`. Returns whether it held. */
  run(maxMs: number, until: () => boolean = () => false): boolean {
    const end = this.#now + maxMs
    while (!until()) {
      const next = this.#queue.peekTime()
      if (next === undefined || next > end) {
        this.#now = end
        return until()
      }
      this.next()
    }
    return true
  }

  /** Lets the next thing happen, which may be several steps of one node. False when nothing ever will. */
  next(): boolean {
    const time = this.#queue.peekTime()
    if (time === undefined) return false
    this.#now = time
    this.#queue.pop()!()
    return true
  }

  #post(node: SimNode, from: Address, to: Address, event: Message): void {
    if (!node.running) return
    node.kernel.post(from, to, event)
    this.#drain(node)
  }

  #drain(node: SimNode): void {
    // A step may crash its own node through `observe`; its mailbox dies with it.
    while (node.running && node.kernel.backlog > 0) node.kernel.drain(1)
  }
}

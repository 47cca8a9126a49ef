// The simulation host: several nodes in one process, in virtual time, over a seeded network and seeded disks. The actors are those of production.
// Sends between nodes go straight to the receiving actor: the sealed channel is left out here and tested by itself.
// The rule to remember: one seed, one run. Everything random is drawn from streams forked from it; the trace hash proves it.
import type { Address, AnyActorDefinition, Envelope, Message } from '../../actors/actor.ts'
import { splitAddress } from '../../actors/actor.ts'
import type { Effect, SignItem, SigningKeyName } from '../../actors/effects.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { Fingerprint } from '../fingerprint.ts'
import { Prng } from '../prng.ts'
import { Kernel, type OuterEffect } from './kernel.ts'
import { EventQueue } from './event-queue.ts'
import { TimerTable } from './timer-table.ts'

export interface SimFaults {
  /** Of 1000 messages between nodes, so many are lost, duplicated. */
  readonly lossPerMille: number
  readonly duplicationPerMille: number
  /** Delay of a message between nodes, ms: uniform. A wide range reorders. */
  readonly delayMs: readonly [number, number]
  /** Time an fsync takes, ms: uniform. */
  readonly fsyncMs: readonly [number, number]
  /** Time a signature takes, ms. */
  readonly signMs: readonly [number, number]
}

export const CALM: SimFaults = {
  lossPerMille: 0,
  duplicationPerMille: 0,
  delayMs: [1, 2],
  fsyncMs: [1, 2],
  signMs: [1, 1],
}
export const STORMY: SimFaults = {
  lossPerMille: 50,
  duplicationPerMille: 20,
  delayMs: [1, 40],
  fsyncMs: [1, 30],
  signMs: [1, 5],
}

export interface SimOptions {
  readonly seed: number
  readonly faults: SimFaults
  readonly catalogue: readonly AnyActorDefinition[]
  readonly crypto: Crypto
  /** Called for every step: the score, the checkers. */
  readonly observe?: (node: string, envelope: Envelope, effects: readonly Effect[], state: string) => void
}

/** A node's ledger: what was handed over, and how much of it an fsync has covered. */
interface SimLedger {
  records: LogRecord[]
  durable: number
  committed: number
  /** Set by a test: the disk takes nothing more. */
  full: boolean
}

interface SimNode {
  readonly id: string
  readonly kernel: Kernel
  readonly timers: TimerTable
  readonly ledger: SimLedger
  readonly keys: Map<string, Uint8Array>
  running: boolean
}

/** Virtual time begins here (2026-01-01T00:00:00Z), so that dates in signatures are plausible and the same in every run. */
const EPOCH_MS = Date.UTC(2026, 0, 1)

export class Simulation {
  readonly #options: SimOptions
  readonly #queue = new EventQueue<() => void>()
  readonly #nodes = new Map<string, SimNode>()
  readonly #network: Prng
  readonly #disk: Prng
  readonly #timing: Prng
  readonly #draws: Prng
  readonly #trace = new Fingerprint()
  readonly #cut = new Set<string>()
  #now = EPOCH_MS
  #steps = 0

  constructor(options: SimOptions) {
    this.#options = options
    const root = new Prng(options.seed)
    this.#network = root.fork('network')
    this.#disk = root.fork('disk')
    this.#timing = root.fork('timing')
    this.#draws = root.fork('draws')
  }

  get nowMs(): number {
    return this.#now - EPOCH_MS
  }

  get steps(): number {
    return this.#steps
  }

  /** 16 hexadecimal digits over every step: when, where, what came in, what went out. */
  get traceHash(): string {
    return this.#trace.digest()
  }

  get nodeIds(): readonly string[] {
    return [...this.#nodes.values()].filter(({ running }) => running).map(({ id }) => id)
  }

  addNode(id: string): void {
    const node: SimNode = {
      id,
      running: true,
      keys: new Map(),
      ledger: { records: [], durable: 0, committed: 0, full: false },
      timers: new TimerTable({
        now: () => this.#now,
        wait: (delayMs, callback) => {
          let given = false
          this.#at(delayMs, () => {
            if (!given && node.running) callback()
          })
          return () => {
            given = true
          }
        },
        fire: (address, name) => this.post(id, 'host', address, { type: name }),
      }),
      kernel: new Kernel({
        catalogue: this.#options.catalogue,
        now: () => this.#now,
        checkInvariants: true,
        performer: {
          perform: (from, effect) => this.#perform(node, from, effect),
          appendDurably: (from, effect, whenDurable) => this.#append(node, from, effect.records, whenDurable),
          forget: (address) => node.timers.forget(address),
        },
        observe: (envelope, effects, state) => {
          this.#steps++
          this.#trace.number(this.#now).text(id).add(envelope.event).add(effects)
          this.#options.observe?.(id, envelope, effects, state)
        },
      }),
    }
    this.#nodes.set(id, node)
  }

  /** Starts an actor on a node. */
  start(id: string, address: Address, kind: string, config: unknown): void {
    this.#node(id).kernel.start(address, kind, config)
    this.#drain(this.#node(id))
  }

  /** A private key the node signs with, PKCS#8. */
  installKey(id: string, name: SigningKeyName, pkcs8: Uint8Array): void {
    this.#node(id).keys.set(name, pkcs8)
  }

  /** An event for an actor of a node, now. */
  post(id: string, from: Address, to: Address, event: Message): void {
    const node = this.#node(id)
    if (!node.running) return
    node.kernel.post(from, to, event)
    this.#drain(node)
  }

  /** The node stops for ever, as after kill −9: what was not fsynced is lost. */
  crash(id: string): void {
    const node = this.#node(id)
    node.running = false
    node.timers.clear()
    node.ledger.records = node.ledger.records.filter(({ seqno }) => seqno <= node.ledger.durable)
  }

  fillDisk(id: string): void {
    this.#node(id).ledger.full = true
  }

  /** Messages between the two are lost until `heal`; `oneWay` only those from the first to the second. */
  disconnect(from: string, to: string, oneWay = false): void {
    this.#cut.add(`${from} ${to}`)
    if (!oneWay) this.#cut.add(`${to} ${from}`)
  }

  heal(): void {
    this.#cut.clear()
  }

  ledgerOf(id: string): {
    readonly records: readonly LogRecord[]
    readonly durable: number
    readonly committed: number
  } {
    return this.#node(id).ledger
  }

  stateOf(id: string, address: Address): unknown {
    return this.#node(id).kernel.stateOf(address)
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
      this.#now = next
      this.#queue.pop()!()
    }
    return true
  }

  #node(id: string): SimNode {
    const node = this.#nodes.get(id)
    if (node === undefined) throw new RangeError(`no node ${id} in this simulation`)
    return node
  }

  #at(delayMs: number, callback: () => void): void {
    this.#queue.push(this.#now + delayMs, callback)
  }

  #drain(node: SimNode): void {
    // A step may crash its own node through `observe`; its mailbox dies with it.
    while (node.running && node.kernel.backlog > 0) node.kernel.drain(1)
  }

  #draw([low, high]: readonly [number, number]): number {
    return this.#timing.integer(low, high)
  }

  #later(node: SimNode, delayMs: number, to: Address, event: Message): void {
    this.#at(delayMs, () => this.post(node.id, 'host', to, event))
  }

  #append(node: SimNode, from: Address, records: readonly LogRecord[], whenDurable?: () => void): void {
    const { ledger } = node
    if (ledger.full) {
      this.#later(node, 0, from, { type: 'ledgerFailed', reason: 'ENOSPC: no space left on device' } as Message)
      return
    }
    ledger.records.push(...records)
    const last = records.at(-1)?.seqno ?? 0
    if (whenDurable === undefined) return
    const [low, high] = this.#options.faults.fsyncMs
    this.#at(this.#disk.integer(low, high), () => {
      if (!node.running) return
      ledger.durable = Math.max(ledger.durable, Math.min(last, ledger.records.at(-1)?.seqno ?? 0))
      whenDurable()
      this.#drain(node)
    })
  }

  #perform(node: SimNode, from: Address, effect: OuterEffect): void {
    switch (effect.type) {
      case 'send':
        this.#transmit(node, from, effect)
        return
      case 'setTimer':
        node.timers.set(from, effect.name, this.#draw([Math.round(effect.afterMs[0]), Math.round(effect.afterMs[1])]))
        return
      case 'cancelTimer':
        node.timers.cancel(from, effect.name)
        return
      case 'append':
        this.#append(node, from, effect.records)
        return
      case 'truncate':
        node.ledger.records = node.ledger.records.filter(({ seqno }) => seqno <= effect.after)
        node.ledger.durable = Math.min(node.ledger.durable, effect.after)
        return
      case 'markCommitted':
        node.ledger.committed = effect.seqno
        return
      case 'readLedger': {
        const { records } = node.ledger
        const signature = records.find((r) => r.seqno > effect.seqno && r.kind === 'signature')
        const entry = records.find((r) => r.seqno === effect.seqno)?.bytes
        const found = { entry, signatureSeqno: signature?.seqno, signatureEntry: signature?.bytes }
        this.#later(node, 1, from, { type: 'ledgerRead', token: effect.token, ...found } as Message)
        return
      }
      case 'readEntries': {
        const records = readBack(node.ledger.records, effect.from, effect.to, effect.bytesMax)
        this.#later(node, 1, from, { type: 'entriesRead', token: effect.token, records } as Message)
        return
      }
      case 'sign': {
        const signatures = effect.items.map((item) => this.#sign(node, item))
        this.#later(node, this.#draw(this.#options.faults.signMs), from, {
          type: 'signed',
          token: effect.token,
          signatures,
        } as Message)
        return
      }
      case 'drawBytes': {
        const bytes = this.#draws.bytes(effect.count)
        this.#later(node, 0, from, { type: 'bytesDrawn', token: effect.token, bytes } as Message)
        return
      }
      case 'installKey':
        node.keys.set(effect.name, effect.pkcs8)
        return
      case 'publish':
      case 'trace':
    }
  }

  #sign(node: SimNode, { key, hash, message, format }: SignItem): Uint8Array {
    const pkcs8 = node.keys.get(key)
    if (pkcs8 === undefined) throw new RangeError(`node ${node.id} has no key '${key}'`)
    return this.#options.crypto.signEcdsa(pkcs8, hash, message, format)
  }

  #transmit(node: SimNode, from: Address, effect: Extract<Effect, { readonly type: 'send' }>): void {
    const { actor, node: target } = splitAddress(effect.to)
    const { lossPerMille, duplicationPerMille, delayMs } = this.#options.faults
    const copies = this.#network.chance(duplicationPerMille, 1000) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const lost = this.#network.chance(lossPerMille, 1000)
      const delay = this.#network.integer(delayMs[0], delayMs[1])
      if (lost || target === undefined || !this.#nodes.has(target)) continue
      this.#at(delay, () => {
        if (this.#cut.has(`${node.id} ${target}`)) return
        this.post(target, `${from}@${node.id}`, actor, effect.message)
      })
    }
  }
}

function readBack(records: readonly LogRecord[], from: number, to: number, bytesMax: number): LogRecord[] {
  const found: LogRecord[] = []
  let bytes = 0
  for (const record of records) {
    if (record.seqno < from || record.seqno > to) continue
    bytes += record.bytes.length
    if (found.length > 0 && bytes > bytesMax) break
    found.push(record)
  }
  return found
}

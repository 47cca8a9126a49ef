// What a simulated node does for its actors: each effect, with its virtual duration, drawn from the node's own stream.
// Not time, nodes or their order: those are the Simulation's, which hands itself in as `world`.
import type { Address, Message } from '../../actors/actor.ts'
import { splitAddress } from '../../actors/actor.ts'
import type { Effect, LifecycleStage, SignItem } from '../../actors/effects.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { Prng } from '../prng.ts'
import type { Kernel, OuterEffect } from './kernel.ts'
import type { PastIndexPort } from './ports.ts'
import type { SimClock } from './sim-clock.ts'
import type { SimDisk } from './sim-disk.ts'
import type { SimNetwork } from './sim-network.ts'
import type { TimerTable } from './timer-table.ts'

export interface SimNode {
  readonly id: string
  /** `n0`, `n1`, … in order of creation: short, and the same whatever the keys are. */
  readonly name: string
  readonly kernel: Kernel
  readonly timers: TimerTable
  readonly clock: SimClock
  /** Virtual ms: what every node's clock is wrong about. */
  readonly virtualNow: () => number
  readonly disk: SimDisk
  readonly pastIndex: PastIndexPort
  readonly keys: Map<string, Uint8Array>
  /** Its own streams, so that one node's draws do not shift another's. */
  readonly prng: Prng
  /** Undefined: as the simulation's. */
  signMs: readonly [number, number] | undefined
  running: boolean
}

export interface SimWorld {
  readonly crypto: Crypto
  readonly network: SimNetwork
  readonly fsyncMs: readonly [number, number]
  readonly signMs: readonly [number, number]
  /** Addresses of actors that tolerate messages of other nodes twice and in another order: more than a channel inflicts. */
  readonly tolerant: ReadonlySet<Address>
  readonly onLifecycle: (node: SimNode, stage: LifecycleStage) => void
  nodeOf(id: string): SimNode | undefined
  after(delayMs: number, callback: () => void): void
  post(node: SimNode, from: Address, to: Address, event: Message): void
  /** Runs what is in the node's mailbox. */
  drain(node: SimNode): void
}

export class SimPerformer {
  readonly #world: SimWorld
  /** Addresses split once: they are few and long. */
  readonly #routes = new Map<Address, ReturnType<typeof splitAddress>>()

  constructor(world: SimWorld) {
    this.#world = world
  }

  #later(node: SimNode, delayMs: number, to: Address, event: Message): void {
    this.#world.after(delayMs, () => this.#world.post(node, 'host', to, event))
  }

  append(node: SimNode, from: Address, records: readonly LogRecord[], whenDurable?: () => void): void {
    const { disk } = node
    if (disk.full) {
      this.#later(node, 0, from, { type: 'ledgerFailed', reason: 'ENOSPC: no space left on device' } as Message)
      return
    }
    disk.append(records)
    if (whenDurable === undefined) return
    const [low, high] = disk.fsyncMs ?? this.#world.fsyncMs
    const { delayMs, end } = disk.sync(node.virtualNow(), node.prng.integer(low, high))
    this.#world.after(delayMs, () => {
      if (!node.running) return
      end()
      whenDurable()
      this.#world.drain(node)
    })
  }

  perform(node: SimNode, from: Address, effect: OuterEffect): void {
    const { disk, prng } = node
    switch (effect.type) {
      case 'send':
        this.#transmit(node, from, effect)
        return
      case 'setTimer': {
        const [low, high] = effect.afterMs
        node.timers.set(from, effect.name, prng.integer(Math.round(low), Math.round(high)))
        return
      }
      case 'cancelTimer':
        node.timers.cancel(from, effect.name)
        return
      case 'append':
        this.append(node, from, effect.records)
        return
      case 'truncate':
        disk.truncate(effect.after)
        return
      case 'markCommitted':
        disk.committed = effect.seqno
        return
      case 'readLedger': {
        const signature = disk.signatureAfter(effect.seqno)
        const entry = disk.at(effect.seqno)?.bytes
        const found = { entry, signatureSeqno: signature?.seqno, signatureEntry: signature?.bytes }
        this.#later(node, 1, from, { type: 'ledgerRead', token: effect.token, ...found } as Message)
        return
      }
      case 'readEntries': {
        const records = disk.readBack(effect.from, effect.to, effect.bytesMax)
        this.#later(node, 1, from, { type: 'entriesRead', token: effect.token, records } as Message)
        return
      }
      case 'openIndex':
        node.pastIndex.open(effect.clear, (_, mark) =>
          this.#later(node, 1, from, { type: 'indexOpened', mark } as Message),
        )
        return
      case 'writeIndex':
        node.pastIndex.write(effect.rows, effect.mark, () => this.#later(node, 1, from, { type: 'indexWritten' }))
        return
      case 'readIndex':
        node.pastIndex.read(effect, (_, seqnos) =>
          this.#later(node, 1, from, { type: 'indexRead', token: effect.token, seqnos } as Message),
        )
        return
      case 'listSnapshots': {
        const sizeBytes = (name: string): number => disk.snapshots.get(name)!.length
        const snapshots = disk.snapshotNames.map((fileName) => ({ fileName, sizeBytes: sizeBytes(fileName) }))
        this.#later(node, 1, from, { type: 'snapshotsListed', snapshots } as Message)
        return
      }
      case 'readSnapshot': {
        const { token, fileName, offset, length } = effect
        const bytes = disk.snapshots.get(fileName)?.subarray(offset, offset + length)
        this.#later(node, 1, from, { type: 'snapshotRead', token, bytes } as Message)
        return
      }
      case 'saveSnapshot':
        this.#save(node, from, effect)
        return
      case 'sign': {
        const signatures = effect.items.map((item) => this.#sign(node, item))
        const [low, high] = node.signMs ?? this.#world.signMs
        const signed = { type: 'signed', token: effect.token, signatures }
        this.#later(node, prng.integer(low, high), from, signed)
        return
      }
      case 'drawBytes': {
        const bytes = prng.bytes(effect.count)
        this.#later(node, 0, from, { type: 'bytesDrawn', token: effect.token, bytes } as Message)
        return
      }
      case 'installKey':
        node.keys.set(effect.name, effect.pkcs8)
        return
      case 'lifecycle':
        this.#world.onLifecycle(node, effect.stage)
        return
      case 'publish':
      case 'trace':
    }
  }

  #save(node: SimNode, from: Address, effect: Extract<Effect, { readonly type: 'saveSnapshot' }>): void {
    const { fileName, bytes, keep } = effect
    const [low, high] = node.disk.fsyncMs ?? this.#world.fsyncMs
    const { full } = node.disk
    const reason = full ? 'ENOSPC: no space left on device' : undefined
    this.#world.after(node.prng.integer(low, high), () => {
      if (!node.running) return
      if (!full) node.disk.saveSnapshot(fileName, bytes, keep)
      this.#world.post(node, 'host', from, { type: 'snapshotSaved', fileName, reason } as Message)
    })
  }

  #sign(node: SimNode, { key, hash, message, format }: SignItem): Uint8Array {
    const pkcs8 = node.keys.get(key)
    if (pkcs8 === undefined) throw new RangeError(`node ${node.name} has no key '${key}'`)
    return this.#world.crypto.signEcdsa(pkcs8, hash, message, format)
  }

  #transmit(node: SimNode, from: Address, effect: Extract<Effect, { readonly type: 'send' }>): void {
    let route = this.#routes.get(effect.to)
    if (route === undefined) {
      route = splitAddress(effect.to)
      this.#routes.set(effect.to, route)
    }
    const { actor } = route
    const target = route.node === undefined ? undefined : this.#world.nodeOf(route.node)
    if (target === undefined) return
    const sender = `${from}@${node.id}`
    this.#world.network.transmit(node.name, target.name, this.#world.tolerant.has(actor), () =>
      this.#world.post(target, sender, actor, effect.message),
    )
  }
}

// The live host: real time, NATS, ledger files, keys. It performs what actors ask for and posts the answers; it decides nothing.
// The rule to remember: callbacks of the outside only post; a defect stops the node, with its last steps in a crash file.
import { setImmediate } from 'node:timers'
import type { Address, AnyActorDefinition, Envelope, Message } from '../../actors/actor.ts'
import { splitAddress } from '../../actors/actor.ts'
import type { Effect, HostEvent, LifecycleStage } from '../../actors/effects.ts'
import { StorageError } from '../../store/ledger/files.ts'
import type { Transmit } from '../../protocols/transmit.ts'
import type { Bus } from '../bus/bus.ts'
import { Kernel, type OuterEffect, type Performer } from './kernel.ts'
import type { KeyringPort, LedgerPort, PastIndexPort, SnapshotsPort } from './ports.ts'
import { TimerTable } from './timer-table.ts'

/** Milliseconds since the Unix epoch that never go back, whatever is done to the system clock. */
export const monotonicNow = (): number => performance.timeOrigin + performance.now()

export interface LiveHostOptions {
  readonly catalogue: readonly AnyActorDefinition[]
  readonly bus: Bus
  readonly ledger: LedgerPort
  readonly pastIndex: PastIndexPort
  readonly snapshots: SnapshotsPort
  readonly keyring: KeyringPort
  readonly randomBytes: (count: number) => Uint8Array
  /** A number in [0, 1): timers draw their delay with it. */
  readonly random: () => number
  readonly onLifecycle: (stage: LifecycleStage) => void
  readonly onTrace: (from: Address, point: string, fields: Readonly<Record<string, string | number | boolean>>) => void
  /** Called once, with the last envelopes; the host has stopped. */
  readonly onDefect: (error: Error, lastEnvelopes: readonly Envelope[]) => void
  readonly observe?: (envelope: Envelope, effects: readonly Effect[], state: string) => void
  readonly checkInvariants: boolean
}

const HOST: Address = 'host'
const CRASH_ENVELOPES = 64

export class LiveHost {
  readonly #options: LiveHostOptions
  readonly #timers: TimerTable
  readonly kernel: Kernel
  readonly #last: Envelope[] = []
  #scheduled = false
  #stopped = false

  constructor(options: LiveHostOptions) {
    this.#options = options
    this.#timers = new TimerTable({
      now: monotonicNow,
      wait: (delayMs, callback) => {
        const timer = setTimeout(callback, delayMs)
        return () => clearTimeout(timer)
      },
      fire: (address, name) => this.post(HOST, address, { type: name }),
    })
    const performer: Performer = {
      perform: (from, effect) => this.#perform(from, effect),
      appendDurably: (from, { records }, whenDurable) => {
        options.ledger.append(records, true, (error) => {
          if (this.#stopped) return
          if (error !== undefined) this.#ledgerFailed(from, error)
          else {
            this.#guard(whenDurable)
            this.#schedule()
          }
        })
      },
      forget: (address) => this.#timers.forget(address),
    }
    this.kernel = new Kernel({
      catalogue: options.catalogue,
      performer,
      now: monotonicNow,
      checkInvariants: options.checkInvariants,
      observe: (envelope, effects, state) => {
        if (this.#last.push(envelope) > CRASH_ENVELOPES) this.#last.shift()
        options.observe?.(envelope, effects, state)
      },
    })
  }

  start(address: Address, kind: string, config: unknown): void {
    this.#guard(() => this.kernel.start(address, kind, config))
    this.#schedule()
  }

  post(from: Address, to: Address, event: Message): void {
    if (this.#stopped) return
    this.kernel.post(from, to, event)
    this.#schedule()
  }

  /** No step is taken after this; timers are gone. Files and network belong to whoever gave them. */
  stop(): void {
    this.#stopped = true
    this.#timers.clear()
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped) return
    this.#scheduled = true
    // At the end of this turn of the event loop, so that one turn's messages are handled, and answered, together.
    setImmediate(() => {
      this.#scheduled = false
      if (!this.#stopped) this.#guard(() => this.kernel.drain())
    })
  }

  /** A defect or corrupt data stops the node: going on could only spread it. */
  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.stop()
      this.#options.onDefect(error instanceof Error ? error : new Error(String(error)), this.#last)
    }
  }

  #answer(to: Address, event: HostEvent): void {
    this.post(HOST, to, event)
  }

  #ledgerFailed(to: Address, error: Error): void {
    this.#answer(to, { type: 'ledgerFailed', reason: error.message })
  }

  #answerOrIndexFailed(to: Address, error: Error | undefined, event: HostEvent): void {
    this.#answer(to, error === undefined ? event : { type: 'indexFailed', reason: error.message })
  }

  #perform(from: Address, effect: OuterEffect): void {
    const { ledger, keyring, pastIndex, snapshots } = this.#options
    const orFail = (error: Error | undefined): void => {
      if (error !== undefined) this.#ledgerFailed(from, error)
    }
    switch (effect.type) {
      case 'send':
        this.#transmit(from, effect)
        return
      case 'publish':
        this.#publish(from, effect)
        return
      case 'setTimer': {
        const [low, high] = effect.afterMs
        this.#timers.set(from, effect.name, low + this.#options.random() * (high - low))
        return
      }
      case 'cancelTimer':
        this.#timers.cancel(from, effect.name)
        return
      case 'append':
        ledger.append(effect.records, false, orFail)
        return
      case 'truncate':
        ledger.truncate(effect.after, orFail)
        return
      case 'markCommitted':
        ledger.markCommitted(effect.seqno, orFail)
        return
      case 'readLedger':
        ledger.read(effect.seqno, effect.withSignature, (error, found) => {
          if (error !== undefined) this.#unreadable(from, effect, error)
          const nothing = { entry: undefined, signatureSeqno: undefined, signatureEntry: undefined }
          this.#answer(from, { type: 'ledgerRead', token: effect.token, ...(found ?? nothing) })
        })
        return
      case 'readEntries':
        ledger.readRange(effect.from, effect.to, effect.bytesMax, (error, records) => {
          if (error !== undefined) this.#unreadable(from, effect, error)
          this.#answer(from, { type: 'entriesRead', token: effect.token, records })
        })
        return
      case 'openIndex':
        pastIndex.open(effect.clear, (error, mark) =>
          this.#answerOrIndexFailed(from, error, { type: 'indexOpened', mark }),
        )
        return
      case 'writeIndex':
        pastIndex.write(effect.rows, effect.mark, (error) =>
          this.#answerOrIndexFailed(from, error, { type: 'indexWritten' }),
        )
        return
      case 'readIndex':
        pastIndex.read(effect, (error, seqnos) =>
          this.#answerOrIndexFailed(from, error, { type: 'indexRead', token: effect.token, seqnos }),
        )
        return
      case 'listSnapshots':
        this.#answer(from, {
          type: 'snapshotsListed',
          snapshots: this.#orNothing(from, effect, () => snapshots.list()) ?? [],
        })
        return
      case 'readSnapshot': {
        const { token, fileName, offset, length } = effect
        const bytes = this.#orNothing(from, effect, () => snapshots.read(fileName, offset, length))
        this.#answer(from, { type: 'snapshotRead', token, bytes })
        return
      }
      case 'saveSnapshot': {
        const { fileName, bytes, keep } = effect
        snapshots.save(fileName, bytes, keep, (error) =>
          this.#answer(from, { type: 'snapshotSaved', fileName, reason: error?.message }),
        )
        return
      }
      case 'sign':
        keyring.sign(effect.items, (error, signatures) => {
          if (error !== undefined) {
            this.#guard(() => {
              throw error
            })
          } else this.#answer(from, { type: 'signed', token: effect.token, signatures })
        })
        return
      case 'drawBytes':
        this.#answer(from, { type: 'bytesDrawn', token: effect.token, bytes: this.#options.randomBytes(effect.count) })
        return
      case 'installKey':
        keyring.install(effect.name, effect.pkcs8)
        return
      case 'lifecycle':
        this.#options.onLifecycle(effect.stage)
        return
      case 'trace':
        this.#options.onTrace(from, effect.point, effect.fields)
    }
  }

  /** Too large for this server: lost, as any message may be. Nodes refuse servers that take less than they send (runtime/node.ts). */
  #publish(from: Address, { subject, payload, reply }: Extract<Effect, { readonly type: 'publish' }>): void {
    try {
      this.#options.bus.publish(subject, payload, reply === undefined ? {} : { reply })
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#options.onTrace(from, 'publishRefused', { bytes: payload.length, reason: error.message })
    }
  }

  /** What cannot be read counts as not being there; it is said. */
  #orNothing<T>(from: Address, effect: OuterEffect, read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#unreadable(from, effect, error)
      return undefined
    }
  }

  #unreadable(from: Address, effect: OuterEffect, error: Error): void {
    this.#options.onTrace(from, 'ledgerUnreadable', { effect: effect.type, reason: error.message })
  }

  #transmit(from: Address, effect: Extract<Effect, { readonly type: 'send' }>): void {
    const { actor, node } = splitAddress(effect.to)
    const transmit: Transmit = { type: 'transmit', fromActor: from, toActor: actor, message: effect.message }
    this.post(from, `channel/${node}`, transmit)
  }
}

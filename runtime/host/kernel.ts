// The part every host shares: actors by address, one mailbox, run to completion, effects in order.
// Not a clock, network or disk: what an actor cannot do by itself is handed to the host's performer.
// The rule to remember: outside callbacks only `post`; steps run in `drain`, one after the other, in the order of the mailbox.
import type { Address, AnyActorDefinition, Envelope, Message } from '../../actors/actor.ts'
import { splitAddress } from '../../actors/actor.ts'
import type { Effect } from '../../actors/effects.ts'
import { InvariantViolation } from '../../protocols/errors.ts'

/** Effects a kernel does not perform itself. */
export type OuterEffect = Exclude<Effect, { readonly type: 'startActor' | 'stopActor' }>

export interface Performer {
  /** A `send` to another node arrives here as a `send`; one to this node never does. */
  perform(from: Address, effect: OuterEffect): void
  /** Like perform, for an append with `flush`: calls back when it is durable. */
  appendDurably(from: Address, effect: Extract<Effect, { readonly type: 'append' }>, whenDurable: () => void): void
  /** An actor was stopped: its timers and whatever else is kept for it go. */
  forget(address: Address): void
}

export interface KernelOptions {
  readonly catalogue: readonly AnyActorDefinition[]
  readonly performer: Performer
  /** Milliseconds since the Unix epoch; must not go back. */
  readonly now: () => number
  /** Called before each step is performed: the journal's and the trace's seam. */
  readonly observe?: (envelope: Envelope, effects: readonly Effect[], state: string) => void
  /** Asserts every invariant after every step; off on production hot paths. */
  readonly checkInvariants: boolean
}

interface Instance {
  readonly definition: AnyActorDefinition
  state: unknown
}

/** Events taken before the mailbox is cut. */
const MAILBOX_CHUNK = 1024

/** Runs the actors of one node. */
export class Kernel {
  readonly #options: KernelOptions
  readonly #definitions: ReadonlyMap<string, AnyActorDefinition>
  readonly #actors = new Map<Address, Instance>()
  #mailbox: Envelope[] = []
  #head = 0
  #seq = 0

  constructor(options: KernelOptions) {
    this.#options = options
    this.#definitions = new Map(options.catalogue.map((definition) => [definition.kind, definition]))
  }

  get backlog(): number {
    return this.#mailbox.length - this.#head
  }

  /** Steps taken so far. */
  get steps(): number {
    return this.#seq
  }

  has(address: Address): boolean {
    return this.#actors.has(address)
  }

  /** Addresses and chart states of all actors, in order of start. */
  describe(): readonly { readonly address: Address; readonly kind: string; readonly state: string }[] {
    return [...this.#actors].map(([address, { definition, state }]) => ({
      address,
      kind: definition.kind,
      state: definition.describe(state),
    }))
  }

  /** The state of an actor, for tests and telemetry; the host must not change it. */
  stateOf(address: Address): unknown {
    return this.#actors.get(address)?.state
  }

  start(address: Address, kind: string, config: unknown): void {
    const definition = this.#definitions.get(kind)
    if (definition === undefined) throw new InvariantViolation(`no actor of kind '${kind}' in the catalogue`)
    if (this.#actors.has(address)) throw new InvariantViolation(`actor ${address} is running already`)
    const { state, effects } = definition.start(config)
    this.#actors.set(address, { definition, state })
    this.#performAll(address, effects)
  }

  /** Puts an event at the end of the mailbox. Events for actors that do not run are dropped when their turn comes. */
  post(from: Address, to: Address, event: Message): void {
    this.#mailbox.push({ seq: 0, at: 0, from, to, event })
  }

  /** Runs until the mailbox is empty, or `stepsMax` steps were taken. Returns the number of steps. */
  drain(stepsMax = Number.MAX_SAFE_INTEGER): number {
    let steps = 0
    while (this.#head < this.#mailbox.length && steps < stepsMax) {
      const { from, to, event } = this.#mailbox[this.#head++]!
      this.deliver({ seq: this.#seq + 1, at: this.#options.now(), from, to, event })
      steps++
      if (this.#head === MAILBOX_CHUNK) this.#forgetTaken()
    }
    if (this.#head === this.#mailbox.length) this.#forgetTaken()
    return steps
  }

  /** Events that were taken must not stay in memory while a long drain goes on. */
  #forgetTaken(): void {
    this.#mailbox = this.#mailbox.slice(this.#head)
    this.#head = 0
  }

  /** One step. Used by `drain`, and by replay, which brings its own envelopes. */
  deliver(envelope: Envelope): readonly Effect[] {
    const actor = this.#actors.get(envelope.to)
    if (actor === undefined) return []
    this.#seq = envelope.seq
    const { state, effects } = actor.definition.step(actor.state, envelope)
    actor.state = state
    if (this.#options.checkInvariants) this.#assertInvariants(envelope.to, actor)
    this.#options.observe?.(envelope, effects, actor.definition.describe(state))
    this.#performAll(envelope.to, effects)
    return effects
  }

  #assertInvariants(address: Address, { definition, state }: Instance): void {
    for (const { name, broken } of definition.invariants) {
      const problem = broken(state)
      if (problem !== undefined) throw new InvariantViolation(`${address}: ${name}: ${problem}`)
    }
  }

  #performAll(address: Address, effects: readonly Effect[]): void {
    for (let i = 0; i < effects.length; i++) {
      const effect = effects[i]!
      if (effect.type === 'append' && effect.flush) {
        const after = effects.slice(i + 1)
        // What follows a durable append waits for it if it tells someone; the rest does not depend on it.
        const waiting = after.filter(({ type }) => type === 'send' || type === 'publish')
        this.#options.performer.appendDurably(address, effect, () => this.#performAll(address, waiting))
        this.#performAll(
          address,
          after.filter(({ type }) => type !== 'send' && type !== 'publish'),
        )
        return
      }
      this.#performOne(address, effect)
    }
  }

  #performOne(address: Address, effect: Effect): void {
    switch (effect.type) {
      case 'send':
        if (splitAddress(effect.to).node === undefined) this.post(effect.from ?? address, effect.to, effect.message)
        else this.#options.performer.perform(address, effect)
        return
      case 'startActor':
        this.start(effect.address, effect.kind, effect.config)
        return
      case 'stopActor':
        this.#actors.delete(effect.address)
        this.#options.performer.forget(effect.address)
        return
      default:
        this.#options.performer.perform(address, effect)
    }
  }
}

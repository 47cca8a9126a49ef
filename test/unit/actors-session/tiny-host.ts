// A host just large enough to drive actors in unit tests: one mailbox, virtual time, seeded randomness, and a record of what was published.
// Not a model of the real hosts; everything an actor asks for beyond this list is a failure of the test.
import type { AnyActorDefinition, Envelope, Message } from '../../../actors/actor.ts'
import type { Effect } from '../../../actors/effects.ts'

export interface Published {
  readonly from: string
  readonly subject: string
  readonly payload: Uint8Array
  readonly reply: string | undefined
}

/** A small generator with a full period of 2^32: enough to make tests repeatable, and nothing more. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

interface Timer {
  readonly actor: string
  readonly name: string
  readonly at: number
}

export class TinyHost {
  now = 0
  readonly published: Published[] = []
  readonly traces: { readonly from: string; readonly point: string; readonly fields: Effect & { type: 'trace' } }[] = []
  /** Messages to addresses no actor has. */
  readonly sent: { readonly from: string; readonly to: string; readonly message: Message }[] = []
  readonly stopped: string[] = []
  onPublish: ((message: Published) => void) | undefined
  onSend: ((to: string, message: Message, from: string) => void) | undefined
  readonly #actors = new Map<string, { readonly definition: AnyActorDefinition; state: unknown }>()
  readonly #timers = new Map<string, Timer>()
  readonly #mailbox: Envelope[] = []
  readonly #random: () => number
  #seq = 0

  constructor(seed = 1) {
    this.#random = seeded(seed)
  }

  start(address: string, definition: AnyActorDefinition, config: unknown): void {
    const first = definition.start(config)
    this.#actors.set(address, { definition, state: first.state })
    this.#perform(address, first.effects)
    this.drain()
  }

  /** Handles one event and everything that follows from it at once. */
  post(to: string, event: Message, from = 'test'): void {
    this.enqueue(to, event, from)
    this.drain()
  }

  enqueue(to: string, event: Message, from = 'test'): void {
    this.#mailbox.push({ seq: ++this.#seq, at: this.now, from, to, event })
  }

  receive(to: string, payload: Uint8Array, reply?: string): void {
    this.post(to, { type: 'received', subject: 'any', reply, payload } as Message)
  }

  drain(): void {
    for (let envelope = this.#mailbox.shift(); envelope !== undefined; envelope = this.#mailbox.shift()) {
      const actor = this.#actors.get(envelope.to)
      if (actor === undefined) continue
      const next = actor.definition.step(actor.state, envelope)
      actor.state = next.state
      for (const { name, broken } of actor.definition.invariants) {
        const problem = broken(next.state)
        if (problem !== undefined) throw new Error(`${envelope.to}: ${name}: ${problem}`)
      }
      this.#perform(envelope.to, next.effects)
    }
  }

  /** Lets time pass, firing timers in order. */
  advance(ms: number): void {
    const until = this.now + ms
    while (true) {
      const due = [...this.#timers.entries()].filter(([, { at }]) => at <= until).sort((a, b) => a[1].at - b[1].at)[0]
      if (due === undefined) break
      this.#timers.delete(due[0])
      this.now = Math.max(this.now, due[1].at)
      this.post(due[1].actor, { type: due[1].name }, due[1].actor)
    }
    this.now = until
  }

  timerIsSet(actor: string, name: string): boolean {
    return this.#timers.has(`${actor} ${name}`)
  }

  describe(address: string): string | undefined {
    const actor = this.#actors.get(address)
    return actor?.definition.describe(actor.state)
  }

  stateOf(address: string): unknown {
    return this.#actors.get(address)?.state
  }

  tracesOf(point: string): number {
    return this.traces.filter((trace) => trace.point === point).length
  }

  #perform(from: string, effects: readonly Effect[]): void {
    for (const effect of effects) this.#performOne(from, effect)
  }

  #performOne(from: string, effect: Effect): void {
    switch (effect.type) {
      case 'send': {
        const sender = effect.from ?? from
        if (this.#actors.has(effect.to)) this.enqueue(effect.to, effect.message, sender)
        else this.sent.push({ from: sender, to: effect.to, message: effect.message })
        this.onSend?.(effect.to, effect.message, sender)
        return
      }
      case 'publish': {
        const message = { from, subject: effect.subject, payload: effect.payload, reply: effect.reply }
        this.published.push(message)
        this.onPublish?.(message)
        return
      }
      case 'setTimer': {
        const [min, max] = effect.afterMs
        const at = this.now + min + this.#random() * (max - min)
        this.#timers.set(`${from} ${effect.name}`, { actor: from, name: effect.name, at })
        return
      }
      case 'cancelTimer':
        this.#timers.delete(`${from} ${effect.name}`)
        return
      case 'drawBytes': {
        const bytes = Uint8Array.from({ length: effect.count }, () => Math.floor(this.#random() * 256))
        this.enqueue(from, { type: 'bytesDrawn', token: effect.token, bytes } as Message, 'host')
        return
      }
      case 'stopActor':
        this.stopped.push(effect.address)
        this.#actors.delete(effect.address)
        for (const [key, timer] of this.#timers) if (timer.actor === effect.address) this.#timers.delete(key)
        return
      case 'trace':
        this.traces.push({ from, point: effect.point, fields: effect })
        return
      default:
        throw new Error(`the tiny host does not do ${effect.type}`)
    }
  }
}

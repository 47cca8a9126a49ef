// A few actors of one node, run by the real kernel for one step of a model: mailbox, run to completion, effects in order, sends that wait for an
// append. Between steps everything is plain data: what waits for an fsync is kept by the disk as the messages it will post.
// The rule to remember: the kernel decides the order, the model only when an fsync ends and what fails.
import type { AnyStateMachine } from 'xstate'
import type { Address, AnyActorDefinition, Envelope } from '../../../actors/actor.ts'
import { NO_EFFECTS } from '../../../actors/actor.ts'
import type { MachineState } from '../../../actors/machine.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import { edgeOf } from '../../check/chart-edges.ts'
import { Kernel, type OuterEffect } from '../../host/kernel.ts'
import { append, beginFlush, markCommitted, truncate, type Disk, type Done, type Post } from './disk.ts'

export interface Actor {
  readonly definition: AnyActorDefinition
  readonly machine: AnyStateMachine
  readonly state: unknown
}

export interface Ran {
  readonly states: Readonly<Record<Address, unknown>>
  readonly disk: Disk
  /** To other nodes, to actors that are not modelled, and `ledgerFailed`, which comes when its turn comes. In order. */
  readonly out: readonly Post[]
  readonly edges: readonly string[]
}

/** Handles `posts`, and all that follows from them among `actors`, at the host's clock `at` (ms). `outside`: actors whose mail leaves. */
export const runActors = (
  actors: Readonly<Record<Address, Actor>>,
  disk: Disk,
  posts: readonly Post[],
  outside: readonly Address[],
  at = 0,
): Ran => new Run(actors, disk, outside, at).run(posts)

class Run {
  readonly #kernel: Kernel
  readonly #addresses: readonly Address[]
  readonly #edges: string[] = []
  readonly #out: Post[] = []
  readonly #waiting: { readonly flush: number; readonly whenDurable: () => void }[] = []
  #disk: Disk
  /** Once set, nothing is handled any more, only written down. */
  #probed: Post[] | undefined

  constructor(actors: Readonly<Record<Address, Actor>>, disk: Disk, outside: readonly Address[], at: number) {
    this.#disk = disk
    this.#addresses = Object.keys(actors)
    this.#kernel = new Kernel({
      catalogue: [
        ...this.#addresses.map((address) => this.#watched(address, actors[address]!)),
        ...outside.map((address) => this.#recorder(address)),
      ],
      performer: {
        perform: (from, effect) => this.#perform(from, effect),
        appendDurably: (from, { records }, whenDurable) => this.#appendDurably(from, records, whenDurable),
        forget: () => undefined,
      },
      now: () => at,
      checkInvariants: true,
    })
    for (const address of [...this.#addresses, ...outside]) this.#kernel.start(address, address, undefined)
  }

  run(posts: readonly Post[]): Ran {
    for (const { from, to, message } of posts) this.#kernel.post(from, to, message)
    this.#kernel.drain()
    const states = Object.fromEntries(this.#addresses.map((address) => [address, this.#kernel.stateOf(address)]))
    for (const { flush, whenDurable } of this.#waiting) this.#keep(flush, whenDurable)
    return { states, disk: this.#disk, out: this.#out, edges: this.#edges }
  }

  /** What the kernel does when a flush ends is a closure of its own: it is let go here, and what it posts is written down, not handled. */
  #keep(number: number, whenDurable: () => void): void {
    this.#probed = []
    whenDurable()
    this.#kernel.drain()
    const then = this.#probed
    const flushes = this.#disk.flushes.map((flush, i) => (i === number ? { ...flush, then } : flush))
    this.#disk = { ...this.#disk, flushes }
  }

  #watched(address: Address, { definition, machine, state }: Actor): AnyActorDefinition {
    return {
      ...definition,
      kind: address,
      start: () => ({ state, effects: NO_EFFECTS }),
      step: (before, envelope) => {
        if (this.#probed !== undefined) {
          this.#probed.push(postOf(envelope))
          return { state: before, effects: NO_EFFECTS }
        }
        const { value, s } = before as MachineState<unknown>
        const edge = edgeOf(machine, value, s, envelope)
        if (edge !== undefined) this.#edges.push(edge)
        return definition.step(before, envelope)
      },
    }
  }

  /** Stands where an actor is that is not modelled: the kernel would drop its mail. */
  #recorder(address: Address): AnyActorDefinition {
    return {
      kind: address,
      version: 1,
      start: () => ({ state: undefined, effects: NO_EFFECTS }),
      step: (state, envelope) => {
        this.#write(postOf(envelope))
        return { state, effects: NO_EFFECTS }
      },
      describe: () => 'outside',
      invariants: [],
    }
  }

  #perform(from: Address, effect: OuterEffect): void {
    // Timers, traces and publications are no concern of a model: what a timer leads to is one of its actions.
    if (effect.type === 'send') this.#write({ from: effect.from ?? from, to: effect.to, message: effect.message })
    else if (effect.type === 'append') this.#do(from, append(this.#disk, effect.records))
    else if (effect.type === 'truncate') this.#do(from, truncate(this.#disk, effect.after))
    else if (effect.type === 'markCommitted') this.#do(from, markCommitted(this.#disk, effect.seqno))
  }

  #write(post: Post): void {
    const into = this.#probed ?? this.#out
    into.push(post)
  }

  #appendDurably(from: Address, records: readonly LogRecord[], whenDurable: () => void): void {
    const done = append(this.#disk, records)
    this.#do(from, done)
    if (done.failures > 0) return
    this.#waiting.push({ flush: this.#disk.flushes.length, whenDurable })
    this.#disk = beginFlush(this.#disk)
  }

  #do(from: Address, { disk, failures }: Done): void {
    this.#disk = disk
    for (let i = 0; i < failures; i++) this.#out.push(failed(from))
  }
}

export const failed = (to: Address): Post => ({
  from: 'host',
  to,
  message: { type: 'ledgerFailed', reason: 'modelled' } as Post['message'],
})

const postOf = ({ from, to, event }: Envelope): Post => ({ from, to, message: event })

// The space of worlds of a model: how a world is written as integers, and what may happen next in it.
// A world is [state of each place…, set of crashed places, what was spent of each budget…, packets in flight…]. States and packets are numbers
// of interned values, so each local step of an actor is taken once, however many worlds it occurs in: that is where the speed comes from.
// The rule to remember: nothing here depends on the order in which a search asks.
import { Interner } from './interner.ts'
import type { Action, AnyModel, Outcome, Pace } from './model.ts'

/** What happened between two worlds, for people and for replay. */
export type Event =
  | { readonly kind: 'act'; readonly place: number; readonly name: string }
  /** `message`: its key, where the network does not keep order; where it does, it is the oldest of its link. */
  | {
      readonly kind: 'deliver' | 'drop' | 'duplicate'
      readonly from: number
      readonly to: number
      readonly message?: string
    }
  | { readonly kind: 'crash'; readonly place: number }

/** A local step, interned. */
export interface LocalStep {
  readonly state: number
  readonly packets: readonly number[]
  readonly violation: string | undefined
}

interface LocalAction {
  readonly action: Action
  readonly step: LocalStep
}

interface Packet {
  readonly from: number
  readonly to: number
  readonly message: number
  readonly kind: string
}

/** Something that may happen next, not yet taken. */
export interface Move {
  readonly event: Event
  /** Where in the world the packet is that is delivered or lost; −1 if none is. */
  readonly at: number
  /** The local step; undefined when no place takes one. */
  readonly step: LocalStep | undefined
  readonly budget: number | undefined
}

/** Called for each successor; `world` is scratch of `length` words and must be copied to be kept. */
export type Visit = (event: Event, world: Int32Array, length: number, violation: string | undefined) => void

/** Packets in flight that a world may hold: a model that exceeds it floods its network. */
const PACKETS_MAX = 256

export class Space {
  readonly model: AnyModel
  readonly states: Interner<unknown>
  readonly messages: Interner<unknown>
  readonly #packetNumbers = new Map<number, number>()
  readonly packets: Packet[] = []
  readonly #received: (Map<number, LocalStep> | undefined)[] = []
  readonly #acted: (readonly LocalAction[] | undefined)[] = []
  readonly #isBeyond: (boolean | undefined)[] = []
  readonly #isContending: (boolean | undefined)[] = []
  /** Chart edges taken so far, with how many distinct local steps took them. */
  readonly edges = new Map<string, number>()
  readonly #scratch: Int32Array
  /** Words before the packets. */
  readonly fixed: number
  readonly places: number
  localSteps = 0

  constructor(model: AnyModel) {
    this.model = model
    this.places = model.places.length
    this.fixed = this.places + 1 + model.budgets.length
    this.#scratch = new Int32Array(this.fixed + PACKETS_MAX)
    this.states = new Interner(model.stateKey)
    this.messages = new Interner(model.messageKey)
  }

  initial(): Int32Array {
    const world = new Int32Array(this.fixed)
    this.model.initial.forEach((state, place) => {
      world[place] = this.states.number(state)
    })
    return world
  }

  /** What is wrong with a place before anything has happened. */
  initialViolation(): string | undefined {
    for (const state of this.model.initial) {
      const problem = this.#wrong(state, state)
      if (problem !== undefined) return problem
    }
    return undefined
  }

  statesOf(world: ArrayLike<number>): unknown[] {
    return Array.from({ length: this.places }, (_, place) => this.states.value(world[place]!))
  }

  isCrashed(world: ArrayLike<number>, place: number): boolean {
    return ((world[this.places]! >> place) & 1) === 1
  }

  aliveIn(world: ArrayLike<number>): boolean[] {
    return Array.from({ length: this.places }, (_, place) => !this.isCrashed(world, place))
  }

  packetNumber(from: number, to: number, message: number): number {
    const key = (message * this.places + from) * this.places + to
    const known = this.#packetNumbers.get(key)
    if (known !== undefined) return known
    this.#packetNumbers.set(key, this.packets.length)
    this.packets.push({ from, to, message, kind: this.model.kindOf(this.messages.value(message)) })
    return this.packets.length - 1
  }

  /** Every world that may come next. Places in order, actions before messages, oldest messages first. */
  successors(world: Int32Array, length: number, visit: Visit): void {
    for (const move of this.moves(world, length)) {
      visit(move.event, this.#scratch, this.take(world, length, move), move.step?.violation)
    }
  }

  /** Everything that may happen next, in that order. */
  moves(world: Int32Array, length: number): Move[] {
    const moves: Move[] = []
    for (let place = 0; place < this.places; place++) {
      if (!this.isCrashed(world, place) && this.#beyond(world[place]!)) return moves
    }
    for (let place = 0; place < this.places; place++) {
      if (!this.isCrashed(world, place)) this.#addActions(world, length, place, moves)
    }
    this.#addMessages(world, length, moves)
    this.#addCrashes(world, moves)
    return moves
  }

  /** The world after a move, in `scratch`. @returns its length */
  take(world: Int32Array, length: number, { event, at, step, budget }: Move): number {
    switch (event.kind) {
      case 'act': {
        const after = this.#apply(world, length, event.place, step!, -1)
        if (budget !== undefined) this.#scratch[this.places + 1 + budget]!++
        return after
      }
      case 'deliver':
        return this.#apply(world, length, event.to, step!, at)
      case 'duplicate':
        return this.#apply(world, length, event.to, step!, -1)
      case 'drop':
        return this.#without(world, length, at)
      case 'crash':
        return this.#crash(world, length, event.place)
    }
  }

  get scratch(): Int32Array {
    return this.#scratch
  }

  #addActions(world: Int32Array, length: number, place: number, moves: Move[]): void {
    for (const { action, step } of this.#actionsOf(world[place]!, place)) {
      const { budget } = action
      if (budget !== undefined && world[this.places + 1 + budget]! >= this.model.budgets[budget]!.limit) continue
      if (action.contends === true && !this.#mayContend(world, place)) continue
      if (action.pacedBy !== undefined && this.#isBusy(world, length, place, action.pacedBy)) continue
      moves.push({ event: { kind: 'act', place, name: action.name }, at: -1, step, budget })
    }
  }

  #addMessages(world: Int32Array, length: number, moves: Move[]): void {
    const { network } = this.model
    const isFifo = network === 'fifo' || network === 'lossy'
    for (let at = this.fixed; at < length; at++) {
      const number = world[at]!
      const { from, to, message } = this.packets[number]!
      // In order: only the oldest of a link. Otherwise: equal packets are one choice.
      if (isFifo ? this.#isBehind(world, at) : this.#seenBefore(world, at)) continue
      const kind = network === 'duplicating' ? 'duplicate' : 'deliver'
      const step = this.#receive(world[to]!, to, number)
      const event: Event = isFifo ? { kind, from, to } : { kind, from, to, message: this.messages.key(message) }
      moves.push({ event, at, step, budget: undefined })
      if (network === 'lossy') {
        moves.push({ event: { kind: 'drop', from, to }, at, step: undefined, budget: undefined })
      }
    }
  }

  #addCrashes(world: Int32Array, moves: Move[]): void {
    const { crashes } = this.model
    if (crashes === undefined) return
    const alive = this.aliveIn(world)
    if (alive.filter((is) => !is).length >= crashes.max) return
    for (let place = 0; place < this.places; place++) {
      if (!alive[place]) continue
      const left = alive.map((is, other) => is && other !== place)
      if (!crashes.isSurvivable(this.statesOf(world), left)) continue
      moves.push({ event: { kind: 'crash', place }, at: -1, step: undefined, budget: undefined })
    }
  }

  /** What was sent to a crashed place is lost; what it sent is still under way. */
  #crash(world: Int32Array, length: number, place: number): number {
    this.#scratch.set(world.subarray(0, this.fixed))
    this.#scratch[this.places]! |= 1 << place
    let end = this.fixed
    for (let i = this.fixed; i < length; i++) {
      if (this.packets[world[i]!]!.to !== place) this.#scratch[end++] = world[i]!
    }
    return end
  }

  /** Writes the world after a local step into scratch, without the packet at `taken` (−1: none). @returns its length */
  #apply(world: Int32Array, length: number, place: number, step: LocalStep, taken: number): number {
    const scratch = this.#scratch
    let end: number
    if (taken < 0) {
      scratch.set(world.subarray(0, length))
      end = length
    } else end = this.#without(world, length, taken)
    scratch[place] = step.state
    for (const number of step.packets) end = this.#insert(end, number)
    return end
  }

  #without(world: Int32Array, length: number, taken: number): number {
    this.#scratch.set(world.subarray(0, taken))
    for (let i = taken + 1; i < length; i++) this.#scratch[i - 1] = world[i]!
    return length - 1
  }

  /** Packets are kept by link, oldest first; where order does not matter, by number. What is sent to a crashed place is lost. */
  #insert(end: number, number: number): number {
    const scratch = this.#scratch
    const { network } = this.model
    if (this.isCrashed(scratch, this.packets[number]!.to)) return end
    if (end >= scratch.length) throw new RangeError(`more than ${PACKETS_MAX} packets in flight`)
    const isFifo = network === 'fifo' || network === 'lossy'
    const rank = isFifo ? this.#link(number) : number
    let at = end
    while (at > this.fixed && (isFifo ? this.#link(scratch[at - 1]!) : scratch[at - 1]!) > rank) at--
    if (network === 'duplicating' && at > this.fixed && scratch[at - 1] === number) return end
    for (let i = end; i > at; i--) scratch[i] = scratch[i - 1]!
    scratch[at] = number
    return end + 1
  }

  #link(number: number): number {
    const { from, to } = this.packets[number]!
    return from * this.places + to
  }

  /** True unless it is the oldest packet of its link. Packets of a link stand together. */
  #isBehind(world: Int32Array, at: number): boolean {
    return at > this.fixed && this.#link(world[at - 1]!) === this.#link(world[at]!)
  }

  #seenBefore(world: Int32Array, at: number): boolean {
    for (let i = this.fixed; i < at; i++) if (world[i] === world[at]) return true
    return false
  }

  #isBusy(world: Int32Array, length: number, place: number, { sent, answer }: Pace): boolean {
    const counts = new Array<number>(this.places).fill(0)
    for (let i = this.fixed; i < length; i++) {
      const { from, to, kind } = this.packets[world[i]!]!
      let other = -1
      if (from === place && kind === sent) other = to
      else if (to === place && kind === answer) other = from
      if (other < 0) continue
      counts[other]!++
      if (counts[other]! >= this.model.inFlightMax) return true
    }
    return false
  }

  #mayContend(world: Int32Array, place: number): boolean {
    const { contention } = this.model
    if (contention === undefined) return true
    let others = 0
    for (let other = 0; other < this.places; other++) {
      const state = world[other]!
      if (other === place || this.isCrashed(world, other)) continue
      if ((this.#isContending[state] ??= contention.isContending(this.states.value(state)))) others++
    }
    return others < contention.max
  }

  #beyond(state: number): boolean {
    return (this.#isBeyond[state] ??= this.model.isBeyond(this.states.value(state)))
  }

  #actionsOf(state: number, place: number): readonly LocalAction[] {
    const known = this.#acted[state]
    if (known !== undefined) return known
    const before = this.states.value(state)
    const actions = this.model
      .actions(before, place)
      .map((action) => ({ action, step: this.#intern(place, before, () => this.model.act(before, place, action)) }))
    this.#acted[state] = actions
    return actions
  }

  #receive(state: number, place: number, packet: number): LocalStep {
    const steps = (this.#received[state] ??= new Map<number, LocalStep>())
    const known = steps.get(packet)
    if (known !== undefined) return known
    const before = this.states.value(state)
    const { from, message } = this.packets[packet]!
    const step = this.#intern(place, before, () =>
      this.model.receive(before, place, from, this.messages.value(message)),
    )
    steps.set(packet, step)
    return step
  }

  /** Takes a local step and asks every property of states and steps about it. An actor that throws is a violation too. */
  #intern(place: number, before: unknown, take: () => Outcome<unknown, unknown>): LocalStep {
    this.localSteps++
    let outcome: Outcome<unknown, unknown>
    try {
      outcome = take()
    } catch (error) {
      return { state: this.states.number(before), packets: [], violation: `${String(error)}` }
    }
    for (const edge of outcome.edges) this.edges.set(edge, (this.edges.get(edge) ?? 0) + 1)
    const packets = outcome.sends.map(({ to, message }) => this.packetNumber(place, to, this.messages.number(message)))
    const violation = outcome.violation ?? this.#wrong(before, outcome.state)
    return { state: this.states.number(outcome.state), packets, violation }
  }

  #wrong(before: unknown, after: unknown): string | undefined {
    for (const { name, broken } of this.model.stateProperties) {
      const problem = broken(after)
      if (problem !== undefined) return `${name}: ${problem}`
    }
    for (const { name, broken } of this.model.stepProperties) {
      const problem = broken(before, after)
      if (problem !== undefined) return `${name}: ${problem}`
    }
    return undefined
  }
}

// The contract between what decides (actors) and what performs (hosts). DESIGN §3.
// An actor is a pure step function: it returns its next state and, as data, what should happen. It performs nothing.
// The rule to remember: results never return from effects; they come back later as events.
import type { Address, Effect, Message } from './effects.ts'

export type { Address, Message } from './effects.ts'

/** The node an address names, or undefined for this node. */
export function splitAddress(address: Address): { readonly actor: string; readonly node: string | undefined } {
  const at = address.indexOf('@')
  return at < 0 ? { actor: address, node: undefined } : { actor: address.slice(0, at), node: address.slice(at + 1) }
}

export interface Envelope<E extends Message = Message> {
  /** Position in the node's one order of events. */
  readonly seq: number
  /** Milliseconds of the host's monotonic clock. Never compared between nodes. */
  readonly at: number
  readonly from: Address
  readonly to: Address
  readonly event: E
}

/** What one event led to. The same `state` reference means: nothing changed. */
export interface Step<S> {
  readonly state: S
  readonly effects: readonly Effect[]
}

export interface Invariant<S> {
  readonly name: string
  /** A sentence that says what is wrong, or undefined. */
  readonly broken: (state: S) => string | undefined
}

export interface ActorDefinition<Config, State, E extends Message> {
  readonly kind: string
  /** Raised when the state or its meaning changes: journals name it. */
  readonly version: number
  start(config: Config): Step<State>
  /** Total, synchronous, deterministic; mutates nothing. Throws only InvariantViolation or CorruptDataError. */
  step(state: State, envelope: Envelope<E>): Step<State>
  /** The chart's state, for telemetry and tests. */
  describe(state: State): string
  readonly invariants: readonly Invariant<State>[]
}

/** A definition as a host sees it, whatever its types. */
export type AnyActorDefinition = ActorDefinition<unknown, unknown, Message>

export const NO_EFFECTS: readonly Effect[] = []
export const unchanged = <S>(state: S): Step<S> => ({ state, effects: NO_EFFECTS })
export const step = <S>(state: S, ...effects: readonly Effect[]): Step<S> => ({ state, effects })

/** Forgets a definition's types so that it can stand in a host's catalogue. The host hands each actor only its own state back. */
export const erase = <C, S, E extends Message>(definition: ActorDefinition<C, S, E>): AnyActorDefinition =>
  definition as unknown as AnyActorDefinition

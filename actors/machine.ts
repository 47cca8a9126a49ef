// XState behind one door: turns a machine made with setup() into an ActorDefinition. DESIGN §3.
// XState defines, checks and draws the charts. A step reads them as a table (chart.ts): XState's own interpreter is made for far more than our charts
// have, and takes 15 µs a step (6 when parts of it are reused) where a table takes a tenth; test/property/machine.test.ts holds the two equal.
// The rule to remember: the chart decides, a function does. Actions are pure functions (state, envelope) => Step.
import { assign, type AnyStateMachine, type MachineContext } from 'xstate'
import { InvariantViolation } from '../protocols/errors.ts'
import type { ActorDefinition, Envelope, Invariant, Message, Step } from './actor.ts'
import { NO_EFFECTS } from './actor.ts'
import { chartTable, initialState, type Edge } from './chart.ts'
import type { Effect } from './effects.ts'

/** The machine's context: the domain record, and what the actions of one event have asked for so far. */
export interface Context<S> extends MachineContext {
  readonly s: S
  readonly effects: readonly Effect[]
  /** The event that `effects` belong to; effects of an earlier one count as none. */
  readonly of: unknown
}

/** For `createMachine({ context: contextOf })`. */
export const contextOf = <S>({ input }: { readonly input: S }): Context<S> => ({
  s: input,
  effects: NO_EFFECTS,
  of: undefined,
})

/** An event as the machine sees it: the actor's event, with its envelope. */
export interface MachineEvent<E extends Message> {
  readonly type: E['type']
  readonly envelope: Envelope<E>
}

export type Act<S, E extends Message> = (state: S, envelope: Envelope<E>) => Step<S>
export type Decide<S, E extends Message> = (state: S, envelope: Envelope<E>) => boolean

interface ActionArgs<S, E extends Message> {
  readonly context: Context<S>
  readonly event: MachineEvent<E>
}

/** For `setup({ types: machineTypes<S, E>() })`. */
export const machineTypes = <S, E extends Message>() =>
  ({}) as { context: Context<S>; events: MachineEvent<E>; input: S }

/** What setup() was given for a name, and the function behind it. */
const functions = new WeakMap<object, unknown>()

function standsFor<W extends object>(wrapped: W, pure: unknown): W {
  functions.set(wrapped, pure)
  return wrapped
}

/** For `setup({ guards })`: each predicate reads the state and the envelope, and nothing else. */
export function guards<S, E extends Message, const N extends string>(table: Readonly<Record<N, Decide<S, E>>>) {
  const wrap = (decide: Decide<S, E>) =>
    standsFor(({ context, event }: ActionArgs<S, E>) => decide(context.s, event.envelope), decide)
  return mapValues(table, wrap)
}

/** For `setup({ actions })`: each function's state is assigned and its effects are handed to the host, in order. */
export function actions<S, E extends Message, const N extends string>(table: Readonly<Record<N, Act<S, E>>>) {
  const wrap = (act: Act<S, E>) =>
    standsFor(
      assign<Context<S>, MachineEvent<E>, undefined, MachineEvent<E>, never>(({ context, event }) => {
        const { state, effects } = act(context.s, event.envelope)
        const before = context.of === event.envelope ? context.effects : NO_EFFECTS
        return { s: state, effects: joined(before, effects), of: event.envelope } as Partial<Context<S>>
      }),
      act,
    )
  return mapValues(table, wrap)
}

const joined = (before: readonly Effect[], more: readonly Effect[]): readonly Effect[] =>
  before.length === 0 ? more : more.length === 0 ? before : [...before, ...more]

/**
 * A verdict that guards and actions share: computed once for a state and an envelope, so that a guard may decode or do cryptography.
 * Invisible otherwise: `judge` must be pure.
 */
export function judgeOnce<S extends object, E extends Message, R>(
  judge: (state: S, envelope: Envelope<E>) => R,
): (state: S, envelope: Envelope<E>) => R {
  // Guards and actions of one step follow one another, so the last verdict is the only one worth keeping.
  let last: { readonly state: S; readonly envelope: Envelope<E>; readonly verdict: R } | undefined
  return (state, envelope) => {
    if (last?.envelope !== envelope || last.state !== state) last = { state, envelope, verdict: judge(state, envelope) }
    return last.verdict
  }
}

function mapValues<N extends string, A, B>(table: Readonly<Record<N, A>>, map: (value: A) => B): Record<N, B> {
  const out = {} as Record<N, B>
  for (const name of Object.keys(table) as N[]) out[name] = map(table[name])
  return out
}

/** An actor's state: the chart's state and the domain record. Plain data. */
export interface MachineState<S> {
  readonly value: string
  readonly s: S
}

export interface MachineActor<Config, S> {
  readonly kind: string
  readonly version: number
  readonly machine: AnyStateMachine
  /** The first domain record and the effects of being started. */
  readonly start: (config: Config) => Step<S>
  /** A simple state to begin in, where a configuration asks for another than the chart's initial one. */
  readonly beginIn?: (config: Config) => string | undefined
  readonly invariants?: readonly Invariant<S>[]
}

/** Makes the actor definition of a machine. Throws InvariantViolation if the chart uses what actors must not (`forbidden` in chart.ts). */
export function machineActor<Config, S, E extends Message>(
  actor: MachineActor<Config, S>,
): ActorDefinition<Config, MachineState<S>, E> {
  const { machine } = actor
  const arrows = arrowsOf<S, E>(machine)
  const first = initialState(machine)
  return {
    kind: actor.kind,
    version: actor.version,
    start(config) {
      const { state, effects } = actor.start(config)
      return { state: { value: actor.beginIn?.(config) ?? first, s: state }, effects }
    },
    step(state, envelope) {
      const events = arrows.get(state.value)
      if (events === undefined) throw new InvariantViolation(`chart ${machine.id} has no state '${state.value}'`)
      const before = state.s
      const taken = events.get(envelope.event.type)?.find(({ guard }) => guard === undefined || guard(before, envelope))
      if (taken === undefined) return { state, effects: NO_EFFECTS }
      let s = before
      let effects = NO_EFFECTS
      for (const act of taken.actions) {
        const next = act(s, envelope)
        s = next.state
        effects = joined(effects, next.effects)
      }
      const value = taken.target ?? state.value
      return { state: s === before && value === state.value ? state : { value, s }, effects }
    },
    describe: (state) => state.value,
    invariants: (actor.invariants ?? []).map(({ name, broken }) => ({ name, broken: (state) => broken(state.s) })),
  }
}

/** An edge with functions for names. */
interface Arrow<S, E extends Message> {
  readonly guard: Decide<S, E> | undefined
  readonly actions: readonly Act<S, E>[]
  readonly target: string | undefined
}

function arrowsOf<S, E extends Message>(machine: AnyStateMachine) {
  const { implementations } = machine
  const functionOf = (table: object, name: string): unknown => {
    const found = functions.get((table as Record<string, object>)[name]!)
    if (found === undefined)
      throw new InvariantViolation(`chart ${machine.id}: '${name}' is not made by guards() or actions()`)
    return found
  }
  const arrowOf = ({ guard, actions: names, target }: Edge): Arrow<S, E> => ({
    guard: guard === undefined ? undefined : (functionOf(implementations.guards, guard) as Decide<S, E>),
    actions: names.map((name) => functionOf(implementations.actions, name) as Act<S, E>),
    target: target?.path,
  })
  return new Map(
    [...chartTable(machine)].map(([state, events]) => [
      state,
      new Map([...events].map(([event, edges]) => [event, edges.map(arrowOf)])),
    ]),
  )
}

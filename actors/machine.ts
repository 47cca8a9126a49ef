// XState behind one door: turns a machine made with setup() into an ActorDefinition. DESIGN §3.
// XState's public transition() builds an actor per call (~15 µs); here one scope per machine is reused (~2 µs). The property test
// test/property/machine.test.ts holds the two equal. XState's own actor system, clock and mailbox are not used.
// The rule to remember: the chart decides, a function does. Actions are pure functions (state, envelope) => Step.
import {
  assign,
  createActor,
  type AnyActorScope,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type MachineContext,
  type StateValue,
} from 'xstate'
import { InvariantViolation } from '../protocols/errors.ts'
import type { ActorDefinition, Envelope, Invariant, Message, Step } from './actor.ts'
import { NO_EFFECTS } from './actor.ts'
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

const effectsFor = (context: Context<unknown>, envelope: unknown): readonly Effect[] =>
  context.of === envelope ? context.effects : NO_EFFECTS

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

/** For `setup({ guards })`: each predicate reads the state and the envelope, and nothing else. */
export function guards<S, E extends Message, const N extends string>(table: Readonly<Record<N, Decide<S, E>>>) {
  const wrap = (decide: Decide<S, E>) => (args: ActionArgs<S, E>) => decide(args.context.s, args.event.envelope)
  return mapValues(table, wrap)
}

/** For `setup({ actions })`: each function's state is assigned and its effects are handed to the host, in order. */
export function actions<S, E extends Message, const N extends string>(table: Readonly<Record<N, Act<S, E>>>) {
  // One assignment for an action: XState's own list of actions to execute stays empty, which halves the cost of a step.
  const wrap = (act: Act<S, E>) =>
    assign<Context<S>, MachineEvent<E>, undefined, MachineEvent<E>, never>(({ context, event }) => {
      const { state, effects } = act(context.s, event.envelope)
      const before = effectsFor(context, event.envelope)
      const all = before.length === 0 ? effects : effects.length === 0 ? before : [...before, ...effects]
      return { s: state, effects: all, of: event.envelope } as Partial<Context<S>>
    })
  return mapValues(table, wrap)
}

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

/**
 * A state that remembers the snapshot it came from, so that it need not be rebuilt (~1 µs) when steps follow one another.
 * A private field, not a WeakMap: entries of those cost the garbage collector more than the step itself.
 */
class Remembered<S> implements MachineState<S> {
  readonly value: string
  readonly s: S
  readonly #snapshot: AnyMachineSnapshot

  constructor(snapshot: AnyMachineSnapshot) {
    this.value = valueOf(snapshot)
    this.s = (snapshot.context as Context<S>).s
    this.#snapshot = snapshot
  }

  /** Undefined for a state that went through plain data (journal, checker). */
  static snapshotOf(state: object): AnyMachineSnapshot | undefined {
    return #snapshot in state ? (state as Remembered<unknown>).#snapshot : undefined
  }
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

/** Makes the actor definition of a machine. Throws InvariantViolation if the chart uses what actors must not (see `forbidden`). */
export function machineActor<Config, S, E extends Message>(
  actor: MachineActor<Config, S>,
): ActorDefinition<Config, MachineState<S>, E> {
  const { machine } = actor
  const problem = forbidden(machine)
  if (problem !== undefined) throw new InvariantViolation(`chart of ${actor.kind}: ${problem}`)
  const scope = inertScope(machine)
  const snapshotOf = (state: MachineState<S>): AnyMachineSnapshot => {
    const known = Remembered.snapshotOf(state)
    if (known !== undefined) return known
    return machine.resolveState({
      value: nested(state.value),
      context: contextOf({ input: state.s }),
    }) as AnyMachineSnapshot
  }

  return {
    kind: actor.kind,
    version: actor.version,
    start(config) {
      const first = actor.start(config)
      const snapshot = machine.resolveState({
        value: actor.beginIn?.(config) ?? initialValue(machine),
        context: contextOf({ input: first.state }),
      })
      return { state: new Remembered<S>(snapshot as AnyMachineSnapshot), effects: first.effects }
    },
    step(state, envelope) {
      const before = snapshotOf(state)
      const after = machine.transition(before, { type: envelope.event.type, envelope }, scope) as AnyMachineSnapshot
      if (after === before) return { state, effects: NO_EFFECTS }
      const context = after.context as Context<S>
      const same = context.s === state.s && valueOf(after) === state.value
      return { state: same ? state : new Remembered<S>(after), effects: effectsFor(context, envelope) }
    },
    describe: (state) => state.value,
    invariants: (actor.invariants ?? []).map(({ name, broken }) => ({ name, broken: (state) => broken(state.s) })),
  }
}

/** Dotted path of the innermost active state: `open`, `open.draining`. */
function valueOf(snapshot: AnyMachineSnapshot): string {
  let value: unknown = snapshot.value
  if (typeof value === 'string') return value
  let path = ''
  while (typeof value === 'object' && value !== null) {
    const [name] = Object.keys(value)
    path += `${name}.`
    value = (value as Record<string, unknown>)[name!]
  }
  return path + String(value)
}

/** The inverse of `valueOf`: `open.draining` → { open: 'draining' }. */
function nested(path: string): StateValue {
  const [innermost, ...outer] = path.split('.').reverse()
  return outer.reduce<StateValue>((value, name) => ({ [name]: value }), innermost!)
}

function initialValue(machine: AnyStateMachine): string {
  const [target] = machine.root.initial?.target ?? []
  if (target === undefined || Object.keys(target.states).length > 0) {
    throw new InvariantViolation(`chart ${machine.id}: the initial state must be a simple one`)
  }
  return target.key
}

/** A scope that can do nothing. An action that reaches it is a misspelt name, which XState would ignore. */
function inertScope(machine: AnyStateMachine): AnyActorScope {
  const self = createActor(machine, { input: undefined })
  const refuse = (what: string) => (): never => {
    throw new InvariantViolation(`chart ${machine.id} uses ${what}`)
  }
  return {
    self,
    id: self.id,
    sessionId: self.sessionId,
    logger: refuse('a logger'),
    defer: refuse('deferred actions'),
    emit: refuse('emit'),
    stopChild: refuse('children'),
    system: self.system,
    actionExecutor: (action) => {
      throw new InvariantViolation(`chart ${machine.id}: unknown action '${action.type}'`)
    },
  } as AnyActorScope
}

const STATES_MAX = 12
const DEPTH_MAX = 3

/** Why a chart may not be used (DESIGN §3): too large, or with features whose behaviour belongs to hosts. Undefined if it may. */
export function forbidden(machine: AnyStateMachine): string | undefined {
  let states = 0
  const known = { actions: machine.implementations.actions, guards: machine.implementations.guards }
  const visit = (node: AnyStateMachine['root'], depth: number): string | undefined => {
    states += depth === 0 ? 0 : 1
    if (depth > DEPTH_MAX) return `deeper than ${DEPTH_MAX}`
    if (node.type === 'parallel' || node.type === 'history') return `a ${node.type} state '${node.key}'`
    if (node.invoke.length > 0) return `invoke in '${node.key}'`
    if (node.after.length > 0) return `after in '${node.key}'`
    if (node.always !== undefined && node.always.length > 0) return `always in '${node.key}'`
    for (const [descriptor, transitions] of node.transitions) {
      if (descriptor.includes('*')) return `a wildcard in '${node.key}'`
      for (const transition of transitions) {
        const guard = transition.guard as unknown
        if (guard !== undefined && (typeof guard !== 'string' || !(guard in known.guards))) {
          return `guard '${String(guard)}' on ${descriptor} in '${node.key}' is not a name in setup()`
        }
        for (const action of transition.actions as readonly unknown[]) {
          if (typeof action !== 'string' || !(action in known.actions)) {
            return `action '${String(action)}' on ${descriptor} in '${node.key}' is not a name in setup()`
          }
        }
      }
    }
    if (node.entry.length > 0 || node.exit.length > 0) return `entry or exit actions in '${node.key}'`
    for (const child of Object.values(node.states)) {
      const problem = visit(child, depth + 1)
      if (problem !== undefined) return problem
    }
    return undefined
  }
  const problem = visit(machine.root, 0)
  return problem ?? (states > STATES_MAX ? `${states} states, at most ${STATES_MAX}` : undefined)
}

// XState behind one door: turns a machine made with setup() into an ActorDefinition. DESIGN §3.
// XState's public transition() builds an actor per call (~15 µs); here one scope per machine is reused (~2 µs). The property test
// test/property/machine.test.ts holds the two equal. XState's own actor system, clock and mailbox are not used.
// The rule to remember: the chart decides, a function does. Actions are pure functions (state, envelope) => Step.
import {
  createActor,
  enqueueActions,
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

/** The machine's context: one key, so that an assignment copies one reference. */
export interface Context<S> extends MachineContext {
  readonly s: S
}

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
  const wrap = (act: Act<S, E>) =>
    enqueueActions<Context<S>, MachineEvent<E>, undefined, MachineEvent<E>, never, never, never, never, never>(
      ({ context, event, enqueue }) => {
        const { state, effects } = act(context.s, event.envelope)
        if (state !== context.s) enqueue.assign({ s: state } as Partial<Context<S>>)
        if (effects.length > 0) enqueue({ type: PERFORM, params: effects } as never)
      },
    )
  return mapValues(table, wrap)
}

/**
 * A verdict that guards and actions share: computed once for a state and an envelope, so that a guard may decode or do cryptography.
 * Invisible otherwise: `judge` must be pure.
 */
export function judgeOnce<S extends object, E extends Message, R>(
  judge: (state: S, envelope: Envelope<E>) => R,
): (state: S, envelope: Envelope<E>) => R {
  const verdicts = new WeakMap<Envelope<E>, { readonly state: S; readonly verdict: R }>()
  return (state, envelope) => {
    const known = verdicts.get(envelope)
    if (known?.state === state) return known.verdict
    const verdict = judge(state, envelope)
    verdicts.set(envelope, { state, verdict })
    return verdict
  }
}

const PERFORM = 'perform'

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
  readonly invariants?: readonly Invariant<S>[]
}

/** Makes the actor definition of a machine. Throws InvariantViolation if the chart uses what actors must not (see `forbidden`). */
export function machineActor<Config, S, E extends Message>(
  actor: MachineActor<Config, S>,
): ActorDefinition<Config, MachineState<S>, E> {
  const { machine } = actor
  const problem = forbidden(machine)
  if (problem !== undefined) throw new InvariantViolation(`chart of ${actor.kind}: ${problem}`)
  const collected: Effect[] = []
  const scope = inertScope(machine, collected)
  // The snapshot belonging to a state, so that it need not be rebuilt (~1 µs) when steps follow one another.
  const snapshots = new WeakMap<MachineState<S>, AnyMachineSnapshot>()

  const remember = (snapshot: AnyMachineSnapshot): MachineState<S> => {
    const state = { value: valueOf(snapshot), s: (snapshot.context as Context<S>).s }
    snapshots.set(state, snapshot)
    return state
  }
  const snapshotOf = (state: MachineState<S>): AnyMachineSnapshot => {
    const known = snapshots.get(state)
    if (known !== undefined) return known
    return machine.resolveState({ value: nested(state.value), context: { s: state.s } }) as AnyMachineSnapshot
  }

  return {
    kind: actor.kind,
    version: actor.version,
    start(config) {
      const first = actor.start(config)
      const snapshot = machine.resolveState({ value: initialValue(machine), context: { s: first.state } })
      return { state: remember(snapshot as AnyMachineSnapshot), effects: first.effects }
    },
    step(state, envelope) {
      const before = snapshotOf(state)
      collected.length = 0
      const after = machine.transition(before, { type: envelope.event.type, envelope }, scope) as AnyMachineSnapshot
      if (after === before && collected.length === 0) return { state, effects: NO_EFFECTS }
      const same = after.context === before.context && valueOf(after) === state.value
      return { state: same ? state : remember(after), effects: collected.slice() }
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

/** A scope whose only ability is to collect `perform` effects. An unknown action type is a misspelt name, which XState would ignore. */
function inertScope(machine: AnyStateMachine, collected: Effect[]): AnyActorScope {
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
      if (action.type !== PERFORM) throw new InvariantViolation(`chart ${machine.id}: unknown action '${action.type}'`)
      collected.push(...(action.params as unknown as readonly Effect[]))
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

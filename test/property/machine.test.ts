// Goal: the adapter, which reads a chart as a table, and XState's own pure transition() agree on value, context and effects, for any chart that
// actors may have and any sequence of events; and a misspelt action or a forbidden feature is refused instead of being ignored.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { initialTransition, setup, transition, type AnyMachineSnapshot, type AnyStateMachine } from 'xstate'
import { step, unchanged, type Envelope } from '../../actors/actor.ts'
import { forbidden } from '../../actors/chart.ts'
import { actions, contextOf, guards, machineActor, machineTypes } from '../../actors/machine.ts'

interface Door {
  readonly opened: number
  readonly knocks: number
}
type DoorEvent =
  | { readonly type: 'open'; readonly force: number }
  | { readonly type: 'knock' }
  | { readonly type: 'lock' }
  | { readonly type: 'ignored' }

const trace = (point: string, n: number) => ({ type: 'trace', point, fields: { n } }) as const

const doorSetup = setup({
  types: machineTypes<Door, DoorEvent>(),
  guards: guards<Door, DoorEvent, 'strong'>({ strong: (_, { event }) => event.type === 'open' && event.force > 5 }),
  actions: actions<Door, DoorEvent, 'count' | 'knock' | 'nothing'>({
    count: (s) => step({ ...s, opened: s.opened + 1 }, trace('opened', s.opened)),
    knock: (s) => step({ ...s, knocks: s.knocks + 1 }, trace('knocked', s.knocks), trace('still', s.opened)),
    nothing: (s) => unchanged(s),
  }),
})
const door = doorSetup.createMachine({
  id: 'door',
  context: contextOf,
  initial: 'closed',
  states: {
    closed: {
      on: {
        open: [{ guard: 'strong', target: 'open', actions: ['count', 'knock'] }, { actions: 'knock' }],
        knock: { actions: 'knock' },
        lock: { target: 'locked', actions: 'nothing' },
      },
    },
    open: { on: { open: { actions: 'count' }, lock: { target: 'closed' } } },
    locked: {
      initial: 'quiet',
      states: { quiet: { on: { knock: { target: 'loud', actions: 'knock' } } }, loud: {} },
      on: { open: 'closed' },
    },
  },
})
const definition = machineActor<Door, Door, DoorEvent>({
  kind: 'door',
  version: 1,
  machine: door,
  start: (config) => unchanged(config),
})

/** A chart of the class that actors may have: states up to three deep, and edges from anywhere to anywhere. */
interface Shape {
  readonly children: readonly Shape[]
  /** For each of EVENTS, edges in the order tried; `to` chooses among all states of the chart. */
  readonly on: readonly (readonly {
    readonly guard: 'even' | 'third' | undefined
    readonly to: number | undefined
    readonly actions: readonly ('add' | 'double' | 'nothing')[]
  }[])[]
}
const EVENTS = ['p', 'q', 'r'] as const
interface Sum {
  readonly n: number
}
type SumEvent = { readonly type: (typeof EVENTS)[number]; readonly by: number }

const sumSetup = setup({
  types: machineTypes<Sum, SumEvent>(),
  guards: guards<Sum, SumEvent, 'even' | 'third'>({
    even: ({ n }, { event }) => (n + event.by) % 2 === 0,
    third: ({ n }) => n % 3 === 0,
  }),
  actions: actions<Sum, SumEvent, 'add' | 'double' | 'nothing'>({
    add: ({ n }, { event }) => step({ n: (n + event.by) % 1000 }, trace('added', event.by)),
    double: ({ n }) => step({ n: (2 * n) % 1000 }, trace('doubled', n), trace('from', n)),
    nothing: (s) => unchanged(s),
  }),
})

const edgesArbitrary = fc.array(
  fc.record({
    guard: fc.constantFrom('even' as const, 'third' as const, undefined),
    to: fc.option(fc.nat(20), { nil: undefined }),
    actions: fc.array(fc.constantFrom('add' as const, 'double' as const, 'nothing' as const), { maxLength: 3 }),
  }),
  { maxLength: 3 },
)
const shapeArbitrary = (depth: number, childrenMin: number): fc.Arbitrary<Shape> =>
  fc.record({
    on: fc.array(edgesArbitrary, { minLength: EVENTS.length, maxLength: EVENTS.length }),
    children:
      depth === 0
        ? fc.constant([])
        : fc.array(shapeArbitrary(depth - 1, 0), { minLength: childrenMin, maxLength: depth === 3 ? 3 : 2 }),
  })
const countOf = (shape: Shape): number => shape.children.reduce((sum, child) => sum + 1 + countOf(child), 0)

function machineOf(shape: Shape): AnyStateMachine {
  const ids: string[] = []
  const collect = ({ children }: Shape, id: string): void =>
    children.forEach((child, i) => {
      ids.push(`${id}_${i}`)
      collect(child, `${id}_${i}`)
    })
  collect(shape, 'root')
  const config = ({ children, on }: Shape, id: string): object => ({
    id,
    on: Object.fromEntries(
      on.map((edges, i) => [
        EVENTS[i],
        edges.map(({ guard, to, actions: names }) => ({
          ...(guard === undefined ? {} : { guard }),
          ...(to === undefined ? {} : { target: `#${ids[to % ids.length]}` }),
          actions: names,
        })),
      ]),
    ),
    ...(children.length === 0
      ? {}
      : {
          initial: 's0',
          states: Object.fromEntries(children.map((child, i) => [`s${i}`, config(child, `${id}_${i}`)])),
        }),
  })
  return sumSetup.createMachine({ ...config(shape, 'root'), context: contextOf } as never) as never
}

const pathOf = (value: unknown): string => {
  if (typeof value === 'string') return value
  const [[key, inner]] = Object.entries(value as object) as [[string, unknown]]
  return `${key}.${pathOf(inner)}`
}

describe('the XState adapter', () => {
  it("equals XState's transition(), for any chart that actors may have", () => {
    const charts = shapeArbitrary(3, 1).filter((shape) => countOf(shape) <= 12)
    const events = fc.array(fc.record({ type: fc.constantFrom(...EVENTS), by: fc.nat(9) }), { maxLength: 25 })
    let changed = 0
    let nested = 0
    fc.assert(
      fc.property(charts, events, (shape, sequence) => {
        const machine = machineOf(shape)
        const adapted = machineActor<Sum, Sum, SumEvent>({ kind: 'sum', version: 1, machine, start: unchanged })
        let { state } = adapted.start({ n: 1 })
        let snapshot = initialTransition(machine, { n: 1 })[0] as AnyMachineSnapshot
        expect(state.value).toBe(pathOf(snapshot.value))
        sequence.forEach((event, seq) => {
          const envelope: Envelope<SumEvent> = { seq, at: seq, from: 'test', to: 'sum', event }
          const ours = adapted.step(state, envelope)
          const [next, performed] = transition(machine, snapshot as never, { type: event.type, envelope } as never)
          const context = next.context as { readonly s: Sum; readonly of: unknown; readonly effects: unknown }
          expect(performed).toEqual([])
          expect(ours).toEqual({
            state: { value: pathOf(next.value), s: context.s },
            effects: context.of === envelope ? context.effects : [],
          })
          if (ours.state.value !== state.value) changed++
          if (ours.state.value.includes('.')) nested++
          state = ours.state
          snapshot = next as AnyMachineSnapshot
        })
      }),
      { seed: 1, numRuns: 1500 },
    )
    // The charts were not so small, nor so full of guards, that nothing happened.
    expect(changed).toBeGreaterThan(1000)
    expect(nested).toBeGreaterThan(1000)
  })

  it('ignores an event that a chart does not name, and refuses a state that it does not have', () => {
    const { state } = definition.start({ opened: 0, knocks: 0 })
    const envelope: Envelope<DoorEvent> = { seq: 0, at: 0, from: 'test', to: 'door', event: { type: 'ignored' } }
    expect(definition.step({ ...state, value: 'locked.loud' }, envelope).effects).toEqual([])
    expect(() => definition.step({ ...state, value: 'ajar' }, envelope)).toThrow("no state 'ajar'")
  })

  it('returns the same state when nothing changed', () => {
    const { state } = definition.start({ opened: 0, knocks: 0 })
    const envelope: Envelope<DoorEvent> = { seq: 0, at: 0, from: 'test', to: 'door', event: { type: 'ignored' } }
    expect(definition.step(state, envelope).state).toBe(state)
  })

  it('refuses misspelt names and features that belong to hosts', () => {
    const bad = (states: object): AnyStateMachine =>
      doorSetup.createMachine({
        id: 'bad',
        context: { s: { opened: 0, knocks: 0 } },
        initial: 'a',
        states,
      } as never) as never
    expect(forbidden(bad({ a: { on: { knock: { actions: 'cuont' } } } }))).toContain("'cuont'")
    expect(forbidden(bad({ a: { on: { knock: { guard: 'weak', target: 'a' } } } }))).toContain("'weak'")
    expect(forbidden(bad({ a: { after: { 10: 'b' } }, b: {} }))).toContain('after')
    expect(forbidden(bad({ a: { on: { '*': 'b' } }, b: {} }))).toContain('wildcard')
    expect(forbidden(bad({ a: { always: 'b' }, b: {} }))).toContain('always')
    expect(forbidden(bad({ a: { entry: 'count' } }))).toContain('entry')
    expect(
      forbidden(bad(Object.fromEntries(Array.from({ length: 13 }, (_, i) => [i === 0 ? 'a' : `s${i}`, {}])))),
    ).toContain('13 states')
    expect(forbidden(bad({ a: { type: 'final' } }))).toContain('final')
    expect(forbidden(bad({ a: { initial: { target: 'b', actions: 'count' }, states: { b: {} } } }))).toContain(
      "actions on entering 'a'",
    )
    expect(forbidden(door)).toBeUndefined()
  })

  it('refuses actions that setup() was given in another way', () => {
    const foreign = setup({ actions: { count: () => undefined } }).createMachine({
      initial: 'a',
      states: { a: { on: { knock: { actions: 'count' } } } },
    })
    expect(() => machineActor({ kind: 'x', version: 1, machine: foreign, start: unchanged })).toThrow('actions()')
  })
})

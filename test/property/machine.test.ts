// Goal: the adapter (one reused scope) and XState's own pure transition() agree on value, context and effects, for any event sequence;
// and a misspelt action or a forbidden feature is refused instead of being ignored.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { setup, transition, type AnyMachineSnapshot, type AnyStateMachine } from 'xstate'
import { step, unchanged, type Envelope } from '../../actors/actor.ts'
import { actions, contextOf, forbidden, guards, machineActor, machineTypes } from '../../actors/machine.ts'

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

const eventArbitrary = fc.oneof(
  fc.record({ type: fc.constant('open' as const), force: fc.integer({ min: 0, max: 10 }) }),
  fc.constant({ type: 'knock' as const }),
  fc.constant({ type: 'lock' as const }),
  fc.constant({ type: 'ignored' as const }),
)

describe('the XState adapter', () => {
  it("equals XState's transition()", () => {
    fc.assert(
      fc.property(fc.array(eventArbitrary, { maxLength: 30 }), (events) => {
        let state = definition.start({ opened: 0, knocks: 0 }).state
        let snapshot = door.resolveState({
          value: 'closed',
          context: contextOf({ input: { opened: 0, knocks: 0 } }),
        }) as AnyMachineSnapshot
        events.forEach((event, seq) => {
          const envelope: Envelope<DoorEvent> = { seq, at: seq, from: 'test', to: 'door', event }
          const ours = definition.step(state, envelope)
          const [next, performed] = transition(door, snapshot as never, { type: event.type, envelope } as never)
          expect(performed).toEqual([])
          expect(ours.effects).toEqual(next.context.of === envelope ? next.context.effects : [])
          const flat =
            typeof next.value === 'string'
              ? next.value
              : Object.entries(next.value as object)
                  .flat()
                  .join('.')
          expect(ours.state).toEqual({ value: flat, s: next.context.s })
          // A state that went through plain data (journal, checker) continues the same way.
          expect(definition.step({ ...state }, envelope)).toEqual(ours)
          state = ours.state
          snapshot = next as AnyMachineSnapshot
        })
      }),
      { seed: 1, numRuns: 300 },
    )
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
    expect(forbidden(door)).toBeUndefined()
  })
})

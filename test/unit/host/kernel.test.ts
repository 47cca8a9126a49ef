// Goal: one order, run to completion; effects in order; what follows a durable append waits for it and is dropped when it fails; timers fire
// once and only at their last deadline; the event queue and the generator are what simulations rest on.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { erase, step, unchanged, type ActorDefinition, type Envelope, type Message } from '../../../actors/actor.ts'
import { send, type Effect } from '../../../actors/effects.ts'
import { InvariantViolation } from '../../../protocols/errors.ts'
import { EventQueue } from '../../../runtime/host/event-queue.ts'
import { Kernel, type Performer } from '../../../runtime/host/kernel.ts'
import { TimerTable } from '../../../runtime/host/timer-table.ts'
import { fingerprint } from '../../../runtime/fingerprint.ts'
import { Prng } from '../../../runtime/prng.ts'

type Seen = readonly string[]
type Do = { readonly type: string; readonly effects?: readonly Effect[] }

/** Remembers what it is sent, and asks for whatever it is told to ask for. */
const puppet: ActorDefinition<undefined, Seen, Do> = {
  kind: 'puppet',
  version: 1,
  start: () => unchanged([]),
  step: (seen, { event, from }) => ({ state: [...seen, `${event.type}<${from}`], effects: event.effects ?? [] }),
  describe: (seen) => `${seen.length}`,
  invariants: [
    {
      name: 'nothing forbidden',
      broken: (seen) => (seen.some((s) => s.startsWith('forbidden')) ? 'it came' : undefined),
    },
  ],
}

function kernelOf(performer: Partial<Performer> = {}, checkInvariants = false) {
  const nothing = (): void => undefined
  const order: string[] = []
  const kernel = new Kernel({
    catalogue: [erase(puppet)],
    now: () => 7,
    checkInvariants,
    performer: { perform: nothing, appendDurably: nothing, forget: nothing, ...performer },
    observe: ({ to, event }: Envelope) => order.push(`${to}:${event.type}`),
  })
  for (const name of ['a', 'b']) kernel.start(name, 'puppet', undefined)
  return { kernel, order }
}

const note = (to: string, type: string): Effect => send<Message>(to, { type })
const append: Effect = { type: 'append', records: [], flush: true }

describe('the kernel', () => {
  it('takes events in one order and lets a step finish before the next', () => {
    const { kernel, order } = kernelOf()
    kernel.post('x', 'a', { type: 'first', effects: [note('b', 'second'), note('a', 'third')] } as Do)
    kernel.post('x', 'b', { type: 'meanwhile' })
    expect(kernel.drain()).toBe(4)
    expect(order).toEqual(['a:first', 'b:meanwhile', 'b:second', 'a:third'])
    expect(kernel.stateOf('a')).toEqual(['first<x', 'third<a'])
  })

  it('drops events for actors that are gone, and lets a channel speak for a remote actor', () => {
    const { kernel } = kernelOf()
    kernel.post('x', 'a', {
      type: 'go',
      effects: [
        { type: 'stopActor', address: 'b' },
        note('b', 'lost'),
        { type: 'send', to: 'a', message: { type: 'hi' }, from: 'replica@n1' },
      ],
    } as Do)
    kernel.drain()
    expect(kernel.has('b')).toBe(false)
    expect(kernel.stateOf('a')).toEqual(['go<x', 'hi<replica@n1'])
  })

  it('holds sends and publishes after a durable append until it is durable, and nothing else', () => {
    const performed: string[] = []
    let durable: (() => void) | undefined
    const { kernel } = kernelOf({
      perform: (_, effect) => performed.push(effect.type),
      appendDurably: (_, __, whenDurable) => {
        durable = whenDurable
      },
    })
    const timer: Effect = { type: 'setTimer', name: 't', afterMs: [1, 1] }
    const publish: Effect = { type: 'publish', subject: 's', payload: new Uint8Array(1) }
    kernel.post('x', 'a', {
      type: 'go',
      effects: [note('b', 'before'), append, note('b', 'after'), timer, publish],
    } as Do)
    kernel.drain()
    expect(performed).toEqual(['setTimer'])
    expect(kernel.stateOf('b')).toEqual(['before<a'])
    durable!()
    kernel.drain()
    expect(performed).toEqual(['setTimer', 'publish'])
    expect(kernel.stateOf('b')).toEqual(['before<a', 'after<a'])
  })

  it('hands sends to other nodes to the host', () => {
    const out: string[] = []
    const { kernel } = kernelOf({
      perform: (from, effect) => out.push(`${from} ${effect.type === 'send' ? effect.to : effect.type}`),
    })
    kernel.post('x', 'a', { type: 'go', effects: [note('b@n2', 'far')] } as Do)
    kernel.drain()
    expect(out).toEqual(['a b@n2'])
  })

  it('stops at a broken invariant, and refuses to start what it does not know or has', () => {
    const { kernel } = kernelOf({}, true)
    kernel.post('x', 'a', { type: 'forbidden' })
    expect(() => kernel.drain()).toThrow(InvariantViolation)
    expect(() => kernel.start('a', 'puppet', undefined)).toThrow(InvariantViolation)
    expect(() => kernel.start('c', 'unheard', undefined)).toThrow(InvariantViolation)
  })
})

describe('the timer table', () => {
  function tableOf() {
    let now = 0
    const queue = new EventQueue<() => void>()
    const fired: string[] = []
    const table = new TimerTable({
      now: () => now,
      wait: (delayMs, callback) => {
        let wanted = true
        queue.push(now + delayMs, () => wanted && callback())
        return () => {
          wanted = false
        }
      },
      fire: (address, name) => fired.push(`${now} ${address} ${name}`),
    })
    const runTo = (end: number): void => {
      while ((queue.peekTime() ?? Infinity) <= end) {
        now = queue.peekTime()!
        queue.pop()!()
      }
      now = end
    }
    return { table, fired, runTo }
  }

  it('fires once, at the last deadline set', () => {
    const { table, fired, runTo } = tableOf()
    table.set('a', 't', 10)
    runTo(5)
    table.set('a', 't', 10)
    table.set('a', 'u', 50)
    table.set('a', 'u', 3)
    runTo(100)
    expect(fired).toEqual(['8 a u', '15 a t'])
  })

  it('forgets what is cancelled, and all of an actor that stops', () => {
    const { table, fired, runTo } = tableOf()
    table.set('a', 't', 10)
    table.set('b', 't', 10)
    table.set('b', 'u', 10)
    table.set('c', 't', 10)
    table.cancel('a', 't')
    table.forget('b')
    runTo(100)
    expect(fired).toEqual(['10 c t'])
  })

  it('equals a table that keeps only the newest setting', () => {
    const command = fc.record({
      wait: fc.integer({ min: 0, max: 5 }),
      name: fc.constantFrom('t', 'u'),
      delay: fc.option(fc.integer({ min: 0, max: 20 })),
    })
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        const { table, fired, runTo } = tableOf()
        const expected: string[] = []
        const deadlines = new Map<string, number>()
        let now = 0
        const pass = (end: number): void => {
          const due = [...deadlines].filter(([, at]) => at <= end).sort((a, b) => a[1] - b[1])
          for (const [name, at] of due) {
            expected.push(`${at} a ${name}`)
            deadlines.delete(name)
          }
          runTo(end)
          now = end
        }
        for (const { wait, name, delay } of commands) {
          pass(now + wait)
          if (delay === null) {
            table.cancel('a', name)
            deadlines.delete(name)
          } else {
            table.set('a', name, delay)
            deadlines.set(name, now + delay)
          }
        }
        pass(now + 100)
        expect([...fired].sort()).toEqual([...expected].sort())
      }),
      { seed: 1, numRuns: 300 },
    )
  })
})

describe('what simulations rest on', () => {
  it('the event queue is ordered by time, then by arrival', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }), (times) => {
        const queue = new EventQueue<number>()
        times.forEach((time, i) => queue.push(time, i))
        const out = times.map(() => queue.pop()!)
        const sorted = times.map((time, i) => [time, i] as const).sort((a, b) => a[0] - b[0] || a[1] - b[1])
        expect(out).toEqual(sorted.map(([, i]) => i))
        expect(queue.pop()).toBeUndefined()
      }),
      { seed: 1, numRuns: 200 },
    )
  })

  it('draws the same numbers on every machine', () => {
    const prng = new Prng(42)
    expect(Array.from({ length: 6 }, () => prng.u32())).toMatchInlineSnapshot(`
      [
        1959603763,
        2423114712,
        2466933512,
        4144396390,
        3569536208,
        2879541286,
      ]
    `)
    expect(fingerprint(Array.from({ length: 1000 }, () => prng.u32()))).toMatchInlineSnapshot(`"82aecca0e259e7cf"`)
  })

  it('forks streams that do not disturb each other, and draws within bounds', () => {
    const [a, b] = [new Prng(7), new Prng(7)]
    b.fork('x').u32()
    expect(a.u32()).toBe(b.u32())
    expect(new Prng(7).fork('x').u32()).not.toBe(new Prng(7).fork('y').u32())
    for (let i = 0; i < 1000; i++) {
      const n = a.integer(3, 5)
      expect(n >= 3 && n <= 5).toBe(true)
    }
    expect(a.chance(0, 10)).toBe(false)
    expect(a.chance(10, 10)).toBe(true)
  })

  it('fingerprints tell different data apart', () => {
    const values: unknown[] = [
      0,
      1,
      '',
      '0',
      [],
      {},
      [[]],
      [0],
      { a: 1 },
      { a: '1' },
      { b: 1 },
      null,
      undefined,
      true,
      false,
      new Uint8Array(1),
      new Uint8Array(2),
      [1, 2],
      [12],
      2 ** 40,
      0.5,
    ]
    expect(new Set(values.map(fingerprint)).size).toBe(values.length)
    expect(fingerprint({ a: [1, { b: 'x' }] })).toBe(fingerprint({ a: [1, { b: 'x' }] }))
  })

  it('a step without effects changes nothing else', () => {
    expect(step(1)).toEqual({ state: 1, effects: [] })
  })
})

// Goal: the parts of the simulation host do what plans rely on: links keep order unless told otherwise, lose, hold and deliver; fsyncs cover
// what they should and no more; clocks run fast and slow but never back; every difference shows in the trace hash.
import { describe, expect, it } from 'vitest'
import type { Effect } from '../../actors/effects.ts'
import { CALM } from '../../runtime/host/sim.ts'
import { SimClock } from '../../runtime/host/sim-clock.ts'
import { SimDisk } from '../../runtime/host/sim-disk.ts'
import { SimNetwork, type Weather } from '../../runtime/host/sim-network.ts'
import { TraceHash } from '../../runtime/host/trace-hash.ts'
import { EventQueue } from '../../runtime/host/event-queue.ts'
import { Prng } from '../../runtime/prng.ts'
import { entries } from './hand-made.ts'

/** A network with a clock of its own. `sent`: numbers in the order in which they arrive. */
function network(weather: Partial<Weather> = {}) {
  const queue = new EventQueue<() => void>()
  let now = 0
  const arrived: number[] = []
  const there = new SimNetwork({
    weather: { ...CALM, ...weather },
    prng: new Prng(1),
    now: () => now,
    at: (timeMs, callback) => queue.push(timeMs, callback),
  })
  const send = (from: number, to: number, robust = true): void => {
    for (let i = from; i <= to; i++) there.transmit('n0', 'n1', robust, () => arrived.push(i))
  }
  const settle = (): number[] => {
    for (let time = queue.peekTime(); time !== undefined; time = queue.peekTime()) {
      now = time
      queue.pop()!()
    }
    return arrived
  }
  return { there, send, settle }
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('a simulated link', () => {
  it('keeps order, whatever the delays', () => {
    const { send, settle } = network({ delayMs: [1, 100] })
    send(1, 50)
    expect(settle()).toEqual(numbers(1, 50))
  })

  it('loses, doubles and reorders as the weather says, the latter two only where it is tolerated', () => {
    const lossy = network({ lossPerMille: 500 })
    lossy.send(1, 100)
    const left = lossy.settle()
    expect(left.length).toBeGreaterThan(30)
    expect(left.length).toBeLessThan(70)

    const wild = { duplicationPerMille: 500, reorderPerMille: 500, delayMs: [1, 100] } as const
    const tolerant = network(wild)
    tolerant.send(1, 100)
    const many = tolerant.settle()
    expect(many.length).toBeGreaterThan(120)
    expect([...many].sort((a, b) => a - b)).not.toEqual(many)

    const strict = network(wild)
    strict.send(1, 100, false)
    expect(strict.settle()).toEqual(numbers(1, 100))
  })

  it('loses everything while it is cut, in one direction', () => {
    const { there, send, settle } = network()
    there.cut('n0', 'n1')
    send(1, 5)
    settle()
    there.mend()
    there.cut('n1', 'n0')
    send(6, 7)
    expect(settle()).toEqual([6, 7])
  })

  it('loses what is under way when it is cut', () => {
    const { there, send, settle } = network()
    send(1, 5)
    there.cut('n0', 'n1')
    expect(settle()).toEqual([])
  })

  it('holds everything while it is clogged, then delivers it', () => {
    const { there, send, settle } = network()
    there.clog('n0', 'n1')
    send(1, 5)
    expect(settle()).toEqual([])
    there.unclog('n0', 'n1')
    expect(settle()).toEqual([1, 2, 3, 4, 5])
  })
})

describe('a simulated disk', () => {
  const LOG = entries('2t 2s 2t 2s 2t 2s')

  it('has durable what was written before an fsync began', () => {
    const disk = new SimDisk()
    disk.append(LOG.slice(0, 2))
    const { end } = disk.sync(0, 5)
    disk.append(LOG.slice(2, 4))
    expect(disk.durable).toBe(0)
    end()
    expect(disk.durable).toBe(2)
  })

  it('does not count what was cut and written anew while an fsync was under way', () => {
    const disk = new SimDisk()
    disk.append(LOG)
    const { end } = disk.sync(0, 5)
    disk.truncate(2)
    disk.append(LOG.slice(2))
    end()
    expect(disk.durable).toBe(2)
  })

  it('ends fsyncs in order', () => {
    const disk = new SimDisk()
    expect(disk.sync(0, 100).delayMs).toBe(100)
    expect(disk.sync(10, 1).delayMs).toBe(90)
  })

  it('reads back at most so many bytes, and at least one entry', () => {
    const disk = new SimDisk()
    disk.append(LOG)
    expect(disk.readBack(2, 5, 45).map(({ seqno }) => seqno)).toEqual([2, 3])
    expect(disk.readBack(2, 5, 1).map(({ seqno }) => seqno)).toEqual([2])
    expect(disk.readBack(9, 12, 1000)).toEqual([])
    expect(disk.signatureAfter(2)?.seqno).toBe(4)
  })
})

describe('a simulated clock', () => {
  it('runs fast and slow, and never back', () => {
    let virtual = 0
    const clock = new SimClock(1000, () => virtual)
    virtual = 100
    expect(clock.now()).toBe(1100)
    clock.runAt(200)
    virtual = 200
    expect(clock.now()).toBe(1300)
    expect(clock.virtualMs(100)).toBe(50)
    clock.runAt(25)
    expect(clock.now()).toBe(1300)
    virtual = 300
    expect(clock.now()).toBe(1325)
    expect(clock.virtualMs(10)).toBe(40)
  })
})

describe('the trace hash', () => {
  const hash = (message: object, effects: readonly Effect[] = [], state = 'follower'): string => {
    const trace = new TraceHash()
    trace.step(message as never, effects, state)
    return trace.digest()
  }
  const vote = { type: 'RequestVote', view: 3, electionType: 'PreVote' }
  const send = (to: string, view: number): Effect => ({ type: 'send', to, message: { type: 'x', view } as never })

  it('differs with every field, effect and state', () => {
    const all = [
      hash(vote),
      hash({ ...vote, view: 4 }),
      hash({ ...vote, electionType: 'RegularVote' }),
      hash(vote, [], 'candidate'),
      hash(vote, [send('replica@a', 1)]),
      hash(vote, [send('replica@b', 1)]),
      hash(vote, [send('replica@a', 2)]),
      hash(vote, [{ type: 'setTimer', name: 't', afterMs: [1, 2] }]),
      hash(vote, [{ type: 'setTimer', name: 't', afterMs: [1, 2.5] }]),
      hash(vote, [{ type: 'append', records: entries('2t 2s'), flush: true }]),
      hash(vote, [{ type: 'append', records: entries('2t 3s'), flush: true }]),
      hash({ type: 'x', at: 2 ** 40 }),
      hash({ type: 'x', at: 2 ** 41 }),
    ]
    expect(new Set(all).size).toBe(all.length)
    expect(hash(vote)).toBe(hash({ ...vote }))
    expect(hash(vote)).toMatch(/^[0-9a-f]{16}$/)
  })
})

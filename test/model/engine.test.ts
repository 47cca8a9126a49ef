// Goal: the checker itself is right: it visits exactly the worlds there are, once, whatever the network, the symmetry, the crashes and the bounds;
// its counterexamples are shortest and happen again when they are followed.
import { describe, expect, it } from 'vitest'
import { breadthFirst, follow, type SearchResult } from '../../runtime/check/breadth-first.ts'
import { directed } from '../../runtime/check/directed.ts'
import { line, sequenceDiagram, tell } from '../../runtime/check/events.ts'
import { HashTable, hashWords, type Hash } from '../../runtime/check/hash-table.ts'
import { eraseModel, type Model, type NetworkKind } from '../../runtime/check/model.ts'
import { replay, shrink } from '../../runtime/check/shrink.ts'
import { Space, type Event } from '../../runtime/check/space.ts'
import { bits, counter, gossip, letters, mutex, outcome, silent, toy } from './toys.ts'

const search = <S, M>(model: Model<S, M>, limits = {}): SearchResult =>
  breadthFirst(eraseModel(model), { statesMax: 1e5, depthMax: 1e3, ...limits })
const spaceOf = <S, M>(model: Model<S, M>): Space => new Space(eraseModel(model))
const lines = <S, M>(model: Model<S, M>, events: readonly Event[]): string[] =>
  tell(spaceOf(model), events).map((told) => line(told).trim())

const count: Event = { kind: 'act', place: 0, name: 'count' }
const hum: Event = { kind: 'act', place: 0, name: 'hum' }

describe('breadth-first search', () => {
  it('visits each world once and counts every transition', () => {
    // 0…4; from each a hum, from all but the last a count; and the world it begins with.
    expect(search(counter(4, 9))).toMatchObject({
      violation: undefined,
      isComplete: true,
      states: 5,
      transitions: 1 + 5 + 4,
      localStates: 5,
    })
  })

  it('finds a shortest way to the first wrong state', () => {
    expect(search(counter(4, 2)).violation).toEqual({
      message: 'small: 3 is more than 2',
      events: [count, count, count],
    })
  })

  it('says which goals were reached', () => {
    expect([...search(counter(1, 9)).goals]).toEqual([['goal', false]])
    expect([...search(counter(2, 9)).goals]).toEqual([['goal', true]])
  })

  it('says that it is not complete when it stops at a bound', () => {
    expect(search(counter(9, 9), { depthMax: 3 })).toMatchObject({ isComplete: false, depth: 3, states: 4 })
    expect(search(counter(9, 9), { statesMax: 3 })).toMatchObject({ isComplete: false, violation: undefined })
    expect(search(counter(9, 9), { depthMax: 10 })).toMatchObject({ isComplete: true, states: 10 })
  })

  it('finds the shortest failure of a broken mutex, and none of a right one', () => {
    const { violation } = search(mutex(true))
    expect(violation?.message).toBe('mutual exclusion: both are inside')
    expect(violation?.events).toHaveLength(6)
    expect(lines(mutex(true), violation!.events).sort()).toEqual(
      ['p0 ask', 'p1 ask', 'p0 → p2  ask', 'p1 → p2  ask', 'p2 → p0  granted', 'p2 → p1  granted'].sort(),
    )
    const right = search(mutex(false))
    expect(right).toMatchObject({ violation: undefined, isComplete: true })
    expect(right.goals.get('goal')).toBe(true)
  })

  it('takes an actor that throws for a violation, and reports wrong steps', () => {
    const throwing = toy([0], {
      actions: () => [{ name: 'go' }],
      act: (n) => {
        if (n === 1) throw new RangeError('no further')
        return outcome(n + 1)
      },
      receive: silent,
    })
    expect(search(throwing).violation?.message).toBe('RangeError: no further')
    const falling = toy([1], {
      actions: () => [{ name: 'fall' }],
      act: () => outcome(0),
      receive: silent,
      stepProperties: [{ name: 'rises', broken: (before, after) => (after < before ? 'falls' : undefined) }],
    })
    expect(search(falling).violation).toMatchObject({ message: 'rises: falls', events: [{ name: 'fall' }] })
  })

  it('asks every combination of local states whether it can get on', () => {
    const stuck = bits(2, false, { getsOn: (states) => states[0] === 0 || states[1] === 0 })
    expect(search(stuck).violation?.message).toMatch(/^no dead end/)
    expect(search(stuck).violation?.events).toHaveLength(2)
  })
})

describe('networks', () => {
  it('keep order, lose, repeat or mix, exactly', () => {
    // Before the letters are sent: 1. After: in order, how many have arrived, 0…3.
    expect(search(letters('fifo')).states).toBe(1 + 4)
    // Any arrangement of some of 3: 1 + 3 + 6 + 6.
    expect(search(letters('unordered')).states).toBe(1 + 16)
    // Of the first n letters, each has arrived or is lost: 1 + 2 + 4 + 8. Lists of all 3 are not left, but nothing is under way then.
    expect(search(letters('lossy')).states).toBe(1 + 15)
    // Nothing is ever used up: every sequence of at most 3: 1 + 3 + 9 + 27.
    expect(search(letters('duplicating')).states).toBe(1 + 40)
  })

  it('never let a message overtake another of its link, unless they are unordered', () => {
    const order = {
      name: 'order',
      broken: (s: string) => (s === 'sent' || '123'.startsWith(s) ? undefined : `'${s}'`),
    }
    const inOrder = (network: NetworkKind) => letters(network, { stateProperties: [order] })
    expect(search(inOrder('fifo')).violation).toBeUndefined()
    expect(search(inOrder('unordered')).violation).toMatchObject({
      message: "order: '2'",
      events: [
        { kind: 'act', name: 'post' },
        { kind: 'deliver', from: 0, to: 1, message: '2' },
      ],
    })
  })

  it('tell what was lost and what was repeated', () => {
    const events: Event[] = [
      { kind: 'act', place: 0, name: 'post' },
      { kind: 'drop', from: 0, to: 1 },
      { kind: 'deliver', from: 0, to: 1 },
    ]
    expect(lines(letters('lossy'), events)).toEqual(['p0 post', 'p0 ✗ p1  1', 'p0 → p1  2'])
    const diagram = sequenceDiagram(['p0', 'p1'], tell(spaceOf(letters('lossy')), events))
    expect(diagram.split('\n').slice(3)).toEqual(['  Note over Np0: post', '  Np0-xNp1: 1', '  Np0->>Np1: 2'])
    expect(() => tell(spaceOf(letters('fifo')), events)).toThrow('cannot happen')
  })
})

describe('symmetry', () => {
  it('leaves one world of each orbit: n bits are n + 1 worlds instead of 2^n', () => {
    expect(search(bits(4, false)).states).toBe(16)
    expect(search(bits(4, true)).states).toBe(5)
  })

  it('changes neither the verdict nor the length of the counterexample, which happens with real names', () => {
    const plain = search(gossip(3, false))
    const quotient = search(gossip(3, true))
    expect(plain.violation?.message).toBe('ignorance: somebody has heard of everybody')
    expect(quotient.violation?.message).toBe(plain.violation?.message)
    // Two tell, and one place hears both.
    expect(plain.violation?.events).toHaveLength(4)
    expect(quotient.violation?.events).toHaveLength(4)
    expect(replay(spaceOf(gossip(3, true)), quotient.violation!.events)).toEqual(quotient.violation)
  })

  it('counts the orbits when names are in states and messages', () => {
    const right = (symmetric: boolean) => gossip(3, symmetric, { worldProperties: [] })
    // Each of the 3 places has not told (1), or its name is under way to, or known at, each of 2 others (2 × 2): 5^3 worlds.
    expect(search(right(false))).toMatchObject({ states: 125, isComplete: true })
    // Burnside over S3. Identity fixes 125. A swap of two places: the third tells both alike (not told, to neither, to both: 3 ways) and one
    // of the pair is the mirror of the other (5 ways): 15. A rotation: all three alike (5 ways): 5. (125 + 3 × 15 + 2 × 5) / 6 = 30.
    expect(search(right(true))).toMatchObject({ states: 30, isComplete: true })
  })
})

describe('crashes', () => {
  const crashes = (max: number, aliveMin: number) => ({
    crashes: { max, isSurvivable: (_: unknown, alive: readonly boolean[]) => alive.filter(Boolean).length >= aliveMin },
  })

  it('happen to at most so many, and only where enough are left', () => {
    const idle = (max: number, aliveMin: number) =>
      search(bits(3, false, { actions: () => [], ...crashes(max, aliveMin) })).states
    // Sets of crashed places with at most `max` members that leave `aliveMin`.
    expect(idle(1, 0)).toBe(1 + 3)
    expect(idle(2, 0)).toBe(1 + 3 + 3)
    expect(idle(2, 2)).toBe(1 + 3)
  })

  it('take what was sent to the place, not what it sent', () => {
    const model = letters('fifo', crashes(1, 1))
    const post: Event = { kind: 'act', place: 0, name: 'post' }
    const after = (events: readonly Event[]): number => {
      const space = spaceOf(model)
      return follow(space, events).length - space.fixed
    }
    expect(after([post])).toBe(3)
    expect(after([post, { kind: 'crash', place: 1 }])).toBe(0)
    expect(after([post, { kind: 'crash', place: 0 }])).toBe(3)
    expect(after([{ kind: 'crash', place: 1 }, post])).toBe(0)
  })
})

describe('bounds', () => {
  it('are spent by the actions that cost them, whoever takes them', () => {
    const spending = bits(2, false, {
      budgets: [{ name: 'coins', limit: 3 }],
      actions: () => [{ name: 'spend', budget: 0 }],
      act: (n) => outcome(n + 1),
    })
    // Pairs with a sum of at most 3: 1 + 2 + 3 + 4.
    expect(search(spending)).toMatchObject({ states: 10, isComplete: true })
  })

  it('keep a timer from flooding the network', () => {
    const pinging = (inFlightMax: number) =>
      toy(['', ''], {
        inFlightMax,
        actions: (_state, place) => (place === 0 ? [{ name: 'ping', pacedBy: { sent: 'ping', answer: 'pong' } }] : []),
        act: (state) => outcome(state, { to: 1, message: 'ping' }),
        receive: (state, place) => (place === 1 ? outcome(state, { to: 0, message: 'pong' }) : outcome(state)),
      })
    // So many pings and pongs together: (p, q) with p + q ≤ limit.
    expect(search(pinging(1))).toMatchObject({ states: 3, isComplete: true })
    expect(search(pinging(2))).toMatchObject({ states: 6, isComplete: true })
  })

  it('let only so many places contend', () => {
    const contending = (max: number) =>
      bits(3, false, {
        actions: (bit) => (bit === 0 ? [{ name: 'stand', contends: true }] : []),
        contendersMax: max,
        isContending: (bit) => bit === 1,
      })
    expect(search(contending(1)).states).toBe(1 + 3)
    expect(search(contending(2)).states).toBe(1 + 3 + 3)
  })

  it('are checked where they are passed, and not left any more', () => {
    const beyond = { isBeyond: (n: number) => n > 5 }
    expect(search(counter(9, 5, beyond)).violation?.message).toBe('small: 6 is more than 5')
    expect(search(counter(9, 9, beyond))).toMatchObject({ states: 7, isComplete: true })
  })
})

describe('counterexamples', () => {
  const model = counter(9, 2)

  it('happen again when they are followed', () => {
    const { violation } = search(mutex(true))
    expect(replay(spaceOf(mutex(true)), violation!.events)).toEqual(violation)
    expect(replay(spaceOf(mutex(false)), violation!.events)).toBeUndefined()
  })

  it('shrink until nothing can be left out', () => {
    const noisy = [hum, count, hum, hum, count, hum, count, hum, count, count]
    const shrunk = shrink(eraseModel(model), noisy, 'small: 5 is more than 2')
    expect(shrunk).toEqual({ message: 'small: 3 is more than 2', events: [count, count, count] })
    const long = directed(eraseModel(mutex(true)), { seed: 7, stretches: 200, stepsMax: 40 })
    const { events, message } = long.violation!
    expect(message).toBe('mutual exclusion: both are inside')
    events.forEach((_, i) => {
      expect(replay(spaceOf(mutex(true)), [...events.slice(0, i), ...events.slice(i + 1)])).toBeUndefined()
    })
  })

  it('cannot be followed where they do not happen', () => {
    expect(() => follow(spaceOf(counter(1, 9)), [count, count])).toThrow('cannot happen')
  })
})

describe('directed search', () => {
  it('is given by its seed, and finds nothing where nothing is wrong', () => {
    const run = (broken: boolean, seed: number) =>
      directed(eraseModel(mutex(broken)), { seed, stretches: 200, stepsMax: 40 })
    expect(run(true, 3)).toEqual(run(true, 3))
    expect(run(false, 3).violation).toBeUndefined()
  })
})

describe('the table of hashes', () => {
  it('numbers what is new, and grows', () => {
    const table = new HashTable()
    const hash: Hash = { low: 0, high: 0 }
    const add = (a: number, b: number): number => {
      hashWords([a, b], 2, hash)
      return table.add(hash)
    }
    const count = 100_000
    for (let i = 0; i < count; i++) expect(add(i, i >> 3)).toBe(i)
    for (let i = 0; i < count; i += 997) expect(add(i, i >> 3)).toBe(-1)
    expect(table.size).toBe(count)
  })
})

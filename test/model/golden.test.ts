// Goal: searches of the models are exhaustive, find nothing wrong, reach what they are meant to reach, visit exactly as many worlds as before, and
// together take every edge of the charts, except those that golden.ts gives a reason for.
import { describe, expect, it } from 'vitest'
import { breadthFirst } from '../../runtime/check/breadth-first.ts'
import { GOLDEN, NOT_TAKEN, type Counts } from './golden.ts'

const taken = new Set<string>()

describe('exhaustive search', () => {
  it.each(GOLDEN.map((golden) => [golden.name, golden] as const))('%s', (_, { model, beyondReach = [], ...golden }) => {
    const result = breadthFirst(model, { statesMax: 1e6, depthMax: 1e4 })
    expect(result.violation).toBeUndefined()
    expect(result.isComplete).toBe(true)
    const expected: Counts = { states: golden.states, transitions: golden.transitions, depth: golden.depth }
    expect({ states: result.states, transitions: result.transitions, depth: result.depth }).toEqual(expected)
    expect([...result.goals].filter(([, isReached]) => !isReached).map(([goal]) => goal)).toEqual(beyondReach)
    for (const edge of result.edges.keys()) taken.add(edge)
  })
})

describe('the charts', () => {
  it('have no edge that is neither taken nor explained, and no explanation of a taken one', () => {
    const all = new Set(GOLDEN.flatMap(({ model }) => model.edges))
    expect([...all].filter((edge) => !taken.has(edge)).sort()).toEqual(NOT_TAKEN.flatMap(({ edges }) => edges).sort())
    expect([...taken].filter((edge) => !all.has(edge))).toEqual([])
  })
})

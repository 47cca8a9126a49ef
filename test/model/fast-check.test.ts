// Goal: fast-check finds and shrinks what the checker finds, over the same models of the same actors.
// To see a failure again: put the `seed` and `path` that fast-check prints into the `fc.assert` that failed, as
//   fc.assert(walks.property(60), { seed: -123, path: '17:0:3', endOnFailure: true })
// and the shrunk run is the only one that is taken; its message tells the events one by one. (`path` is `run:shrink:shrink…`: leave all but
// the first number away to begin with the run before shrinking.)
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { erase, type AnyActorDefinition } from '../../actors/actor.ts'
import { ledgerWriter } from '../../actors/ledger-writer/ledger-writer.ts'
import { replay } from '../../runtime/check/shrink.ts'
import { Space } from '../../runtime/check/space.ts'
import { eraseModel } from '../../runtime/check/model.ts'
import { LEDGER_WRITER_MODEL_DEFAULTS, ledgerWriterModel } from '../../runtime/models/ledger-writer/model.ts'
import { REPLICA_MODEL_DEFAULTS, replicaModel } from '../../runtime/models/replica/model.ts'
import { Walks } from '../support/model-runs.ts'
import { mutex } from './toys.ts'

const SEED = 20250114

describe('no run of real actors breaks a property', () => {
  it('of three replicas on a network that repeats and mixes', () => {
    const model = replicaModel({
      ...REPLICA_MODEL_DEFAULTS,
      network: 'unordered',
      views: 4,
      requests: 2,
      signatures: 3,
    })
    fc.assert(new Walks(eraseModel(model)).property(150), { seed: SEED, numRuns: 150 })
  })

  it('of a ledger writer and its disk', () => {
    const model = ledgerWriterModel({ appends: 5, cuts: 2, commits: 2, failures: 1 })
    fc.assert(new Walks(eraseModel(model)).property(60), { seed: SEED, numRuns: 300 })
  })
})

describe('a failing run', () => {
  /** The toy's shortest failure has 6 events. */
  const walks = new Walks(eraseModel(mutex(true)))
  const found = fc.check(walks.property(40), { seed: SEED, numRuns: 500 })

  it('is found and shrunk to the events that it takes', () => {
    expect(found.failed).toBe(true)
    const [choices] = found.counterexample!
    const { events, violation } = walks.walk(choices)
    expect(violation?.message).toBe('mutual exclusion: both are inside')
    expect(events).toHaveLength(6)
    expect(choices).toHaveLength(6)
    expect(replay(new Space(eraseModel(mutex(true))), events)).toEqual(violation)
  })

  it('is taken again by its seed and path, and by nothing else', () => {
    const { seed, counterexamplePath } = found
    const again = fc.check(walks.property(40), { seed, path: counterexamplePath!, endOnFailure: true })
    expect(again.counterexample).toEqual(found.counterexample)
    expect(again.numRuns).toBe(1)
    const right = new Walks(eraseModel(mutex(false)))
    expect(fc.check(right.property(40), { seed, path: counterexamplePath!, endOnFailure: true }).failed).toBe(false)
  })

  it('of a ledger writer that does not flush tells what happened', () => {
    const real = erase(ledgerWriter)
    const neverFlushes: AnyActorDefinition = {
      ...real,
      step(state, envelope) {
        const { effects, ...rest } = real.step(state, envelope)
        return { ...rest, effects: effects.map((e) => (e.type === 'append' ? { ...e, flush: false } : e)) }
      },
    }
    const model = eraseModel(ledgerWriterModel(LEDGER_WRITER_MODEL_DEFAULTS, neverFlushes))
    const result = fc.check(new Walks(model).property(30), { seed: SEED, numRuns: 200 })
    expect(result.failed).toBe(true)
    const story = (result.errorInstance as Error).message.split('\n')
    expect(story[0]).toBe('durable is told only after fsync: told up to 1, a crash may leave 0')
    // A proposal that ends with a signature, and its delivery.
    expect(story.slice(1).map((text) => text.trim())).toEqual([
      'replica append s',
      'replica → ledger-writer  append 0 1 2s',
    ])
  })
})

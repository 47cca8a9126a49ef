// fast-check drives the checker's models: a run is a list of choices, each an integer taken modulo what may happen next, so every list is a run and
// every shorter or smaller list is one too. The rule to remember: 0 is the first thing that may happen; fast-check shrinks towards that.
import fc from 'fast-check'
import type { Violation } from '../../runtime/check/breadth-first.ts'
import { line, tell } from '../../runtime/check/events.ts'
import { shrink } from '../../runtime/check/shrink.ts'
import type { AnyModel } from '../../runtime/check/model.ts'
import { Space, type Event } from '../../runtime/check/space.ts'
import { WorldProperties } from '../../runtime/check/world-properties.ts'

/** More than ever may happen at once in these models, and with many divisors, so that every choice is about as likely. */
const CHOICE_MAX = 5039

/** Lists of at most `lengthMax` choices. */
export const choices = (lengthMax: number): fc.Arbitrary<number[]> =>
  fc.array(fc.nat({ max: CHOICE_MAX }), { maxLength: lengthMax, size: 'max' })

export interface Walked {
  readonly events: readonly Event[]
  readonly violation: Violation | undefined
}

/** Runs of one model. Local steps are taken once for all of them. */
export class Walks {
  readonly #model: AnyModel
  readonly #space: Space

  constructor(model: AnyModel) {
    this.#model = model
    this.#space = new Space(model)
  }

  /** Follows `choices` until something is wrong or nothing more can happen. */
  walk(choices: readonly number[]): Walked {
    const properties = new WorldProperties(this.#space)
    const events: Event[] = []
    let world = this.#space.initial()
    for (const choice of choices) {
      const next = this.#take(world, choice)
      if (next === undefined) break
      events.push(next.event)
      const message = next.violation ?? properties.violated(next.world)
      if (message !== undefined) return { events, violation: { message, events } }
      world = next.world
    }
    return { events, violation: undefined }
  }

  #take(world: Int32Array, choice: number) {
    let count = 0
    this.#space.successors(world, world.length, () => void count++)
    if (count === 0) return undefined
    const wanted = choice % count
    let at = 0
    let taken: { readonly event: Event; readonly world: Int32Array; readonly violation: string | undefined } | undefined
    this.#space.successors(world, world.length, (event, after, length, violation) => {
      if (at++ === wanted) taken = { event, world: after.slice(0, length), violation }
    })
    return taken
  }

  /** For `fc.assert` and `fc.check`: no run breaks a property. The failure tells the run. */
  property(lengthMax: number): fc.IPropertyWithHooks<[number[]]> {
    return fc.property(choices(lengthMax), (list) => {
      const { violation } = this.walk(list)
      if (violation === undefined) return
      // Fewer choices shift all later ones, so fast-check may keep events that do not matter: the story goes without them.
      const { message, events } = shrink(this.#model, violation.events, violation.message)
      throw new Error([message, ...tell(new Space(this.#model), events).map(line)].join('\n  '))
    })
  }
}

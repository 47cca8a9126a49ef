// Makes a counterexample short: events are left out in ever smaller pieces as long as the same property breaks (ddmin: Zeller, Hildebrandt,
// TSE 2002). What cannot happen any more without an event that was left out is left out too.
import type { AnyModel } from './model.ts'
import type { Violation } from './breadth-first.ts'
import { isSameEvent } from './events.ts'
import { Space, type Event } from './space.ts'
import { WorldProperties } from './world-properties.ts'

/** The property's name: what a message says before its first colon. */
const propertyOf = (message: string): string => message.split(':')[0]!

export function shrink(model: AnyModel, events: readonly Event[], message: string): Violation {
  const space = new Space(model)
  const property = propertyOf(message)
  let best: Violation = { message, events }
  let pieces = 2
  while (best.events.length > 1) {
    const size = Math.ceil(best.events.length / pieces)
    let shorter: Violation | undefined
    for (let at = 0; at < best.events.length && shorter === undefined; at += size) {
      const rest = [...best.events.slice(0, at), ...best.events.slice(at + size)]
      const run = replay(space, rest)
      if (run !== undefined && propertyOf(run.message) === property && run.events.length < best.events.length)
        shorter = run
    }
    if (shorter !== undefined) {
      best = shorter
      pieces = Math.max(2, Math.min(pieces - 1, shorter.events.length))
    } else if (size === 1) return best
    else pieces = Math.min(best.events.length, pieces * 2)
  }
  return best
}

/** Takes those of `events` that can happen, in order, until a property breaks. @returns undefined if none does */
export function replay(space: Space, events: readonly Event[]): Violation | undefined {
  const properties = new WorldProperties(space)
  const taken: Event[] = []
  let world = space.initial()
  for (const wanted of events) {
    let next: { readonly world: Int32Array; readonly violation: string | undefined } | undefined
    space.successors(world, world.length, (event, after, length, violation) => {
      if (next === undefined && isSameEvent(event, wanted)) next = { world: after.slice(0, length), violation }
    })
    if (next === undefined) continue
    taken.push(wanted)
    const message = next.violation ?? properties.violated(next.world)
    if (message !== undefined) return { message, events: taken }
    world = next.world
  }
  return undefined
}

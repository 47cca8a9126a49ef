// Events of a search, for comparison and for people.
import type { AnyModel } from './model.ts'
import type { Event, Space } from './space.ts'

export function isSameEvent(a: Event, b: Event): boolean {
  if (a.kind !== b.kind) return false
  if (a.kind === 'act') return b.kind === 'act' && a.place === b.place && a.name === b.name
  if (a.kind === 'crash') return b.kind === 'crash' && a.place === b.place
  return b.kind !== 'act' && b.kind !== 'crash' && a.from === b.from && a.to === b.to && a.nth === b.nth
}

/** An event with what it was about: the message, and the acting place's state afterwards. */
export interface Told {
  readonly event: Event
  /** What was delivered, lost or repeated. */
  readonly message: string | undefined
  /** Names of the places. */
  readonly from: string
  readonly to: string
}

/** The events of one run from the initial world, told. @throws RangeError if one of them cannot happen */
export function tell(space: Space, events: readonly Event[]): Told[] {
  let world = space.initial()
  return events.map((event) => {
    const told = describeIn(space, world, event)
    let after: Int32Array | undefined
    space.successors(world, world.length, (candidate, scratch, length) => {
      if (after === undefined && isSameEvent(candidate, event)) after = scratch.slice(0, length)
    })
    if (after === undefined) throw new RangeError(`cannot happen: ${JSON.stringify(event)}`)
    world = after
    return told
  })
}

function describeIn(space: Space, world: Int32Array, event: Event): Told {
  const { model } = space
  const name = (place: number): string => model.places[place]!
  if (event.kind === 'act' || event.kind === 'crash') {
    return { event, message: undefined, from: name(event.place), to: name(event.place) }
  }
  const { from, to } = event
  const link = Array.from(world.subarray(space.fixed)).filter((number) => {
    const packet = space.packets[number]!
    return packet.from === from && packet.to === to
  })
  const packet = space.packets[link[event.nth]!]!
  return { event, message: messageText(model, space, packet.message), from: name(from), to: name(to) }
}

const messageText = (model: AnyModel, space: Space, message: number): string =>
  model.describe(space.messages.value(message))

const VERBS = { deliver: '→', drop: '✗', duplicate: '⇉' } as const

/** `0 sign`, `0 → 1  ACK 4@2`, `1 ✗ 2  …` (lost), `crash 2`. */
export function line({ event, message, from, to }: Told): string {
  if (event.kind === 'act') return `${from} ${event.name}`
  if (event.kind === 'crash') return `crash ${from}`
  return `${from} ${VERBS[event.kind]} ${to}  ${message ?? ''}`
}

/** A Mermaid sequence diagram of a run. */
export function sequenceDiagram(places: readonly string[], told: readonly Told[]): string {
  const lines = told.map(({ event, message, from, to }) => {
    if (event.kind === 'act') return `  Note over N${from}: ${event.name}`
    if (event.kind === 'crash') return `  Note over N${from}: crashes`
    const text = (message ?? '').replaceAll(';', ',')
    return event.kind === 'drop' ? `  N${from}-xN${to}: ${text}` : `  N${from}->>N${to}: ${text}`
  })
  return ['sequenceDiagram', ...places.map((place) => `  participant N${place} as ${place}`), ...lines].join('\n')
}

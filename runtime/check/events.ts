// Events of a search, for comparison and for people.
import type { Event, Move, Space } from './space.ts'

export function isSameEvent(a: Event, b: Event): boolean {
  if (a.kind !== b.kind) return false
  if (a.kind === 'act') return b.kind === 'act' && a.place === b.place && a.name === b.name
  if (a.kind === 'crash') return b.kind === 'crash' && a.place === b.place
  return b.kind !== 'act' && b.kind !== 'crash' && a.from === b.from && a.to === b.to && a.message === b.message
}

/** An event with what it was about. */
export interface Told {
  readonly event: Event
  /** What was delivered, lost or repeated. */
  readonly message: string | undefined
  /** Its place among those under way on its link, in the order in which they were sent, 0 the oldest. */
  readonly nth: number
  /** Names of the places. */
  readonly from: string
  readonly to: string
}

/** The events of one run from the initial world, told. @throws RangeError if one of them cannot happen */
export function tell(space: Space, events: readonly Event[]): Told[] {
  const mail = new Mail(space)
  let world = space.initial()
  return events.map((event) => {
    const move = space.moves(world, world.length).find((candidate) => isSameEvent(candidate.event, event))
    if (move === undefined) throw new RangeError(`cannot happen: ${JSON.stringify(event)}`)
    const told = describe(space, world, move, mail)
    world = space.scratch.slice(0, space.take(world, world.length, move))
    mail.send(move.step?.packets ?? [], world)
    return told
  })
}

function describe(space: Space, world: Int32Array, { event, at }: Move, mail: Mail): Told {
  const { model } = space
  const name = (place: number): string => model.places[place]!
  if (event.kind === 'act' || event.kind === 'crash') {
    return { event, message: undefined, nth: 0, from: name(event.place), to: name(event.place) }
  }
  const packet = world[at]!
  const message = model.describe(space.messages.value(space.packets[packet]!.message))
  return { event, message, nth: mail.take(packet, event.kind), from: name(event.from), to: name(event.to) }
}

/** What is under way, in the order in which it was sent: a world of a network without order does not say. */
class Mail {
  readonly #space: Space
  #packets: number[] = []

  constructor(space: Space) {
    this.#space = space
  }

  send(packets: readonly number[], world: Int32Array): void {
    this.#packets = [...this.#packets, ...packets].filter(
      (packet) => !this.#space.isCrashed(world, this.#space.packets[packet]!.to),
    )
  }

  take(packet: number, kind: 'deliver' | 'drop' | 'duplicate'): number {
    const { from, to } = this.#space.packets[packet]!
    const index = this.#packets.indexOf(packet)
    const isOfLink = (other: number): boolean => {
      const { from: otherFrom, to: otherTo } = this.#space.packets[other]!
      return otherFrom === from && otherTo === to
    }
    const nth = this.#packets.slice(0, index).filter(isOfLink).length
    if (kind !== 'duplicate') this.#packets.splice(index, 1)
    return nth
  }
}

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

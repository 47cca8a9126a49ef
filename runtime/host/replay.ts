// The replay host: re-executes a recorded node step by step and compares what every step leads to with what was recorded.
// Clock, network, files, keys and randomness all come from the journal; nothing outside is touched.
// The rule to remember: the first difference ends the replay with a DivergenceError that names the step and the actor.
import type { AnyActorDefinition } from '../../actors/actor.ts'
import { DivergenceError, UsageError } from '../../protocols/errors.ts'
import { effectsDigest, type Journal } from './journal.ts'
import { Kernel } from './kernel.ts'

export interface ReplayOptions {
  readonly journal: Journal
  readonly catalogue: readonly AnyActorDefinition[]
  /** Starts the recorded node's first actor from the journal's setup. */
  readonly begin: (kernel: Kernel) => void
}

export interface Replayed {
  readonly steps: number
  /** Actors and their chart states at the end. */
  readonly actors: readonly { readonly address: string; readonly kind: string; readonly state: string }[]
}

/** @throws DivergenceError at the first step that does not reproduce; UsageError when the journal is of other actor versions. */
export function replay({ journal, catalogue, begin }: ReplayOptions): Replayed {
  for (const { kind, version } of journal.header.kinds) {
    const here = catalogue.find((definition) => definition.kind === kind)?.version
    if (here !== version)
      throw new UsageError(`the journal is of actor ${kind} version ${version}; here it is ${here ?? 'unknown'}`)
  }
  const nothing = (): void => undefined
  const kernel = new Kernel({
    catalogue,
    now: () => 0,
    checkInvariants: true,
    // Starting and stopping actors is the kernel's own; every other effect's outcome is in the journal.
    performer: { perform: nothing, appendDurably: nothing, forget: nothing },
  })
  begin(kernel)
  let steps = 0
  for (const { envelope, effects: recorded } of journal.steps) {
    if (!kernel.has(envelope.to)) {
      throw new DivergenceError(envelope.seq, envelope.to, 'the recorded node had this actor, the replayed one has not')
    }
    const effects = deliver(kernel, envelope)
    const digest = effectsDigest(effects)
    if (digest !== recorded) {
      const led = effects.map(({ type }) => type).join(', ')
      throw new DivergenceError(
        envelope.seq,
        envelope.to,
        `${envelope.event.type} led to [${led}] with digest ${digest}, recorded was ${recorded}`,
      )
    }
    steps++
  }
  return { steps, actors: kernel.describe() }
}

/** A step that cannot even be taken is the strongest difference of all. */
function deliver(kernel: Kernel, envelope: Journal['steps'][number]['envelope']) {
  try {
    return kernel.deliver(envelope)
  } catch (error) {
    throw new DivergenceError(
      envelope.seq,
      envelope.to,
      error instanceof Error ? `${error.name}: ${error.message}` : String(error),
    )
  }
}

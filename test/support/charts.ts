// Every chart of the project: each `actors/<kind>/<kind>.ts` exports one machine. Found by looking, so that none is forgotten.
// Not the catalogue of a node (runtime/catalogue.ts); test/tidy/charts.test.ts holds the two equal.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { StateMachine, type AnyStateMachine } from 'xstate'

const ACTORS = fileURLToPath(new URL('../../actors', import.meta.url))

export interface Chart {
  readonly kind: string
  readonly machine: AnyStateMachine
}

/** Ordered by kind. Throws when an actor's folder has no machine, or more than one. */
export async function allCharts(): Promise<Chart[]> {
  const kinds = readdirSync(ACTORS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
  return Promise.all(
    kinds.map(async (kind) => {
      const module = (await import(join(ACTORS, kind, `${kind}.ts`))) as Record<string, unknown>
      const machines = Object.entries(module).filter(([name]) => name.endsWith('Machine'))
      const [machine] = machines.map(([, value]) => value)
      if (machines.length !== 1 || !(machine instanceof StateMachine)) {
        throw new Error(`actors/${kind}/${kind}.ts must export one machine, named …Machine; found ${machines.length}`)
      }
      return { kind, machine }
    }),
  )
}

// A plan: everything a simulated run does besides what the actors decide, as plain data. Same plan, same run, to the trace hash.
// Not the drawing of plans from seeds (swarm.ts), not carrying them out (director.ts).
// The rule to remember: actions are timed in steps of the run, so that a plan keeps its shape when virtual time stretches.
import { APPEND_BYTES_MAX, SNAPSHOT_TX_COUNT } from '../../protocols/limits.ts'
import type { SimFaults } from '../host/sim.ts'
import type { Weather } from '../host/sim-network.ts'

/** What may be drawn and switched on with `--faults`. */
export const FAULTS = [
  'loss',
  'delay',
  'duplication',
  'reordering',
  'partition',
  'one-way',
  'clog',
  'clock',
  'crash',
  'slow-disk',
  'full-disk',
  'slow-signing',
  'burst',
  'reconfiguration',
  'rekey',
] as const
export type Fault = (typeof FAULTS)[number]

/** A node by its number, in order of creation, or whoever leads when the action's time has come. */
export type Target = number | 'primary'

type Range = readonly [number, number]

/** `at`: the step of the run at which it happens, or as soon after as can be. */
export type Action = { readonly at: number } & (
  | ({ readonly do: 'weather' } & Weather)
  /** Messages from one to the other are lost, until `mend`. */
  | { readonly do: 'cut'; readonly from: number; readonly to: number }
  /** Messages to and from the node are lost, until `mend`. */
  | { readonly do: 'isolate'; readonly node: Target }
  /** Messages between these nodes and all others are lost, until `mend`. */
  | { readonly do: 'partition'; readonly side: readonly number[] }
  | { readonly do: 'mend' }
  /** Messages are held, until `unclog` delivers them all. */
  | { readonly do: 'clog' | 'unclog'; readonly from: number; readonly to: number }
  /** The node's clock and timers run at this speed. */
  | { readonly do: 'clock'; readonly node: number; readonly percent: number }
  | { readonly do: 'crash'; readonly node: Target }
  | { readonly do: 'slow-disk'; readonly node: number; readonly fsyncMs: Range }
  | { readonly do: 'full-disk'; readonly node: Target }
  | { readonly do: 'slow-signing'; readonly node: number; readonly signMs: Range }
  /** So many writes at once. */
  | { readonly do: 'burst'; readonly node: Target; readonly requests: number }
  /** A fresh node is let in. */
  /** `rekey`: a new ledger secret. */
  | { readonly do: 'add-node' | 'rekey' }
  | { readonly do: 'remove-node'; readonly node: Target }
)

/** Settings of the nodes. */
export interface Knobs {
  readonly messageTimeoutMs: number
  readonly electionTimeoutMs: number
  readonly preVoteEnabled: boolean
  readonly pacing: 'eager' | 'heartbeat'
  /** Entry bytes in one AppendEntries. */
  readonly appendBytesMax: number
  readonly sendAfterBytes: number
  readonly logTailBytesMax: number
  readonly forwardingTimeoutMs: number
  /** Transactions between two snapshots. */
  readonly snapshotTxCount: number
}

export const USUAL_KNOBS: Knobs = {
  messageTimeoutMs: 20,
  electionTimeoutMs: 200,
  preVoteEnabled: true,
  pacing: 'eager',
  appendBytesMax: APPEND_BYTES_MAX,
  sendAfterBytes: 65_536,
  logTailBytesMax: 1_000_000,
  forwardingTimeoutMs: 3000,
  snapshotTxCount: SNAPSHOT_TX_COUNT,
}

/** How the clients behave that are there all the time. */
export interface ClientHabits {
  readonly count: number
  /** Between an answer and the next requests, ms: uniform. */
  readonly thinkMs: Range
  /** Requests sent together, at most. */
  readonly batchMax: number
  /** A client that is not answered for so long gives up and begins a new session. */
  readonly patienceMs: number
}

export interface Plan {
  readonly format: typeof PLAN_FORMAT
  /** Of all that is drawn while it runs: delays, losses, time-outs, requests. */
  readonly seed: number
  readonly nodes: number
  /** Steps of actors under faults; then everything heals and progress is required. */
  readonly steps: number
  readonly crypto: 'fast' | 'real'
  /** For the reader: what was switched on when it was drawn. */
  readonly faults: readonly Fault[]
  readonly knobs: Knobs
  readonly clients: ClientHabits
  /** In the beginning. */
  readonly weather: SimFaults
  /** By ascending `at`. */
  readonly actions: readonly Action[]
}

export const PLAN_FORMAT = 'concordat-sim/1'

/** What an action does, as a person reads it: `crash primary`, `cut n0 → n2`. */
export function describeAction({ at: _, ...action }: Action): string {
  const { do: what, ...fields } = action
  const facts = Object.entries(fields).map(([name, value]: [string, number | string | readonly number[]]) => {
    if (name === 'side') return (value as readonly number[]).map((node) => `n${node}`).join(',')
    const isNode = typeof value === 'number' && ['node', 'from', 'to'].includes(name)
    if (isNode) return `${name === 'to' ? '→ ' : ''}n${value}`
    const text = Array.isArray(value) ? value.join('–') : String(value)
    return name === 'node' ? text : `${name} ${text}`
  })
  return [what, ...facts].join(' ')
}

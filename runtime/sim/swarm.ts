// Draws a plan from a seed: which faults, how hard, when, and with which settings of nodes and clients. Swarm testing (Groce et al.,
// ISSTA 2012): each run has a random subset only, because faults hide one another and some bugs need a calm in one place.
// The rule to remember: every kind of fault draws from a stream of its own, so that leaving one out does not change the others.
import { CALM, type SimFaults } from '../host/sim.ts'
import type { Weather } from '../host/sim-network.ts'
import { Prng } from '../prng.ts'
import {
  FAULTS,
  PLAN_FORMAT,
  type Action,
  type ClientHabits,
  type Fault,
  type Knobs,
  type Plan,
  type Target,
} from './plan.ts'

export interface SwarmOptions {
  readonly seed: number
  readonly steps: number
  /** Undefined: drawn. */
  readonly nodes?: number | undefined
  /** Exactly these; undefined: a random half of all. */
  readonly faults?: readonly Fault[] | undefined
  readonly crypto?: Plan['crypto']
}

export function drawPlan({ seed, steps, nodes, faults, crypto = 'fast' }: SwarmOptions): Plan {
  const root = new Prng(seed)
  const count = nodes ?? pick(root.fork('nodes'), [3, 3, 3, 3, 5, 5, 5, 4, 2, 1, 7])
  const kinds = FAULTS.filter((fault) => faults?.includes(fault) ?? root.fork(`has ${fault}`).chance(1, 2))
  const weather = (prng: Prng): Weather => drawWeather(prng, kinds)
  const actions = [
    ...kinds.flatMap((fault) => DRAW[fault]({ prng: root.fork(fault), nodes: count, steps })),
    ...drawWeatherChanges(root.fork('weather changes'), steps, kinds, weather),
  ]
  return {
    format: PLAN_FORMAT,
    seed,
    nodes: count,
    steps,
    crypto,
    faults: kinds,
    knobs: { ...drawKnobs(root.fork('knobs')), snapshotTxCount: pick(root.fork('snapshots'), [30, 100, 10_000]) },
    clients: drawClients(root.fork('clients')),
    weather: drawStart(root.fork('start'), weather),
    // Stable: actions of one step stay in the order of kinds.
    actions: actions.sort((a, b) => a.at - b.at),
  }
}

const pick = <T>(prng: Prng, choices: readonly T[]): T => choices[prng.integer(0, choices.length - 1)]!

function drawKnobs(prng: Prng): Omit<Knobs, 'snapshotTxCount'> {
  const messageTimeoutMs = pick(prng, [5, 10, 20, 50])
  return {
    messageTimeoutMs,
    electionTimeoutMs: messageTimeoutMs * pick(prng, [5, 10, 20]),
    preVoteEnabled: prng.chance(3, 4),
    pacing: prng.chance(3, 4) ? 'eager' : 'heartbeat',
    // A small one makes catching up take many messages, which lose one another.
    appendBytesMax: pick(prng, [1000, 5000, 5000, 262_144]),
    sendAfterBytes: pick(prng, [1, 1000, 65_536]),
    // A small tail makes a leader read old entries back from its ledger.
    logTailBytesMax: pick(prng, [20_000, 200_000, 1_000_000]),
    forwardingTimeoutMs: pick(prng, [100, 500, 3000]),
  }
}

function drawClients(prng: Prng): ClientHabits {
  // Mostly light: steps are for consensus, and bursts bring the load.
  const longest = pick(prng, [20, 100, 100, 400])
  return {
    count: prng.integer(1, 4),
    thinkMs: [1, longest],
    batchMax: pick(prng, [1, 1, 2, 8]),
    patienceMs: pick(prng, [100, 1000, 4000]),
  }
}

function drawStart(prng: Prng, weather: (prng: Prng) => Weather): SimFaults {
  const fsyncMs = pick(prng, [1, 2, 10])
  const signMs = pick(prng, [1, 3])
  return { ...CALM, ...(prng.chance(1, 2) ? weather(prng) : {}), fsyncMs: [1, fsyncMs], signMs: [1, signMs] }
}

function drawWeather(prng: Prng, kinds: readonly Fault[]): Weather {
  const when = (fault: Fault, choices: readonly number[]): number => {
    const drawn = pick(prng, choices)
    return kinds.includes(fault) ? drawn : 0
  }
  const delay = when('delay', [5, 20, 100])
  return {
    lossPerMille: when('loss', [5, 50, 200]),
    duplicationPerMille: when('duplication', [10, 100]),
    reorderPerMille: when('reordering', [50, 500]),
    delayMs: [1, 2 + delay],
  }
}

/** Storms come and go. */
function drawWeatherChanges(
  prng: Prng,
  steps: number,
  kinds: readonly Fault[],
  weather: (prng: Prng) => Weather,
): Action[] {
  if (!kinds.some((kind) => ['loss', 'delay', 'duplication', 'reordering'].includes(kind))) return []
  const { lossPerMille, duplicationPerMille, reorderPerMille, delayMs } = CALM
  const calm: Weather = { lossPerMille, duplicationPerMille, reorderPerMille, delayMs }
  return times(prng, steps, 2500).map((at) => ({ at, do: 'weather', ...(prng.chance(1, 3) ? calm : weather(prng)) }))
}

/** Steps at which something happens, `meanGap` apart on average; how often differs from run to run. */
function times(prng: Prng, steps: number, meanGap: number): number[] {
  const gap = Math.max(20, Math.floor((meanGap * pick(prng, [1, 2, 4])) / 2))
  const found: number[] = []
  for (let at = prng.integer(1, gap); at < steps; at += prng.integer(1, 2 * gap)) found.push(at)
  return found
}

interface Draw {
  readonly prng: Prng
  readonly nodes: number
  readonly steps: number
}

const node = ({ prng, nodes }: Draw): number => prng.integer(0, nodes - 1)
const target = (draw: Draw): Target => (draw.prng.chance(1, 2) ? 'primary' : node(draw))
/** How long a fault lasts, in steps: mostly short, at times long enough for several elections. */
const duration = ({ prng }: Draw): number => prng.integer(20, pick(prng, [200, 800, 2400]))

/** Two different nodes, when there are two. */
function pair(draw: Draw): { readonly from: number; readonly to: number } {
  const from = node(draw)
  return { from, to: (from + draw.prng.integer(1, Math.max(1, draw.nodes - 1))) % draw.nodes }
}

const within = (draw: Draw, meanGap: number, make: (at: number) => Action[]): Action[] =>
  times(draw.prng, draw.steps, meanGap).flatMap(make)

const none = (): Action[] => []

/** So that a plan's nodes can be told apart in a score. */
const NODES_CREATED_MAX = 12

const DRAW: Readonly<Record<Fault, (draw: Draw) => Action[]>> = {
  loss: none,
  delay: none,
  duplication: none,
  reordering: none,
  partition: (draw) =>
    within(draw, 600, (at) => {
      const { prng, nodes } = draw
      const mend: Action = { at: at + duration(draw), do: 'mend' }
      if (prng.chance(1, 2)) return [{ at, do: 'isolate', node: target(draw) }, mend]
      const side = Array.from({ length: nodes }, (_, i) => i).filter(() => prng.chance(1, 2))
      return [{ at, do: 'partition', side }, mend]
    }),
  'one-way': (draw) =>
    within(draw, 700, (at) => [
      { at, do: 'cut', ...pair(draw) },
      { at: at + duration(draw), do: 'mend' },
    ]),
  // Swizzle (FoundationDB): links clog one after the other and are freed in another order.
  clog: (draw) =>
    within(draw, 600, (at) => {
      const links = Array.from({ length: draw.prng.integer(1, 2 * draw.nodes) }, () => pair(draw))
      return links.flatMap((link) => {
        const from = at + draw.prng.integer(0, 100)
        return [
          { at: from, do: 'clog', ...link },
          { at: from + duration(draw), do: 'unclog', ...link },
        ] satisfies Action[]
      })
    }),
  clock: (draw) =>
    within(draw, 3000, (at) => [
      { at, do: 'clock', node: node(draw), percent: pick(draw.prng, [25, 50, 80, 100, 125, 200, 400]) },
    ]),
  crash: (draw) => within(draw, 4000, (at) => [{ at, do: 'crash', node: target(draw) }]),
  'slow-disk': (draw) =>
    within(draw, 3000, (at) => {
      const slow = { do: 'slow-disk', node: node(draw) } as const
      return [
        { at, ...slow, fsyncMs: [10, pick(draw.prng, [50, 200, 1000])] },
        { at: at + duration(draw), ...slow, fsyncMs: [1, 2] },
      ]
    }),
  'full-disk': (draw) => within(draw, 10_000, (at) => [{ at, do: 'full-disk', node: target(draw) }]),
  'slow-signing': (draw) =>
    within(draw, 3000, (at) => {
      const slow = { do: 'slow-signing', node: node(draw) } as const
      return [
        { at, ...slow, signMs: [5, pick(draw.prng, [20, 100, 400])] },
        { at: at + duration(draw), ...slow, signMs: [1, 1] },
      ]
    }),
  burst: (draw) =>
    within(draw, 3000, (at) => [{ at, do: 'burst', node: target(draw), requests: pick(draw.prng, [20, 100, 400]) }]),
  reconfiguration: (draw) => {
    let created = draw.nodes
    return within(draw, 800, (at) => {
      const { prng } = draw
      const added = Math.min(pick(prng, [0, 1, 1, 2, 3]), NODES_CREATED_MAX - created)
      const removed = pick(prng, added === 0 ? [1, 2] : [0, 1, 2])
      created += added
      return [
        // Several that catch up together come in by one configuration, which overlaps little with the one before.
        ...Array.from({ length: added }, (): Action => ({ at, do: 'add-node' })),
        ...Array.from({ length: removed }, (): Action => {
          const node: Target = prng.chance(1, 4) ? 'primary' : prng.integer(0, created - 1)
          return { at: at + prng.integer(0, 400), do: 'remove-node', node }
        }),
      ]
    })
  },
  rekey: (draw) => within(draw, 800, (at) => [{ at, do: 'rekey' }]),
}

// Plans as files (`.sim.json`): one JSON object, refused in one line if it is not a plan.
import * as v from 'valibot'
import { parseJson } from '../../protocols/codec/json.ts'
import { UsageError } from '../../protocols/errors.ts'
import { SNAPSHOT_TX_COUNT, SNAPSHOT_TX_COUNT_MIN } from '../../protocols/limits.ts'
import { FAULTS, PLAN_FORMAT, type Plan } from './plan.ts'

const NODES_MAX = 15
const STEPS_MAX = 100_000_000

const count = v.pipe(v.number(), v.integer(), v.minValue(0))
const perMille = v.pipe(count, v.maxValue(1000))
const node = v.pipe(count, v.maxValue(NODES_MAX - 1))
const target = v.union([node, v.literal('primary')])
const range = v.strictTuple([count, count])
const weather = { lossPerMille: perMille, duplicationPerMille: perMille, reorderPerMille: perMille, delayMs: range }

const at = { at: count }
const action = v.variant('do', [
  v.strictObject({ ...at, do: v.literal('weather'), ...weather }),
  v.strictObject({ ...at, do: v.picklist(['cut', 'clog', 'unclog']), from: node, to: node }),
  v.strictObject({ ...at, do: v.picklist(['isolate', 'crash', 'full-disk', 'remove-node']), node: target }),
  v.strictObject({ ...at, do: v.literal('partition'), side: v.array(node) }),
  v.strictObject({ ...at, do: v.picklist(['mend', 'add-node', 'rekey']) }),
  v.strictObject({ ...at, do: v.literal('clock'), node, percent: v.pipe(count, v.minValue(1)) }),
  v.strictObject({ ...at, do: v.literal('slow-disk'), node, fsyncMs: range }),
  v.strictObject({ ...at, do: v.literal('slow-signing'), node, signMs: range }),
  v.strictObject({ ...at, do: v.literal('burst'), node: target, requests: count }),
])

const schema = v.strictObject({
  format: v.literal(PLAN_FORMAT),
  seed: v.pipe(v.number(), v.integer()),
  nodes: v.pipe(count, v.minValue(1), v.maxValue(NODES_MAX)),
  steps: v.pipe(count, v.maxValue(STEPS_MAX)),
  crypto: v.picklist(['fast', 'real']),
  faults: v.array(v.picklist(FAULTS)),
  knobs: v.strictObject({
    messageTimeoutMs: count,
    electionTimeoutMs: count,
    preVoteEnabled: v.boolean(),
    pacing: v.picklist(['eager', 'heartbeat']),
    appendBytesMax: count,
    sendAfterBytes: count,
    logTailBytesMax: count,
    forwardingTimeoutMs: count,
    // Plans from before there were snapshots go on as they were.
    snapshotTxCount: v.optional(v.pipe(count, v.minValue(SNAPSHOT_TX_COUNT_MIN)), SNAPSHOT_TX_COUNT),
  }),
  clients: v.strictObject({ count, thinkMs: range, batchMax: v.pipe(count, v.minValue(1)), patienceMs: count }),
  weather: v.strictObject({ ...weather, fsyncMs: range, signMs: range }),
  actions: v.array(action),
})

export const formatPlan = (plan: Plan): string => `${JSON.stringify(plan, undefined, 2)}\n`

/** @throws UsageError, one line, naming `path` and the field. */
export function parsePlan(text: string, path: string): Plan {
  let json: unknown
  try {
    json = parseJson(text)
  } catch {
    // Whatever it is: one line for the user.
    throw new UsageError(`${path} is not JSON`)
  }
  const parsed = v.safeParse(schema, json)
  if (parsed.success) return parsed.output
  const [issue] = parsed.issues
  throw new UsageError(`${path} is no plan: ${v.getDotPath(issue) ?? 'the whole'}: ${issue.message}`)
}

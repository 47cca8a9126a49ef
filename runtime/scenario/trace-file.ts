// From the events of a run to the lines of a trace file, as CCF's scenario runner makes them for its trace validation (trace-format.md).
// Not the events. The rule to remember: what the specification could not follow is refused, with the reason, and not written.
import type { TraceEvent } from './trace-event.ts'

/** A scenario that has no trace in CCF's sense; `message` says why. */
export class UntraceableError extends Error {
  override readonly name = 'UntraceableError'
}

/** The specification's model has that many servers. */
const SERVERS_MAX = 5

/**
 * NDJSON. `created` are the nodes of the scenario.
 * @throws UntraceableError more than five nodes, ids not dense from 0, another beginning than start_node and emit_signature
 */
export function traceFile(events: readonly TraceEvent[], created: readonly string[]): string {
  requireServers(events, created)
  const kept = withoutReplacedEvents(bootstrapped(events))
  return kept.map((event) => `${JSON.stringify(lineOf(event))}\n`).join('')
}

function requireServers(events: readonly TraceEvent[], created: readonly string[]): void {
  if (created.length > SERVERS_MAX) {
    throw new UntraceableError(`it has ${created.length} nodes, and the specification at most ${SERVERS_MAX}`)
  }
  const dense = created.map((_, i) => String(i))
  const odd = created.find((id) => !dense.includes(id))
  if (odd !== undefined) {
    throw new UntraceableError(`its nodes must be numbered ${dense.join(', ')}, and there is a node ${odd}`)
  }
  const acting = new Set(events.map(({ msg }) => msg.state.node_id))
  const silent = created.find((id) => !acting.has(id))
  if (silent !== undefined)
    throw new UntraceableError(`node ${silent} never acts, so the specification would not know it`)
}

/** The specification begins when the first configuration is committed: that commit becomes `bootstrap`, what led to it goes. */
function bootstrapped(events: readonly TraceEvent[]): TraceEvent[] {
  const opening = events.slice(0, 5).map(({ msg }) => msg)
  const functions = opening.map((msg) => msg.function)
  const begins = 'become_leader,replicate,add_configuration,replicate,commit' === functions.join(',')
  if (!begins || opening[3]?.globally_committable !== true || opening[4]?.args?.idx !== 2) {
    throw new UntraceableError('it must begin with start_node and emit_signature')
  }
  const commit = events[4]!
  return [{ ...commit, msg: { ...commit.msg, function: 'bootstrap' } }, ...events.slice(5)]
}

/** An `add_configuration` stands for the event of the same entry just before it on that node, and inherits its command. */
function withoutReplacedEvents(events: readonly TraceEvent[]): TraceEvent[] {
  const kept: (TraceEvent | undefined)[] = []
  const lastOf = new Map<string, number>()
  for (const event of events) {
    const node = event.msg.state.node_id
    let { cmd } = event
    const previous = lastOf.get(node)
    if (event.msg.function === 'add_configuration' && previous !== undefined) {
      cmd ||= kept[previous]!.cmd
      kept[previous] = undefined
    }
    lastOf.set(node, kept.length)
    kept.push({ ...event, cmd })
  }
  return kept.filter((event) => event !== undefined)
}

const lineOf = ({ h_ts, cmd, msg }: TraceEvent) => ({
  tag: 'raft_trace',
  h_ts,
  cmd,
  cmd_prefix: cmd.split(',')[0],
  msg,
})

// A validator of trace files: what Traceccfraft.tla reads of each event, by name and type (trace-format.md).
// Not the specification: whether the events are possible is for TLC to say. Shares no code with what writes traces.

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
type Shape = (value: Json | undefined) => boolean

const index: Shape = (value) => typeof value === 'number' && Number.isInteger(value) && value >= 0
const text: Shape = (value) => typeof value === 'string'
const flag: Shape = (value) => typeof value === 'boolean'
const oneOf =
  (...values: readonly string[]): Shape =>
  (value) =>
    typeof value === 'string' && values.includes(value)
const nodeId: Shape = (value) => typeof value === 'string' && /^[0-4]$/.test(value)
const indices: Shape = (value) =>
  Array.isArray(value) && value.length <= 2 && value.every(index) && (value.length < 2 || value[0]! < value[1]!)
const nodes: Shape = (value) => isObject(value) && Object.keys(value).length > 0 && Object.keys(value).every(nodeId)

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const lead = {
  'state.leadership_state': oneOf('None', 'Follower', 'PreVoteCandidate', 'Candidate', 'Leader'),
}
const mem = { 'state.membership_state': oneOf('Active', 'Retired') }
const ci = { 'state.commit_idx': index }
const com = { 'state.committable_indices': indices }
const last = { 'state.last_idx': index }
const all = { ...lead, ...mem, ...ci, ...com, ...last }
const from = { from_node_id: nodeId }
const to = { to_node_id: nodeId }
const leads = { ...all, 'state.leadership_state': oneOf('Leader') }

const appendEntries = {
  'packet.msg': oneOf('raft_append_entries'),
  'packet.term': index,
  'packet.leader_commit_idx': index,
  'packet.prev_term': index,
  'packet.prev_idx': index,
  'packet.idx': index,
}
const appendEntriesResponse = {
  'packet.msg': oneOf('raft_append_entries_response'),
  'packet.term': index,
  'packet.success': oneOf('OK', 'FAIL'),
  'packet.last_log_idx': index,
}
const preVoteOnly: Shape = (value) => value === undefined || value === 'PreVote'
const requestVote = {
  'packet.msg': oneOf('raft_request_vote'),
  'packet.term': index,
  'packet.last_committable_idx': index,
  'packet.term_of_last_committable_idx': index,
  'packet.election_type': preVoteOnly,
}
const requestVoteResponse = {
  'packet.msg': oneOf('raft_request_vote_response'),
  'packet.term': index,
  'packet.vote_granted': flag,
}
const proposeRequestVote = { 'packet.msg': oneOf('raft_propose_request_vote'), 'packet.term': index }
const PACKETS = [appendEntries, appendEntriesResponse, requestVote, requestVoteResponse, proposeRequestVote]

/** Required of each event, by its function. A path `state.x` is a member of a member of msg. */
const EVENTS: Readonly<Record<string, Readonly<Record<string, Shape>>>> = {
  bootstrap: { 'args.idx': (value) => value === 2 },
  replicate: { ...leads, globally_committable: flag },
  add_configuration: { ...lead, 'args.configuration.nodes': nodes },
  send_append_entries: { ...lead, ...mem, ...ci, ...com, ...to, match_idx: index, ...appendEntries },
  recv_append_entries: { ...mem, ...ci, ...from, ...appendEntries },
  execute_append_entries_sync: {
    'state.leadership_state': oneOf('Follower'),
    ...mem,
    'state.current_view': index,
  },
  send_append_entries_response: { ...all, ...appendEntriesResponse },
  recv_append_entries_response: {
    ...mem,
    ...ci,
    ...com,
    ...last,
    ...from,
    sent_idx: index,
    match_idx: index,
    ...appendEntriesResponse,
  },
  become_pre_vote_candidate: { ...all, 'state.leadership_state': oneOf('PreVoteCandidate') },
  become_candidate: { ...all, 'state.leadership_state': oneOf('Candidate') },
  send_request_vote: { ...all, ...to, ...requestVote },
  recv_request_vote: { ...mem, ...ci, ...com, ...from, ...requestVote },
  recv_request_vote_response: { ...mem, ...ci, ...com, ...last, ...from, ...requestVoteResponse },
  become_leader: leads,
  become_follower: { ...all, 'state.leadership_state': oneOf('Follower') },
  commit: { ...all, 'args.idx': index },
  recv_propose_request_vote: { ...all, ...from, ...proposeRequestVote },
  drop_pending_to: { ...from, ...to },
}

function member(value: Json | undefined, path: string): Json | undefined {
  let found = value
  for (const key of path.split('.')) found = isObject(found) ? found[key] : undefined
  return found
}

const unfit = (value: Json | undefined, shapes: Readonly<Record<string, Shape>>): string[] =>
  Object.entries(shapes)
    .filter(([path, fits]) => !fits(member(value, path)))
    .map(([path]) => `${path} is ${JSON.stringify(member(value, path))}`)

/** What is wrong with a trace file, as `line N: …`; empty if nothing is. */
export function traceProblems(file: string): string[] {
  const problems: string[] = []
  const servers = new Set<string>()
  let previousTs = 0
  for (const [i, line] of file.trimEnd().split('\n').entries()) {
    const event = JSON.parse(line) as Json
    const { h_ts: ts, msg } = (isObject(event) ? event : {}) as { readonly [key: string]: Json }
    const name = member(msg, 'function')
    const shapes = typeof name === 'string' ? EVENTS[name] : undefined
    const found = unfit(event, { tag: oneOf('raft_trace'), cmd_prefix: text })
    found.push(...unfit(msg, { 'state.node_id': nodeId, 'state.pre_vote_enabled': flag, ...shapes }))
    if (shapes === undefined) found.push(`function is ${JSON.stringify(name)}`)
    if (typeof ts !== 'number' || ts <= previousTs) found.push(`h_ts is ${JSON.stringify(ts)} after ${previousTs}`)
    if ((name === 'bootstrap') !== (i === 0)) found.push('bootstrap is the first event and no other')
    if (name === 'drop_pending_to' && !PACKETS.some((packet) => unfit(msg, packet).length === 0)) {
      found.push(`packet is ${JSON.stringify(member(msg, 'packet'))}`)
    }
    if (
      name === 'replicate' &&
      member(event, 'cmd_prefix') === 'cleanup_nodes' &&
      member(msg, 'globally_committable')
    ) {
      found.push('a retired_committed entry is no signature')
    }
    problems.push(...found.map((problem) => `line ${i + 1}: ${String(name)}: ${problem}`))
    previousTs = typeof ts === 'number' ? ts : previousTs
    servers.add(String(member(msg, 'state.node_id')))
  }
  const missing = [...servers].findIndex((_, i) => !servers.has(String(i)))
  if (missing >= 0) problems.push(`servers are not numbered from 0: ${[...servers].join(', ')}`)
  return problems
}

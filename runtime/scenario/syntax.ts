// How each command is spelt: its fields and the command they make. One table, from which the parser and the help text are made.
// The rule to remember: fields are taken as they are, without trimming or quoting, as CCF's driver does.
import { PROFILES, type Command, type LeaderOf, type Pair } from './command.ts'

/** A field that is not what the command takes. */
export class FieldError extends Error {
  override readonly name = 'FieldError'
}

/** The fields after the command's name. @throws FieldError */
export class Fields {
  readonly all: readonly string[]

  constructor(all: readonly string[]) {
    this.all = all
  }

  text(i: number): string {
    return this.all[i]!
  }

  node(i: number): string {
    return nodeIn(this.text(i))
  }

  nodes(from: number, to = this.all.length): string[] {
    return this.all.slice(from, to).map(nodeIn)
  }

  pair(): Pair {
    return [this.node(0), this.node(1)]
  }

  leaderOf(i: number): LeaderOf {
    return this.text(i) === 'latest' ? 'latest' : this.integer(i, 'a view or `latest`')
  }

  integer(i: number, what: string): number {
    const text = this.text(i)
    // Leading blanks are what the driver's number parser forgives.
    if (!/^ *[0-9]{1,9}$/.test(text)) throw new FieldError(`'${clip(text)}' is not ${what}`)
    return Number(text)
  }

  oneOf<T extends string>(i: number, words: readonly T[]): T {
    const found = words.find((word) => word === this.text(i))
    if (found === undefined) throw new FieldError(`'${clip(this.text(i))}' is none of ${words.join(', ')}`)
    return found
  }

  flag(i: number): boolean {
    const text = this.text(i)
    if (text !== 'true' && text !== 'false') throw new FieldError(`'${clip(text)}' is neither true nor false`)
    return text === 'true'
  }
}

const TEXT_CHARS_SHOWN = 40
const clip = (text: string): string => (text.length <= TEXT_CHARS_SHOWN ? text : `${text.slice(0, TEXT_CHARS_SHOWN)}…`)

/** Ids become parts of addresses and names in diagrams. */
const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/

function nodeIn(text: string): string {
  if (!NODE_ID.test(text)) throw new FieldError(`'${clip(text)}' is not a node id (letters, digits, _ . : -)`)
  return text
}

export interface Syntax {
  /** Names of the fields, comma-separated; `..` at the end: and more of the same. */
  readonly usage: string
  readonly least: number
  readonly most: number
  readonly make: (fields: Fields) => Command
}

const fixed = (usage: string, make: Syntax['make']): Syntax => {
  const count = usage === '' ? 0 : usage.split(',').length
  return { usage, least: count, most: count, make }
}
const open = (usage: string, least: number, make: Syntax['make']): Syntax => ({
  usage,
  least,
  most: Number.MAX_SAFE_INTEGER,
  make,
})
const MS = 'a number of milliseconds'
const INDEX = 'an index'

/** `in,A,..,out,X,..` in either order, one part may be missing; what comes first must come right after the view. */
function swapNodes(fields: Fields): Command {
  const [inAt, outAt] = ['in', 'out'].map((word) => fields.all.indexOf(word, 1)) as [number, number]
  if (inAt !== 1 && outAt !== 1) throw new FieldError("expected 'in' or 'out' after the view")
  const part = (at: number, other: number): string[] =>
    at < 0 ? [] : fields.nodes(at + 1, other > at ? other : undefined)
  return { do: 'swapNodes', leaderOf: fields.leaderOf(0), incoming: part(inAt, outAt), outgoing: part(outAt, inAt) }
}

/** CCF's commands (tests/raft_scenarios; scenario-dsl.md). */
export const CCF_COMMANDS: Readonly<Record<string, Syntax>> = {
  pre_vote_enabled: fixed('true|false', (f) => ({ do: 'setPreVote', enabled: f.flag(0) })),
  start_node: fixed('A', (f) => ({ do: 'startNode', node: f.node(0) })),
  trust_node: fixed('T,A', (f) => ({ do: 'trustNodes', leaderOf: f.leaderOf(0), nodes: [f.node(1)] })),
  trust_nodes: open('T,A,..', 2, (f) => ({ do: 'trustNodes', leaderOf: f.leaderOf(0), nodes: f.nodes(1) })),
  swap_node: fixed('T,X,A', (f) => ({
    do: 'swapNodes',
    leaderOf: f.leaderOf(0),
    outgoing: [f.node(1)],
    incoming: [f.node(2)],
  })),
  swap_nodes: open('T,in,A,..,out,X,..', 3, swapNodes),
  cleanup_nodes: open('T,X,..', 2, (f) => ({ do: 'cleanupNodes', leaderOf: f.leaderOf(0), nodes: f.nodes(1) })),
  nodes: open('A,..', 1, (f) => ({ do: 'createNodes', nodes: f.nodes(0) })),
  create_new_node: fixed('A', (f) => ({ do: 'createNode', node: f.node(0) })),
  replicate_new_configuration: open('T,A,..', 2, (f) => ({
    do: 'replicateConfiguration',
    leaderOf: f.leaderOf(0),
    nodes: f.nodes(1),
    connected: false,
  })),
  nominate_successor: fixed('A', (f) => ({ do: 'nominateSuccessor', node: f.node(0) })),

  replicate: fixed('T,text', (f) => ({ do: 'replicate', leaderOf: f.leaderOf(0), text: f.text(1) })),
  emit_signature: fixed('T', (f) => ({ do: 'emitSignature', leaderOf: f.leaderOf(0) })),

  connect: fixed('A,B', (f) => ({ do: 'connect', pair: f.pair() })),
  reconnect: fixed('A,B', (f) => ({ do: 'connect', pair: f.pair() })),
  disconnect: fixed('A,B', (f) => ({ do: 'disconnect', pair: f.pair() })),
  reconnect_node: fixed('A', (f) => ({ do: 'connectNode', node: f.node(0) })),
  disconnect_node: fixed('A', (f) => ({ do: 'disconnectNode', node: f.node(0) })),
  drop_pending: fixed('A', (f) => ({ do: 'dropPending', from: f.node(0) })),
  drop_pending_to: fixed('A,B', (f) => ({ do: 'dropPendingTo', pair: f.pair() })),
  shuffle_one: fixed('A', (f) => ({ do: 'shuffle', node: f.node(0) })),
  shuffle_all: fixed('', () => ({ do: 'shuffle', node: undefined })),

  dispatch_single: fixed('A,B', (f) => ({ do: 'dispatchSingle', pair: f.pair(), nth: 0 })),
  dispatch_one: fixed('A', (f) => ({ do: 'dispatchOne', from: f.node(0) })),
  dispatch_all_once: fixed('', () => ({ do: 'dispatchAllOnce' })),
  dispatch_all: fixed('', () => ({ do: 'dispatchAll' })),

  periodic_one: fixed('A,ms', (f) => ({ do: 'periodic', node: f.node(0), ms: f.integer(1, MS) })),
  periodic_all: fixed('ms', (f) => ({ do: 'periodic', node: undefined, ms: f.integer(0, MS) })),

  state_one: fixed('A', (f) => ({ do: 'printState', node: f.node(0) })),
  state_all: fixed('', () => ({ do: 'printState', node: undefined })),
  summarise_log: fixed('A', (f) => ({ do: 'printLog', node: f.node(0) })),
  summarise_logs_all: fixed('', () => ({ do: 'printLog', node: undefined })),
  summarise_messages: fixed('A,B', (f) => ({ do: 'printMessages', pair: f.pair() })),

  assert_state_sync: fixed('', () => ({ do: 'assertSync' })),
  assert_commit_idx: fixed('A,idx', (f) => ({ do: 'assertCommitIdx', node: f.node(0), idx: f.integer(1, INDEX) })),
  assert_detail: fixed('A,key,value', (f) => detail(f, true)),
  'assert_!detail': fixed('A,key,value', (f) => detail(f, false)),
  assert_config: open('A,idx,B,..', 2, (f) => ({
    do: 'assertConfig',
    node: f.node(0),
    idx: f.integer(1, INDEX),
    nodes: f.nodes(2),
  })),
  assert_absent_config: fixed('A,idx', (f) => ({ do: 'assertNoConfig', node: f.node(0), idx: f.integer(1, INDEX) })),
  assert_last_txid: fixed('A,view.idx', (f) => ({ do: 'assertLastTxId', node: f.node(0), txId: f.text(1) })),
  assert_commit_safety: fixed('A', (f) => ({ do: 'assertCommitSafety', node: f.node(0) })),
  loop_until_sync: fixed('', () => ({ do: 'loopUntilSync' })),
}

const detail = (f: Fields, equal: boolean): Command => ({
  do: 'assertDetail',
  node: f.node(0),
  key: f.text(1),
  value: f.text(2),
  equal,
})

/** Ours: single messages and single events, so that a model checker's counterexample can be written as a scenario. */
export const OWN_COMMANDS: Readonly<Record<string, Syntax>> = {
  profile: fixed('name', (f) => ({ do: 'setProfile', profile: f.oneOf(0, PROFILES) })),
  drop_single: fixed('A,B', (f) => ({ do: 'dropSingle', pair: f.pair() })),
  duplicate_single: fixed('A,B', (f) => ({ do: 'duplicateSingle', pair: f.pair(), nth: 0 })),
  duplicate_nth: fixed('A,B,k', (f) => ({ do: 'duplicateSingle', pair: f.pair(), nth: f.integer(2, INDEX) })),
  deliver_nth: fixed('A,B,k', (f) => ({ do: 'dispatchSingle', pair: f.pair(), nth: f.integer(2, INDEX) })),
  carry_entries: fixed('true|false', (f) => ({ do: 'carryEntries', enabled: f.flag(0) })),
  timeout: fixed('A', (f) => ({ do: 'fire', node: f.node(0), timer: 'electionTimeout' })),
  heartbeat: fixed('A', (f) => ({ do: 'fire', node: f.node(0), timer: 'heartbeatTimeout' })),
  check_quorum: fixed('A', (f) => ({ do: 'fire', node: f.node(0), timer: 'quorumTimeout' })),
  crash: fixed('A', (f) => ({ do: 'crash', node: f.node(0) })),
  replicate_configuration: open('T,A,..', 2, (f) => ({
    do: 'replicateConfiguration',
    leaderOf: f.leaderOf(0),
    nodes: f.nodes(1),
    connected: true,
  })),
}

// Worlds made by hand for the checkers' tests: nodes with a few entries, and steps between two states. Nothing here runs.
import { AppendList } from '../../store/kv/append-list.ts'
import { initialState, type LogItem, type ReplicaConfig, type ReplicaState } from '../../actors/replica/state.ts'
import type { Effect, Message } from '../../actors/effects.ts'
import type { LogRecord, RecordKind } from '../../protocols/consensus/log.ts'
import type { Configuration, Membership } from '../../protocols/consensus/messages.ts'
import { updateViewHistory, type ViewHistory } from '../../protocols/consensus/view-history.ts'
import { utf8 } from '../../protocols/codec/bytes.ts'
import type { NodeId } from '../../protocols/ids.ts'
import { SimDisk } from '../../runtime/host/sim-disk.ts'
import { USUAL_KNOBS } from '../../runtime/sim/plan.ts'
import type { ReplicaSight } from '../../runtime/sim/service.ts'
import { BrokenPromise, CommittedLog, type NodeSight, type ReplicaStep, type World } from '../../runtime/sim/world.ts'

const KINDS: Readonly<Record<string, RecordKind>> = {
  t: 'transaction',
  s: 'signature',
  c: 'reconfiguration',
  r: 'retiredCommitted',
}

/**
 * `2t 2s 3c(n0,n1)`: view and kind (transaction, signature, reconfiguration, retired-committed) of each entry, from seqno 1. `by` makes
 * entries of the same id differ.
 */
export function entries(text: string, by = ''): LogRecord[] {
  const words = text.split(' ').filter((word) => word !== '')
  return words.map((word, i): LogRecord => {
    const [, view, letter, names] = /^(\d+)([tscr])(?:\((.*)\))?$/.exec(word)!
    const nodes = names === undefined ? {} : { nodes: names.split(',') as NodeId[] }
    const bytes = utf8(`entry ${word} ${i + 1} ${by} `.padEnd(20))
    return { seqno: i + 1, view: Number(view), kind: KINDS[letter!]!, bytes, ...nodes }
  })
}

interface Shape {
  readonly log?: readonly LogRecord[]
  readonly value?: string
  readonly view?: number
  readonly commit?: number
  readonly committable?: readonly number[]
  readonly members?: readonly string[]
  /** Instead of `members` from the first entry on. */
  readonly configurations?: readonly Configuration[]
  readonly membership?: Membership
  readonly peers?: Readonly<Record<string, number>>
}

/** One item for each record: states that share entries share items, as those of a running replica do. */
const items = new WeakMap<LogRecord, LogItem>()
function itemOf(record: LogRecord): LogItem {
  const item = items.get(record) ?? { record, endOffset: record.seqno * 20 }
  items.set(record, item)
  return item
}

/** A replica's state; the view is that of the last entry unless given. */
export function state(shape: Shape): ReplicaSight {
  const { log = [], members = ['n0', 'n1', 'n2'], peers = {} } = shape
  const start = initialState({
    ...USUAL_KNOBS,
    nodeId: 'n0' as NodeId,
    tickingFromStart: false,
    beginning: undefined,
    viewAtLeast: 0,
  } satisfies ReplicaConfig)
  let viewHistory: ViewHistory = []
  for (const { seqno, view } of log) viewHistory = updateViewHistory(viewHistory, seqno, view)
  const s: ReplicaState = {
    ...start,
    viewHistory,
    currentView: shape.view ?? log.at(-1)?.view ?? 0,
    commitIdx: shape.commit ?? 0,
    committableIndices: shape.committable ?? [],
    configurations: shape.configurations ?? [{ idx: 1, nodes: members as readonly NodeId[] }],
    membership: shape.membership ?? 'Active',
    log: AppendList.startingAt<LogItem>(1).append(log.map(itemOf)),
    peers: Object.fromEntries(
      Object.entries(peers).map(([id, matchIdx]) => [
        id,
        { sentIdx: matchIdx, matchIdx, lastAckAt: 0, reading: false, probe: undefined },
      ]),
    ),
  }
  return { value: shape.value ?? 'follower', s }
}

export interface TestNode extends NodeSight {
  readonly disk: SimDisk
}

/** A node whose disk has all entries of its log, the first `durable` of them fsynced. */
export function node(name: string, shape: Shape = {}, durable = Number.MAX_SAFE_INTEGER): TestNode {
  const disk = new SimDisk()
  disk.append(shape.log ?? [])
  disk.durable = Math.min(durable, disk.last)
  return { id: name as NodeId, name, disk, isRunning: true, replica: state(shape) }
}

/** The step that brings the node from where it is to `after`. */
export function stepTo(sight: TestNode, after: Shape, effects: readonly Effect[] = [], event: Message = { type: 'x' }) {
  const before = sight.replica
  sight.replica = state(after)
  const envelope = { seq: 1, at: 0, from: 'host', to: 'replica', event }
  return { before, after: sight.replica, envelope, effects } satisfies ReplicaStep
}

export interface TestWorld extends World {
  readonly nodes: TestNode[]
  readonly committed: CommittedLog
}

/** `committed`: entries that are committed already, each in its own view unless `viewOfCommit` says otherwise. */
export function world(nodes: TestNode[] = [], committed: readonly LogRecord[] = [], viewOfCommit?: number): TestWorld {
  const log = new CommittedLog()
  for (const record of committed) log.append(record, viewOfCommit ?? record.view)
  return {
    nodes,
    committed: log,
    fail(checker, message) {
      throw new BrokenPromise(checker, message)
    },
  }
}

/** What `act` breaks: `checker: message`, or undefined. */
export function broken(act: () => void): string | undefined {
  try {
    act()
  } catch (error) {
    if (error instanceof BrokenPromise) return `${error.checker}: ${error.message}`
    throw error
  }
  return undefined
}

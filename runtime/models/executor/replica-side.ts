// Two replicas that keep the consensus contract by knowing both: who leads, what is in which log, what is committed; and what they say of it to
// their executors (actors/replica/notices.ts). The rule to remember: only a signature of the leader's own view that both hold is committed.
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import type { ConsensusSummary, ReplicaNotice } from '../../../protocols/consensus/messages.ts'
import { updateViewHistory, type ViewHistory } from '../../../protocols/consensus/view-history.ts'
import { seqno, view } from '../../../protocols/ids.ts'
import { nodeIds } from './service.ts'
import { recordKey, type ReplicaSide } from './state.ts'

export const NEW_REPLICA: ReplicaSide = {
  view: 0,
  isLeader: false,
  leader: undefined,
  log: [],
  commitIdx: 0,
  notices: [],
}

type Sides = readonly ReplicaSide[]

function summaryOf(side: ReplicaSide): ConsensusSummary {
  let viewHistory: ViewHistory = []
  for (const record of side.log) viewHistory = updateViewHistory(viewHistory, record.seqno, record.view)
  return {
    leadership: side.isLeader ? 'Leader' : 'Follower',
    membership: 'Active',
    view: side.view,
    leaderId: side.leader === undefined ? undefined : nodeIds[side.leader]!,
    lastSeqno: side.log.length,
    committed: { view: view(side.log[side.commitIdx - 1]?.view ?? 0), seqno: seqno(side.commitIdx) },
    viewHistory,
    configurations: [],
    peers: {},
  }
}

const replaced = (sides: Sides, place: number, side: ReplicaSide): Sides =>
  sides.map((old, i) => (i === place ? side : old))
const say = (side: ReplicaSide, notice: ReplicaNotice): ReplicaSide => ({ ...side, notices: [...side.notices, notice] })

function cut(side: ReplicaSide, length: number): ReplicaSide {
  if (side.log.length <= length) return side
  return say({ ...side, log: side.log.slice(0, length) }, { type: 'rolledBack', seqno: length })
}

const agreement = (a: readonly LogRecord[], b: readonly LogRecord[]): number => {
  const differ = a.findIndex((record, i) => b[i] === undefined || recordKey(record) !== recordKey(b[i]))
  return differ < 0 ? a.length : differ
}
const lastSignature = ({ log }: ReplicaSide): number => log.findLastIndex(({ kind }) => kind === 'signature') + 1

/** The leader of the newest view, if there is one. */
export function leaderOf(sides: Sides): number | undefined {
  const newest = Math.max(...sides.map((side) => side.view))
  const place = sides.findIndex((side) => side.isLeader && side.view === newest)
  return place < 0 ? undefined : place
}

/** Replicas may vote for one whose last signature is not behind. */
export function mayLead(sides: Sides, place: number): boolean {
  if (leaderOf(sides) === place) return false
  const rank = (side: ReplicaSide): readonly [number, number] => {
    const last = lastSignature(side)
    return [side.log[last - 1]?.view ?? 0, last]
  }
  const own = rank(sides[place]!)
  return sides.every((side) => {
    const other = rank(side)
    return own[0] > other[0] || (own[0] === other[0] && own[1] >= other[1])
  })
}

/** It leads a new view; what was never signed is gone. Nobody else knows yet. */
export function elect(sides: Sides, place: number): Sides {
  const newest = Math.max(1, ...sides.map((side) => side.view))
  const kept = cut(sides[place]!, lastSignature(sides[place]!))
  const leading = { ...kept, view: newest + 1, isLeader: true, leader: place }
  return replaced(sides, place, say(leading, { type: 'becamePrimary', summary: summaryOf(leading) }))
}

/** It has not heard from the other for too long: a leader doubts its majority, a follower its leader. */
export function stepDown(sides: Sides, place: number): Sides {
  const side = { ...sides[place]!, isLeader: false, leader: undefined }
  return replaced(sides, place, say(side, { type: 'becameBackup', summary: summaryOf(side) }))
}

/** True if the leader has something new for the place. */
export function mayFollow(sides: Sides, place: number): boolean {
  const leader = leaderOf(sides)
  if (leader === undefined || leader === place) return false
  const [own, its] = [sides[place]!, sides[leader]!]
  const knowsAll = agreement(its.log, own.log) === its.log.length && own.log.length === its.log.length
  return own.view < its.view || own.leader !== leader || !knowsAll || own.commitIdx < its.commitIdx
}

/** The place receives all that the leader has, as one AppendEntries: role, cut, entries, commit, in this order. */
export function follow(sides: Sides, place: number): Sides {
  const leader = leaderOf(sides)!
  const its = sides[leader]!
  let side = sides[place]!
  if (side.view < its.view || side.leader !== leader) {
    side = { ...side, view: its.view, isLeader: false, leader }
    side = say(side, { type: 'becameBackup', summary: summaryOf(side) })
  }
  side = cut(side, agreement(side.log, its.log))
  const fresh = its.log.slice(side.log.length)
  if (fresh.length > 0) side = say({ ...side, log: its.log }, { type: 'appended', records: fresh })
  return replaced(sides, place, commitUpTo(side, its.commitIdx))
}

const commitUpTo = (side: ReplicaSide, commitIdx: number): ReplicaSide => {
  if (commitIdx <= side.commitIdx) return side
  const committed = { ...side, commitIdx }
  return say(committed, { type: 'committed', summary: summaryOf(committed) })
}

/** The last signature of the leader's view that both hold, or its commit index. */
export function committable(sides: Sides, place: number): number {
  const side = sides[place]!
  const held = agreement(side.log, sides[1 - place]!.log)
  const found = side.log.findLast(
    ({ kind, view: of, seqno: at }) => kind === 'signature' && of === side.view && at <= held,
  )
  return leaderOf(sides) === place && found !== undefined ? Math.max(found.seqno, side.commitIdx) : side.commitIdx
}

export const commit = (sides: Sides, place: number): Sides =>
  replaced(sides, place, commitUpTo(sides[place]!, committable(sides, place)))

/** What the executor proposes is taken only by the leader of that view, and only where the log ends. */
export function propose(sides: Sides, place: number, inView: number, records: readonly LogRecord[]): Sides {
  const side = sides[place]!
  const isTaken = side.isLeader && side.view === inView && records[0]?.seqno === side.log.length + 1
  return isTaken ? replaced(sides, place, { ...side, log: [...side.log, ...records] }) : sides
}

export const heard = (sides: Sides, place: number): Sides =>
  replaced(sides, place, { ...sides[place]!, notices: sides[place]!.notices.slice(1) })

// A node's ledger files as plain data: what was handed over, how much of it an fsync has covered, and which flushes are under way.
// Not the file format (store/ledger, tested with faults of its own): this is its contract (store/README.md, "The durability rule").
// The rule to remember: a crash keeps what is durable, and of the rest any prefix, the last entry of which may be torn.
import type { Address, Message } from '../../../actors/actor.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import { invariant } from '../../../protocols/errors.ts'

/** A message on its way to a mailbox: of this node, or (`actor@node`) of another. */
export interface Post {
  readonly from: Address
  readonly to: Address
  readonly message: Message
}

/** An fsync that was asked for: what it covers, and what the host does when it ends. */
export interface Flush {
  readonly upTo: number
  readonly then: readonly Post[]
}

export interface Disk {
  /** From seqno 1 on, contiguous. */
  readonly entries: readonly LogRecord[]
  /** Entries that no crash takes. */
  readonly durable: number
  readonly committed: number
  readonly flushes: readonly Flush[]
  /** The next write takes so many entries and then fails. */
  readonly failsAfter: number | undefined
  /** `once`: a write has failed, and the file goes on from its last good entry. `dead`: nothing more is taken until it is opened again. */
  readonly failure: 'none' | 'once' | 'dead'
}

export const emptyDisk: Disk = {
  entries: [],
  durable: 0,
  committed: 0,
  flushes: [],
  failsAfter: undefined,
  failure: 'none',
}

/** The disk after an operation, and how many operations failed: itself, and the flushes it took down. */
export interface Done {
  readonly disk: Disk
  readonly failures: number
}

const done = (disk: Disk): Done => ({ disk, failures: 0 })
const refused = (disk: Disk): Done => ({ disk, failures: 1 })

export function append(disk: Disk, records: readonly LogRecord[]): Done {
  if (disk.failure === 'dead') return refused(disk)
  const isNext = records[0]?.seqno === disk.entries.length + 1
  // Whoever has not heard of a failure yet goes on sending what came behind the lost entries.
  invariant(isNext || disk.failure === 'once', `append of ${records[0]?.seqno} after ${disk.entries.length}`)
  if (!isNext) return refused(disk)
  const { failsAfter } = disk
  const taken = failsAfter === undefined ? records : records.slice(0, Math.min(failsAfter, records.length - 1))
  const entries = [...disk.entries, ...taken]
  if (failsAfter === undefined) return done({ ...disk, entries })
  return refused({ ...disk, entries, failsAfter: undefined, failure: 'once' })
}

/** Durable when it returns. Flushes of what was cut end with what precedes it. */
export function truncate(disk: Disk, after: number): Done {
  invariant(after >= disk.committed, `cut after ${after}, committed ${disk.committed}`)
  if (disk.failure === 'dead') return refused(disk)
  if (disk.failsAfter !== undefined) return fail(disk)
  const flushes = disk.flushes.map((flush) => ({ ...flush, upTo: Math.min(flush.upTo, after) }))
  return done({
    ...disk,
    entries: disk.entries.slice(0, after),
    durable: Math.min(disk.durable, after),
    flushes,
  })
}

export function markCommitted(disk: Disk, seqno: number): Done {
  const committed = Math.max(disk.committed, Math.min(seqno, disk.entries.length))
  return disk.failure === 'dead' ? refused(disk) : done({ ...disk, committed })
}

export const beginFlush = (disk: Disk): Disk => ({
  ...disk,
  flushes: [...disk.flushes, { upTo: disk.entries.length, then: [] }],
})

/** Flush number `nth` has ended: whatever was handed over before it began is durable. */
export const endFlush = (disk: Disk, nth: number): Disk => ({
  ...disk,
  durable: Math.max(disk.durable, disk.flushes[nth]!.upTo),
  flushes: disk.flushes.filter((_, i) => i !== nth),
})

/** An fsync, or a cut, has failed: nothing is known about the cache, so all that waited has failed too. */
export const fail = (disk: Disk): Done => ({
  disk: { ...disk, failure: 'dead', failsAfter: undefined, flushes: [] },
  failures: Math.max(1, disk.flushes.length),
})

/** What opening the ledger again finds after a crash that kept `whole` entries: the tail is cut to the last whole signed one. */
export function recover(disk: Disk, whole: number): readonly LogRecord[] {
  const kept = disk.entries.slice(0, whole)
  return kept.slice(0, kept.findLastIndex(({ kind }) => kind === 'signature') + 1)
}

/** The entries as text: `2 2s 3`. */
export const entriesKey = (entries: readonly LogRecord[]): string =>
  entries.map(({ view, kind, nodes }) => `${view}${KIND[kind]}${nodes?.join('') ?? ''}`).join(' ')

const KIND = { transaction: '', signature: 's', reconfiguration: 'c', retiredCommitted: 'r' } as const

export function diskKey({ entries, flushes, ...rest }: Disk): string {
  const waiting = flushes.map(({ upTo, then }) => [upTo, then.map(({ to, message }) => [to, message])])
  return JSON.stringify([entriesKey(entries), waiting, rest])
}

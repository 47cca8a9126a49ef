// A ledger as rows of cells, one for each transaction: what the maps in a terminal and in SVG are drawn from. Not the drawing.
// The rule to remember: neighbours of one sort are merged into runs, and a row is dropped when it is drawn, so memory stays flat.
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { StreamedEntry } from './entry-stream.ts'
import { serviceAfter, type ServiceSeen, unknownService } from './service-seen.ts'
import { type TransactionKind, transactionKind } from './transaction-kind.ts'

/** Transactions that follow each other and look the same. */
export interface Run {
  readonly first: number
  readonly last: number
  readonly view: number
  readonly kind: TransactionKind
  readonly committed: boolean
  readonly service: ServiceSeen
}

/** Merges neighbours that look the same and belong to the same service. @throws as the entries do */
export function* runsOf(crypto: Crypto, entries: Iterable<StreamedEntry>): Generator<Run> {
  let run: Run | undefined
  let service = unknownService
  for (const source of entries) {
    const { entry, chunk } = source
    const kind = transactionKind(entry)
    service = kind === 'service' ? serviceAfter(crypto, service, entry) : service
    const { view, seqno } = entry
    const { committed } = chunk
    const isMore = run?.kind === kind && run.view === view && run.committed === committed && run.service === service
    if (run !== undefined && isMore) run = { ...run, last: seqno }
    else {
      if (run !== undefined) yield run
      run = { first: seqno, last: seqno, view, kind, committed, service }
    }
  }
  if (run !== undefined) yield run
}

export interface Segment extends Run {
  /** First column of the row it takes, from 0. */
  readonly column: number
  /** It begins another view than the transaction before it. */
  readonly startsView: boolean
}

export interface Row {
  /** Seqno of its first cell. */
  readonly first: number
  /** What begins here, when rows are split. */
  readonly heading: string | undefined
  readonly segments: readonly Segment[]
}

export type Split = 'views' | 'services'

function headingOf(run: Run, before: Run | undefined, split: readonly Split[]): string | undefined {
  const parts: string[] = []
  const { id, status } = run.service
  if (split.includes('services') && (before === undefined || before.service.id !== id))
    parts.push(id === undefined ? 'service not named yet' : `service ${id.slice(0, 16)}… (${status ?? 'no status'})`)
  if (split.includes('views') && before?.view !== run.view) parts.push(`view ${run.view}`)
  return parts.length === 0 ? undefined : `${parts.join(', ')}, from seqno ${run.first}`
}

/** Cuts runs into rows of at most `columns` cells, and where a heading is due. */
export function* rowsOf(runs: Iterable<Run>, columns: number, split: readonly Split[]): Generator<Row> {
  let row: { first: number; heading: string | undefined; segments: Segment[] } | undefined
  let used = 0
  let before: Run | undefined
  for (const run of runs) {
    const heading = headingOf(run, before, split)
    const startsView = before !== undefined && before.view !== run.view
    for (let first = run.first; first <= run.last;) {
      const isNew = row === undefined || used === columns || (heading !== undefined && first === run.first)
      if (isNew) {
        if (row !== undefined) yield row
        row = { first, heading: first === run.first ? heading : undefined, segments: [] }
        used = 0
      }
      const count = Math.min(run.last - first + 1, columns - used)
      const last = first + count - 1
      row!.segments.push({ ...run, first, last, column: used, startsView: startsView && first === run.first })
      used += count
      first = last + 1
    }
    before = run
  }
  if (row !== undefined) yield row
}

/** How much there is of what; filled while runs pass. */
export interface MapTotals {
  readonly counts: Map<TransactionKind, number>
  first: number
  last: number
  views: number
  services: number
  /** First seqno in an uncommitted chunk. */
  uncommittedFrom: number | undefined
}

export const noTotals = (): MapTotals => ({
  counts: new Map(),
  first: 0,
  last: 0,
  views: 0,
  services: 0,
  uncommittedFrom: undefined,
})

/** Passes runs on and adds them up. */
export function* countRuns(runs: Iterable<Run>, totals: MapTotals): Generator<Run> {
  let before: Run | undefined
  for (const run of runs) {
    totals.counts.set(run.kind, (totals.counts.get(run.kind) ?? 0) + run.last - run.first + 1)
    if (totals.first === 0) totals.first = run.first
    totals.last = run.last
    if (before?.view !== run.view) totals.views++
    if (run.service.id !== undefined && before?.service.id !== run.service.id) totals.services++
    if (!run.committed) totals.uncommittedFrom ??= run.first
    before = run
    yield run
  }
}

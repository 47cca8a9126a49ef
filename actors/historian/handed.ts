// What the executor hands over with each commit, so that the index of the past need not read back, decrypt and verify what this node has just
// executed or verified itself: the rows of those transactions, kept until they are written.
// Not the reading of the ledger (indexing.ts), which brings whatever is missing here.
// The rule to remember: what was handed over continues the index or is left alone; it may always be dropped, for the ledger has it all.
import { viewAt } from '../../protocols/consensus/view-history.ts'
import type { HistoryCommitted } from '../../protocols/historical/messages.ts'
import { INDEX_ROWS_HANDED_MAX, INDEX_ROWS_WRITTEN_MAX } from '../../protocols/limits.ts'
import type { Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import type { IndexRow } from '../effects.ts'
import { encodeMark, rowsOf, type Mark } from './index-rows.ts'
import { nextOf, type Handed, type HistorianState, type IndexState } from './state.ts'

/** The index with what a commit brought. */
export function takeOver(s: HistorianState, { seqno, viewHistory, now }: HistoryCommitted): IndexState {
  const { crypto } = s.config
  const { index } = s
  const [first] = now?.transactions ?? []
  if (now === undefined || first === undefined || index.secret === undefined || index.broken !== undefined) return index
  const { secret } = index
  const rows = rowsOf(crypto, secret, now.transactions)
  const end = { upTo: seqno, view: viewAt(viewHistory, seqno), tree: now.tree }
  let handed = index.handed.append([{ from: first.seqno, end, rows }])
  let handedRows = index.handedRows + rows.length
  // The oldest is read from the ledger then.
  while (handedRows > INDEX_ROWS_HANDED_MAX && handed.end > handed.first) {
    handedRows -= handed.at(handed.first)!.rows.length
    handed = handed.cutStart(handed.first + 1)
  }
  return { ...index, handed, handedRows }
}

/** An index that has come further: what it has by now need not be handed over any more. */
export function stillToCome(index: IndexState): IndexState {
  const next = nextOf(index)
  let { handed, handedRows } = index
  for (let oldest = handed.at(handed.first); oldest !== undefined && oldest.from < next;) {
    handedRows -= oldest.rows.length
    handed = handed.cutStart(handed.first + 1)
    oldest = handed.at(handed.first)
  }
  return { ...index, handed, handedRows }
}

/** First transaction that was handed over and is not in the index. */
export const firstHanded = (s: HistorianState): number | undefined => {
  const { handed } = stillToCome(s.index)
  return handed.at(handed.first)?.from
}

/** What was handed over is just what comes next. */
export const handedContinues = (s: HistorianState): boolean =>
  s.index.held.length === 0 && firstHanded(s) === nextOf(s.index)

/** Writes what was handed over: at least one commit, more as long as they make no large batch. */
export function writeHanded(s: HistorianState): Step<HistorianState> {
  const { crypto } = s.config
  const index = stillToCome(s.index)
  let { handed } = index
  const rows: IndexRow[] = []
  let end: Handed['end'] | undefined
  for (let oldest = handed.at(handed.first); oldest !== undefined; oldest = handed.at(handed.first)) {
    if (end !== undefined) {
      const isNext = oldest.from === end.upTo + 1
      if (!isNext || rows.length + oldest.rows.length > INDEX_ROWS_WRITTEN_MAX) break
    }
    for (const row of oldest.rows) rows.push(row)
    end = oldest.end
    handed = handed.cutStart(handed.first + 1)
  }
  if (end === undefined || index.secret === undefined) return unchanged(s)
  const mark: Mark = { begin: index.begin, ...end }
  return step(
    { ...s, index: { ...index, tree: mark.tree, handed, handedRows: index.handedRows - rows.length, writing: mark } },
    { type: 'writeIndex', rows, mark: encodeMark(crypto, index.secret, mark) },
  )
}

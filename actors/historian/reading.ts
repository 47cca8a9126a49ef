// Which transactions are to be read from the ledger files, a bounded number at a time. Not what becomes of them (fetching.ts).
import { HISTORY_READS_MAX } from '../../protocols/limits.ts'
import type { Step } from '../actor.ts'
import { unchanged } from '../actor.ts'
import type { Effect } from '../effects.ts'
import type { HistorianState } from './state.ts'

/** Begins as many readings as there is room for. */
export function readNext(s: HistorianState): Step<HistorianState> {
  let { toRead, readCount, nextId } = s
  if (toRead.length === 0 || readCount >= HISTORY_READS_MAX) return unchanged(s)
  const reads = { ...s.reads }
  const effects: Effect[] = []
  while (toRead.length > 0 && readCount < HISTORY_READS_MAX) {
    const seqno = toRead.at(toRead.first)!
    toRead = toRead.cutStart(toRead.first + 1)
    reads[nextId] = seqno
    effects.push({ type: 'readLedger', token: nextId, seqno, withSignature: true })
    nextId++
    readCount++
  }
  return { state: { ...s, toRead, readCount, reads, nextId }, effects }
}

// Goal: an index made of what the executor hands over with its commits is the very index that reading the ledger makes, row for row and mark for
// mark, whatever part of it is handed over; and what is handed over is bounded.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Effect, IndexRow } from '../../../actors/effects.ts'
import { toHex } from '../../../protocols/codec/bytes.ts'
import type { HistoryCommitted } from '../../../protocols/historical/messages.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import { INDEX_ROWS_HANDED_MAX, INDEX_ROWS_WRITTEN_MAX } from '../../../protocols/limits.ts'
import type { PastIndexPort } from '../../../runtime/host/ports.ts'
import { MemoryPastIndex } from '../../../runtime/host/memory-past-index.ts'
import { LoneHistorian } from './lone.ts'
import { Past } from './past.ts'

/** An index that remembers what was written. */
class Spy implements PastIndexPort {
  readonly #index = new MemoryPastIndex()
  readonly rows: string[] = []
  mark = ''

  open: PastIndexPort['open'] = (clear, done) => this.#index.open(clear, done)
  read: PastIndexPort['read'] = (lookup, done) => this.#index.read(lookup, done)
  write(rows: readonly IndexRow[], mark: Uint8Array, done: (error: Error | undefined) => void): void {
    for (const { key, seqno } of rows) this.rows.push(`${seqno} ${toHex(key)}`)
    this.mark = toHex(mark)
    this.#index.write(rows, mark, done)
  }
}

interface Heard {
  readonly commits: HistoryCommitted[]
  readonly written: Extract<Effect, { readonly type: 'writeIndex' }>[]
  readings: number
}

/** A service whose leader changes, and what its nodes' historians were told, and did. */
function story(): { readonly past: Past; readonly heard: ReadonlyMap<string, Heard> } {
  const heard = new Map<string, Heard>()
  const past = new Past(4, ({ id }, envelope, effects) => {
    if (envelope.to !== 'historian') return
    const of = heard.get(id) ?? { commits: [], written: [], readings: 0 }
    heard.set(id, of)
    if (envelope.event.type === 'historyCommitted') of.commits.push(envelope.event as HistoryCommitted)
    for (const effect of effects) {
      if (effect.type === 'writeIndex') of.written.push(effect)
      if (effect.type === 'readEntries') of.readings++
    }
  })
  for (let i = 0; i < 12; i++)
    past.change([
      { id: i % 5, msg: `m${i}` },
      { id: 7, msg: i % 3 === 0 ? undefined : `n${i}` },
    ])
  const isIndexed = () =>
    past.service.nodeIds.every((id) => {
      const { index, committedSeqno } = past.historian(id)
      return index.upTo === committedSeqno
    })
  expect(past.service.sim.run(5000, isIndexed)).toBe(true)
  return { past, heard }
}

const { past, heard } = story()

function lone(nodeId: NodeId, index: PastIndexPort): LoneHistorian {
  return new LoneHistorian(past.historian(nodeId).config, past.service.sim.node(nodeId).disk, index)
}

/** By reading alone. */
async function readIndex(nodeId: NodeId): Promise<Spy> {
  const spy = new Spy()
  await lone(nodeId, spy).commit({ ...heard.get(nodeId)!.commits.at(-1)!, now: undefined })
  return spy
}

describe('an index of the past', () => {
  it('is made without reading on nodes that were there from the beginning, and is the one that reading makes', async () => {
    for (const nodeId of past.service.nodeIds) {
      const { written, readings } = heard.get(nodeId)!
      const read = await readIndex(nodeId)
      expect(readings).toBe(0)
      expect(read.rows.length).toBeGreaterThan(20)
      expect(written.flatMap(({ rows }) => rows).map(({ key, seqno }) => `${seqno} ${toHex(key)}`)).toEqual(read.rows)
      expect(toHex(written.at(-1)!.mark)).toBe(read.mark)
    }
  })

  it('is the same, whichever commits were handed over and however many came at once', async () => {
    const nodeId = past.backup
    const { commits } = heard.get(nodeId)!
    const read = await readIndex(nodeId)
    const choices = fc.array(fc.record({ isHanded: fc.boolean(), settles: fc.boolean() }), {
      minLength: commits.length,
      maxLength: commits.length,
    })
    await fc.assert(
      fc.asyncProperty(choices, async (choice) => {
        const spy = new Spy()
        const historian = lone(nodeId, spy)
        for (const [i, commit] of commits.entries()) {
          const { isHanded, settles } = choice[i]!
          historian.post(isHanded ? commit : { ...commit, now: undefined })
          if (settles) await historian.settle()
        }
        await historian.settle()
        expect(spy.rows).toEqual(read.rows)
        expect(spy.mark).toBe(read.mark)
        expect(historian.s.index.handedRows).toBe(0)
      }),
      { seed: 1, numRuns: 60 },
    )
  })

  it('holds a bounded number of rows that wait, and writes a bounded number at once', async () => {
    const nodeId = past.backup
    const [first] = heard.get(nodeId)!.commits
    const writes = [{ name: 'many', writes: Array.from({ length: 1500 }, (_, i) => rowOf(i)), removes: [] }]
    const commitOf = (seqno: number): HistoryCommitted => ({
      ...first!,
      seqno,
      now: { tree: first!.now!.tree, transactions: [{ seqno, writes }] },
    })
    const sizes: number[] = []
    const spy = new Spy()
    const index: PastIndexPort = {
      open: (clear, done) => spy.open(clear, done),
      read: (lookup, done) => spy.read(lookup, done),
      write: (rows, mark, done) => {
        sizes.push(rows.length)
        spy.write(rows, mark, done)
      },
    }
    const historian = lone(nodeId, index)
    for (let seqno = 1; seqno <= 20; seqno++) historian.post(commitOf(seqno))
    await historian.settle()
    expect(Math.max(...sizes)).toBeLessThanOrEqual(INDEX_ROWS_WRITTEN_MAX)
    expect(spy.rows).toHaveLength(20 * 1500)

    const never: PastIndexPort = { ...index, open: () => undefined }
    const stuck = lone(nodeId, never)
    for (let seqno = 1; seqno <= 60; seqno++) stuck.post(commitOf(seqno))
    void stuck.settle()
    expect(stuck.s.index.handedRows).toBeLessThanOrEqual(INDEX_ROWS_HANDED_MAX)
    expect(stuck.s.index.handed.at(stuck.s.index.handed.first)?.from).toBe(
      61 - Math.floor(INDEX_ROWS_HANDED_MAX / 1500),
    )
  })
})

const rowOf = (i: number) => ({ key: new Uint8Array([i >>> 8, i]), value: new Uint8Array(1) })

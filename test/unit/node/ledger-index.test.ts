// Goal: whoever asks a live node for the signature after a transaction is answered from the files' present content at every moment: before a batch
// is indexed, while it is on its way, after it, and after a rollback that puts other entries in the place of indexed ones.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import { BackgroundIndex } from '../../../runtime/ledger-index.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

type Action =
  /** Entries appended, of which those are signatures. */
  | { readonly type: 'append'; readonly signed: readonly boolean[] }
  /** The log is cut by that many entries. */
  | { readonly type: 'cut'; readonly entries: number }
  /** What was gathered is handed to LMDB. */
  | { readonly type: 'hand' }
  /** LMDB takes all of it. */
  | { readonly type: 'settle' }

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ type: fc.constant('append' as const), signed: fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }) }),
  fc.record({ type: fc.constant('cut' as const), entries: fc.integer({ min: 0, max: 12 }) }),
  fc.record({ type: fc.constant('hand' as const) }),
  fc.record({ type: fc.constant('settle' as const) }),
)

const record = (seqno: number, isSigned: boolean): LogRecord => ({
  view: 2,
  seqno,
  kind: isSigned ? 'signature' : 'transaction',
  bytes: new Uint8Array(0),
})

it('answers as the log is, whatever LMDB has taken of it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
      const directory = mkdtempSync(join(tmpdir(), 'concordat-background-index-'))
      const index = new BackgroundIndex(join(directory, 'index'))
      /** log[i]: whether entry i + 1 is a signature. */
      let log: boolean[] = []
      const check = (): void => {
        for (let seqno = 0; seqno <= log.length + 1; seqno++) {
          const found = log.findIndex((isSigned, i) => isSigned && i + 1 > seqno)
          expect(index.signatureAfter(seqno)).toBe(found < 0 ? undefined : found + 1)
        }
      }
      for (const next of actions) {
        if (next.type === 'append') {
          index.add(next.signed.map((isSigned, i) => record(log.length + 1 + i, isSigned)))
          log.push(...next.signed)
        } else if (next.type === 'cut') {
          log = log.slice(0, Math.max(0, log.length - next.entries))
          index.truncate(log.length)
        } else if (next.type === 'hand') vi.advanceTimersByTime(1000)
        else await index.settled
        check()
      }
      await index.close()
      expect(index.failure).toBeUndefined()
      rmSync(directory, { recursive: true, force: true })
    }),
    { numRuns: 60, seed: 20261123 },
  )
})

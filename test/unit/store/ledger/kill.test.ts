// Goal: a process killed with SIGKILL at any moment loses nothing it reported durable, and what it was writing is cut to
// the last whole signed prefix at the next start. Twenty-four kills of one ledger that keeps growing.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { equalBytes } from '../../../../protocols/codec/bytes.ts'
import { inspectLedger } from '../../../../store/ledger/inspect.ts'
import { recoverTail } from '../../../../store/ledger/recover.ts'
import { bundle } from '../bundle.ts'
import { entryOf } from '../entries.ts'

/** Killed when it has reported that many flushes: while it writes, synchronises, completes or renames the next. */
const KILLS = [1, 2, 3, 5, 8, 13, 21, 34, 4, 9, 16, 25, 36, 7, 11, 17, 6, 10, 14, 22, 1, 12, 15, 30]

/** Runs the child until it has printed `lines` lines; returns the last seqno it reported before it died. */
function runAndKill(script: string, directory: string, view: number, lines: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, directory, String(view), String(3 + (lines % 9))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.setEncoding('latin1')
    child.stdout.on('data', (text: string) => {
      output += text
      if (output.split('\n').length > lines) child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (signal !== 'SIGKILL') return reject(new Error(`child ended by itself with ${code}`))
      // The last piece may be half a line.
      const reported = output.split('\n').slice(0, -1)
      resolve(Number(reported.at(-1)))
    })
  })
}

// A process start a kill: seconds alone, more on a busy machine.
it('keeps what it reported durable through SIGKILL', { timeout: 240_000 }, async () => {
  const script = await bundle('test/unit/store/ledger/kill-child.ts', 'kill-child')
  const parent = mkdtempSync(join(tmpdir(), 'concordat-kill-'))
  const directory = join(parent, 'ledger')
  try {
    let kept: number[] = []
    for (const [round, lines] of KILLS.entries()) {
      const durable = await runAndKill(script, directory, 2 + 2 * round, lines)
      const views: number[] = []
      const found = inspectLedger(directory, {
        onEntry: (_chunk, { seqno, view, signature, bytes }) => {
          views.push(view)
          expect(signature).toBe(seqno % 10 === 0)
          expect(equalBytes(bytes, entryOf(seqno, { view, signature, valueBytes: (seqno * 37) % 300 }).bytes)).toBe(
            true,
          )
        },
      })
      expect(found.lastSeqno).toBeGreaterThanOrEqual(durable)
      expect(views.slice(0, kept.length)).toEqual(kept)
      const report = recoverTail(directory, { roots: 'unchecked' })
      expect(report.lastSeqno).toBe(found.lastSeqno - (found.lastSeqno % 10))
      expect(report.setAside).toEqual([])
      const after = inspectLedger(directory)
      expect([after.lastSeqno, after.lastSignedSeqno, after.tornBytes]).toEqual([report.lastSeqno, report.lastSeqno, 0])
      kept = views.slice(0, report.lastSeqno)
    }
    expect(inspectLedger(directory).chunks.filter(({ committed }) => committed).length).toBeGreaterThan(10)
  } finally {
    rmSync(parent, { recursive: true, force: true })
    rmSync(script)
  }
})

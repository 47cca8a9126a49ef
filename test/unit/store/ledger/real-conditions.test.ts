// Goal: on a directory this process may not write, the ledger says so by name and can still be inspected; and ledgers
// written by CCF itself are read as what they are.
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { inspectLedger } from '../../../../store/ledger/inspect.ts'
import { bundle } from '../bundle.ts'
import { entriesOf } from '../entries.ts'
import { closed, flushed, openIn, realStore } from './stores.ts'

/** Root may write everywhere, so the child gives its rights up: user and group `nobody`. */
const unprivileged = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}

it('names a directory it may not write, and still inspects it', async () => {
  const built = await bundle('test/unit/store/ledger/readonly-child.ts', 'readonly-child', true)
  const store = realStore()
  const parent = join(store.directory, '..')
  try {
    const ledger = openIn(store)
    ledger.append(entriesOf(1, 5))
    await flushed(ledger)
    await closed(ledger)
    const script = join(parent, 'child.mjs')
    copyFileSync(built, script)
    for (const [path, mode] of [
      [script, 0o444],
      [join(store.directory, 'ledger_1'), 0o444],
      [store.directory, 0o555],
      [parent, 0o555],
    ] as const)
      chmodSync(path, mode)
    const missing = join(parent, 'missing')
    const output = execFileSync(process.execPath, [script, store.directory, missing], {
      ...unprivileged,
      encoding: 'utf8',
    })
    expect(JSON.parse(output)).toEqual({
      inspected: '5',
      opened: `StorageError: open ${store.directory}/ledger_1: not writable (EACCES)`,
      created: `StorageError: mkdir ${missing}: not writable (EACCES)`,
    })
  } finally {
    chmodSync(parent, 0o755)
    chmodSync(store.directory, 0o755)
    store.cleanUp()
    rmSync(built)
  }
})

describe('ledgers written by CCF (test/golden/ccf-ledgers)', () => {
  const golden = (name: string): string => `test/golden/ccf-ledgers/${name}`

  it('are contiguous, signed and complete, with an open chunk at the end', () => {
    const signatures: number[] = []
    const facts = inspectLedger(golden('acme_containing_service'), {
      onEntry: (_chunk, { seqno, signature }) => void (signature && signatures.push(seqno)),
    })
    expect(facts).toMatchObject({ firstSeqno: 1, lastSeqno: 22, lastSignedSeqno: 22, tornBytes: 0 })
    expect(facts.chunks.map(({ name, complete }) => [name, complete])).toEqual([
      ['ledger_1-2.committed', true],
      ['ledger_3-13.committed', true],
      ['ledger_14-20.committed', true],
      ['ledger_21', false],
    ])
    // Every committed chunk ends at a signature (CCF facts §3.2).
    for (const last of [2, 13, 20, 22]) expect(signatures).toContain(last)
  })

  it('can be continued by us', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'concordat-golden-'))
    try {
      for (const { name } of inspectLedger(golden('acme_containing_service')).chunks)
        copyFileSync(join(golden('acme_containing_service'), name), join(parent, name))
      const store = { ...realStore(), directory: parent }
      for (const { name } of inspectLedger(parent).chunks) chmodSync(join(parent, name), 0o644)
      const ledger = openIn(store, { chunkBytes: 1, roots: 'all' })
      expect([ledger.lastSeqno, ledger.committedSeqno, ledger.notices]).toEqual([22, 20, []])
      ledger.append(entriesOf(23, 25, 5, { view: 4 }))
      expect(await flushed(ledger)).toBe(25)
      ledger.commit(25)
      await closed(ledger)
      expect(
        inspectLedger(parent)
          .chunks.map(({ name }) => name)
          .slice(-2),
      ).toEqual(['ledger_21-22.committed', 'ledger_23-25.committed'])
    } finally {
      rmSync(parent, { recursive: true, force: true })
    }
  })
})

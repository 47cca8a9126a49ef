// Goal: `concordat ledger diff` finds the last common transaction and says what follows on each side: nothing, more, another view's
// history, or the same transaction id with other bytes; however the entries are cut into files.
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../../../protocols/merkle/tree.ts'
import { nobleCrypto as crypto } from '../../../protocols/crypto/noble.ts'
import { spoilEntry, write, writeChunks } from '../ledger/chunk-files.ts'
import { LedgerWriter } from '../../../runtime/bench/made-ledger.ts'
import { concordat, ROOT, temporaryFolder } from './harness.ts'

const golden = join(ROOT, 'test/golden/ccf-ledgers/acme_containing_service')
const expired = join(ROOT, 'test/golden/ccf-ledgers/expired_service')

/** Entries 2.1 to 2.7, the last a signature. */
const common = (): LedgerWriter => new LedgerWriter('diff').begin('Open').sign().writePrivate(4).sign()
const ledger = (writer: LedgerWriter, cuts: readonly number[], from = 1): string =>
  writeChunks(temporaryFolder(), writer.entries, cuts, from)

async function diff(a: string, b: string): Promise<{ code: number; found: Record<string, unknown> }> {
  const { code, stdout } = await concordat('ledger', 'diff', a, b, '--json')
  return { code, found: JSON.parse(stdout) as Record<string, unknown> }
}

const said = async (a: string, b: string): Promise<string> => (await concordat('ledger', 'diff', a, b)).stdout

describe('ledgers that agree', () => {
  it('are identical, however they are cut into chunks', async () => {
    const writer = common().writePrivate(1).sign()
    const [a, b] = [ledger(writer, [2, 7]), ledger(writer, [9])]
    expect(await diff(a, b)).toMatchObject({ code: 0, found: { verdict: 'identical', common: 9, lastCommon: '2.9' } })
    expect(await said(a, b)).toBe('identical: 9 entries in common, the last is 2.9\n')
  })

  it.each(['a', 'b'] as const)('but for the length: %s goes on', async (longer) => {
    const short = ledger(common(), [2])
    const long = ledger(common().writePrivate(3).sign(), [7])
    const sides = longer === 'a' ? ([long, short] as const) : ([short, long] as const)
    const next = { txId: '2.8', kind: 'private', file: 'ledger_8', offset: 8, committed: false }
    expect(await diff(...sides)).toMatchObject({
      code: 0,
      found: { verdict: 'prefix', longer, common: 7, lastCommon: '2.7', next },
    })
    expect(await said(...sides)).toContain(`only ${long} goes on:\n  next: 2.8 private only`)
  })

  it('are compared where both have entries', async () => {
    const writer = common()
    const [whole, later] = [ledger(writer, [2, 7]), ledger(writer, [7], 3)]
    expect(await diff(whole, later)).toMatchObject({
      code: 0,
      found: { verdict: 'identical', comparedFrom: 3, common: 5 },
    })
    const { stderr } = await concordat('ledger', 'diff', later, whole)
    expect(stderr).toBe(`(compared from seqno 3 on: ${later} does not hold what is before)\n`)
  })

  it('nowhere, because they have no seqno in common', async () => {
    const copy = temporaryFolder()
    cpSync(golden, copy, { recursive: true })
    for (const name of ['ledger_1-2.committed', 'ledger_3-13.committed']) rmSync(join(copy, name))
    const { code, stdout, stderr } = await concordat('ledger', 'diff', ledger(common(), []), copy)
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain('no seqno in common: nothing was compared')
  })
})

describe('ledgers that part', () => {
  it('in another view: an election replaced an uncommitted tail', async () => {
    const loser = common().writePrivate(2)
    const winner = common()
    winner.view = 3
    winner.sign().writePrivate(1).sign()
    const [a, b] = [ledger(loser, [7]), ledger(winner, [7, 10])]
    expect(await diff(a, b)).toMatchObject({
      code: 1,
      found: {
        verdict: 'fork',
        lastCommon: '2.7',
        differsInA: { txId: '2.8', view: 2, seqno: 8, kind: 'private', committed: false },
        differsInB: { txId: '3.8', view: 3, seqno: 8, kind: 'signature', committed: true },
      },
    })
    const text = await said(a, b)
    expect(text).toContain('views 2 and 3 at seqno 8: an election\n')
    expect(text).not.toContain('EQUIVOCATION')
    expect(text).not.toContain('both are in committed chunks')
  })

  it('in another view, both committed: lost transactions or broken consensus', async () => {
    const first = common().sign()
    const second = common()
    second.view = 3
    second.sign()
    expect(await said(ledger(first, [8]), ledger(second, [8]))).toContain('both are in committed chunks: committed')
  })

  it('by a recovery, under a new identity', async () => {
    const before = common().sign()
    const recovered = common()
    recovered.recover('diff, recovered', root(crypto, recovered.tree).root).sign()
    const text = await said(ledger(before, [8]), ledger(recovered, [9]))
    expect(text).toContain('fork: 7 entries in common, the last is 2.7\n')
    expect(text).toContain('view 4 begins with a service status change: a recovery\n')
  })

  it('with one transaction id and two contents: EQUIVOCATION', async () => {
    const one = common()
      .add([write('public:log', 'a', '1')])
      .sign()
    const other = common()
      .add([write('public:log', 'a', '2')])
      .sign()
    const [a, b] = [ledger(one, [7]), ledger(other, [9])]
    expect(await diff(a, b)).toMatchObject({
      code: 1,
      found: { verdict: 'equivocation', lastCommon: '2.7', differsInA: { txId: '2.8' }, differsInB: { txId: '2.8' } },
    })
    expect(await said(a, b)).toMatch(/^EQUIVOCATION at 2\.8: one transaction id, two contents\n7 entries in common/)
  })

  it('and meet again in one transaction id: EQUIVOCATION too, after a fork', async () => {
    const one = common().writePrivate(1)
    const other = common()
    other.view = 3
    other.sign()
    for (const writer of [one, other]) {
      writer.view = 5
      writer.sign()
    }
    const [a, b] = [ledger(one, []), ledger(other, [])]
    expect(await diff(a, b)).toMatchObject({ code: 1, found: { verdict: 'fork', sameTxIdLater: '5.9' } })
    expect(await said(a, b)).toContain('EQUIVOCATION: both hold 5.9 after different histories')
  })

  it('from the first transaction on: two services', async () => {
    expect(await diff(golden, expired)).toMatchObject({ code: 1, found: { verdict: 'unrelated', common: 0 } })
    expect(await said(golden, expired)).toContain('unrelated: two services')
  })

  it('by an altered byte in one of them', async () => {
    const copy = temporaryFolder()
    cpSync(golden, copy, { recursive: true })
    const offset = spoilEntry(join(copy, 'ledger_3-13.committed'), 2, 100, 0)
    const file = { txId: '2.5', file: 'ledger_3-13.committed', offset, bytes: 6197 }
    const { code, found } = await diff(golden, copy)
    expect([code, found['verdict']]).toEqual([1, 'equivocation'])
    expect(found['differsInB']).toMatchObject({ ...file, bytes: (found['differsInA'] as { bytes: number }).bytes })
  })
})

describe('ledgers that cannot be read', () => {
  it('are named with file, offset and seqno', async () => {
    const copy = temporaryFolder()
    cpSync(golden, copy, { recursive: true })
    const offset = spoilEntry(join(copy, 'ledger_14-20.committed'), 1, 0, 7)
    const { code, stdout, stderr } = await concordat('ledger', 'diff', golden, copy, '--json')
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain(
      `${copy}/ledger_14-20.committed: corrupt at byte ${offset}: seqno 15: unknown entry version`,
    )
  })

  it('behind a fork do not hide it', async () => {
    const loser = common().writePrivate(3)
    const winner = common()
    winner.view = 3
    winner.sign().writePrivate(2)
    const [a, b] = [ledger(loser, [7]), ledger(winner, [])]
    spoilEntry(join(a, 'ledger_8'), 1, 0, 7)
    expect(await diff(a, b)).toMatchObject({ code: 1, found: { verdict: 'fork', lastCommon: '2.7' } })
    expect(await said(a, b)).toMatch(/not looked at further: .*ledger_8: corrupt at byte \d+: seqno 9: unknown/)
  })

  it('or are none', async () => {
    expect((await concordat('ledger', 'diff', golden, temporaryFolder())).stderr).toContain('holds no ledger files')
    expect((await concordat('ledger', 'diff', golden, '/nowhere')).code).toBe(2)
    expect((await concordat('ledger', 'diff', golden)).code).toBe(2)
  })
})

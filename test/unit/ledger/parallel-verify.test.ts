// Goal: with helper threads a ledger is judged exactly as without: the same report for good ledgers of every kind, and for damaged ones the same
// file, offset, seqno and reason. One large chunk is cut into parts that leave nothing out.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'
import { chunkHeader, encodeChunk } from '../../../protocols/ledger/chunk.ts'
import { decodeEntry } from '../../../protocols/ledger/entry.ts'
import { parseSignature } from '../../../protocols/ledger/signature.ts'
import { LedgerWriter, makeService } from '../../../runtime/bench/made-ledger.ts'
import { partsOf } from '../../../runtime/parallel-verify/parts.ts'
import { verifyLedgerInParallel } from '../../../runtime/parallel-verify/verify-in-parallel.ts'
import { Prng } from '../../../runtime/prng.ts'
import { Audit, type LedgerReport, verifyLedger } from '../../../runtime/verify-ledger.ts'
import { bundle } from '../store/bundle.ts'
import { allLedgers, type LedgerFile } from './golden.ts'

const scratch = mkdtempSync(join(tmpdir(), 'concordat-parallel-'))
let helperProgram = ''

beforeAll(async () => {
  helperProgram = await bundle('runtime/parallel-verify/helper.ts', 'verify-helper')
})
afterAll(() => rmSync(scratch, { recursive: true }))

let directories = 0
function put(files: readonly LedgerFile[]): string {
  const directory = join(scratch, String(directories++))
  mkdirSync(directory)
  for (const { name, bytes } of files) writeFileSync(join(directory, name), bytes)
  return directory
}

const both = async (directory: string, serviceCertificatePem?: string): Promise<[LedgerReport, LedgerReport]> => [
  await verifyLedgerInParallel(directory, { crypto, helperProgram, threads: 2, serviceCertificatePem }),
  verifyLedger(directory, { crypto, serviceCertificatePem }),
]

/** Three chunks: committed, committed after an election and a recovery, and open with a torn tail; private and public transactions. */
function ownLedger(): LedgerFile[] {
  const ledger = new LedgerWriter('parallel').begin('Opening').status('Open').writePrivate(40).sign()
  const first = ledger.entries.length
  ledger.view = 5
  ledger.sign().writePrivate(3)
  for (let i = 0; i < 20; i++)
    ledger.add([{ name: 'public:log', writes: [{ key: utf8(`${i}`), value: new Uint8Array(i) }], removes: [] }])
  ledger.sign(30)
  const lastSigned = parseSignature(decodeEntry(ledger.entries.at(-1)!))!
  ledger.recover('parallel 2', lastSigned.root).writePrivate(5).sign(40)
  const second = ledger.entries.length
  ledger.writePrivate(10).sign().writePrivate(2)
  const open = ledger.entries.slice(second)
  return [
    { name: `ledger_1-${first}.committed`, bytes: encodeChunk(ledger.entries.slice(0, first)) },
    { name: `ledger_${first + 1}-${second}.committed`, bytes: encodeChunk(ledger.entries.slice(first, second)) },
    { name: `ledger_${second + 1}`, bytes: Buffer.concat([chunkHeader(0), ...open]).subarray(0, -3) },
  ]
}

const own = ownLedger()

describe('the same judgement', () => {
  it.each([...allLedgers, { name: 'ours', files: own, serviceCertificatePem: undefined }])(
    'of $name',
    async ({ files, serviceCertificatePem }) => {
      const [parallel, alone] = await both(put(files), serviceCertificatePem)
      expect(parallel).toEqual(alone)
      expect(parallel.ok).toBe(true)
    },
  )

  it.each(['node', 'service'] as const)("of a last signature by another key than the %s's", async (signer) => {
    const ledger = new LedgerWriter('forged').begin('Opening').writePrivate(5)
    ledger[signer] = { ...ledger[signer], pkcs8: makeService('forger').pkcs8 }
    ledger.sign()
    const [parallel, alone] = await both(put([{ name: 'ledger_1-7.committed', bytes: encodeChunk(ledger.entries) }]))
    expect(parallel).toEqual(alone)
    expect(parallel).toMatchObject({ ok: false, failure: { seqno: 7 } })
  })

  it('of changed bytes anywhere', async () => {
    const random = new Prng(7)
    const reasons = new Set<string>()
    for (let i = 0; i < 40; i++) {
      const files = own.map(({ name, bytes }) => ({ name, bytes: bytes.slice() }))
      const { bytes } = files[random.integer(0, files.length - 1)]!
      bytes[random.integer(0, bytes.length - 1)]! ^= random.integer(1, 255)
      const [parallel, alone] = await both(put(files))
      expect(parallel).toEqual(alone)
      if (!parallel.ok) reasons.add(parallel.failure.reason)
    }
    expect(reasons.size).toBeGreaterThan(5)
  })

  it('of missing, empty and foreign files', async () => {
    for (const files of [
      [],
      own.slice(1),
      [own[0]!, own[2]!],
      [...own, { name: 'ledger_99', bytes: new Uint8Array(3) }],
    ]) {
      const [parallel, alone] = await both(put(files))
      expect(parallel).toEqual(alone)
    }
    const [parallel, alone] = await both(put(own), new LedgerWriter('other').service.pem)
    expect(parallel).toEqual(alone)
    expect(parallel).toMatchObject({ ok: false, failure: { file: 'ledger' } })
  })
})

describe('a chunk larger than a part', () => {
  const ledger = new LedgerWriter('large').begin('Opening')
  for (let i = 0; i < 300; i++) {
    ledger.add([{ name: 'blobs', writes: [{ key: utf8(`${i}`), value: new Uint8Array(40_000).fill(i) }], removes: [] }])
    if (i % 50 === 49) ledger.sign()
  }
  const name = `ledger_1-${ledger.entries.length}.committed`
  const chunk = encodeChunk(ledger.entries)

  it('is cut into neighbours that are the whole chunk, and judged the same', async () => {
    const directory = put([{ name, bytes: chunk }])
    const parts = partsOf(new Audit(directory, { crypto }).files, 0)
    expect(parts.map(({ isFirst, isLast }) => [isFirst, isLast])).toEqual([
      [true, false],
      [false, false],
      [false, true],
    ])
    expect(parts.map(({ request }) => request.firstSeqno - 1)).toEqual(parts.map(({ request }) => request.range!.from))
    expect([0, ...parts.map(({ request }) => request.range!.to)]).toEqual([
      ...parts.map(({ request }) => request.range!.from),
      ledger.entries.length,
    ])
    const [parallel, alone] = await both(directory)
    expect(parallel).toEqual(alone)
    expect(parallel).toMatchObject({ ok: true, lastSignedSeqno: ledger.entries.length })
  })

  it('with a position that skips an entry at the border of two parts', async () => {
    const bytes = chunk.slice()
    const view = new DataView(bytes.buffer)
    const table = Number(view.getBigUint64(0, true))
    const border = Math.floor(ledger.entries.length / 3)
    view.setUint32(table + 4 * border, view.getUint32(table + 4 * (border + 1), true), true)
    const [parallel, alone] = await both(put([{ name, bytes }]))
    expect(parallel).toEqual(alone)
    expect(parallel).toMatchObject({ ok: false, failure: { offset: table + 4 * border } })
  })
})

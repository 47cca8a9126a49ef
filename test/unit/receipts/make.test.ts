// Goal: `receipt make` gives every transaction that a signature covers a receipt that verifies: on CCF's own ledgers and on ours, across chunks,
// views, recoveries and old entry types; and says in one line why it cannot where it cannot.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'
import { formatTxId, seqno as asSeqno, type TxId, view as asView } from '../../../protocols/ids.ts'
import { decodeEntry, decodeEntryHeader, type Entry } from '../../../protocols/ledger/entry.ts'
import { entryLeaf } from '../../../protocols/ledger/leaf.ts'
import { parseSignature } from '../../../protocols/ledger/signature.ts'
import { append } from '../../../protocols/merkle/tree.ts'
import type { Receipt } from '../../../protocols/receipts/receipt.ts'
import { verifyCoseReceipt } from '../../../protocols/receipts/verify-cose-receipt.ts'
import { verifyReceipt } from '../../../protocols/receipts/verify-receipt.ts'
import type { LedgerSecret } from '../../../protocols/secrets/ledger-secrets.ts'
import { LedgerWriter } from '../../../runtime/bench/made-ledger.ts'
import { chunkRow, type LedgerChunk } from '../../../runtime/ledger-tools/chunk-row.ts'
import { readEntries } from '../../../runtime/ledger-tools/entry-stream.ts'
import { makeReceipt, recordedEndorsements } from '../../../runtime/ledger-tools/receipt-maker.ts'
import { realFiles } from '../../../store/ledger/real-files.ts'
import { oldEntry, spoilEntry, write, writeChunks } from '../ledger/chunk-files.ts'
import { concordat, ROOT, temporaryFolder } from '../cli/harness.ts'

/** CCF facts §19. */
const ACME_SECRET = '6a2e4bec332a6457dccd64af0d4ace7de36de1af02f95f3ecde5a47176f9014a'
const acmeDirectory = join(ROOT, 'test/golden/ccf-ledgers/acme_containing_service')
const expiredDirectory = join(ROOT, 'test/golden/ccf-ledgers/expired_service')

/** Of every transaction, with the certificate of the service in force. */
function* transactionsOf(chunks: readonly LedgerChunk[]): Generator<{ entry: Entry; serviceCertificate: string }> {
  let serviceCertificate = ''
  for (const { entry } of readEntries(chunks)) {
    const info = entry.publicWrites.find(({ name }) => name === 'public:ccf.gov.service.info')?.writes[0]
    if (info !== undefined)
      serviceCertificate = (JSON.parse(new TextDecoder().decode(info.value)) as { cert: string }).cert
    yield { entry, serviceCertificate }
  }
}

const fileOf = (name: string, content: string): string => {
  const path = join(temporaryFolder(), name)
  writeFileSync(path, content)
  return path
}

interface Count {
  components: number
  leaves: number
  cose: number
}

/** Makes both receipts of every transaction and verifies them. What is refused is counted by its reason, ids left out. */
function makeAll(chunks: readonly LedgerChunk[], secrets: readonly LedgerSecret[]) {
  const made: Count = { components: 0, leaves: 0, cose: 0 }
  const refused = new Map<string, number>()
  const refuse = (reason: string): void => {
    const kind = reason.replaceAll(/[0-9]+(\.[0-9]+)?/g, 'N')
    refused.set(kind, (refused.get(kind) ?? 0) + 1)
  }
  const all = [...transactionsOf(chunks)]
  for (const { entry } of all) {
    const txId: TxId = { view: entry.view, seqno: entry.seqno }
    const json = makeReceipt(crypto, chunks, { txId, format: 'json', secrets })
    if (json.ok) {
      // The signature may be the next service's: it alone covers the last one of a service.
      const { serviceCertificate } = all.find((other) => other.entry.seqno === json.signedAt.seqno)!
      const receipt = json.receipt as Receipt
      const verified = verifyReceipt(crypto, JSON.parse(JSON.stringify(receipt)), { serviceCertificate })
      expect(verified, formatTxId(txId)).toMatchObject({
        ok: true,
        txId: receipt.leaf === undefined ? txId : undefined,
      })
      made[receipt.leaf === undefined ? 'components' : 'leaves']++
    } else refuse(json.reason)
    const cose = makeReceipt(crypto, chunks, { txId, format: 'cose', secrets })
    if (cose.ok) {
      const { serviceCertificate } = all.find((other) => other.entry.seqno === cose.signedAt.seqno)!
      const verified = verifyCoseReceipt(crypto, cose.receipt as Uint8Array, { serviceCertificate })
      expect(verified, formatTxId(txId)).toMatchObject({
        ok: true,
        inclusions: [{ txId }],
        signatureTxId: { seqno: cose.signedAt.seqno },
      })
      made.cose++
    } else refuse(`COSE: ${cose.reason}`)
  }
  return { transactions: all.length, made, refused: Object.fromEntries(refused) }
}

const secretsOf = (hex: string): LedgerSecret[] => [{ version: 1, secret: Uint8Array.from(Buffer.from(hex, 'hex')) }]

describe("CCF's ledgers", () => {
  test('acme: every transaction, with the ledger secret of CCF facts §19', () => {
    expect(makeAll(chunkRow(realFiles, acmeDirectory), secretsOf(ACME_SECRET))).toEqual({
      transactions: 22,
      made: { components: 14, leaves: 8, cose: 21 },
      refused: { 'COSE: no signature in these chunks covers N': 1 },
    })
  })

  test('the old service: every transaction of entry type 3 by its bare leaf', () => {
    expect(makeAll(chunkRow(realFiles, expiredDirectory), [])).toEqual({
      transactions: 28,
      made: { components: 0, leaves: 26, cose: 0 },
      refused: {
        'the receipt of N shows its commit evidence: the ledger secret is needed': 2,
        'COSE: the receipt of N shows its commit evidence: the ledger secret is needed': 2,
        'COSE: the service key did not sign at seqno N: no COSE receipt': 25,
        'COSE: no signature in these chunks covers N': 1,
      },
    })
  })
})

/** Two views, two recoveries, and entries of the old types. */
function ourLedger() {
  const ledger = new LedgerWriter('made').begin('Opening').writePrivate(3).open().sign()
  ledger.add([], 0, crypto.sha256(utf8('claims')))
  for (const type of [0, 2, 3] as const) {
    const bytes = oldEntry(type, ledger.secret, ledger.view, ledger.nextSeqno, [write('public:old', 'k', `${type}`)])
    ledger.entries.push(bytes)
    ledger.tree = append(crypto, ledger.tree, entryLeaf(crypto, bytes, decodeEntryHeader(bytes)))
  }
  ledger.sign(4)
  ledger.view++
  ledger.writePrivate(2).sign(6).writePrivate(1).sign(8)
  for (const name of ['second', 'third']) {
    const { root } = parseSignature(decodeEntry(ledger.entries.at(-1)!))!
    ledger.recover(name, root).writePrivate(4).open().sign()
  }
  return ledger
}

describe('our ledgers', () => {
  const ledger = ourLedger()
  const secrets = [{ version: 1, secret: ledger.secret }]
  const cuts = ledger.entries.flatMap((bytes, i) => (parseSignature(decodeEntry(bytes)) === undefined ? [] : [i + 1]))

  test('every transaction, across chunks, views, recoveries and entry types', () => {
    const directory = writeChunks(temporaryFolder(), ledger.entries, cuts)
    const { transactions, made, refused } = makeAll(chunkRow(realFiles, directory), secrets)
    expect(transactions).toBe(ledger.entries.length)
    expect(made).toEqual({
      components: transactions - cuts.length - 3,
      leaves: cuts.length + 3,
      cose: transactions - 4,
    })
    expect(refused).toEqual({
      'COSE: entry type N lacks what a COSE receipt shows: claims and evidence': 3,
      'COSE: no signature in these chunks covers N': 1,
    })
  })

  test('the command line: receipts of the first service hold under the last certificate, with the endorsements made', async () => {
    const directory = writeChunks(temporaryFolder(), ledger.entries, cuts)
    const folder = temporaryFolder()
    const [receipt, endorsements] = [join(folder, 'receipt'), join(folder, 'endorsements.json')]
    const [secret, cert] = [fileOf('secret', toHex(ledger.secret)), fileOf('service.pem', ledger.service.pem)]
    for (const kind of [[], ['--cose']]) {
      const made = await concordat(
        ...['receipt', 'make', directory, '2.7', ...kind, '--secret', secret],
        ...['--out', receipt, '--endorsements', endorsements],
      )
      expect(made).toMatchObject({ code: 0, stdout: '' })
      const verify = (...more: string[]) => concordat('receipt', 'verify', receipt, '--service-cert', cert, ...more)
      expect((await verify()).code).toBe(1)
      const claims = fileOf('claims', 'claims')
      expect(await verify('--endorsements', endorsements, '--claims', claims)).toMatchObject({ code: 0 })
      const digest = toHex(crypto.sha256(utf8('claims')))
      const json = await verify('--endorsements', endorsements, '--claims-digest', digest, '--json')
      expect(JSON.parse(json.stdout)).toMatchObject({ ok: true, txId: '2.7', claimsDigest: digest })
      const other = await verify('--endorsements', endorsements, '--claims-digest', '0'.repeat(64))
      expect(other).toMatchObject({ code: 1, stdout: expect.stringContaining('other claims') as string })
      expect(await verify('--endorsements', cert)).toMatchObject({ code: 2 })
      expect(await verify('--claims-digest', '00')).toMatchObject({ code: 2 })
    }
    expect(JSON.parse(readFileSync(endorsements, 'utf8'))).toHaveLength(3)
  })

  test('what is not committed, not there, another transaction, or sealed by another secret', async () => {
    const directory = writeChunks(temporaryFolder(), ledger.entries, cuts.slice(0, -1))
    const secret = fileOf('secret', toHex(ledger.secret))
    const wrong = fileOf('wrong', toHex(crypto.sha256(ledger.secret)))
    const last = `${ledger.view}.${ledger.entries.length}`
    const cases: [string[], RegExp][] = [
      [[last], /does not hold seqno/],
      [['2.999'], /does not hold seqno 999/],
      [['3.2'], /is transaction 2\.2/],
      [['2.2'], /ledger secret is needed/],
      [['2.2', '--secret', wrong], /not that of 2\.2/],
    ]
    for (const [args, reason] of cases) {
      const { code, stderr, stdout } = await concordat('receipt', 'make', directory, ...args)
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toMatch(reason)
      expect(stderr).not.toContain(toHex(ledger.secret))
    }
    const open = await concordat('receipt', 'make', directory, last, '--uncommitted', '--secret', secret)
    expect(open.code).toBe(0)
    expect((await concordat('receipt', 'make', directory, 'x')).code).toBe(2)
    const uncommitted = chunkRow(realFiles, directory).filter(({ committed }) => committed)
    expect(recordedEndorsements(uncommitted)).toHaveLength(2)
  })

  test('an altered entry is named, not proven', () => {
    const directory = writeChunks(temporaryFolder(), ledger.entries, cuts)
    spoilEntry(join(directory, `ledger_1-${cuts[0]}.committed`), 1, 9, 0)
    const wanted = { txId: { view: asView(2), seqno: asSeqno(2) }, format: 'json' as const, secrets }
    expect(() => makeReceipt(crypto, chunkRow(realFiles, directory), wanted)).toThrow(/does not cover it/)
  })
})

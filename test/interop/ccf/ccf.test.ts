// Goal: an independent auditor accepts what we make. CCF's own Python package verifies the ledgers of a service that lived through a
// join and a failover, and its receipts, JSON and COSE; and it refuses them as soon as one byte is different.
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromHex, fromUtf8, toBase64 } from '../../../protocols/codec/bytes.ts'
import { commitEvidenceTxId, type LeafComponents } from '../../../protocols/receipts/receipt.ts'
import { verifyReceipt } from '../../../runtime/client/index.ts'
import { Prng } from '../../../runtime/prng.ts'
import { temporaryDirectory } from '../../support/local-service.ts'
import { Auditor, type Job, type LedgerVerdict, type Verdicts } from './auditor.ts'
import { drawLedgerChanges } from './changes.ts'
import { alterations, coseReceiptOf, everyByteChanged, rootSignatures, UNUSED_BITS } from './receipts.ts'
import { REKEYS, tellStory, type NotedReceipt, type Story } from './story.ts'

const SET_UP_TIMEOUT_MS = 300_000
const TIMEOUT_MS = 120_000
const SEED = 20_260_101

const MESSAGES = 'public:records'
const STATEMENTS = 'public:transparency.statements'

/**
 * What nobody notices, for it is in the last signature transaction of the last committed chunk: what it signs (root, node, COSE signature) is
 * checked, but its own bytes are covered by the signature after it, which is in no committed chunk yet.
 */
const UNNOTICED_IN_LAST_SIGNATURE = [
  'entry header: version',
  'entry header: flags',
  'GCM tag',
  'IV',
  'seqno',
  'claims digest',
  'commit evidence digest',
  'max conflict version',
  'serialised tree',
]
/** Its size is noticed when the entry would not fit the file, else not: which of the two is a matter of the byte drawn. */
const SOMETIMES_NOTICED_IN_LAST_SIGNATURE = ['entry header: size']

let auditor: Auditor
let story: Story
let dispose: (() => Promise<void>) | undefined

beforeAll(async () => {
  auditor = await Auditor.hire()
  ;({ story, dispose } = await tellStory())
}, SET_UP_TIMEOUT_MS)
afterAll(() => dispose?.())

const judge = (job: Partial<Job>): Promise<Verdicts> => auditor.judge(story.serviceCertificatePem, job)

async function judgeLedgers(directories: readonly string[], uncommitted: boolean): Promise<LedgerVerdict[]> {
  const tables = [MESSAGES, STATEMENTS]
  const { ledgers } = await judge({ ledgers: directories.map((directory) => ({ directory, uncommitted, tables })) })
  return ledgers.map((verdict) => {
    if ('refused' in verdict) throw new Error(verdict.refused)
    return verdict
  })
}

/** Of the transaction that a commit evidence names. */
const viewOf = (components: LeafComponents | undefined): number =>
  numbersOf(commitEvidenceTxId(components?.commit_evidence ?? '') ?? '0.0')[0]!

const textOf = (hex: string): string => fromUtf8(fromHex(hex))

/** `<view>.<seqno>` */
const numbersOf = (txId: string): readonly number[] => txId.split('.').map(Number)

describe("CCF's LedgerValidator", () => {
  it(
    'verifies the committed chunks of every node, those of the killed primary included',
    { timeout: TIMEOUT_MS },
    async () => {
      const { survivors, killed } = story
      const verdicts = await judgeLedgers([...survivors, killed.directory], false)
      for (const verdict of verdicts) {
        expect(verdict).toMatchObject({ service_status: 'Open', cose_signatures: verdict.signatures })
        expect(verdict.chunks).toBeGreaterThan(2)
        expect(verdict.claims).toBeGreaterThan(0)
        expect(verdict.private).toBeGreaterThan(0)
        // A committed chunk ends with a signature.
        expect(numbersOf(verdict.verified_until)[1]).toBe(verdict.transactions)
      }
    },
  )

  it(
    'verifies whole ledgers, and finds in them all that was reported as committed',
    { timeout: TIMEOUT_MS },
    async () => {
      const { survivors, joined, killed, viewAfter } = story
      const verdicts = await judgeLedgers([...survivors, joined], true)
      for (const { verified_until: last, signers, tables } of verdicts) {
        const [view, seqno] = numbersOf(last)
        expect(view).toBeGreaterThanOrEqual(viewAfter)
        expect(seqno).toBeGreaterThanOrEqual(story.committedSeqno)
        expect(Object.keys(signers)).toContain(killed.nodeId)
        expect(Object.keys(signers).length).toBeGreaterThan(1)
        const values = [...Object.values(tables[MESSAGES]!), ...Object.values(tables[STATEMENTS]!)].map(textOf)
        expect(values.filter((value) => !story.unknown.has(value)).sort()).toEqual([...story.committed].sort())
      }
    },
  )

  it(
    'notices every change of one byte in committed chunks, as far as a signature follows',
    { timeout: TIMEOUT_MS },
    async () => {
      const directory = story.survivors[0]!
      const changes = drawLedgerChanges(directory, new Prng(SEED))
      const { changes: reasons } = await judge({ changed_ledger: { directory, changes } })
      expect(reasons).toHaveLength(changes.length)
      const unnoticed = changes.filter((_, i) => reasons[i] === null)
      expect(unnoticed.filter(({ place }) => place !== 'last signature')).toEqual([])
      const kinds = unnoticed.map(({ kind }) => kind)
      expect(kinds.filter((kind) => !SOMETIMES_NOTICED_IN_LAST_SIGNATURE.includes(kind))).toEqual(
        UNNOTICED_IN_LAST_SIGNATURE,
      )
    },
  )

  it('refuses a ledger of another service', { timeout: TIMEOUT_MS }, async () => {
    const [own] = story.receipts
    const [directory] = story.survivors
    const { ledgers } = await auditor.judge(own!.receipt.cert, {
      ledgers: [{ directory: directory!, uncommitted: false, tables: [] }],
    })
    expect(ledgers).toEqual([{ refused: expect.stringContaining('of another service') }])
  })
})

describe("CCF's tools", () => {
  it('read_ledger.py and ledger_viz.py run on our ledgers', { timeout: TIMEOUT_MS }, async () => {
    for (const directory of story.survivors) {
      const [read, drawn] = await Promise.all([
        auditor.tool('read_ledger.py', directory),
        auditor.tool('ledger_viz.py', '--split-views', '--write-views', directory),
      ])
      expect(read).toMatchObject({ code: 0, stdout: expect.stringContaining('Ledger verification complete') })
      expect(read.stdout).toContain(`table "${MESSAGES}"`)
      expect(drawn, drawn.stderr).toMatchObject({ code: 0 })
    }
  })

  it(
    'verify_ledger_secrets_chain.py finds the records of every rekey, each naming the one before',
    async () => {
      for (const directory of [...story.survivors, story.joined]) {
        const verified = await auditor.tool('verify_ledger_secrets_chain.py', '--uncommitted', directory)
        expect(verified, verified.stderr).toMatchObject({ code: 0 })
        const records = verified.stdout.match(/"previous_ledger_secret"/g) ?? []
        expect(records.length).toBeGreaterThanOrEqual(REKEYS)
      }
    },
    TIMEOUT_MS,
  )

  it('read_ledger.py refuses a ledger with one byte changed', { timeout: TIMEOUT_MS }, async () => {
    const directory = temporaryDirectory()
    try {
      cpSync(story.survivors[0]!, directory.path, { recursive: true })
      const change = drawLedgerChanges(directory.path, new Prng(SEED)).find(({ kind }) => kind === 'GCM tag')
      const path = join(directory.path, change!.file)
      const bytes = readFileSync(path)
      bytes[change!.offset]! ^= change!.xor
      writeFileSync(path, bytes)
      const { code, stdout } = await auditor.tool('read_ledger.py', '--quiet', directory.path)
      expect(stdout).toContain('Computed root')
      expect(code).toBe(1)
    } finally {
      directory.remove()
    }
  })
})

describe("CCF's receipt verification", () => {
  const jobOf = ({ receipt, claims }: NotedReceipt) => ({ receipt, claims: claims ?? null })
  const withClaims = (): NotedReceipt => story.receipts.find(({ claims }) => claims !== undefined)!
  const ofSignature = (): NotedReceipt => story.receipts.find(({ receipt }) => receipt.leaf !== undefined)!

  it(
    'accepts our receipts, from before and after the failover, with and without claims',
    { timeout: TIMEOUT_MS },
    async () => {
      const { receipts } = await judge({ receipts: story.receipts.map(jobOf) })
      expect(receipts).toEqual(story.receipts.map(() => ({ root: expect.stringMatching(/^[0-9a-f]{64}$/) })))
      const isAfter = ({ receipt }: NotedReceipt) => viewOf(receipt.leaf_components) >= story.viewAfter
      expect(story.receipts.filter(isAfter)).toHaveLength(3)
      expect(ofSignature().receipt).toMatchObject({ proof: [] })
    },
  )

  it(
    'refuses them for other claims, and when one byte of any value is different',
    { timeout: TIMEOUT_MS },
    async () => {
      const { receipt, claims } = withClaims()
      const altered = [withClaims(), ofSignature()].flatMap((noted, i) =>
        alterations(noted.receipt)
          // One certificate is enough: each byte takes two signatures to verify.
          .filter(({ what }) => i === 0 || !what.startsWith('certificate'))
          .map(({ what, receipt }) => ({ what: `${noted.what}: ${what}`, ...jobOf({ ...noted, receipt }) })),
      )
      const otherClaims = { what: 'other claims', receipt, claims: `${claims} ` }
      const jobs = [otherClaims, ...altered]
      const { receipts } = await judge({ receipts: jobs.map(({ receipt, claims }) => ({ receipt, claims })) })
      expect(receipts).toHaveLength(jobs.length)
      const accepted = jobs.filter((_, i) => !('refused' in receipts[i]!))
      expect(accepted.filter(({ what }) => !what.endsWith(UNUSED_BITS)).map(({ what }) => what)).toEqual([])
      // Ours must not be more lenient.
      const trust = { serviceCertificate: story.serviceCertificatePem }
      const acceptedByUs = altered.filter(({ receipt }) => verifyReceipt(receipt, trust).ok)
      expect(acceptedByUs.map(({ what }) => what)).toEqual([])
    },
  )

  it(
    'accepts our COSE receipts, and refuses them for other claims and when one byte is different',
    { timeout: TIMEOUT_MS },
    async () => {
      const signatures = rootSignatures(story.survivors[0]!)
      const made = story.receipts.flatMap(({ receipt, claims }) => {
        const bytes = coseReceiptOf(receipt, story.serviceCertificatePem, signatures)
        return bytes === undefined ? [] : [{ bytes, claims: claims ?? null }]
      })
      expect(made).toHaveLength(story.receipts.length - 1)
      const { bytes, claims } = made.find(({ claims }) => claims !== null)!
      const altered = everyByteChanged(bytes).map((changed) => ({ bytes: changed, claims }))
      const jobs = [...made, { bytes, claims: `${claims} ` }, { bytes, claims: null }, ...altered]
      const { cose_receipts: verdicts } = await judge({
        cose_receipts: jobs.map(({ bytes, claims }) => ({ receipt: toBase64(bytes), claims })),
      })
      expect(verdicts.slice(0, made.length)).toEqual(
        made.map(() => ({ signed_at: expect.stringMatching(/^\d+\.\d+$/) })),
      )
      const accepted = verdicts.slice(made.length).flatMap((verdict, i) => ('refused' in verdict ? [] : [i]))
      expect(accepted).toEqual([])
      expect(verdicts).toHaveLength(jobs.length)
    },
  )
})

// Goal: snapshots are CCF's, byte for byte, and are believed only as far as they are proven: by their receipt, and by the ledger when it is there.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, DecodeError, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'
import { sipHash24 } from '../../../protocols/crypto/siphash.ts'
import { CorruptDataError } from '../../../protocols/errors.ts'
import { encodeChunk } from '../../../protocols/ledger/chunk.ts'
import { encodePublicDomain, encodeSnapshot } from '../../../protocols/snapshot/encode.ts'
import { decodeEntry, decodeEntryHeader } from '../../../protocols/ledger/entry.ts'
import { commitEvidence, commitSecret, entryLeaf } from '../../../protocols/ledger/leaf.ts'
import { PublicState } from '../../../protocols/snapshot/public-state.ts'
import { parseSignature } from '../../../protocols/ledger/signature.ts'
import { decodeSnapshot, parseSnapshotFileName, type SnapshotMap } from '../../../protocols/snapshot/format.ts'
import { encodeJson, INTERNAL_TABLES, singleWrite } from '../../../protocols/ledger/tables.ts'
import { verifySnapshot } from '../../../protocols/snapshot/verify.ts'
import { seqno, view } from '../../../protocols/ids.ts'
import { buildReceipt } from '../../../protocols/receipts/receipt.ts'
import { verifyLedger } from '../../../runtime/verify-ledger.ts'
import { temporaryFolder } from '../cli/harness.ts'
import { LedgerWriter } from '../../../runtime/bench/made-ledger.ts'

const repository = fileURLToPath(new URL('../../../', import.meta.url))
const CCF_SNAPSHOT = join(repository, 'test/golden/ccf-ledgers/expired_service/snapshot_61_62.committed')

describe('SipHash-2-4', () => {
  it('is the one of its paper (appendix A)', () => {
    const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => i)
    expect(sipHash24(bytes(16), bytes(15))).toEqual({ high: 0xa129ca61, low: 0x49be45e5 })
    expect(sipHash24(bytes(16), bytes(0))).toEqual({ high: 0x726fdb47, low: 0xdd0e0e31 })
  })
})

describe('file names', () => {
  it('are CCF’s and nothing else', () => {
    expect(parseSnapshotFileName('snapshot_61_62.committed')).toEqual({ seqno: 61, evidenceSeqno: 62, committed: true })
    expect(parseSnapshotFileName('snapshot_61_62')).toMatchObject({ committed: false })
    for (const name of [
      'snapshot_61',
      'snapshot_0_1',
      'snapshot_61_62.committed.ignored',
      'ledger_1',
      'snapshot_061_62',
    ])
      expect(parseSnapshotFileName(name)).toBeUndefined()
  })
})

describe('a snapshot that CCF wrote', () => {
  const bytes = new Uint8Array(readFileSync(CCF_SNAPSHOT))

  it('is verified, and names its service, its tree and its evidence', () => {
    const { snapshot, evidence, service, tree, signedRoot } = verifySnapshot(crypto, 'snapshot_61_62.committed', bytes)
    expect(snapshot).toMatchObject({ seqno: 61, view: 4, viewHistory: [1, 1, 29, 29] })
    expect([evidence, service.status, tree.size]).toEqual([{ view: 4, seqno: 62 }, 'Open', 62])
    expect(signedRoot).toBe('cf2870443e289585f24fd0b6d224c6d4e7c674bb9919ddf410a83d017ffcf6b7')
  })

  it('is written again byte for byte', () => {
    const { header, seqno: at, leaf, viewHistory, publicMaps } = decodeSnapshot(bytes)
    const maps = publicMaps.map((map) => ({ ...map, rows: [...map.rows].reverse() }))
    expect(toHex(encodePublicDomain({ seqno: at, leaf, viewHistory, maps }))).toBe(toHex(header.publicDomain))
  })

  it('is refused under another name', () => {
    for (const name of ['snapshot_60_62.committed', 'snapshot_61_63.committed', 'x'])
      expect(() => verifySnapshot(crypto, name, bytes)).toThrow(CorruptDataError)
  })

  it('changed, cut or longer: is refused with a reason, whatever was done to it', () => {
    const damage = fc.oneof(
      fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, mask]) => {
        const changed = bytes.slice()
        changed[at]! ^= mask
        return changed
      }),
      fc.nat(bytes.length - 1).map((length) => bytes.subarray(0, length)),
      fc.uint8Array({ minLength: 1, maxLength: 20 }).map((more) => concat(bytes, more)),
    )
    fc.assert(
      fc.property(damage, (damaged) => {
        expect(() => verifySnapshot(crypto, 'snapshot_61_62.committed', damaged)).toThrow(CorruptDataError)
      }),
      { numRuns: 150, seed: 1 },
    )
  })
})

it('any bytes are a snapshot or refused with DecodeError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        decodeSnapshot(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
      }
    }),
    { numRuns: 500, seed: 2 },
  )
})

/** A ledger of our own with a snapshot at its second signature, the evidence after it, and what follows. */
function ownSnapshot(
  alter: (maps: readonly SnapshotMap[]) => readonly SnapshotMap[] = (maps) => maps,
  evidenceVersion?: number,
) {
  const w = new LedgerWriter('snapshots').begin('Opening').status('Open').sign().writePrivate(2).sign()
  const at = w.entries.length
  const state = new PublicState()
  w.entries.forEach((entry, i) => state.apply(i + 1, decodeEntry(entry).publicWrites))
  const last = w.entries[at - 1]!
  const entryBytes = encodeSnapshot(crypto, w.secret, {
    seqno: seqno(at),
    leaf: entryLeaf(crypto, last, decodeEntryHeader(last)),
    viewHistory: [1, 1],
    maps: alter(state.maps),
  })
  const digest = crypto.sha256(entryBytes)
  const evidence = singleWrite(
    INTERNAL_TABLES.snapshotEvidence,
    encodeJson({ hash: toHex(digest), version: evidenceVersion ?? at }),
  )
  w.add([evidence], 0, digest).sign().writePrivate(1).sign()
  const receipt = buildReceipt(crypto, {
    entryBytes: w.entries[at]!,
    commitEvidence: commitEvidence(crypto, commitSecret(crypto, w.secret), view(2), seqno(at + 1)),
    signature: parseSignature(decodeEntry(w.entries[at + 1]!))!,
  })
  const name = `snapshot_${at}_${at + 1}.committed`
  return { w, at, name, bytes: concat(entryBytes, utf8(JSON.stringify(receipt))) }
}

function written({ w, name, bytes }: ReturnType<typeof ownSnapshot>, from = 1) {
  const directory = temporaryFolder()
  const snapshots = join(directory, 'snapshots')
  mkdirSync(snapshots)
  writeFileSync(join(snapshots, name), bytes)
  const chunk = encodeChunk(w.entries.slice(from - 1))
  writeFileSync(join(directory, `ledger_${from}-${w.entries.length}.committed`), chunk)
  return { directory, snapshots }
}

describe('a snapshot and its ledger', () => {
  it('agree', () => {
    const own = ownSnapshot()
    const { directory, snapshots } = written(own)
    expect(verifyLedger(directory, { crypto, snapshots })).toMatchObject({
      ok: true,
      snapshots: [{ file: own.name, seqno: own.at, evidence: `2.${own.at + 1}`, standing: 'agrees' }],
    })
  })

  it('disagree when the primary signed another state, a missing table, or another version', () => {
    type Alter = (maps: readonly SnapshotMap[]) => readonly SnapshotMap[]
    const inFirst =
      (alter: (map: SnapshotMap) => SnapshotMap): Alter =>
      (maps) => [alter(maps[0]!), ...maps.slice(1)]
    const lies: Alter[] = [
      (maps) => maps.slice(1),
      inFirst((map) => ({ ...map, version: map.version + 1 })),
      inFirst((map) => ({ ...map, rows: map.rows.map((row) => ({ ...row, version: row.version + 1 })) })),
      inFirst((map) => ({ ...map, rows: [] })),
    ]
    for (const alter of lies) {
      const { directory, snapshots } = written(ownSnapshot(alter))
      expect(verifyLedger(directory, { crypto, snapshots })).toMatchObject({
        ok: false,
        failure: { reason: expect.stringContaining('is not of this ledger: table public:ccf.gov.nodes.endorsed') },
      })
    }
  })

  it('disagree when the transaction that the receipt is of is not the evidence', () => {
    const own = ownSnapshot(undefined, 3)
    const { directory, snapshots } = written(own)
    expect(verifyLedger(directory, { crypto, snapshots })).toMatchObject({
      ok: false,
      failure: { seqno: own.at + 1, reason: `is not the evidence of ${own.name}` },
    })
  })

  it('a ledger that begins after the snapshot is verified from it, and not without it', () => {
    const own = ownSnapshot()
    const { directory, snapshots } = written(own, own.at + 1)
    const report = verifyLedger(directory, { crypto, snapshots, serviceCertificatePem: own.w.service.pem })
    expect(report).toMatchObject({
      ok: true,
      lastSignedSeqno: own.w.entries.length,
      snapshots: [{ standing: 'beginning' }],
    })
    expect(verifyLedger(directory, { crypto })).toMatchObject({
      ok: false,
      failure: { reason: expect.stringContaining(`a snapshot of seqno ${own.at} is needed`) },
    })
  })

  it('a snapshot the ledger does not reach stands alone, if it is of the same service', () => {
    const own = ownSnapshot()
    const short = { ...own, w: new LedgerWriter('snapshots').begin('Opening').sign() }
    const { directory, snapshots } = written(short)
    expect(verifyLedger(directory, { crypto, snapshots })).toMatchObject({
      ok: true,
      snapshots: [{ standing: 'alone' }],
    })
    const other = written({ ...own, w: new LedgerWriter('others').begin('Opening').sign() })
    expect(verifyLedger(other.directory, { crypto, snapshots: other.snapshots })).toMatchObject({
      ok: false,
      failure: { file: own.name, reason: 'is of another service than the ledger' },
    })
  })

  it('is no proof without its receipt', () => {
    const own = ownSnapshot()
    const { entryBytes } = decodeSnapshot(own.bytes)
    expect(() => verifySnapshot(crypto, own.name, entryBytes)).toThrow('has no receipt')
  })
})

describe('files of a recovery that was not completed', () => {
  it('continue the ledger, and are counted', () => {
    const w = new LedgerWriter('recovery').begin('Opening').status('Open').sign()
    const before = w.entries.length
    const lastRoot = parseSignature(decodeEntry(w.entries.at(-1)!))!.root
    w.recover('recovery 2', lastRoot).sign()
    const directory = temporaryFolder()
    writeFileSync(join(directory, `ledger_1-${before}.committed`), encodeChunk(w.entries.slice(0, before)))
    const name = `ledger_${before + 1}-${w.entries.length}.committed.recovery`
    writeFileSync(join(directory, name), encodeChunk(w.entries.slice(before)))
    const report = verifyLedger(directory, { crypto })
    expect(report).toMatchObject({ ok: true, files: 2, recoveryFiles: 1, serviceStatus: 'Recovering' })
    expect(report).toMatchObject({ epochs: [{ lastSeqno: before }, { firstSeqno: before + 1 }] })
  })
})

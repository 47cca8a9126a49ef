// Goal: no change of a single byte of a committed chunk or snapshot passes unnoticed, except where nobody vouches for a byte, which is listed.
// The short form of `npm run fuzz`.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { decodeChunk } from '../../../protocols/ledger/chunk.ts'
import { unauthenticatedRanges } from '../../../protocols/ledger/unauthenticated.ts'
import { ChangedBytes, evidenceOf, type NamedBytes } from '../../fuzz/changed-bytes.ts'
import { acme, expired, type GoldenLedger } from './golden.ts'

const NAME = 'snapshot_61_62.committed'
const snapshot: NamedBytes = {
  name: NAME,
  bytes: new Uint8Array(readFileSync(new URL(`../../golden/ccf-ledgers/expired_service/${NAME}`, import.meta.url))),
}
const hunt = (ledger: GoldenLedger, snapshots: readonly NamedBytes[] = []): ChangedBytes =>
  new ChangedBytes(nativeCrypto, evidenceOf([...ledger.files, ...snapshots]))

describe('a changed byte', () => {
  it.each([
    ['acme', acme, []],
    ['expired_service', expired, [snapshot]],
  ] as const)('of %s is found', (_, ledger, snapshots) => {
    const outcome = hunt(ledger, snapshots).tryRandom(2, 250)
    expect(outcome.missed).toEqual([])
    expect(outcome.refused + outcome.outside).toBe(outcome.tried)
    expect(outcome.refused).toBeGreaterThan(230)
  })

  it.each([
    ['acme', acme],
    ['expired_service', expired],
  ] as const)('of the last signature of %s is found, or listed', (_, ledger) => {
    const outcome = hunt(ledger).tryLastEntry(11)
    expect(outcome.missed).toEqual([])
    expect(outcome.outside).toBeGreaterThan(0)
  })

  it('that is listed is one of these', () => {
    const last = decodeChunk(acme.files.at(-2)!.bytes).entries.at(-1)!
    expect(unauthenticatedRanges(last.bytes)).toEqual([
      { what: 'flags', from: 1, to: 2 },
      { what: 'GCM tag', from: 8, to: 24 },
      { what: 'commit evidence digest', from: 85, to: 117 },
      { what: 'commit_seqno and commit_view', from: 1420, to: 1421 },
      { what: 'commit_seqno and commit_view', from: 1436, to: 1437 },
    ])
  })
})

// Goal: `concordat ledger secrets` recovers all secrets of a ledger from members' shares and opens everything with them; whatever is missing,
// changed or out of order is refused with its place, and no secret is ever printed.
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'
import { encodeChunk } from '../../../protocols/ledger/chunk.ts'
import { decodeEntry } from '../../../protocols/ledger/entry.ts'
import { INTERNAL_TABLES, singleValue, singleWrite } from '../../../protocols/ledger/tables.ts'
import { mapWrites, type WriteSet } from '../../../protocols/ledger/write-set.ts'
import { decodeHistoricalSecret, encodeHistoricalSecret } from '../../../protocols/secrets/chain.ts'
import { decodeRecoveryShares, openShare } from '../../../protocols/secrets/recovery-shares.ts'
import { encodeShare } from '../../../protocols/secrets/shamir.ts'
import { RekeyedLedger } from '../../support/made-secrets.ts'
import { rsaKeyOf } from '../../../runtime/models/service/rsa-keys.ts'
import { concordat, ROOT, temporaryFolder } from './harness.ts'

const TABLE = INTERNAL_TABLES.historicalEncryptedLedgerSecret
/** CCF facts §19: a public test key. */
const ACME_SECRET = '6a2e4bec332a6457dccd64af0d4ace7de36de1af02f95f3ecde5a47176f9014a'

/** Three secrets, private entries under each. */
function made(change?: (writes: WriteSet) => WriteSet): RekeyedLedger {
  const ledger = new RekeyedLedger('audit')
  ledger.writer.sign().writePrivate(1)
  ledger.rekey()
  ledger.writer.sign().writePrivate(2)
  ledger.rekey([], change)
  ledger.writer.writePrivate(2).sign()
  return ledger
}

function written({ writer: { entries } }: RekeyedLedger): string {
  const directory = temporaryFolder()
  writeFileSync(join(directory, `ledger_1-${entries.length}.committed`), encodeChunk(entries))
  return directory
}

const file = (content: string | Uint8Array): string => {
  const path = join(temporaryFolder(), 'file')
  writeFileSync(path, content)
  return path
}

/** The members' decrypted shares of the rekey at `seqno`, as `--share` options. */
function shares({ writer }: RekeyedLedger, seqno: number, members: readonly string[]): string[] {
  const value = singleValue(
    mapWrites(decodeEntry(writer.entries[seqno - 1]!).publicWrites, INTERNAL_TABLES.recoveryShares),
  )
  const { encryptedShares } = decodeRecoveryShares(value!)
  return members.flatMap((member) => {
    const share = openShare(crypto, rsaKeyOf(member).pkcs8, encryptedShares[member]!)!
    return ['--share', file(encodeShare(share))]
  })
}

const secrets = (...args: readonly string[]) => concordat('ledger', 'secrets', ...args)
const json = (ledger: RekeyedLedger): string =>
  JSON.stringify(Object.fromEntries(ledger.secrets.map(({ version, secret }) => [version, toHex(secret)])))

/** The second rekey's record, changed. */
const changing =
  (change: (record: ReturnType<typeof decodeHistoricalSecret>) => ReturnType<typeof decodeHistoricalSecret>) =>
  (writes: WriteSet): WriteSet =>
    writes.map((map) =>
      map.name === TABLE
        ? singleWrite(TABLE, encodeHistoricalSecret(change(decodeHistoricalSecret(singleValue(map)!))))
        : map,
    )

describe('the chain of ledger secrets', () => {
  it('is checked without keys', async () => {
    const ledger = made()
    const { code, stdout } = await secrets(written(ledger), '--json')
    expect(code).toBe(0)
    const { versions } = JSON.parse(stdout) as { versions: { version: number; from: number; to: number }[] }
    expect(versions.map(({ version }) => version)).toEqual(ledger.secrets.map(({ version }) => version))
    expect(versions.map(({ from }) => from).slice(1)).toEqual(versions.map(({ to }) => to + 1).slice(0, -1))
    expect(versions.at(-1)!.to).toBe(ledger.writer.entries.length)
  })

  it('that has a gap is refused at the record', async () => {
    const gap = made(changing(({ previous }) => ({ previous: { ...previous!, version: 1 } })))
    const { code, stderr } = await secrets(written(gap))
    expect(code).toBe(1)
    expect(stderr).toMatch(/ledger_1-\d+\.committed: corrupt at byte \d+: seqno 8: names version 1/)
  })
})

describe('enough shares', () => {
  it('give every secret, open every entry, and write the file that ledger read takes', async () => {
    const ledger = made()
    const directory = written(ledger)
    const at = ledger.secrets.at(-1)!.version - 1
    const out = join(temporaryFolder(), 'secrets.json')
    const opened = await secrets(directory, ...shares(ledger, at, ['m2', 'm0']), '--out', out, '--json')
    expect([opened.code, opened.stderr]).toEqual([0, `3 ledger secrets written to ${out}\n`])
    const { versions } = JSON.parse(opened.stdout) as { versions: { opened: number }[] }
    expect(versions.reduce((sum, version) => sum + version.opened, 0)).toBe(ledger.writer.entries.length)
    expect(readFileSync(out, 'utf8')).toBe(`${json(ledger)}\n`)
    expect(statSync(out).mode & 0o777).toBe(0o600)
    expect((await concordat('ledger', 'read', directory, '--secret', out, '--json')).code).toBe(0)
    const again = await secrets(directory, '--secret', out, '--out', out)
    expect([again.code, again.stderr.split('\n')[0]]).toEqual([2, `concordat: ${out} exists and is not overwritten`])
  })

  it('are needed: one less, or one of an earlier issue, is refused', async () => {
    const ledger = made()
    const directory = written(ledger)
    const [earlier, last] = ledger.secrets.slice(1).map(({ version }) => version - 1)
    const few = await secrets(directory, ...shares(ledger, last!, ['m0']))
    expect([few.code, few.stderr]).toEqual([1, expect.stringMatching(/^concordat: 1 share does not open .*threshold/)])
    const mixed = [...shares(ledger, last!, ['m0']), ...shares(ledger, earlier!, ['m1'])]
    expect((await secrets(directory, ...mixed)).code).toBe(1)
  })

  it('do not help when a record was changed: it is named', async () => {
    const flip = made(
      changing(({ previous }) => {
        const encryptedData = previous!.encryptedData.slice()
        encryptedData[40]! ^= 1
        return { previous: { ...previous!, encryptedData } }
      }),
    )
    const at = flip.secrets.at(-1)!.version - 1
    const { code, stderr } = await secrets(written(flip), ...shares(flip, at, ['m0', 'm1']))
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(new RegExp(`corrupt at byte \\d+: seqno ${at}: .*its tag does not hold`)),
    ])
  })
})

describe('given secrets', () => {
  it('open everything but the entry whose seal was changed', async () => {
    const ledger = made()
    const secret = file(json(ledger))
    expect((await secrets(written(ledger), '--secret', secret)).code).toBe(0)
    const bad = ledger.writer.entries[4]!.slice()
    // In the tag, behind the 8 bytes of the entry's header.
    bad[8 + 3]! ^= 1
    ledger.writer.entries[4] = bad
    const { code, stderr, stdout } = await secrets(written(ledger), '--secret', secret)
    expect([code, stderr]).toEqual([1, expect.stringMatching(/corrupt at byte \d+: seqno 5: does not open/)])
    for (const known of ledger.secrets) expect(stderr + stdout).not.toContain(toHex(known.secret))
  })

  it('of CCF’s own ledger open every entry of it, commit evidence and all', async () => {
    const golden = join(ROOT, 'test/golden/ccf-ledgers/acme_containing_service')
    const { code, stdout } = await secrets(golden, '--uncommitted', '--secret', file(ACME_SECRET), '--json')
    expect([code, JSON.parse(stdout)]).toEqual([0, { versions: [{ version: 1, from: 1, to: 22, opened: 22 }] }])
  })
})

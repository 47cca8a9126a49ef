// Goal: `concordat member share` decrypts the newest share of a member with the member's key into a file that `ledger secrets` takes; every
// mistake is one line, and nothing is overwritten.
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatPem } from '../../../protocols/codec/pem.ts'
import { encodeChunk } from '../../../protocols/ledger/chunk.ts'
import { SHARE_BYTES } from '../../../protocols/secrets/shamir.ts'
import { rsaKeyOf } from '../../../runtime/models/service/rsa-keys.ts'
import { RekeyedLedger } from '../../support/made-secrets.ts'
import { concordat, temporaryFolder } from './harness.ts'

const MEMBERS = ['a', 'b', 'c'].map((digit) => digit.repeat(64))
const [first, second] = MEMBERS as [string, string]

/** A ledger of two rekeys; two of three shares are needed. */
function ledgerDirectory(): string {
  const ledger = new RekeyedLedger('shares', MEMBERS)
  ledger.writer.sign()
  ledger.rekey().writer.sign()
  ledger.rekey().writer.sign()
  const directory = temporaryFolder()
  const { entries } = ledger.writer
  writeFileSync(join(directory, `ledger_1-${entries.length}.committed`), encodeChunk(entries))
  return directory
}

function keyFile(member: string): string {
  const path = join(temporaryFolder(), 'enc_privk.pem')
  writeFileSync(path, formatPem('PRIVATE KEY', rsaKeyOf(member).pkcs8))
  return path
}

const share = (ledger: string, member: string, key: string, out: string) =>
  concordat('member', 'share', '--ledger', ledger, '--member', member, '--key', key, '--out', out)

const lineOf = ({ code, stderr, stdout }: Awaited<ReturnType<typeof concordat>>) => [
  code,
  stdout + stderr.split('\n')[0]!,
]

describe('concordat member share', () => {
  it('writes the 44 bytes that ledger secrets recovers everything from', async () => {
    const ledger = ledgerDirectory()
    const files: string[] = []
    for (const member of [first, second]) {
      const out = join(temporaryFolder(), 'share')
      expect(await share(ledger, member, keyFile(member), out)).toEqual({
        code: 0,
        stdout: '',
        stderr: `the recovery share was written to ${out}\n`,
      })
      expect([statSync(out).mode & 0o777, statSync(out).size]).toEqual([0o600, SHARE_BYTES])
      files.push('--share', out)
    }
    expect((await concordat('ledger', 'secrets', ledger, ...files)).code).toBe(0)
    expect((await concordat('ledger', 'secrets', ledger, ...files.slice(0, 2))).code).toBe(1)
  })

  it('says what does not fit: the key, the member, the file', async () => {
    const ledger = ledgerDirectory()
    const folder = temporaryFolder()
    const out = join(folder, 'share')
    const key = keyFile(first)
    expect(lineOf(await share(ledger, second, key, out))).toEqual([
      1,
      `concordat: the recovery share of ${second} is not for the key ${key}`,
    ])
    const unknown = 'd'.repeat(64)
    expect(lineOf(await share(ledger, unknown, key, out))).toEqual([
      1,
      `concordat: there is no recovery share for ${unknown}, but for ${MEMBERS.join(', ')}`,
    ])
    expect(lineOf(await share(ledger, 'member0', key, out))).toEqual([
      2,
      'concordat: --member is 64 lower-case hex digits',
    ])
    const noKey = join(folder, 'text')
    writeFileSync(noKey, 'a text')
    expect(lineOf(await share(ledger, first, noKey, out))[1]).toMatch(/is not a private key in PEM/)
    expect((await concordat('keygen', '--name', 'm', '--out', folder)).code).toBe(0)
    expect(lineOf(await share(ledger, first, join(folder, 'm_privk.pem'), out))[1]).toMatch(/is not an RSA key/)
    writeFileSync(out, 'kept')
    expect(lineOf(await share(ledger, first, key, out))).toEqual([2, `concordat: ${out} exists and is not overwritten`])
    expect(readFileSync(out, 'utf8')).toBe('kept')
  })
})

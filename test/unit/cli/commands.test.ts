// Goal: the offline commands do what they say: exit codes 0, 1 and 2, one JSON object and nothing else on stdout with --json, faults named
// by file, offset and seqno, and nothing of the user's ever overwritten.
import { appendFileSync, chmodSync, cpSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import {
  certificateId,
  parseCertificate,
  parseEcCertificate,
  verifySignedBy,
} from '../../../protocols/crypto/certificate.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'
import { seqno, view } from '../../../protocols/ids.ts'
import { decodeChunk } from '../../../protocols/ledger/chunk.ts'
import { decodeEntry } from '../../../protocols/ledger/entry.ts'
import { commitEvidence, commitSecret } from '../../../protocols/ledger/leaf.ts'
import { parseSignature } from '../../../protocols/ledger/signature.ts'
import { buildReceipt } from '../../../protocols/receipts/receipt.ts'
import { LedgerWriter } from '../../../runtime/bench/made-ledger.ts'
import { concordat, ROOT, temporaryFolder } from './harness.ts'

const golden = join(ROOT, 'test/golden/ccf-ledgers/acme_containing_service')
const serviceCert = join(golden, 'service_cert.pem')
const otherCert = join(ROOT, 'test/golden/crypto/expired_service.pem')
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>

describe('usage', () => {
  it.each([
    ['no command', []],
    ['an unknown command', ['leger']],
    ['an unknown option', ['keygen', '--nmae', 'a']],
    ['a missing argument', ['ledger', 'verify']],
    ['a directory that is not there', ['ledger', 'verify', '/nowhere/at/all']],
    ['a name that leaves the directory', ['keygen', '--name', '../a']],
    ['a body that is not JSON', ['call', 'POST', '/log/private', '--body', '{id:1}']],
    ['a certificate without its key', ['call', 'GET', '/app/commit', '--cert', 'a.pem', '--data', '/nowhere']],
    ['too few transactions between snapshots', ['up', '--snapshot-tx-count', '9', '--data', '/nowhere']],
    ['snapshots of a node to be, too many', ['node', 'add', '--snapshot-tx-count', '9', '--data', '/nowhere']],
    ['snapshots that are nowhere', ['snapshot', 'list', '/nowhere/at/all']],
    ['no service to call', ['call', 'GET', '/app/commit', '--data', '/nowhere']],
  ])('of %s is exit code 2, said on stderr with a hint', async (_, args) => {
    const { code, stdout, stderr } = await concordat(...args)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/--help|Usage:/)
    expect(stderr).not.toContain('    at ')
  })

  it('of a service.json that is not one is exit code 2', async () => {
    const data = temporaryFolder()
    for (const text of ['{', '{"service":"a"}', '{"service":"a","servers":[],"serviceCertificate":"c.pem"}']) {
      writeFileSync(join(data, 'service.json'), text)
      const { code, stderr } = await concordat('call', 'GET', '/app/commit', '--data', data)
      expect(code).toBe(2)
      expect(stderr).toContain('service.json')
    }
  })

  it('of --help and --version is fine', async () => {
    expect((await concordat('--version')).code).toBe(0)
    for (const command of [
      'up',
      'node',
      'demo',
      'call',
      'keygen',
      'ledger',
      'snapshot',
      'receipt',
      'scenario',
      'sim',
      'check',
      'replay',
      'bench',
    ]) {
      const { code, stdout } = await concordat(command, '--help')
      expect(code).toBe(0)
      expect(stdout).toContain(`Usage: concordat ${command}`)
    }
  })
})

describe('snapshot list', () => {
  const expired = join(ROOT, 'test/golden/ccf-ledgers/expired_service')
  const file = 'snapshot_61_62.committed'

  it("judges CCF's snapshots by their files: verified, of another service, changed, incomplete", async () => {
    const good = await concordat('snapshot', 'list', expired, '--service-cert', otherCert, '--json')
    const { size } = statSync(join(expired, file))
    expect([good.code, json(good.stdout)]).toMatchObject([
      0,
      { trusted: true, snapshots: [{ file, seqno: 61, bytes: size, standing: 'verified' }] },
    ])
    const foreign = await concordat('snapshot', 'list', expired, '--service-cert', serviceCert)
    expect([foreign.code, foreign.stdout]).toEqual([1, expect.stringMatching(/refused: is of another service/)])
    const data = temporaryFolder()
    const bytes = readFileSync(join(expired, file))
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(join(data, file), bytes)
    writeFileSync(join(data, 'snapshot_70_71'), 'half')
    const bad = await concordat('snapshot', 'list', data)
    expect(bad.code).toBe(1)
    expect(bad.stdout.trim().split('\n')).toEqual([
      expect.stringMatching(new RegExp(`^${file}  seqno 61  evidence 62 .* refused: `)),
      expect.stringMatching(/^snapshot_70_71 {2}seqno 70 .* 4 bytes {2}incomplete/),
    ])
    const none = await concordat('snapshot', 'list', temporaryFolder())
    expect([none.code, none.stdout]).toEqual([0, 'no snapshots\n'])
  })
})

describe('keygen', () => {
  it('writes a key for its owner alone, and a certificate for that key', async () => {
    const out = join(temporaryFolder(), 'keys')
    const { code, stdout } = await concordat('keygen', '--name', 'member0', '--out', out, '--gen-enc-key', '--json')
    expect(code).toBe(0)
    const made = json(stdout) as Record<'id' | 'certificate' | 'privateKey' | 'encryptionPrivateKey', string>
    const certificate = parseEcCertificate(crypto, readFileSync(made.certificate, 'utf8'))
    expect(certificate.subject).toBe('CN=member0')
    expect(verifySignedBy(crypto, certificate, certificate.publicKey)).toBe(true)
    expect(made.id).toBe(certificateId(crypto, certificate))
    for (const file of [made.privateKey, made.encryptionPrivateKey]) {
      expect(statSync(file).mode & 0o777).toBe(0o600)
      expect(readFileSync(file, 'utf8')).toMatch(/^-----BEGIN PRIVATE/)
    }
    expect(stdout).not.toContain('BEGIN')
  })

  it.each(['user0_privk.pem', 'user0_cert.pem'])('overwrites nothing: %s', async (file) => {
    const out = temporaryFolder()
    writeFileSync(join(out, file), 'mine')
    const { code, stderr } = await concordat('keygen', '--name', 'user0', '--out', out)
    expect(code).toBe(2)
    expect(stderr).toContain(file)
    expect(readFileSync(join(out, file), 'utf8')).toBe('mine')
    expect(['user0_privk.pem', 'user0_cert.pem'].filter((name) => existsSync(join(out, name)))).toEqual([file])
  })
})

/** A copy that may be spoilt. */
function copyOfGolden(): string {
  const copy = temporaryFolder()
  cpSync(golden, copy, { recursive: true })
  return copy
}

describe('ledger verify', () => {
  it("proves CCF's own ledger, open chunk included", async () => {
    const { code, stdout } = await concordat('ledger', 'verify', golden, '--service-cert', serviceCert, '--json')
    expect(code).toBe(0)
    expect(json(stdout)).toMatchObject({ ok: true, trusted: true, files: 4, serviceStatus: 'Open', tornBytes: 0 })
    expect(json(stdout)['lastSignedSeqno']).toBe(json(stdout)['lastSeqno'])
  })

  it('says so when no certificate is given', async () => {
    const { code, stdout, stderr } = await concordat('ledger', 'verify', golden)
    expect(code).toBe(0)
    expect(stdout).toContain('verified up to seqno')
    expect(stderr).toContain('only vouches for itself')
  })

  it('names file, offset and seqno of a changed byte', async () => {
    const copy = copyOfGolden()
    const name = 'ledger_3-13.committed'
    const bytes = readFileSync(join(copy, name))
    const entry = decodeChunk(new Uint8Array(bytes)).entries[2]!
    bytes[entry.offset + entry.bytes.length - 1]! ^= 1
    chmodSync(join(copy, name), 0o644)
    writeFileSync(join(copy, name), bytes)
    const { code, stdout } = await concordat('ledger', 'verify', copy, '--service-cert', serviceCert, '--json')
    expect(code).toBe(1)
    const failure = json(stdout)['failure'] as Record<'file' | 'offset' | 'seqno' | 'reason', unknown>
    expect(failure.file).toBe(name)
    // Found at the changed entry, or at the first signature whose root no longer fits.
    expect(failure.seqno).toBeGreaterThanOrEqual(5)
    expect(failure.seqno).toBeLessThanOrEqual(13)
    expect(failure.offset).toBe(decodeChunk(new Uint8Array(bytes)).entries[Number(failure.seqno) - 3]!.offset)
    const plain = await concordat('ledger', 'verify', copy)
    expect(plain.code).toBe(1)
    expect(plain.stdout).toContain(`FAILED ${name}: byte ${String(failure.offset)} (seqno ${String(failure.seqno)})`)
  })

  it('refuses a ledger of another service, a missing chunk, and an empty directory', async () => {
    expect((await concordat('ledger', 'verify', golden, '--service-cert', otherCert)).code).toBe(1)
    const gap = temporaryFolder()
    cpSync(join(golden, 'ledger_3-13.committed'), join(gap, 'ledger_3-13.committed'))
    expect((await concordat('ledger', 'verify', gap)).stdout).toContain('a snapshot of seqno')
    const empty = await concordat('ledger', 'verify', temporaryFolder())
    expect(empty.code).toBe(1)
    expect(empty.stdout).toContain('holds no ledger files')
  })

  it('takes a torn tail of the open chunk for what it is', async () => {
    const copy = copyOfGolden()
    appendFileSync(join(copy, 'ledger_21'), new Uint8Array([1, 2, 3]))
    writeFileSync(join(copy, 'ledger_23'), new Uint8Array(3))
    const { code, stdout } = await concordat('ledger', 'verify', copy, '--service-cert', serviceCert, '--json')
    expect(code).toBe(0)
    expect(json(stdout)).toMatchObject({ ok: true, tornBytes: 6 })
  })
})

describe('ledger check', () => {
  it('says what is there and changes nothing', async () => {
    const copy = copyOfGolden()
    appendFileSync(join(copy, 'ledger_21'), new Uint8Array([1, 2, 3]))
    const before = readFileSync(join(copy, 'ledger_21'))
    const { code, stdout } = await concordat('ledger', 'check', copy, '--json')
    expect(code).toBe(0)
    expect(json(stdout)).toMatchObject({ firstSeqno: 1, lastSeqno: 22, lastSignedSeqno: 22, tornBytes: 3 })
    expect(readFileSync(join(copy, 'ledger_21'))).toEqual(before)
  })

  it('fails on a committed chunk that is cut', async () => {
    const copy = copyOfGolden()
    const name = join(copy, 'ledger_3-13.committed')
    chmodSync(name, 0o644)
    writeFileSync(name, readFileSync(name).subarray(0, 1000))
    const { code, stderr } = await concordat('ledger', 'check', copy)
    expect(code).toBe(1)
    expect(stderr).toContain('ledger_3-13.committed: corrupt at byte')
    expect(stderr).not.toContain('CONCORDAT_DEBUG')
  })
})

describe('receipt verify', () => {
  const claims = utf8('{"subject":"left-pad"}')

  /** A receipt of a small ledger of our own, for the transaction before the last signature. */
  function files(): { receipt: string; cert: string; claims: string; folder: string } {
    const ledger = new LedgerWriter('cli').begin('Open').sign()
    const at = ledger.nextSeqno
    ledger.writePrivate(1).sign()
    const entryBytes = ledger.entries[at - 1]!
    const receipt = buildReceipt(crypto, {
      entryBytes,
      commitEvidence: commitEvidence(crypto, commitSecret(crypto, ledger.secret), view(2), seqno(at)),
      signature: parseSignature(decodeEntry(ledger.entries[at]!))!,
    })
    const folder = temporaryFolder()
    const write = (name: string, content: string | Uint8Array): string => {
      writeFileSync(join(folder, name), content)
      return join(folder, name)
    }
    return {
      folder,
      receipt: write('receipt.json', JSON.stringify(receipt)),
      cert: write('service_cert.pem', ledger.service.pem),
      claims: write('claims.json', claims),
    }
  }

  it('proves a receipt, and names what it proves', async () => {
    const { receipt, cert } = files()
    const { code, stdout } = await concordat('receipt', 'verify', receipt, '--service-cert', cert, '--json')
    expect(code).toBe(0)
    expect(json(stdout)).toMatchObject({ ok: true, txId: '2.3' })
  })

  it('refuses other claims, another service, and a tampered receipt', async () => {
    const { receipt, cert, claims: claimsFile, folder } = files()
    const refused = async (...args: string[]): Promise<string> => {
      const { code, stdout } = await concordat('receipt', 'verify', ...args)
      expect(code).toBe(1)
      expect(stdout).toMatch(/^REFUSED: /)
      return stdout
    }
    // The transaction has no claims, so these cannot be its.
    await refused(receipt, '--service-cert', cert, '--claims', claimsFile)
    await refused(receipt, '--service-cert', otherCert)
    const tampered = join(folder, 'tampered.json')
    const parsed = json(readFileSync(receipt, 'utf8')) as { leaf_components: { write_set_digest: string } }
    parsed.leaf_components.write_set_digest = toHex(crypto.sha256(claims))
    writeFileSync(tampered, JSON.stringify(parsed))
    await refused(tampered, '--service-cert', cert)
    writeFileSync(tampered, '{"proof":[]}')
    expect(await refused(tampered, '--service-cert', cert)).toContain('malformed')
  })

  it('takes a wrong certificate file for a mistake of the user', async () => {
    const { receipt } = files()
    const { code, stderr } = await concordat('receipt', 'verify', receipt, '--service-cert', receipt)
    expect(code).toBe(2)
    expect(stderr).toContain('is not a certificate')
  })
})

it('the golden certificates are the ones the tests take them for', () => {
  const [mine, other] = [serviceCert, otherCert].map((file) => parseCertificate(readFileSync(file, 'utf8')))
  expect(toHex(mine!.spki)).not.toBe(toHex(other!.spki))
})

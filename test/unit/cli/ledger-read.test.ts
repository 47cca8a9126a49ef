// Goal: `concordat ledger read` shows what is in a ledger, all of it and in order, private maps under the right secret only, and nothing
// a writer put into it reaches the terminal as a control character; faults name file, offset and seqno.
import { appendFileSync, cpSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { nobleCrypto as crypto } from '../../../protocols/crypto/noble.ts'
import { seqno, view } from '../../../protocols/ids.ts'
import { encodeEntry } from '../../../protocols/ledger/entry.ts'
import { oldEntry, spoilEntry, write, writeChunks } from '../ledger/chunk-files.ts'
import { LedgerWriter } from '../../../runtime/bench/made-ledger.ts'
import { concordat, ROOT, temporaryFolder } from './harness.ts'

const golden = join(ROOT, 'test/golden/ccf-ledgers/acme_containing_service')
const expired = join(ROOT, 'test/golden/ccf-ledgers/expired_service')
/** CCF facts §19: a public test key. */
const ACME_SECRET = '6a2e4bec332a6457dccd64af0d4ace7de36de1af02f95f3ecde5a47176f9014a'

interface Line {
  readonly txId: string
  readonly kind: string
  readonly type: number
  readonly flags: readonly string[]
  readonly file: string
  readonly committed: boolean
  readonly recovery?: boolean
  readonly claimsDigest?: string
  readonly commitEvidenceDigest?: string
  readonly privateBytes: number
  readonly privateOpened: boolean
  readonly maps: readonly {
    readonly name: string
    readonly public: boolean
    readonly writes: readonly { readonly key: object; readonly value: object }[]
    readonly removes: readonly object[]
  }[]
}

const lines = (stdout: string): Line[] =>
  stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)

const read = (...args: readonly string[]) => concordat('ledger', 'read', ...args)

async function readJson(...args: readonly string[]): Promise<Line[]> {
  const { code, stdout, stderr } = await read(...args, '--json')
  expect([code, stderr.replace(/^\(.*\)\n/gm, '')]).toEqual([0, ''])
  return lines(stdout)
}

function copyOf(ledger: string): string {
  const copy = temporaryFolder()
  cpSync(ledger, copy, { recursive: true })
  return copy
}

function file(content: string | Uint8Array): string {
  const path = join(temporaryFolder(), 'secret')
  writeFileSync(path, content)
  return path
}

/** A service with a few transactions of each sort. */
const own = (): LedgerWriter => new LedgerWriter('read').begin('Open').sign().writePrivate(2).sign()

describe("CCF's own ledgers", () => {
  it('are read in order, committed chunks only unless asked', async () => {
    const committed = await readJson(golden)
    expect(committed.map(({ txId }) => txId)).toEqual(Array.from({ length: 20 }, (_, i) => `2.${i + 1}`))
    const all = await readJson(golden, '--uncommitted')
    expect(all.slice(20)).toMatchObject([
      { txId: '2.21', kind: 'internal', committed: false, file: 'ledger_21' },
      { txId: '2.22', kind: 'signature', committed: false },
    ])
    expect((await read(golden)).stderr).toBe('(1 uncommitted chunk not read; --uncommitted reads them too)\n')
  })

  it('show kind, type, flags, digests and values', async () => {
    const [first, second] = await readJson(golden, '--to', '2', '--full')
    expect(first).toMatchObject({ kind: 'service', type: 4, flags: [], privateBytes: 0, privateOpened: false })
    expect(first!.commitEvidenceDigest).toBe('a2aa37be0970c5d93085da4a0ad2147284d7668210f3323e69ee64e07db461e2')
    expect(first!.claimsDigest).toMatch(/^15519b9c/)
    const config = first!.maps.find(({ name }) => name === 'public:ccf.gov.service.config')!
    expect(config.writes).toMatchObject([
      { key: { hex: '0000000000000000' }, value: { json: { recovery_threshold: 3 } } },
    ])
    expect(second).toMatchObject({ kind: 'signature', flags: ['forceChunkAfter'] })
    expect(second!.claimsDigest).toBeUndefined()
    expect(second!.maps.map(({ name }) => name)).toEqual([
      'public:ccf.internal.cose_signatures',
      'public:ccf.internal.signatures',
      'public:ccf.internal.tree',
    ])
  })

  it('of entry type 3 too, and private domains stay closed without a secret', async () => {
    const all = await readJson(expired)
    expect(all).toHaveLength(28)
    expect(all.some(({ type }) => type === 3) && all.some(({ type }) => type === 4)).toBe(true)
    const sealed = all.filter(({ kind }) => kind === 'private')
    expect(sealed.length).toBeGreaterThan(1)
    for (const { privateBytes, maps } of sealed) expect([privateBytes > 0, maps]).toEqual([true, []])
    const { stdout } = await read(expired, '--from', sealed[0]!.txId.slice(2), '--to', sealed[0]!.txId.slice(2))
    expect(stdout).toContain(`private domain: ${sealed[0]!.privateBytes} bytes, not opened`)
  })

  it('authenticate under their ledger secret', async () => {
    const opened = await readJson(golden, '--uncommitted', '--secret', file(ACME_SECRET))
    expect(opened).toHaveLength(22)
    expect(opened.every(({ privateOpened }) => privateOpened)).toBe(true)
  })

  it('one chunk alone is a ledger that begins later', async () => {
    const folder = temporaryFolder()
    cpSync(join(golden, 'ledger_3-13.committed'), join(folder, 'ledger_3-13.committed'))
    expect((await readJson(folder)).map(({ txId }) => txId).slice(0, 2)).toEqual(['2.3', '2.4'])
  })

  it('chunks of an unfinished recovery are read and named as such', async () => {
    const copy = copyOf(golden)
    renameSync(join(copy, 'ledger_14-20.committed'), join(copy, 'ledger_14-20.committed.recovery'))
    renameSync(join(copy, 'ledger_21'), join(copy, 'ledger_21.recovery'))
    const all = await readJson(copy, '--uncommitted', '--from', '13')
    expect(all.map(({ recovery }) => recovery === true)).toEqual([false, ...Array<boolean>(9).fill(true)])
    expect((await read(copy, '--from', '14', '--to', '14')).stdout).toContain(
      'ledger_14-20.committed.recovery (recovery not finished)',
    )
  })
})

describe('ranges and filters', () => {
  it.each([
    ['13', '14', ['2.13', '2.14']],
    ['20', undefined, ['2.20']],
    [undefined, '1', ['2.1']],
  ])('from %s to %s', async (from, to, expected) => {
    const range = [...(from === undefined ? [] : ['--from', from]), ...(to === undefined ? [] : ['--to', to])]
    expect((await readJson(golden, ...range)).map(({ txId }) => txId)).toEqual(expected)
  })

  it('beyond the end is nothing, said so', async () => {
    const { code, stdout, stderr } = await read(golden, '--from', '400')
    expect([code, stdout]).toEqual([0, ''])
    expect(stderr).toContain('no transactions in that range')
  })

  it('--table keeps maps whose names match, and transactions that have one', async () => {
    const found = await readJson(golden, '--table', 'gov\\.nodes\\.info$')
    expect(found.map(({ txId }) => txId)).toEqual(['2.1', '2.3', '2.5'])
    for (const { maps } of found) expect(maps.map(({ name }) => name)).toEqual(['public:ccf.gov.nodes.info'])
    expect(await readJson(golden, '--table', 'nothing')).toEqual([])
  })

  it('--key keeps writes and removes of one key, given as text or bytes', async () => {
    const writer = own()
    const removed = { name: 'public:log', writes: [], removes: [utf8('b')] }
    writer.add([{ ...write('public:log', 'a', '1'), removes: [utf8('b')] }, write('records', 'b', 'secret')])
    writer.add([removed])
    const folder = writeChunks(temporaryFolder(), writer.entries, [])
    const secret = file(writer.secret)
    const byText = await readJson(folder, '--uncommitted', '--key', 'b', '--secret', secret)
    expect(byText.map(({ maps }) => maps)).toEqual([
      [
        { name: 'public:log', public: true, writes: [], removes: [{ text: 'b' }] },
        { name: 'records', public: false, writes: [{ key: { text: 'b' }, value: { text: 'secret' } }], removes: [] },
      ],
      [{ name: 'public:log', public: true, writes: [], removes: [{ text: 'b' }] }],
    ])
    expect(await readJson(folder, '--uncommitted', '--key', '0x62', '--secret', secret)).toEqual(byText)
  })

  it.each([
    ['a range that ends before it begins', ['--from', '3', '--to', '2']],
    ['a seqno that is none', ['--from', '0']],
    ['a seqno with more to it', ['--to', '1e3']],
    ['an invalid regular expression', ['--table', '(']],
    ['a key that is not hexadecimal', ['--key', '0xzz']],
    ['a secret that is not there', ['--secret', '/nowhere']],
  ])('%s is a mistake of the user', async (_, args) => {
    const { code, stdout, stderr } = await read(golden, ...args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/--help/)
    expect(stderr).not.toContain('    at ')
  })
})

describe('ledger secrets', () => {
  const writer = own()
  const later = new Uint8Array(32).fill(9)
  /** Seqno 6 and 7 are under the second secret, as after a rekey by transaction 5. */
  const rekeyed = [6, 7].map((n) => {
    const content = {
      flags: 0,
      claimsDigest: undefined,
      commitEvidenceDigest: new Uint8Array(32),
      writes: [write('records', `k${n}`, '{"n":1}')],
    }
    return encodeEntry(crypto, later, { ...content, view: view(2), seqno: seqno(n) }).bytes
  })
  const folder = () => writeChunks(temporaryFolder(), [...writer.entries, ...rekeyed], [5])
  const versions = JSON.stringify({ 1: toHex(writer.secret), 6: toHex(later) })

  it.each([
    ['raw bytes', writer.secret],
    ['hex', `${toHex(writer.secret)}\n`],
    ['JSON', JSON.stringify({ 1: toHex(writer.secret).toUpperCase() })],
  ])('as %s open private maps', async (_, content) => {
    const opened = await readJson(folder(), '--secret', file(content), '--table', '^records$')
    expect(opened.map(({ maps }) => maps[0]!.writes)).toEqual([
      [{ key: { text: 'key 3' }, value: { text: 'value 0' } }],
      [{ key: { text: 'key 4' }, value: { text: 'value 1' } }],
    ])
  })

  it('of several versions are each used from their seqno on', async () => {
    const args = ['--uncommitted', '--from', '5']
    const all = await readJson(folder(), ...args, '--secret', file(versions))
    expect(all.map(({ privateOpened }) => privateOpened)).toEqual([true, true, true])
    const onlyLater = await readJson(folder(), '--uncommitted', '--secret', file(JSON.stringify({ 6: toHex(later) })))
    expect(onlyLater.map(({ privateOpened }) => privateOpened)).toEqual([false, false, false, false, false, true, true])
  })

  it('that are wrong end the reading, with file, offset and seqno, and are never printed', async () => {
    const { code, stdout, stderr } = await read(
      folder(),
      '--uncommitted',
      '--secret',
      file(toHex(writer.secret)),
      '--json',
    )
    expect(code).toBe(1)
    expect(lines(stdout)).toHaveLength(5)
    expect(stderr).toMatch(/ledger_6: corrupt at byte 8: seqno 6: does not open with the ledger secret of version 1/)
    expect(stdout + stderr).not.toContain(toHex(writer.secret).slice(0, 16))
  })

  it('show altered public bytes for what they are', async () => {
    const copy = copyOf(golden)
    const path = join(copy, 'ledger_3-13.committed')
    // The first digit of the commit evidence digest: nothing but the tag knows.
    const offset = spoilEntry(path, 2, 44 + 9 + 32, 0)
    expect((await read(copy)).code).toBe(0)
    const { code, stderr } = await read(copy, '--secret', file(ACME_SECRET))
    expect(code).toBe(1)
    expect(stderr).toContain(`ledger_3-13.committed: corrupt at byte ${offset}: seqno 5: does not open`)
  })

  it.each([
    ['too short', 'abcd'],
    ['a version that is none', JSON.stringify({ x: ACME_SECRET })],
    ['no version at all', '{}'],
    ['a list', JSON.stringify([ACME_SECRET])],
    ['one digit short', ACME_SECRET.slice(1)],
  ])('that are %s are a mistake of the user, and not repeated', async (_, content) => {
    const { code, stdout, stderr } = await read(golden, '--secret', file(content))
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).not.toContain(content.slice(0, 20) === '{}' ? ACME_SECRET : content)
    expect(stderr).not.toContain(ACME_SECRET.slice(2, 20))
  })

  it('of one version twice are a mistake of the user', async () => {
    const { code, stderr } = await read(golden, '--secret', file(ACME_SECRET), '--secret', file(writer.secret))
    expect(code).toBe(2)
    expect(stderr).toContain('one of version 1 already')
  })
})

describe('what the ledger holds', () => {
  it('never reaches the terminal as control characters', async () => {
    const hostile = '\u001b]0;title\u0007\u202e\u009b2J\u2028'
    const writer = own().add([
      {
        name: `public:${hostile}`,
        writes: [
          { key: utf8(hostile), value: utf8(JSON.stringify({ a: '\u007f' }).replace('a', '\u009b\u202e')) },
          { key: utf8('\u{1f600}'), value: utf8(hostile) },
        ],
        removes: [utf8('z\r\ny')],
      },
    ])
    const folder = writeChunks(temporaryFolder(), writer.entries, [])
    for (const args of [['--json'], ['--full'], []]) {
      const { stdout } = await read(folder, '--uncommitted', ...args)
      expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    }
    const [last] = (await readJson(folder, '--uncommitted', '--from', '6')).slice(-1)
    expect(last!.maps[0]!.name).toBe(`public:${hostile}`)
    expect(last!.maps[0]!.writes[0]!.value).toEqual({
      json: { '\u009b\u202e': '\u007f' },
    })
    expect((await read(folder, '--uncommitted', '--from', '6')).stdout).toContain('z␍␊y removed')
  })

  it('is cut at 160 characters and says so, unless --full', async () => {
    const long = `${'x'.repeat(159)}\u{1f600}y`
    const deep = '['.repeat(50_000) + ']'.repeat(50_000)
    const writer = own().add([write('public:log', 'a', long), write('public:nest', 'b', deep)])
    const folder = writeChunks(temporaryFolder(), writer.entries, [])
    const args = [folder, '--uncommitted', '--from', '6']
    const [cut] = await readJson(...args)
    expect(cut!.maps.map(({ writes }) => writes[0]!.value)).toEqual([
      { text: 'x'.repeat(159), cut: true, bytes: 164 },
      { text: '['.repeat(160), cut: true, bytes: 100_000 },
    ])
    expect((await read(...args)).stdout).toContain(`a = ${'x'.repeat(159)}… (164 bytes)\n`)
    const [full] = await readJson(...args, '--full')
    expect(full!.maps.map(({ writes }) => writes[0]!.value)).toEqual([{ text: long }, { text: deep }])
  })

  it('keeps numbers that JSON parsers lose', async () => {
    const writer = own().add([write('public:log', 'a', '{"n": 9007199254740993}')])
    const folder = writeChunks(temporaryFolder(), writer.entries, [])
    const [entry] = await readJson(folder, '--uncommitted', '--from', '6')
    expect(entry!.maps[0]!.writes[0]!.value).toMatchObject({ text: '{"n": 9007199254740993}' })
    expect((await read(folder, '--uncommitted', '--from', '6')).stdout).toContain('a = {"n": 9007199254740993}\n')
  })

  it('may be of the old entry types', async () => {
    const secret = new Uint8Array(32).fill(3)
    const writes = [write('public:log', 'k', 'v'), write('records', 'p', 'q')]
    const entries = ([0, 2, 3] as const).map((type, i) => oldEntry(type, secret, 2, i + 1, writes))
    const folder = writeChunks(temporaryFolder(), entries, [3])
    const all = await readJson(folder, '--secret', file(secret))
    expect(all).toMatchObject([
      { type: 0 },
      { type: 2, claimsDigest: '02'.repeat(32) },
      { type: 3, commitEvidenceDigest: '03'.repeat(32) },
    ])
    expect(
      all.map(({ claimsDigest, commitEvidenceDigest }) => [
        claimsDigest === undefined,
        commitEvidenceDigest === undefined,
      ]),
    ).toEqual([
      [true, true],
      [false, true],
      [true, false],
    ])
    for (const { maps } of all) expect(maps.map(({ name }) => name)).toEqual(['public:log', 'records'])
    expect((await read(folder)).stdout).toContain('2.1  public application  type 0 (write set)')
  })
})

describe('faults', () => {
  it.each([
    ['an unknown entry version', 0, 9, 'unknown entry version'],
    ['an unknown flag', 1, 0x80, 'unknown entry flags'],
    ['another seqno', 45, 77, 'differ'],
    ['another type', 44, 1, 'snapshot'],
    ['another view', 32, 1, 'view 1 after view 2'],
    ['a public domain that is too long', 39, 0xff, 'public domain too long'],
  ])('%s in the middle is named by file, offset and seqno', async (_, byte, value, reason) => {
    const copy = copyOf(golden)
    const offset = spoilEntry(join(copy, 'ledger_3-13.committed'), 4, byte, value)
    const { code, stdout, stderr } = await read(copy, '--json')
    expect(code).toBe(1)
    expect(lines(stdout).at(-1)!.txId).toBe('2.6')
    expect(stderr).toContain(`ledger_3-13.committed: corrupt at byte ${offset}: seqno 7: `)
    expect(stderr).toContain(reason)
    expect(stderr).not.toContain('CONCORDAT_DEBUG')
  })

  it('a size in the middle of a committed chunk, or a position in its table', async () => {
    const copy = copyOf(golden)
    const path = join(copy, 'ledger_3-13.committed')
    const offset = spoilEntry(path, 4, 6, 0xff)
    expect((await read(copy)).stderr).toContain(`corrupt at byte ${offset}: seqno 7: incomplete entry`)
    const bytes = readFileSync(join(golden, 'ledger_3-13.committed'))
    const at = Number(bytes.readBigUInt64LE(0)) + 4 * 3
    bytes[at]! ^= 1
    writeFileSync(path, bytes)
    expect((await read(copy)).stderr).toContain(
      `corrupt at byte ${at}: seqno 6: its position in the positions table points`,
    )
    writeFileSync(path, bytes.subarray(0, 1000))
    expect((await read(copy)).stderr).toContain('corrupt at byte 0: seqno 3: committed, with its positions table at')
  })

  it('chunks that do not follow each other', async () => {
    const copy = copyOf(golden)
    renameSync(join(copy, 'ledger_21'), join(copy, 'ledger_25'))
    const { code, stderr } = await read(copy, '--uncommitted')
    expect(code).toBe(1)
    expect(stderr).toContain('ledger_25: corrupt at byte 0: begins at seqno 25, the chunk before it ends at 20')
  })

  it('a torn tail is no fault, one before another chunk is', async () => {
    const copy = copyOf(golden)
    appendFileSync(join(copy, 'ledger_21'), fromHex('0100ff'))
    const torn = await read(copy, '--uncommitted')
    expect(torn.code).toBe(0)
    expect(torn.stderr).toMatch(/\(ledger_21: 3 torn bytes at byte \d+: never acknowledged\)/)
    writeFileSync(join(copy, 'ledger_23'), new Uint8Array(3))
    const after = await read(copy, '--uncommitted')
    expect(after.code).toBe(1)
    expect(after.stderr).toContain('the chunk before it, ledger_21, is torn')
  })

  it('an empty directory, and one that is not a ledger', async () => {
    const empty = temporaryFolder()
    for (const prepare of [
      () => undefined,
      () => writeFileSync(join(empty, 'notes.txt'), 'x'),
      () => writeFileSync(join(empty, 'ledger_1.ignored'), 'x'),
    ]) {
      prepare()
      const { code, stdout, stderr } = await read(empty)
      expect([code, stdout]).toEqual([1, ''])
      expect(stderr).toContain('holds no ledger files')
    }
    expect((await read(join(empty, 'notes.txt'))).code).toBe(2)
    expect((await read(join(empty, 'nowhere'))).code).toBe(2)
  })

  it('bytes that were never a ledger', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'ledger_1'), utf8('this is not a ledger, but it is longer than a header by far'))
    const open = await read(folder, '--uncommitted')
    // Its sizes lead beyond its end, as a torn tail's would.
    expect([open.code, open.stdout]).toEqual([0, ''])
    expect(open.stderr).toContain('torn bytes')
    writeFileSync(join(folder, 'ledger_1'), new Uint8Array(64))
    const zeros = await read(folder, '--uncommitted')
    expect(zeros.code).toBe(1)
    expect(zeros.stderr).toContain('ledger_1: corrupt at byte 8: seqno 1: entry too short')
  })
})

// Goal: `concordat ledger map` draws one glyph for each transaction, in text, SVG and JSON; splits where views and services begin; the SVG
// is one well-formed file whatever a ledger or a directory is called; and a corrupt ledger is drawn up to the fault.
import { cpSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { encodeJson, GOV_TABLES, singleWrite } from '../../../protocols/ledger/tables.ts'
import { root } from '../../../protocols/merkle/tree.ts'
import { nobleCrypto as crypto } from '../../../protocols/crypto/noble.ts'
import { spoilEntry, write, writeChunks } from '../ledger/chunk-files.ts'
import { LedgerWriter } from '../../../runtime/bench/made-ledger.ts'
import { wellFormed } from '../ledger/xml.ts'
import { concordat, ROOT, temporaryFolder } from './harness.ts'

const golden = join(ROOT, 'test/golden/ccf-ledgers/acme_containing_service')

const map = (...args: readonly string[]) => concordat('ledger', 'map', ...args)

/** All kinds, three views, a second identity; seqno 13 begins view 5 and the recovered service. */
function ownLedger(): LedgerWriter {
  const writer = new LedgerWriter('map').begin('Open').sign()
  writer.add([write('public:ccf.gov.members.info', 'm', '{}')])
  writer.add([write(GOV_TABLES.nodesInfo, 'n', '{"status":"Trusted"}')])
  writer.add([write('public:ccf.internal.snapshot_evidence', 's', '{}')])
  writer
    .add([write('public:log', 'a', '1'), write('records', 'a', '1')])
    .writePrivate(2)
    .add([])
    .sign()
  writer.view = 3
  writer.sign().writePrivate(1)
  return writer.recover('map, recovered', root(crypto, writer.tree).root).sign()
}

const own = (cuts: readonly number[] = [10]): string => writeChunks(temporaryFolder(), ownLedger().entries, cuts)

describe('in the terminal', () => {
  it("CCF's ledger is one glyph a transaction, with a legend", async () => {
    const { code, stdout } = await map(golden)
    expect(code).toBe(0)
    expect(stdout.split('\n')[0]).toBe('        1  S|R|R|G|GGGG|GG|iGS|i|')
    expect(stdout).toContain('  |  8  signature\n  S  2  service status change\n')
    expect(stdout).toContain('seqno 1 to 22, 1 view, 1 service identity, from seqno 21 on in uncommitted chunks\n')
  })

  it('every kind has its glyph', async () => {
    expect((await map(own())).stdout.split('\n')[0]).toBe('        1  S|GRi+.._||.S|')
  })

  it('lines are whole tens of glyphs within the width, and begin with a seqno', async () => {
    const { stdout } = await map(golden, '--width', '24')
    expect(stdout.split('\n').slice(0, 4)).toEqual([
      '        1  S|R|R|G|GG',
      '       11  GG|GG|iGS|',
      '       21  i|',
      '',
    ])
    expect((await map(golden, '--width', '20')).stdout.split('\n')[0]).toBe('        1  S|R|R|G|G')
  })

  it('views and services begin lines when asked', async () => {
    const folder = own()
    const views = (await map(folder, '--split', 'views')).stdout.split('\n')
    expect(views.slice(0, 6)).toEqual([
      'view 2, from seqno 1',
      '        1  S|GRi+.._|',
      'view 3, from seqno 11',
      '       11  |.',
      'view 5, from seqno 13',
      '       13  S|',
    ])
    const services = (await map(folder, '--split', 'services')).stdout
    expect(services).toMatch(
      /^service [0-9a-f]{16}… \(Open\), from seqno 1\n +1 {2}S\|GRi\+\.\._\|\|\.\nservice [0-9a-f]{16}… \(Recovering\), from seqno 13\n/,
    )
    expect((await map(folder, '--split', 'services', '--split', 'views')).stdout).toMatch(
      /\(Recovering\), view 5, from seqno 13\n/,
    )
  })

  it('a status of the ledger is not believed to be printable', async () => {
    const info = encodeJson({ cert: 'none', status: '\u001b[2J' })
    const writer = new LedgerWriter('map').add([singleWrite(GOV_TABLES.serviceInfo, info)])
    const { stdout } = await map(writeChunks(temporaryFolder(), writer.entries, []), '--split', 'services')
    expect(stdout).toContain('(\\u001b[2J)')
    expect(stdout).not.toContain('\u001b')
  })

  it.each([
    ['a width that is too small', ['--width', '19']],
    ['a width that is none', ['--width', 'wide']],
    ['an unknown split', ['--split', 'nodes']],
    ['two outputs', ['--json', '--svg', 'x.svg']],
  ])('%s is a mistake of the user', async (_, args) => {
    const { code, stdout } = await map(golden, ...args)
    expect([code, stdout]).toEqual([2, ''])
  })
})

describe('as JSON', () => {
  it('runs of transactions that look the same', async () => {
    const { code, stdout } = await map(own(), '--json')
    expect(code).toBe(0)
    const runs = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(runs.map(({ first, last, kind }) => [first, last, kind])).toEqual([
      [1, 1, 'service'],
      [2, 2, 'signature'],
      [3, 3, 'governance'],
      [4, 4, 'reconfiguration'],
      [5, 5, 'internal'],
      [6, 6, 'public'],
      [7, 8, 'private'],
      [9, 9, 'empty'],
      [10, 10, 'signature'],
      [11, 11, 'signature'],
      [12, 12, 'private'],
      [13, 13, 'service'],
      [14, 14, 'signature'],
    ])
    expect(runs.map(({ view }) => view).slice(8)).toEqual([2, 3, 3, 5, 5])
    expect(runs.map(({ committed }) => committed).slice(8, 10)).toEqual([true, false])
    expect(runs[11]).toMatchObject({ status: 'Recovering' })
    expect(runs[11]!['service']).not.toBe(runs[10]!['service'])
  })

  it('a run ends with the last committed chunk', async () => {
    const runs = (await map(own([7]), '--json')).stdout.split('\n').filter((line) => line.includes('"private"'))
    expect(runs.slice(0, 2).map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { first: 7, last: 7, committed: true },
      { first: 8, last: 8, committed: false },
    ])
  })
})

describe('as SVG', () => {
  const svgOf = async (folder: string, ...args: readonly string[]): Promise<{ code: number; svg: string }> => {
    const path = join(temporaryFolder(), 'map.svg')
    const { code, stdout } = await map(folder, '--svg', path, ...args)
    expect(stdout).toBe('')
    return { code, svg: readFileSync(path, 'utf8') }
  }

  it('is one well-formed file with title and legend, and as many cells as transactions', async () => {
    const { code, svg } = await svgOf(golden)
    expect(code).toBe(0)
    expect(wellFormed(svg)).toBe(true)
    expect(svg).toContain('<title>Ledger acme_containing_service</title>')
    expect(svg).toContain('signature<tspan class="c"> 8</tspan>')
    expect(svg).toContain('<title>2.9 to 2.12 (4) governance</title>')
    expect(svg).toContain('<title>2.21 internal, uncommitted chunk</title>')
    const cells = [...svg.matchAll(/<path class="(?!v)[^"]*" d="([^"]*)"/g)].flatMap(([, d]) => d!.match(/z/g) ?? [])
    expect(cells).toHaveLength(22)
    expect(svg).not.toMatch(/(href|src|url\(|<script|<image)/)
  })

  it('marks views, and has room for the longest ledger of its columns', async () => {
    const { svg } = await svgOf(own(), '--split', 'services', '--width', '20')
    expect(svg.match(/<path class="v"/g)).toHaveLength(3)
    const height = Number(/ height="(\d+)"/.exec(svg)![1])
    const lowest = Math.max(...[...svg.matchAll(/ y="(\d+)"/g)].map(([, y]) => Number(y)))
    expect(height).toBeGreaterThan(lowest)
    expect(height).toBeLessThan(lowest + 60)
  })

  it('escapes what directories and ledgers are called', async () => {
    const folder = join(temporaryFolder(), `<a b="c">&'\u0001\u202e`)
    const info = encodeJson({ cert: 'none', status: `</text><script>"&\u0000${'x'.repeat(500)}` })
    const writer = new LedgerWriter('map').add([singleWrite(GOV_TABLES.serviceInfo, info)])
    const { svg } = await svgOf(writeChunks(folder, writer.entries, []), '--split', 'services')
    expect(wellFormed(svg)).toBe(true)
    expect(svg).toContain('<title>Ledger &lt;a b=&quot;c&quot;&gt;&amp;&#39;\ufffd\ufffd</title>')
    expect(svg).not.toContain('<script')
    expect(svg).toContain('(&lt;/text&gt;&lt;script&gt;&quot;&amp;\ufffdxxx')
  })

  it('overwrites nothing', async () => {
    const path = join(temporaryFolder(), 'mine.svg')
    writeFileSync(path, 'mine')
    expect((await map(golden, '--svg', path)).code).toBe(2)
    expect(readFileSync(path, 'utf8')).toBe('mine')
    expect((await map(golden, '--svg', '/nowhere/map.svg')).code).toBe(2)
  })
})

describe('of a ledger that cannot be read', () => {
  it('goes up to the fault, in text and SVG, and fails', async () => {
    const copy = temporaryFolder()
    cpSync(golden, copy, { recursive: true })
    const offset = spoilEntry(join(copy, 'ledger_3-13.committed'), 4, 0, 7)
    const { code, stdout, stderr } = await map(copy)
    expect(code).toBe(1)
    expect(stdout).toContain('        1  S|R|R|\n')
    expect(stderr).toContain(`ledger_3-13.committed: corrupt at byte ${offset}: seqno 7: unknown entry version`)
    const path = join(temporaryFolder(), 'map.svg')
    expect((await map(copy, '--svg', path)).code).toBe(1)
    const svg = readFileSync(path, 'utf8')
    expect(wellFormed(svg)).toBe(true)
    expect(svg).toContain('The ledger is corrupt from here on.')
  })

  it('because there is none, draws nothing', async () => {
    const path = join(temporaryFolder(), 'map.svg')
    const { code, stderr } = await map(temporaryFolder(), '--svg', path)
    expect(code).toBe(1)
    expect(stderr).toContain('holds no ledger files')
    expect(existsSync(path)).toBe(false)
  })

  it('because a chunk is missing, says which', async () => {
    const copy = own()
    renameSync(join(copy, 'ledger_11'), join(copy, 'ledger_12'))
    expect((await map(copy)).stderr).toContain('ledger_12: corrupt at byte 0: begins at seqno 12')
  })
})

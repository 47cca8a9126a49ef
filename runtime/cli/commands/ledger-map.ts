// `concordat ledger map`: a ledger at a glance, one glyph for each transaction, in the terminal, as SVG or as JSON.
// Not verification. The rule to remember: a corrupt ledger is drawn as far as it can be read, and the command still fails.
import { basename, dirname } from 'node:path'
import { setImmediate as breathe } from 'node:timers/promises'
import { Option, type Command } from 'commander'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { CorruptDataError, UsageError } from '../../../protocols/errors.ts'
import { type File, StorageError } from '../../../store/ledger/files.ts'
import { realFiles } from '../../../store/ledger/real-files.ts'
import { chunkRow } from '../../ledger-tools/chunk-row.ts'
import { readEntries, type StreamedEntry } from '../../ledger-tools/entry-stream.ts'
import { LOOKS } from '../../ledger-tools/map-look.ts'
import {
  countRuns,
  type MapTotals,
  noTotals,
  rowsOf,
  type Run,
  runsOf,
  type Split,
} from '../../ledger-tools/map-rows.ts'
import { MapSvg } from '../../ledger-tools/map-svg.ts'
import { columnsFor, legendLines, rowLines } from '../../ledger-tools/map-terminal.ts'
import { jsonLine } from '../../ledger-tools/printable.ts'
import { KIND_TITLES, TRANSACTION_KINDS } from '../../ledger-tools/transaction-kind.ts'
import { note, printLine } from '../../terminal/output.ts'

const WIDTH_WITHOUT_TERMINAL = 91
const WIDTH_MIN = 20
const WIDTH_MAX = 1000
const SVG_COLUMNS = 80
const BREATHE_EVERY = 16

const GLYPHS = TRANSACTION_KINDS.map((kind) => `  ${LOOKS[kind].glyph}  ${KIND_TITLES[kind]}`).join('\n')

const HELP = `
One glyph for each transaction of committed and uncommitted chunks, after the seqno of the line's first:

${GLYPHS}

A transaction is of the first of these kinds that fits; only what it writes in clear is looked at.
Uncommitted chunks are dimmed. Colours follow the terminal; NO_COLOR=1 turns them off.
--split views begins a line and says so at each new view, --split services at each new service identity.
--svg writes a drawing to a new file instead; hovering names transactions. --width is characters, in SVG glyphs of a line.
--json prints one JSON object a line for each run of transactions that look the same.

Exit code 1: the ledger is corrupt or holds nothing. It is drawn up to there.
`

interface MapOptions {
  readonly svg?: string
  readonly split?: readonly Split[]
  readonly width?: number
  readonly json?: boolean
}

export function registerMap(ledger: Command, ledgerDirectory: (given: string) => string): void {
  ledger
    .command('map')
    .description('draw a ledger, one glyph for each transaction')
    .argument('<directory>', 'the ledger directory of a node')
    .option('--svg <file>', 'draw to this file, which must not exist yet')
    .option('--split <what>', 'views or services; may be repeated', splitOption)
    .option('--width <n>', `of a line, ${WIDTH_MIN} to ${WIDTH_MAX}`, widthOption)
    .addOption(new Option('--json', 'print one JSON object a line').conflicts(['svg', 'split', 'width']))
    .addHelpText('after', HELP)
    .action(async (given: string, options: MapOptions) => map(given, ledgerDirectory(given), options))
}

function splitOption(text: string, before: readonly Split[] = []): readonly Split[] {
  if (text !== 'views' && text !== 'services') throw new UsageError('--split is views or services')
  return [...before, text]
}

function widthOption(text: string): number {
  const width = /^\d{1,4}$/.test(text) ? Number(text) : NaN
  if (!(width >= WIDTH_MIN && width <= WIDTH_MAX)) throw new UsageError(`--width is ${WIDTH_MIN} to ${WIDTH_MAX}`)
  return width
}

/** What a fault ended, if one did. */
interface Ending {
  fault: CorruptDataError | undefined
}

/** Entries up to a fault, which is kept until what was read is drawn. */
function* upToFault(entries: Iterable<StreamedEntry>, ending: Ending): Generator<StreamedEntry> {
  try {
    yield* entries
  } catch (error) {
    if (!(error instanceof CorruptDataError)) throw error
    ending.fault = error
  }
}

/** Consumes to the end, letting the event loop turn. */
async function eachOf<T>(items: Iterable<T>, use: (item: T) => void): Promise<void> {
  let count = 0
  for (const item of items) {
    use(item)
    if (++count % BREATHE_EVERY === 0) await breathe()
  }
}

async function map(given: string, directory: string, options: MapOptions): Promise<void> {
  const ending: Ending = { fault: undefined }
  const entries = upToFault(readEntries(chunkRow(realFiles, directory)), ending)
  const totals = noTotals()
  const runs = countRuns(runsOf(nativeCrypto, entries), totals)
  const { svg } = options
  if (options.json === true) await eachOf(runs, (run) => printLine(jsonLine(runJson(run))))
  else if (svg === undefined) await drawText(runs, totals, options)
  else await drawSvg(runs, totals, ending, { path: svg, title: titleOf(given) }, options)
  if (ending.fault !== undefined) throw ending.fault
}

const runJson = ({ first, last, view, kind, committed, service }: Run): object => ({
  first,
  last,
  view,
  kind,
  committed,
  service: service.id,
  status: service.status,
})

async function drawText(runs: Iterable<Run>, totals: MapTotals, { split = [], width }: MapOptions): Promise<void> {
  const { stdout } = process
  const depth = stdout.isTTY ? stdout.getColorDepth() : 1
  const columns = columnsFor(width ?? (stdout.isTTY ? stdout.columns : WIDTH_WITHOUT_TERMINAL))
  await eachOf(rowsOf(runs, columns, split), (row) => {
    for (const line of rowLines(row, depth)) printLine(line)
  })
  for (const line of legendLines(totals, depth)) printLine(line)
}

/** @throws UsageError when it cannot be created: nothing of the user's is overwritten. */
function createFile(path: string): File {
  try {
    return realFiles.open(path, 'create')
  } catch (error) {
    if (error instanceof StorageError) throw new UsageError(`--svg: ${error.message}`)
    throw error
  }
}

async function drawSvg(
  runs: Iterable<Run>,
  totals: MapTotals,
  ending: Ending,
  target: { readonly path: string; readonly title: string },
  { split = [], width = SVG_COLUMNS }: MapOptions,
): Promise<void> {
  const file = createFile(target.path)
  try {
    const svg = new MapSvg((bytes, offset) => file.write(bytes, offset), width, target.title)
    await eachOf(rowsOf(runs, width, split), (row) => svg.row(row))
    svg.end(totals, ending.fault && 'The ledger is corrupt from here on.')
  } finally {
    file.close()
  }
  note(`(drawn: ${target.path})`)
}

/** The folder a person would call the ledger by. */
function titleOf(given: string): string {
  const name = basename(given)
  return `Ledger ${name === 'ledger' ? basename(dirname(given)) : name}`
}

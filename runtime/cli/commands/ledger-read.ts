// `concordat ledger read`: prints the transactions of a ledger directory, in order, private ones too when given ledger secrets.
// Not verification: `ledger verify` checks signatures. The rule to remember: output may be piped into `head`, so it gives way now and then.
import { once } from 'node:events'
import { setImmediate as breathe } from 'node:timers/promises'
import type { Command } from 'commander'
import { DecodeError, fromHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { UsageError } from '../../../protocols/errors.ts'
import { realFiles } from '../../../store/ledger/real-files.ts'
import { chunkRow, type LedgerChunk } from '../../ledger-tools/chunk-row.ts'
import { readEntries, type StreamEnd } from '../../ledger-tools/entry-stream.ts'
import { jsonLine, SHOWN_CHARS_MAX } from '../../ledger-tools/printable.ts'
import { reportJson, reportLines, reportTransaction, type Wanted } from '../../ledger-tools/transaction-report.ts'
import { note, printLine } from '../../terminal/output.ts'
import { gather, readSecrets } from '../secret-files.ts'

/** Entries between two looks at whether anybody still reads what is printed. */
const BREATHE_EVERY = 256

const HELP = `
One transaction after the other: id, kind, entry type, flags, digests, then the writes and removes of each map.
Values are shown as JSON if they parse as JSON, as text if that is printable UTF-8, else as 0x and hexadecimal;
cut after ${SHOWN_CHARS_MAX} characters, unless --full. Line ends show as ␊; control characters are never printed as they are.
Only committed chunks are read, unless --uncommitted. Chunks of an unfinished recovery are marked as such.

A --secret FILE holds the 32 bytes of a ledger secret, raw or as 64 hex digits (version 1), or JSON of several:
{"1": "<64 hex digits>", "29": "…"}, each in force from the seqno that is its version. With a secret every entry
is authenticated; one that does not open ends the command. Signatures are not checked: see concordat ledger verify.

--json prints one JSON object a line. Keys are {text} or {hex}, values {json}, {text} or {hex}; "cut" and "bytes"
say that there is more. "text" beside "json" is the original where parsing would change numbers or spacing.

Exit code 1: the ledger is corrupt (file, offset and seqno are named), holds nothing, or a secret does not fit.

  concordat ledger read ./ledger --from 100 --to 120
  concordat ledger read ./ledger --table 'ccf\\.gov\\.proposals' --full
  concordat ledger read ./ledger --key 0x0000000000000000 --table service.info --json
`

interface ReadOptions {
  readonly from?: number
  readonly to?: number
  readonly table?: RegExp
  readonly key?: Uint8Array
  readonly secret?: readonly string[]
  readonly uncommitted?: boolean
  readonly full?: boolean
  readonly json?: boolean
}

export function registerRead(ledger: Command, ledgerDirectory: (given: string) => string): void {
  ledger
    .command('read')
    .description('print the transactions of a ledger, in order')
    .argument('<directory>', 'the ledger directory of a node')
    .option('--from <seqno>', 'first transaction', seqnoOption)
    .option('--to <seqno>', 'last transaction', seqnoOption)
    .option('--table <regex>', 'only maps whose names it matches', regexOption)
    .option('--key <key>', 'only this key: its text, or 0x and hex digits', keyOption)
    .option('--secret <file>', 'ledger secret(s), to open private maps; may be repeated', gather)
    .option('--uncommitted', 'also chunks that are not committed')
    .option('--full', 'cut nothing')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', HELP)
    .action(async (given: string, options: ReadOptions) => read(ledgerDirectory(given), options))
}

/** @throws UsageError */
function seqnoOption(text: string): number {
  const seqno = /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(seqno)) throw new UsageError(`${JSON.stringify(text)} is not a seqno: 1, 2, …`)
  return seqno
}

function regexOption(text: string): RegExp {
  try {
    return new RegExp(text, 'u')
  } catch (error) {
    throw new UsageError(`--table: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function keyOption(text: string): Uint8Array {
  if (!text.startsWith('0x')) return utf8(text)
  try {
    return fromHex(text.slice(2))
  } catch (error) {
    if (error instanceof DecodeError) throw new UsageError('--key: 0x must be followed by pairs of hex digits')
    throw error
  }
}

/** Lets the event loop turn, and waits for a slow reader: so memory stays flat and a closed pipe is noticed. */
async function giveWay(): Promise<void> {
  if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
  else await breathe()
}

async function read(directory: string, options: ReadOptions): Promise<void> {
  const { from, to, json, uncommitted } = options
  if (from !== undefined && to !== undefined && from > to) throw new UsageError('--from is after --to')
  const secrets = await readSecrets(options.secret ?? [])
  const all = chunkRow(realFiles, directory)
  const chunks = uncommitted === true ? all : all.filter(({ committed }) => committed)
  const wanted: Wanted = { table: options.table, key: options.key }
  const charsMax = options.full === true ? Infinity : SHOWN_CHARS_MAX
  const entries = readEntries(chunks, { ...(from !== undefined && { from }), ...(to !== undefined && { to }) })
  let next = entries.next()
  for (let count = 1; next.done !== true; next = entries.next(), count++) {
    const report = reportTransaction(nativeCrypto, next.value, secrets, wanted)
    if (report !== undefined)
      printLine(
        json === true ? jsonLine(reportJson(report, charsMax)) : reportLines(report, wanted, charsMax).join('\n'),
      )
    if (count % BREATHE_EVERY === 0) await giveWay()
  }
  remark(next.value, all.length - chunks.length, chunks)
}

/** What a person should know besides: on stderr. */
function remark({ lastSeqno, torn }: StreamEnd, leftOut: number, chunks: readonly LedgerChunk[]): void {
  if (leftOut > 0)
    note(`(${leftOut} uncommitted ${leftOut === 1 ? 'chunk' : 'chunks'} not read; --uncommitted reads them too)`)
  if (torn !== undefined) note(`(${torn.file}: ${torn.bytes} torn bytes at byte ${torn.offset}: never acknowledged)`)
  if (lastSeqno === 0 && chunks.length > 0) note('(no transactions in that range)')
}

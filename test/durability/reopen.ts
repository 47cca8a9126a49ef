// Opens what a crash left and holds it against the promise. Used over every file system there is.
// The rule to remember: everything promised is there byte for byte, nothing is there that was not appended, and what was cut is said.
import { equalBytes } from '../../protocols/codec/bytes.ts'
import type { FileSystem } from '../../store/ledger/files.ts'
import { type Ledger, openLedger } from '../../store/ledger/ledger.ts'
import { joinPath } from '../../store/ledger/files.ts'
import { lastSignature, type Log } from './chain.ts'
import type { Promised } from './story.ts'

export type Reopened =
  | { readonly ledger: Ledger; readonly problem: undefined; readonly outcome: string }
  | { readonly ledger: undefined; readonly problem: string }

const bytesIn = (files: FileSystem, directory: string): number =>
  files.readdir(directory).reduce((sum, name) => {
    const file = files.open(joinPath(directory, name), 'read')
    const size = file.size()
    file.close()
    return sum + size
  }, 0)

/** @throws nothing: whatever goes wrong is the problem. */
export function reopen(files: FileSystem, directory: string, promised: Promised): Reopened {
  try {
    files.mkdir(directory)
    const before = bytesIn(files, directory)
    const ledger = openLedger({ directory, files, chunkBytes: 1500 })
    const { cuts, setAside } = ledger.recovery
    const said = cuts.reduce((sum, cut) => sum + cut.bytes, 0)
    const gone = before - bytesIn(files, directory)
    const problem = gone === said ? broken(ledger, promised) : `${gone} bytes are gone, ${said} were said to be cut`
    if (problem !== undefined) return { ledger: undefined, problem }
    const outcome = setAside.length > 0 ? 'file set aside' : cuts.length > 0 ? 'tail cut' : 'whole'
    return { ledger, problem: undefined, outcome }
  } catch (error) {
    return { ledger: undefined, problem: error instanceof Error ? error.message : String(error) }
  }
}

/** What of the promise the opened ledger does not keep. */
export function broken(ledger: Ledger, { logs, durable, committed }: Promised): string | undefined {
  const end = ledger.lastSeqno
  if (end < committed) return `committed up to ${committed}, found up to ${end}`
  const promisedEnd = lastSignature(logs[0]!, durable)
  if (end < promisedEnd) return `durable up to signature ${promisedEnd}, found up to ${end}`
  if (ledger.firstSeqno !== (end === 0 ? 0 : 1)) return `begins at ${ledger.firstSeqno}`
  const found = ledger.readRange(1, end, Infinity)
  if (found.length !== end) return `${found.length} of ${end} entries can be read`
  const differs = logs.map((log) => difference(found, log))
  return differs.includes(undefined) ? undefined : differs[0]
}

function difference(
  found: readonly { readonly seqno: number; readonly bytes: Uint8Array }[],
  log: Log,
): string | undefined {
  const invented = found.find(
    ({ seqno, bytes }) => log[seqno - 1] === undefined || !equalBytes(bytes, log[seqno - 1]!.bytes),
  )
  if (invented !== undefined) return `seqno ${invented.seqno} is not what was appended`
  if (found.length > 0 && !log[found.length - 1]!.committable) return `ends at ${found.length}, which is no signature`
  return undefined
}

// `concordat snapshot list`: what the snapshots of a node are worth, each by its file alone. To hold them against a ledger: `ledger verify --snapshots`.
// Not the verification (protocols/snapshot). The rule to remember: a snapshot that fails is named with the reason, and the others are still judged.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { equalBytes } from '../../../protocols/codec/bytes.ts'
import { parseCertificate, type Certificate } from '../../../protocols/crypto/certificate.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { CorruptDataError, UsageError } from '../../../protocols/errors.ts'
import { formatTxId } from '../../../protocols/ids.ts'
import { SNAPSHOT_BYTES_MAX } from '../../../protocols/limits.ts'
import { parseSnapshotFileName, type SnapshotFileName } from '../../../protocols/snapshot/format.ts'
import { verifySnapshot } from '../../../protocols/snapshot/verify.ts'
import { note, printJson, printLine } from '../../terminal/output.ts'
import { readTextInput } from '../input.ts'

const EXIT_PROBLEM = 1

interface ListOptions {
  readonly serviceCert?: string
  readonly json?: boolean
}

interface ListedSnapshot {
  readonly file: string
  readonly seqno: number
  /** `<view>.<seqno>` when it is verified, else the seqno that the file's name states. */
  readonly evidence: string
  readonly bytes: number
  /** `incomplete`: no receipt yet, proves nothing. */
  readonly standing: 'verified' | 'incomplete' | 'refused'
  readonly reason?: string
}

export function register(program: Command): void {
  const snapshot = program.command('snapshot').description('look at snapshot files')
  snapshot
    .command('list')
    .description('the snapshots in a directory: seqno, evidence, size, and whether their receipts hold')
    .argument(
      '<directory>',
      "of a node, or its snapshots/; to ask for a new one: 'concordat call POST /node/snapshot:create'",
    )
    .option('--service-cert <file>', 'PEM of the service that they must be of (- for stdin)')
    .option('--json', 'print one JSON object')
    .action(list)
}

async function list(given: string, options: ListOptions): Promise<void> {
  const directory = snapshotDirectory(given)
  const { serviceCert, json } = options
  const trusted =
    serviceCert === undefined ? undefined : parseCertificate(await readTextInput(serviceCert, 'service certificate'))
  const snapshots = readdirSync(directory)
    .flatMap((file) => {
      const name = parseSnapshotFileName(file)
      return name === undefined ? [] : [{ file, name }]
    })
    .sort((a, b) => a.name.seqno - b.name.seqno || a.name.evidenceSeqno - b.name.evidenceSeqno)
    .map(({ file, name }) => judge(directory, file, name, trusted))
  if (snapshots.some(({ standing }) => standing === 'refused')) process.exitCode = EXIT_PROBLEM
  if (json) return printJson({ directory, trusted: trusted !== undefined, snapshots })
  for (const { file, seqno, evidence, bytes, standing, reason } of snapshots) {
    printLine(
      `${file}  seqno ${seqno}  evidence ${evidence}  ${bytes} bytes  ${standing}${reason ? `: ${reason}` : ''}`,
    )
  }
  if (snapshots.length === 0) printLine('no snapshots')
  else if (trusted === undefined) note('(no --service-cert: a snapshot only vouches for itself)')
}

function snapshotDirectory(given: string): string {
  for (const directory of [join(given, 'snapshots'), given]) {
    if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return directory
  }
  throw new UsageError(`${given} is not a directory`)
}

function judge(
  directory: string,
  file: string,
  name: SnapshotFileName,
  trusted: Certificate | undefined,
): ListedSnapshot {
  const path = join(directory, file)
  const { size: bytes } = statSync(path)
  const common = { file, seqno: name.seqno, evidence: String(name.evidenceSeqno), bytes }
  if (!name.committed) return { ...common, standing: 'incomplete', reason: 'no receipt yet, proves nothing' }
  if (bytes > SNAPSHOT_BYTES_MAX) {
    return { ...common, standing: 'refused', reason: `more than the ${SNAPSHOT_BYTES_MAX} bytes a snapshot may have` }
  }
  try {
    const { evidence, service } = verifySnapshot(nativeCrypto, file, new Uint8Array(readFileSync(path)))
    const isTrusted = trusted === undefined || equalBytes(service.certificate!.publicKey.spki, trusted.spki)
    if (!isTrusted) return { ...common, standing: 'refused', reason: 'is of another service' }
    return { ...common, evidence: formatTxId(evidence), standing: 'verified' }
  } catch (error) {
    if (!(error instanceof CorruptDataError)) throw error
    return { ...common, standing: 'refused', reason: error.message }
  }
}
